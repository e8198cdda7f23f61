"""LabelMe: a JSON file for each picture, anywhere below a folder; its ``shapes`` are points and rectangles.

A point's label is a point of the layout. Shapes of one ``group_id`` are one object, and so are all that have none. A
rectangle of the same group is its box. A flag ``occluded`` makes a point hidden but marked (visibility 1); points that
are not in the file are not in the picture (0).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import objects, splits
from train.data.objects import Objects
from train.data.samples import Note, Sample
from train.data.walk import walk

SPLITS = splits.SPLITS
EXPECTED = "JSON of LabelMe"
_LARGEST_FILE = 128 << 20  # the picture may be in it, as text
_FLAGS = ("occluded", "hidden")


def recognises(folder: Path) -> bool:
    return any(True for _ in _files(folder))


def lists(folder: Path) -> list[Path]:
    """The folder itself, where there are such files in it or below."""
    return [folder] if recognises(folder) else []


def annotations(folder: Path, split: str) -> Path:
    return folder


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every object of every file below, in the order of names; InputErrors ``file: reason`` are yielded for what must
    be left out, and one for shapes that are neither points nor boxes of objects."""
    made = Objects(layout, folder, split)
    for path in _json(folder):
        if not _looks_like(path):
            made.skipped["files of JSON that is not LabelMe's"] += 1
            continue
        try:
            content = _parsed(path)
            picture = str(content.get("imagePath") or "")
            if not made.wanted(f"{path.parent.relative_to(made.folder).as_posix()}/{picture}"):
                continue
            grouped = _grouped(content["shapes"], made)
        except InputError as error:
            yield error
            continue
        if not grouped:
            made.skipped["pictures without points"] += 1
        for key, (points, boxes) in grouped.items():
            try:
                if isinstance(points, InputError):
                    raise points
                size = content.get("imageWidth"), content.get("imageHeight")
                yield made.sample(picture, path.parent, points, key, _box(boxes), size=size, guessed=key is None)
            except InputError as error:
                yield type(error)(f"{path}: {'' if key is None else f'group {str(key)[:40]}: '}{error}")
    yield from made.ending(folder)


def layout_of(folder: Path) -> Layout:
    """The points that files of a folder name. InputError: none."""
    labels = {}
    for path in _files(folder):
        try:
            labels |= {str(shape.get("label")): 0 for shape in _parsed(path)["shapes"] if _kind(shape) == "point"}
        except InputError:
            continue  # the reason is found again, and shown, when its points are read
    return objects.layout_of(labels, folder)


def _grouped(shapes: list[dict], made: Objects) -> dict:
    """group -> its points, or what is wrong with them, and its rectangles."""
    points: dict = {}
    boxes: dict = {}
    for shape in shapes:
        kind, group = _kind(shape), shape.get("group_id")
        group = group if isinstance(group, int | str) else None
        if kind == "rectangle":
            boxes.setdefault(group, []).append(shape)
        elif kind != "point":
            made.skipped[f"shapes other than points and rectangles ({str(kind)[:20]})"] += 1
        elif (index := made.labels.index(shape.get("label"))) is not None:
            found = points.setdefault(group, made.empty())
            try:
                if not isinstance(found, InputError):
                    ((x, y),) = _places(shape, 1)
                    made.put(found, index, x, y, 1 if _hidden(shape) else 2)
            except InputError as error:
                hint = "; give each object a group_id" if group is None else ""
                points[group] = InputError(f"{error}{hint}")
    if left := sum(len(found) for group, found in boxes.items() if group not in points):
        made.skipped["boxes of no object"] += left
    if several := sum(len(found) for found in boxes.values() if len(found) > 1):
        made.skipped["boxes of objects that have several"] += several
    return {group: (found, boxes.get(group, [])) for group, found in points.items()}


def _box(boxes: list[dict]) -> np.ndarray | None:
    """Two corners, whichever; several boxes are none."""
    if len(boxes) != 1:
        return None
    corners = _places(boxes[0], 2)
    return np.concatenate([corners.min(axis=0), corners.max(axis=0)])


def _kind(shape: dict) -> object:
    return shape.get("shape_type", "polygon")


def _hidden(shape: dict) -> bool:
    flags = shape.get("flags")
    return any(bool(of.get(name)) for of in (flags, shape) if isinstance(of, dict) for name in _FLAGS)


def _places(shape: dict, count: int) -> np.ndarray:
    """(count, 2) x, y of a shape, from the centre of the top-left pixel."""
    places = shape.get("points")
    whole = isinstance(places, list) and len(places) == count
    for place in places if whole else ():
        whole &= isinstance(place, list) and len(place) == 2
        whole = whole and all(map(objects.is_finite, place))
    if not whole:
        raise InputError(f"shape {str(shape.get('label'))[:60]!r}: expected {count} x, y of finite numbers")
    return np.array(places, float) - objects.CORNER


def _files(folder: Path) -> Iterator[Path]:
    return filter(_looks_like, _json(folder))


def _json(folder: Path) -> Iterator[Path]:
    found = [(folder.parent, [folder.name])] if folder.is_file() else walk(folder)
    paths = (here / name for here, names in found for name in names if name.lower().endswith(".json"))
    return (path for path in paths if path.is_file())


def _looks_like(path: Path) -> bool:
    """Known by its first and last bytes, as a picture may lie between them."""
    text = objects.ends(path)
    return b'"shapes"' in text and any(key in text for key in (b'"imagePath"', b'"shape_type"', b'"flags"'))


def _parsed(path: Path) -> dict:
    return objects.json_of(path, _LARGEST_FILE, ("shapes",), "LabelMe's JSON")
