"""CVAT's XML for images 1.1: ``<image name=...>`` with ``<skeleton>``, ``<points>`` and ``<box>`` in it.

A skeleton is an object: its points have the labels of the layout's; outside="1" is no such point (visibility 0),
occluded="1" hidden but marked (1). A ``<points>`` of several places is an object too, with all points in the layout's
order; those of one place are points by their label, of one object for each group_id and one of those without. A
box is that of the object of its group_id, or of the only object of the picture.

A project's export names a subset for each picture: those called as another split are passed over. The file is read as a
stream, and one with a DOCTYPE (entities of its own, files from elsewhere) is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from edgewing import files
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data import objects, splits
from train.data.objects import Files, Objects
from train.data.samples import Note, Sample

SPLITS = splits.SPLITS
EXPECTED = "CVAT's XML"
_LARGEST_FILE = 1 << 30
_MOST_SHAPES = 100_000  # of a picture
_HEAD, _BLOCK = 1 << 14, 1 << 20
_OTHERS = ("polygon", "polyline", "mask", "ellipse", "cuboid", "tag")


@dataclass
class _Shape:
    """points: of a skeleton."""

    kind: str
    about: dict[str, str]
    points: list[dict[str, str]] = field(default_factory=list)


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every object; InputErrors ``file:line: reason`` are yielded for what must be left out, and one for shapes that
    are neither points nor boxes of objects. InputError, raised: no such file, or not of this format."""
    path = annotations(folder, split)
    made = Objects(layout, path, split)
    for line, about, shapes in _images(path):
        if not made.wanted(about.get("name", ""), subset=about.get("subset", "")):
            continue
        where = f"{path}:{line}: "
        found = _objects(shapes, made)
        if not found:
            made.skipped["pictures without points"] += 1
        for number, (points, boxes) in enumerate(found):
            try:
                if isinstance(points, InputError):
                    raise points
                size = about.get("width"), about.get("height")
                yield made.sample(
                    about.get("name", ""),
                    path.parent,
                    points,
                    number,
                    _box(boxes),
                    size=size,
                    guessed=not _grouped(boxes),
                )
            except InputError as error:
                yield type(error)(f"{where}{error}")
    yield from made.ending(path)


def layout_of(path: Path) -> Layout:
    """The points that a file has. InputError: none."""
    labels: dict[str, int] = {}
    for _, _, shapes in _images(path):
        for shape in shapes:
            count = shape.about.get("points", "").count(";") + 1
            if shape.kind == "points" and count > 1:
                labels |= {str(number): 0 for number in range(count)}
            elif shape.kind in ("points", "skeleton"):
                labels |= {about.get("label", ""): 0 for about in shape.points or [shape.about]}
    return objects.layout_of(labels, path)


def _objects(shapes: list[_Shape], made: Objects) -> list[tuple[np.ndarray | InputError, list[_Shape]]]:
    """(points or what is wrong with them, boxes) of each object of a picture."""
    found: list[tuple[np.ndarray | InputError, str]] = []
    single: dict[str, list[dict[str, str]]] = {}
    boxes: dict[str, list[_Shape]] = {}
    for shape in shapes:
        group = shape.about.get("group_id", "")
        if shape.kind == "box":
            boxes.setdefault(group, []).append(shape)
        elif shape.kind == "skeleton":
            made.kinds[shape.about.get("label", "")[:60]] += 1
            found.append((_marked(shape.points, made), group))
        elif shape.kind != "points":
            made.skipped[f"shapes other than points and boxes ({shape.kind})"] += 1
        elif ";" in shape.about.get("points", ""):
            made.kinds[shape.about.get("label", "")[:60]] += 1
            found.append((_ordered(shape.about, made), group))
        else:
            single.setdefault(group, []).append(shape.about)
    for group, abouts in single.items():
        if (points := _marked(abouts, made)) is not None:
            found.append((points, group))
    found = [(points, group) for points, group in found if points is not None]
    if len(found) == 1:
        return [(found[0][0], [box for of in boxes.values() for box in of])]
    groups = [group for _, group in found]
    for group, of in boxes.items():
        if not group or groups.count(group) != 1:
            made.skipped["boxes of no object, or of several"] += len(of)
            boxes[group] = []
    return [(points, boxes.get(group, [])) for points, group in found]


def _marked(abouts: list[dict[str, str]], made: Objects) -> np.ndarray | InputError | None:
    """Points by their labels; None where no label is one of the layout's."""
    points, known = made.empty(), False
    for about in abouts:
        index = made.labels.index(about.get("label", ""))
        if index is None:
            continue
        known = True
        if about.get("outside") == "1":
            continue
        try:
            places = _places(about)
            if len(places) != 1:
                raise InputError(f"{len(places)} places for one point {about.get('label', '')[:60]!r}")
            made.put(points, index, *places[0], _visibility(about))
        except InputError as error:
            return error
    return points if known else None


def _ordered(about: dict[str, str], made: Objects) -> np.ndarray | InputError:
    """All points in the layout's order."""
    try:
        places = _places(about)
    except InputError as error:
        return error
    if len(places) != made.layout.points:
        return InputError(f"{counted(len(places), 'points')}, layout {made.layout.name} has {made.layout.points}")
    return np.column_stack([places, np.full(len(places), _visibility(about))])


def _visibility(about: dict[str, str]) -> int:
    return 1 if about.get("occluded") == "1" else 2


def _places(about: dict[str, str]) -> np.ndarray:
    """(count, 2) x, y of "x,y;x,y", from the centre of the top-left pixel."""
    text = about.get("points", "")
    try:
        places = [[float(value) for value in pair.split(",")] for pair in text.split(";")]
    except ValueError:
        places = []
    if not places or not all(len(place) == 2 and all(map(math.isfinite, place)) for place in places):
        label = about.get("label", "")[:60]
        raise InputError(f"points {text[:40]!r} of {label!r}: expected x,y;x,y of finite numbers")
    return np.array(places) - objects.CORNER


def _grouped(boxes: list[_Shape]) -> bool:
    """Whether the file says whose they are."""
    return bool(boxes) and bool(boxes[0].about.get("group_id"))


def _box(boxes: list[_Shape]) -> np.ndarray | None:
    if len(boxes) > 1:
        raise InputError(f"{len(boxes)} boxes of one object")
    if not boxes:
        return None
    try:
        return np.array([float(boxes[0].about[name]) for name in ("xtl", "ytl", "xbr", "ybr")]) - objects.CORNER
    except (KeyError, ValueError):
        raise InputError("a box without xtl, ytl, xbr, ybr") from None


class _Reading:
    """What expat calls: pictures pile up in ``images`` as (line, attributes, shapes)."""

    def __init__(self, path: Path):
        self.path = path
        self.images: list[tuple[int, dict[str, str], list[_Shape]]] = []
        self.done = 0
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler, self.parser.EndElementHandler = self.start, self.end
        self._open, self._skeleton = False, None

    def doctype(self, *_) -> None:
        raise InputError(f"{self.path}: has a DOCTYPE, which CVAT does not write; remove it")

    def start(self, name: str, about: dict[str, str]) -> None:
        if name == "track":
            raise InputError(f"{self.path}: is CVAT for video; export it as CVAT for images 1.1")
        if name == "image":
            self._open, self._skeleton = True, None
            self.images.append((self.parser.CurrentLineNumber, about, []))
        elif self._open and self._skeleton is not None:
            if name == "points":
                self._skeleton.points.append(about)
        elif self._open and name in ("points", "box", "skeleton", *_OTHERS):
            shapes = self.images[-1][2]
            if len(shapes) == _MOST_SHAPES:
                line = self.parser.CurrentLineNumber
                raise InputError(f"{self.path}:{line}: over {_MOST_SHAPES} shapes in a picture")
            shapes.append(_Shape(name, about))
            self._skeleton = shapes[-1] if name == "skeleton" else None

    def end(self, name: str) -> None:
        if name == "skeleton":
            self._skeleton = None
        elif name == "image":
            self._open, self.done = False, len(self.images)


def _images(path: Path) -> Iterator[tuple[int, dict[str, str], list[_Shape]]]:
    """(line, attributes, shapes) of every picture. InputError: not XML, cut off, for video, with a DOCTYPE."""
    reading = _Reading(path)
    with files.reading(path, _LARGEST_FILE) as (file, _):
        while True:
            block = file.read(_BLOCK)
            try:
                reading.parser.Parse(block, not block)
            except (expat.ExpatError, ValueError, LookupError) as error:
                raise InputError(f"{path}: not XML, or cut off ({str(error)[:100]}); export it again") from None
            yield from reading.images[: reading.done]
            del reading.images[: reading.done]
            reading.done = 0
            if not block:
                return


def _looks_like(path: Path) -> bool:
    with files.reading(path, 1 << 40) as (file, _):
        head = file.read(_HEAD).replace(b"\0", b"")  # UTF-16 too
    return b"<annotations" in head and any(key in head for key in (b"<version", b"<image", b"<meta"))


_FILES = Files((".xml",), _looks_like)
recognises, lists, annotations = _FILES.recognises, _FILES.lists, _FILES.annotations
