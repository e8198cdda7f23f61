"""Landmark layouts: how many points, which mirror into which, which curves join them, how errors are normalised.

A layout is a JSON file (layout.schema.json beside this one): five come with the package, any other is the user's, and
``--layout`` takes the name of the one or the path of the other. A contract carries its layout whole.

Curves are those that the boundary channel of the Adaptive Wing paper (arXiv 1904.07399) is drawn from.

N: number of landmarks.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np

from edgewing import files
from edgewing.errors import InputError, unknown
from edgewing.words import counted

MOST_POINTS = 1000
LARGEST = 40 * 1024  # bytes of JSON, in a contract of at most 64 KiB (edgewing.contract)
KINDS = ("landmarks", "diagonal", "dataset")  # of normalisers that are no pair of points
_LARGEST_FILE = files.MIB
FACE = "face"  # the object that detectors know
_NAME = re.compile(r"[\w.+-]{1,60}")
_OBJECT = re.compile(r"\w[\w -]{0,39}")


@dataclass(frozen=True)
class Layout:
    """A set of named points.

    points: N. flip_pairs: pairs of points that change places in a mirrored image; all others keep theirs.
    edges: pairs of neighbouring points, for drawing; those of the curves where a file gives none.
    curves: curve name -> points in order; empty where the layout has no boundary.
    normalisers: name -> two groups of points whose means are the two ends of the normalising distance, or of the tight
        box of the points ``landmarks`` sqrt(w h) or ``diagonal``, or ``dataset`` sqrt(w h) of a box that the dataset
        brings.
    maps: name of another layout -> for each of its points the index of ours that means the same.
    names: of the points. groups: names of parts -> points, for reports. pck: the threshold of PCK, 0 for none.
    object: what the points are on, in a word; face detectors look for a ``face`` alone.
    """

    name: str
    points: int
    flip_pairs: tuple[tuple[int, int], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    curves: dict[str, tuple[int, ...]] = field(default_factory=dict)
    normalisers: dict[str, tuple[tuple[int, ...], tuple[int, ...]] | str] = field(
        default_factory=lambda: {"box": "landmarks"}
    )
    default_normaliser: str = "box"
    maps: dict[str, tuple[int, ...]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    groups: dict[str, tuple[int, ...]] = field(default_factory=dict)
    pck: float = 0.0
    object: str = "object"

    def __str__(self) -> str:
        return self.name

    def __hash__(self) -> int:  # the maps in it have none
        return hash((self.name, self.points))

    @property
    def is_face(self) -> bool:
        return self.object == FACE

    @property
    def several(self) -> str:
        """What JSON calls a list of them."""
        return "faces" if self.is_face else "objects"

    @property
    def has_boundary(self) -> bool:
        return bool(self.curves)

    @property
    def channels(self) -> int:
        """Heatmap channels: one per landmark, and the boundary last where there is one."""
        return self.points + self.has_boundary

    @property
    def flip_index(self) -> np.ndarray:
        """(N,) int: point i of a mirrored face is point ``flip_index[i]`` of the original; an involution."""
        index = np.arange(self.points)
        for a, b in self.flip_pairs:
            index[a], index[b] = b, a
        return index

    def map_to(self, other: str | Layout) -> np.ndarray:
        """(M,) int: for each point of another layout the index of ours that means the same.

        Of one that is called as ours is, the points are compared by their names: two files may order them otherwise.
        Raises InputError where no map to it is known."""
        name = str(other)
        if name == self.name:
            theirs = other.names if isinstance(other, Layout) else self.names
            if isinstance(other, Layout) and other.points != self.points:
                raise InputError(f"two layouts are called {name!r}, of {self.points} and of {other.points} points")
            if not (theirs and self.names):
                return np.arange(self.points)
            if unknown_here := [point for point in theirs if point not in self.names]:
                raise InputError(f"two layouts are called {name!r}, and one has no point {unknown_here[0]!r}")
            return np.array([self.names.index(point) for point in theirs])
        if name not in self.maps:
            raise InputError(f"layout {self.name!r} has no map to {name!r}; known: {', '.join(self.maps) or 'none'}")
        return np.asarray(self.maps[name])


@functools.cache
def table() -> dict[str, Layout]:
    """The layouts that come with the package, by name."""
    folder = resources.files("edgewing") / "layout_files"
    names = "300w-68", "wflw-98", "cofw-29", "aflw-19", "lsp-14"  # in the order of --help
    return {name: _parse(json.loads((folder / f"{name}.json").read_text()), f"{name}.json") for name in names}


@functools.cache
def _fields() -> frozenset[str]:
    """What a file may say, by the published schema."""
    schema = json.loads((resources.files("edgewing") / "layout.schema.json").read_text())
    return frozenset(schema["properties"])


def get(layout: str | Layout) -> Layout:
    """The layout of that name, or in that file (a name that ends in .json); InputError where there is none, with the
    nearest name. A Layout is handed back as it is."""
    if isinstance(layout, Layout):
        return layout
    if layout.endswith(".json"):
        return load(layout)
    if layout not in table():
        raise unknown("layout", layout, table())
    return table()[layout]


def several(name: str) -> str:
    """What rows and pages call a number of what a layout of that name is of; those of one's own are not known here."""
    return table()[name].several if name in table() else Layout(name, 1).several


def given(text: str) -> str | Layout:
    """What a recipe keeps of ``--layout``: the name of a layout of the package, or a layout of one's own whole."""
    return get(text) if text.endswith(".json") else get(text).name


def load(path: str | Path) -> Layout:
    """A layout of one's own. Raises InputError, one line that names the field, where something in it is wrong."""
    try:
        value = json.loads(files.read(path, _LARGEST_FILE).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({str(error)[:100]})") from None
    layout = parse(value, str(path))
    for key in value:  # flip_pair for flip_pairs would be no fault, and cost a training
        if key not in _fields():
            raise InputError(f"{path}: {unknown('field', key, _fields())}")
    if layout.name in table() and layout != table()[layout.name]:
        raise InputError(f"{path}: name {layout.name!r} is that of a layout of the package; choose another")
    return trainable(layout, str(path))


def trainable(layout: Layout, where: str) -> Layout:
    """The same layout. InputError for what a training could not end with, and what contracts of before may have."""

    def say(point: int) -> str:
        return layout.names[point] if layout.names else str(point)

    for key, curve in layout.curves.items():
        if again := [a for a, b in zip(curve, curve[1:]) if a == b]:
            raise InputError(f"{where}: curves.{key}: point {say(again[0])!r} twice in a row")
    for key, ends in layout.normalisers.items():
        if not isinstance(ends, str) and sorted(ends[0]) == sorted(ends[1]):
            raise InputError(f"{where}: normalisers.{key}: both ends are the same points: the distance would be zero")
    if (size := len(json.dumps(dataclasses.asdict(layout), separators=(",", ":")))) > LARGEST:
        raise InputError(
            f"{where}: {size} bytes when it is written into a model, which has room for {LARGEST}; give its points "
            "shorter names"
        )
    return layout


def parse(value: object, where: str) -> Layout:
    """A layout from parsed JSON, of a file or of a contract. Raises InputError ``where: field: reason``."""
    layout = _parse(value, where)
    assert isinstance(value, dict)  # or it would have said so
    for name in layout.maps.keys() & table().keys():
        if len(layout.maps[name]) != table()[name].points:
            said = f"{counted(len(layout.maps[name]), 'points')}, but {name} has {table()[name].points}"
            raise InputError(f"{where}: maps.{name}: {said}")
    known = table().get(layout.name)
    # Contracts once had no more than name, points, pairs and edges, then no object: the package knows the rest.
    if known is None or "object" in value:
        return layout
    if "normalisers" in value:
        return dataclasses.replace(layout, object=known.object)
    if known.points != layout.points:
        raise InputError(f"{where}: points: {layout.points}, but {layout.name} has {known.points}")
    return known


def _parse(value: object, where: str) -> Layout:
    if not isinstance(value, dict):
        raise InputError(f"{where}: not a layout; expected an object with a name and points")
    name, count = value.get("name"), value.get("points")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(f"{where}: name: expected a text of letters, digits and . _ + -")
    names = value.get("names", ())
    if isinstance(count, list):
        names, count = count, len(count)
    if type(count) is not int or not 0 < count <= MOST_POINTS:
        raise InputError(f"{where}: points: expected their names, or how many, from 1 to {MOST_POINTS}")
    return _Parser(where, _names(names, count, where)).layout(name, count, value)


def _names(names: object, count: int, where: str) -> tuple[str, ...]:
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}: names: expected a list of texts")
    if names and (len(names) != count or len(set(names)) != count):
        raise InputError(f"{where}: names: {len(names)} ({len(set(names))} different) for {counted(count, 'points')}")
    return tuple(names)


class _Parser:
    """The parts of a layout whose points are named or numbered."""

    def __init__(self, where: str, names: tuple[str, ...]):
        self.where, self.names = where, names
        self.count = 0

    def layout(self, name: str, count: int, value: dict) -> Layout:
        self.count = count
        curves = {key: self.points(f"curves.{key}", v, 2) for key, v in self.map("curves", value).items()}
        pairs = [self.pair(f"flip_pairs[{i}]", v) for i, v in enumerate(self.list("flip_pairs", value))]
        twice = [p for p in {q for pair in pairs for q in pair} if sum(pair.count(p) for pair in pairs) > 1]
        if twice:
            raise self.wrong("flip_pairs", f"point {self.say(min(twice))} is in two pairs, and can change places once")
        edges = [self.pair(f"edges[{i}]", v) for i, v in enumerate(self.list("edges", value))]
        edges = edges or sorted({pair for curve in curves.values() for pair in zip(curve, curve[1:])})
        stated = self.map("normalisers", value) or {"box": "landmarks"}
        normalisers = {key: self.normaliser(f"normalisers.{key}", v) for key, v in stated.items()}
        default = value.get("default_normaliser", next(iter(normalisers)))
        if default not in normalisers:
            raise self.wrong("default_normaliser", f"{default!r} is not one of {', '.join(normalisers)}")
        pck = value.get("pck", 0.0)
        if type(pck) not in (int, float) or not 0 <= pck <= 10:
            raise self.wrong("pck", "expected a share of the normaliser, such as 0.2")
        maps = {key: self.points(f"maps.{key}", v, 1) for key, v in self.map("maps", value).items()}
        groups = {key: self.points(f"groups.{key}", v, 1) for key, v in self.map("groups", value).items()}
        word = value.get("object", "object")
        if not isinstance(word, str) or not _OBJECT.fullmatch(word):
            raise self.wrong("object", "expected a word or two for what the points are on, such as face or left hand")
        parts = curves, normalisers, default, maps, self.names, groups
        return Layout(name, count, tuple(pairs), tuple(edges), *parts, float(pck), word)

    def normaliser(self, what: str, value: object) -> tuple[tuple[int, ...], tuple[int, ...]] | str:
        if isinstance(value, str):
            if value not in KINDS:
                raise self.wrong(what, f"{value!r} is not one of {', '.join(KINDS)}")
            return value
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise self.wrong(what, f"expected two points, two groups of points, or one of {', '.join(KINDS)}")
        first, second = (self.points(what, v if isinstance(v, list | tuple) else [v], 1) for v in value)
        if first == second:
            raise self.wrong(what, "both ends are the same point: the distance would be zero")
        return first, second

    def pair(self, what: str, value: object) -> tuple[int, int]:
        points = self.points(what, value, 2)
        if len(points) != 2 or points[0] == points[1]:
            raise self.wrong(what, "expected two different points")
        return points

    def points(self, what: str, value: object, fewest: int) -> tuple[int, ...]:
        if not isinstance(value, list | tuple) or len(value) < fewest:
            raise self.wrong(what, f"expected a list of at least {counted(fewest, 'points')}")
        return tuple(self.point(what, v) for v in value)

    def point(self, what: str, value: object) -> int:
        if isinstance(value, str) and value in self.names:
            return self.names.index(value)
        if type(value) is not int or not 0 <= value < self.count:
            kind = "no point has that name" if isinstance(value, str) else f"points are 0 to {self.count - 1}"
            raise self.wrong(what, f"unknown point {value!r}; {kind}")
        return value

    def map(self, what: str, value: dict) -> dict:
        found = value.get(what, {})
        if not isinstance(found, dict):
            raise self.wrong(what, "expected an object of names")
        return found

    def list(self, what: str, value: dict) -> Iterable:
        found = value.get(what, [])
        if not isinstance(found, list | tuple):
            raise self.wrong(what, "expected a list of pairs")
        return found

    def say(self, point: int) -> str:
        return self.names[point] if self.names else str(point)

    def wrong(self, what: str, text: str) -> InputError:
        return InputError(f"{self.where}: {what}: {text}")
