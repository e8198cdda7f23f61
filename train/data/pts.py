"""iBUG ``.pts`` files beside pictures of the same stem: 300-W, HELEN, LFPW, AFW, iBUG, Menpo, YouTube Faces.

    version: 1
    n_points: 68
    {
    112.168 108.808
    ...
    }

The files count pixels from 1 (Matlab); ``to_zero_based`` is the one place where that ends. Which folders belong to
which split of 300-W and 300-VW is in ``ibug``. 300-VW comes as 001/vid.avi and 001/annot/000001.pts: its frames must be
pictures first, beside the points or in 001/frames (ffmpeg -i 001/vid.avi -start_number 1 001/frames/%06d.jpg).

Groups, the identities that a validation split must not cut, in this order:
- a video of 300-VW;
- where ``FOLDER_near_duplicates.txt`` lies beside the folder (or any ``*near_duplicates.txt`` inside it), each of its
  lines names one photograph under several names;
- where a ``frames.csv`` with columns name and person lies in the folder or its parent (YouTube Faces), the person;
- names such as ``100040721_2`` (HELEN, AFW: photo number of Flickr, face): the number, and numbers less than 10,000
  apart together: uploads of one shoot (among HELEN's 783 numbers 73 neighbours are that near, by chance it were 2);
- else the name without ``_mirror``.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing import files
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import ibug
from train.data.samples import Sample, fault

SPLITS = ibug.SPLITS
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp")
_LARGEST_FILE = 1 << 20
_LARGEST_TABLE = 64 << 20
_FLICKR = re.compile(r"(\d{5,18})_\d+")
_SAME_SHOOT = 10_000


def recognises(folder: Path) -> bool:
    return any(name.lower().endswith(".pts") for _, _, names in os.walk(folder) for name in names)


def annotations(folder: Path, split: str) -> Path:
    return folder


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError]:
    """Every ``.pts`` below the folder that belongs to the split, in the order of names; InputErrors are yielded for
    what must be left out, pictures without points among them. Of subfolders named train(set) or test(set) only those
    of ``split`` are read. ``attributes`` name a test set's subset: common, challenging, private, category 1 to 3.
    """
    top = folder.resolve()
    for here, pictures, points in scan(folder):
        below = here.relative_to(folder).parts
        if not ibug.wanted(top.parts, below, split):
            continue
        parts = top.parts + below
        collection, video = ibug.collection(below), ibug.video(parts)
        # the collection, where a folder of several was named
        source = collection if collection else "/".join(top.parts[-2:])
        group = _groups(here, points)
        for stem in sorted(pictures.keys() | points.keys()):
            if stem not in points:
                yield InputError(f"{pictures[stem]}: no .pts beside this picture")
                continue
            if stem not in pictures:
                yield InputError(f"{here / points[stem]}: no picture beside it ({', '.join(SUFFIXES)})")
                continue
            try:
                landmarks = read_points(here / points[stem], layout)
            except InputError as error:
                yield error
                continue
            name = "/".join(["/".join(top.parts[-2:]), *below, stem])
            # a person may be in trainset and testset, so the group is named after the dataset, not the folder
            of = f"{top.parent.name}:{group(stem)}" if video is None else f"300vw:{video}"
            yield Sample(pictures[stem], landmarks, of, source, name, attributes=ibug.attributes(parts))


def scan(folder: Path) -> Iterator[tuple[Path, dict[str, Path], dict[str, str]]]:
    """(folder, stem -> picture, stem -> name of its .pts) of every folder below that has any, in the order of names."""
    for path, subfolders, names in os.walk(folder):
        subfolders.sort()
        here = Path(path)
        pictures = _pictures(here, names)
        points = {os.path.splitext(n)[0]: n for n in sorted(names) if n.lower().endswith(".pts")}
        if here.name == "annot" and points:
            frames = here.parent / "frames"
            pictures |= _pictures(frames, os.listdir(frames)) if frames.is_dir() else {}
        if points or (pictures and not (here.name == "frames" and (here.parent / "annot").is_dir())):
            yield here, pictures, points


def _pictures(folder: Path, names) -> dict[str, Path]:
    return {os.path.splitext(n)[0]: folder / n for n in sorted(names) if n.lower().endswith(SUFFIXES)}


def read_points(path: Path, layout: Layout) -> np.ndarray:
    """(N, 2) float32, image pixels, 0-based. InputError ``file:line: reason``."""
    lines = files.read(path, _LARGEST_FILE).decode("utf-8", "replace").splitlines()
    values: list[tuple[float, float]] = []
    inside = closed = False
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not inside:
            key, _, value = text.partition(":")
            if key.strip() == "n_points" and value.strip() != str(layout.points):
                count = value.strip()[:20]
                raise InputError(f"{path}:{number}: n_points is {count}, layout {layout.name} has {layout.points}")
            inside = text.startswith("{")
            text = text[1:].strip() if inside else ""
        if text.endswith("}"):
            closed, text = True, text[:-1].strip()
        if text:
            values.append(_pair(path, number, text))
        if closed:
            break
    if not closed:
        raise InputError(f"{path}:{len(lines)}: the points are not enclosed in {{ }}; the file is cut off or no .pts")
    if len(values) != layout.points:
        raise InputError(f"{path}:{number}: {len(values)} points, layout {layout.name} has {layout.points}")
    landmarks = to_zero_based(np.array(values))
    if reason := fault(landmarks):
        raise InputError(f"{path}:{number}: {reason}")
    return landmarks.astype(np.float32)


def points_of(path: Path) -> int:
    """How many points a ``.pts`` says it has. InputError where it does not say."""
    for line in files.read(path, _LARGEST_FILE).decode("utf-8", "replace").splitlines()[:10]:
        key, _, value = line.partition(":")
        if key.strip() == "n_points" and value.strip().isdigit() and len(value) < 10:
            return int(value)
    raise InputError(f"{path}: no line n_points in its head; not a .pts, or cut off")


def to_zero_based(points: np.ndarray) -> np.ndarray:
    """Matlab's frame, where the centre of the top-left pixel is (1, 1), to ours, where it is (0, 0)."""
    return points - 1.0


def _pair(path: Path, number: int, text: str) -> tuple[float, float]:
    try:
        x, y = map(float, text.split())
    except ValueError:
        raise InputError(f"{path}:{number}: expected two numbers x y, found {text[:40]!r}") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise InputError(f"{path}:{number}: a coordinate is not a finite number: {text[:40]!r}")
    return x, y


def _groups(folder: Path, stems):
    """stem -> group, for one folder; see the top of this file."""
    near = _near_duplicates(folder)
    persons = _persons(folder)
    shoots = _shoots(stems)

    def group(stem: str) -> str:
        stem = stem.removesuffix("_mirror")
        if stem in near:
            return near[stem]
        if persons:
            return persons.get(stem) or stem.rsplit("_", 1)[0]
        return shoots.get(stem) or stem

    return group


def _near_duplicates(folder: Path) -> dict[str, str]:
    beside = folder.resolve().parent / f"{folder.resolve().name}_near_duplicates.txt"
    found = {}
    for path in [*sorted(folder.glob("*near_duplicates.txt")), *([beside] if beside.is_file() else [])]:
        for line in files.read(path, _LARGEST_TABLE).decode("utf-8", "replace").splitlines():
            names = line.split()
            found.update((name, names[0]) for name in names)
    return found


def _persons(folder: Path) -> dict[str, str]:
    for path in (folder / "frames.csv", folder.resolve().parent / "frames.csv"):
        if path.is_file():
            rows = csv.DictReader(files.read(path, _LARGEST_TABLE).decode("utf-8", "replace").splitlines())
            try:
                return {row["name"]: row["person"] for row in rows if row.get("name") and row.get("person")}
            except csv.Error as error:
                raise InputError(f"{path}:{rows.line_num}: {error}; mend or remove this file") from None
    return {}


def _shoots(stems) -> dict[str, str]:
    numbers = {stem: int(match[1]) for stem in stems if (match := _FLICKR.fullmatch(stem.removesuffix("_mirror")))}
    first, last, shoot = "", -_SAME_SHOOT, {}
    for number in sorted(set(numbers.values())):
        if number - last >= _SAME_SHOOT:
            first = str(number)
        shoot[number], last = first, number
    return {stem: shoot[number] for stem, number in numbers.items()}
