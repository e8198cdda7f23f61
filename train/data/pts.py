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

The points may also be called x.jpg.pts, or lie in a folder labels (landmarks, points ...) beside one called images,
with the same folders below both. Who is who, which a validation split must not cut, is in ``identities``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing import files, images
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data import ibug
from train.data.identities import Identities
from train.data.samples import Note, Sample, fault, unset
from train.data.walk import OF_PICTURES, OF_POINTS, walk

SPLITS = ibug.SPLITS
EXPECTED = ".pts files beside the pictures"
_LARGEST_FILE = 1 << 20
_POINTS = ".pts"


def recognises(folder: Path) -> bool:
    return any(name.lower().endswith(_POINTS) for _, names in walk(folder) for name in names)


def annotations(folder: Path, split: str) -> Path:
    return folder


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every ``.pts`` below the folder that belongs to the split, in the order of names; InputErrors are yielded for
    what must be left out, pictures without points among them. Of subfolders that are called as a split only those of
    ``split`` are read. ``attributes`` name a test set's subset: common, challenging, private, category 1 to 3.
    InputError, raised: a point file with two pictures, a table of names that names none (identities).
    """
    top = folder.resolve()
    identities, of_others = identities_of(folder), 0
    for here, pictures, points in scan(folder):
        below = here.relative_to(folder).parts
        if not ibug.wanted(top.parts, below, split):
            of_others += len(points)
            continue
        parts = top.parts + below
        # the collection, where a folder of several was named
        source = ibug.collection(below) or "/".join(top.parts[-2:])
        for stem in sorted(pictures.keys() | points.keys()):
            try:
                landmarks = _labelled(here, stem, pictures, points, layout)
            except InputError as error:
                yield error
                continue
            name = "/".join(["/".join(top.parts[-2:]), *below, stem])
            of = identities.group(here, stem, points)
            yield Sample(pictures[stem], landmarks, of, source, name, attributes=ibug.attributes(parts))
    yield from map(Note, identities.notes())
    if of_others:
        yield Note(f"not of {split}, and passed over: {of_others} point files")


def identities_of(folder: Path) -> Identities:
    """Who is who below a folder. InputError: a table of names that cannot be read."""
    return Identities(folder, ((here, points) for here, names in walk(folder) if (points := _points(here, names))))


def _labelled(here: Path, stem: str, pictures: dict[str, Path], points: dict[str, str], layout: Layout) -> np.ndarray:
    if stem not in points:
        raise InputError(f"{pictures[stem]}: no .pts beside this picture")
    if stem not in pictures:
        raise InputError(f"{here / points[stem]}: no picture beside it ({', '.join(images.SUFFIXES)})")
    return read_points(here / points[stem], layout)


def scan(folder: Path) -> Iterator[tuple[Path, dict[str, Path], dict[str, str]]]:
    """(folder, stem -> picture, stem -> name of its .pts) of every folder below that has any, in the order of names.

    InputError: two pictures of one stem, or two .pts files; which of them belong together is not guessed.
    """
    for here, names in walk(folder):
        points = _points(here, names)
        places = [(here, names)]
        if points and (beside := _beside(here, folder, OF_POINTS, OF_PICTURES)):
            places.append((beside, sorted(os.listdir(beside))))
        pictures = _pictures(places, points)
        if points or (pictures and not _beside(here, folder, OF_PICTURES, OF_POINTS)):
            yield here, pictures, points


def _points(here: Path, names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        if name.lower().endswith(_POINTS):
            stem = name[: -len(_POINTS)]
            stem = os.path.splitext(stem)[0] if stem.lower().endswith(images.SUFFIXES) else stem
            if stem in found:
                raise InputError(f"{here}: {found[stem]} and {name} are points of one picture; move one elsewhere")
            found[stem] = name
    return found


def _pictures(places: list[tuple[Path, list[str]]], points: dict[str, str]) -> dict[str, Path]:
    """stem -> picture; one without points of its own has its whole name for a stem where that is taken."""
    found: dict[str, Path] = {}
    for path in [here / name for here, names in places for name in names if name.lower().endswith(images.SUFFIXES)]:
        stem = path.stem
        named = points.get(stem, "")[: -len(_POINTS)]  # x.jpg where the points are x.jpg.pts
        if named != stem and named and named != path.name:
            found[path.name] = path
        elif stem in found and named:
            raise InputError(
                f"{found[stem]} and {path}: two pictures, one {points[stem]}; move the one that is no photograph (a "
                f"mask?) elsewhere, or call the points as their picture, such as {found[stem].name}{_POINTS}"
            )
        else:
            found[path.name if stem in found else stem] = path
    return found


def _beside(here: Path, folder: Path, own: tuple[str, ...], other: tuple[str, ...]) -> Path | None:
    """For a folder below one of the ``own`` names the same place below one of the ``other``: labels/a and images/a;
    where labels/a was named itself, too."""
    whole = here.absolute()
    for depth in range(len(whole.parts) - 1, max(len(folder.absolute().parts) - 4, 0), -1):
        if whole.parts[depth].lower() in own:
            above, below = Path(*whole.parts[:depth]), whole.parts[depth + 1 :]
            found = [n for n in sorted(os.listdir(above)) if n.lower() in other and above.joinpath(n, *below).is_dir()]
            return above.joinpath(found[0], *below) if found else None
    return None


def read_points(path: Path, layout: Layout) -> np.ndarray:
    """(N, 2) float32, image pixels, 0-based; NaN where nobody set a point. InputError ``file:line: reason``."""
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
        raise InputError(f"{path}:{number}: {counted(len(values), 'points')}, layout {layout.name} has {layout.points}")
    landmarks, absent = to_zero_based(np.array(values)), unset(np.array(values))
    landmarks[absent] = np.nan
    if reason := fault(landmarks, visibility=~absent):
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
