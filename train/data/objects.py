"""What the readers of labelling programs' files have in common: points by label, pictures by name, samples of both."""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edgewing import files, images
from edgewing.errors import InputError
from edgewing.layouts import MOST_POINTS, Layout
from edgewing.words import counted
from train.data import splits
from train.data.identities import Identities
from train.data.samples import Missing, Note, Sample, fault
from train.data.walk import OF_POINTS, walk

# Programs that draw the picture from 0, 0 to its width and height have the centre of its first pixel at 0.5, 0.5: what
# LabelMe (widgets/canvas.py, 5.4.1 and 6.3.1) and CVAT (cvat-canvas, drawHandler.ts) write is half a pixel more.
CORNER = 0.5
_SHOWN = 5  # labels in a line
_END = 1 << 16
_ROUNDED = 0.01  # of a side, by which a size may be another and the points still fit


class Files:
    """The annotation files of a format that has one for many pictures, by their suffixes and a look into each."""

    def __init__(self, suffixes: tuple[str, ...], looks_like: Callable[[Path], bool]):
        self.suffixes, self.looks_like = suffixes, looks_like

    def recognises(self, path: Path) -> bool:
        """Whether it is such a file, or a folder with one."""
        if path.is_file():
            return path.suffix.lower() in self.suffixes and self.looks_like(path)
        return bool(self.lists(path))

    def lists(self, folder: Path) -> list[Path]:
        """Those in the folder, or in one for points directly below it."""
        below = [path for path in sorted(folder.iterdir()) if path.name.lower() in OF_POINTS and path.is_dir()]
        found = [path for place in [folder, *below] for path in sorted(place.iterdir())]
        return [path for path in found if path.is_file() and self.recognises(path)]

    def annotations(self, path: Path, split: str) -> Path:
        """The file of that split. InputError where the folder has none for it, or several."""
        return splits.file_of_split(path, self.lists(path), split) if path.is_dir() else path


def is_finite(value: object) -> bool:
    """Of parsed JSON, which has endless ones, and integers that no float holds."""
    return type(value) in (int, float) and abs(value) < sys.float_info.max


class Pictures:
    """Pictures by the names that annotation files give them, below the file's folder; below the one above it where
    that is a folder for points alone (annotations/ beside images/). says: the splits in the file's name; of several
    pictures of one name those in folders of that split are meant (annotations/val.json, val/1.jpg and train/1.jpg)."""

    def __init__(self, folder: Path, says: Collection[str] = ()):
        self.top = folder.parent if folder.name.lower() in OF_POINTS else folder
        self._says = set(says)
        self._index: dict[str, list[Path]] | None = None

    def find(self, name: str, here: Path) -> Path:
        """here: the folder of the file that gives the name. InputError: none, several, or outside."""
        given = name.replace("\\", "/")
        plain = PurePosixPath(given)
        whole = os.path.normpath(os.path.join(os.path.relpath(here, self.top), given))
        if not name.strip() or "\0" in name:
            raise InputError("a picture without a name")
        if plain.is_absolute() or given[1:2] == ":":
            raise InputError(f"the picture {name[:200]!r} has a whole path; write it as seen from {self.top}")
        if whole.split("/")[0] == "..":
            raise InputError(f"the picture {name[:200]!r} is outside {self.top}")
        if (self.top / whole).is_file():
            return self.top / whole
        tail = [_plain(part) for part in PurePosixPath(os.path.normpath(given)).parts if part != ".."]
        found = [
            path
            for path in self._named(tail[-1])
            if [_plain(part) for part in path.relative_to(self.top).parts[-len(tail) :]] == tail
        ]
        if len(found) > 1:
            found = [p for p in found if splits.of_folders(p.relative_to(self.top).parts[:-1]) & self._says] or found
        if len(found) > 1:
            first, second = (path.relative_to(self.top).as_posix() for path in found[:2])
            raise InputError(
                f"{len(found)} pictures are called {name[:100]!r} ({first}, {second}); write the folder too"
            )
        if not found:
            raise Missing(f"no picture {name[:200]}")
        return found[0]

    def _named(self, name: str) -> list[Path]:
        if self._index is None:
            self._index = {}
            for here, names in walk(self.top):
                for each in names:
                    if each.lower().endswith(images.SUFFIXES):
                        self._index.setdefault(_plain(each), []).append(here / each)
        return self._index.get(name, [])


class Labels:
    """Which point of a layout a label means: the one of that name, in whatever case and spelling of spaces where these
    tell no two points apart, else the one of that number, counted from 0."""

    def __init__(self, layout: Layout):
        self.layout = layout
        alike = len(set(map(loose, layout.names))) < len(layout.names)
        self._written = _plain if alike else loose
        self._names = {self._written(name): number for number, name in enumerate(layout.names)}
        self.unknown: Counter[str] = Counter()
        self.known: set[int] = set()
        self._numbers: set[int] = set()

    def index(self, label: object) -> int | None:
        """None, and counted, where the layout has no such point."""
        text = _plain(str(label).strip())
        number = self._names.get(self._written(text))
        if number is None and _is_number(text):
            self._numbers.add(int(text))
            number = int(text) if int(text) < self.layout.points else None
        if number is None:
            self.unknown[text[:60]] += 1
        return number

    def left(self, where: Path) -> Iterator[InputError | Note]:
        """What was passed over, and what was never there. InputError, raised: numbers beyond those of the layout, as
        the others may be of other points then."""
        count = self.layout.points
        self.refuse_numbers(where)
        if self.unknown:
            of = f"{counted(self.unknown.total(), 'points')} of labels that layout {self.layout.name} has not"
            yield InputError(f"{where}: {of}: {listed(self.unknown)}")
        missing = [self.layout.names[n] if self.layout.names else n for n in range(count) if n not in self.known]
        if self.known and missing:
            yield Note(f"points of the layout that nobody marked: {listed(missing)}")

    def refuse_numbers(self, where: Path) -> None:
        """InputError: there are numbers beyond those of the layout."""
        count, numbers = self.layout.points, self._numbers
        if numbers and max(numbers) >= count:
            raise InputError(
                f"{where}: points are numbered {min(numbers)} to {max(numbers)}, those of layout {self.layout.name} 0 "
                f'to {count - 1}; call them in a layout as they are here ("points": ["{min(numbers)}", ...])'
            )


class Objects:
    """Samples of one annotation file, or of one folder of them. split: the one that is read, '' for all."""

    def __init__(self, layout: Layout, path: Path, split: str):
        self._says = set() if path.is_dir() else splits.called(path.stem, alone=False)
        self.folder = path if path.is_dir() else path.parent
        self.layout, self.labels, self.pictures = layout, Labels(layout), Pictures(self.folder, self._says)
        self.source = "/".join(self.folder.resolve().parts[-2:])
        self.skipped: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()  # what the file calls the objects themselves
        self._split, self._of_others = split, Counter()
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._identities = Identities(self.pictures.top, ())

    def wanted(self, picture: str, stated: str = "", subset: str = "") -> bool:
        """Whether something is of the split that is read; what is not is counted. It is of what it states itself; else
        of the file, which was chosen by its name or named; else of what the picture's folders are called; else of all.

        stated: a cell that says the split. subset: one that may say other things. InputError: ``splits.stated``.
        """
        found = splits.stated(stated) or splits.called(subset)
        if not found and not self._says:
            found = splits.of_folders(PurePosixPath(picture.replace("\\", "/")).parts[:-1])
        if not self._split or not found or self._split in found:
            return True
        self._of_others["/".join(sorted(found))] += 1
        return False

    def empty(self) -> np.ndarray:
        """(N, 3) x, y, visibility of an object without points."""
        return np.column_stack([np.full((self.layout.points, 2), np.nan), np.zeros(self.layout.points)])

    def put(self, points: np.ndarray, index: int, x: float, y: float, visibility: int) -> None:
        """A point of an object. InputError: it has it already."""
        if points[index, 2]:
            name = self.layout.names[index] if self.layout.names else index
            raise InputError(f"point {name!r} twice in one object")
        points[index] = x, y, visibility

    def sample(
        self,
        name: str,
        here: Path,
        points: np.ndarray,
        key: object,
        box: np.ndarray | None = None,
        attributes: dict[str, int] | None = None,
        size: tuple[object, object] = (None, None),
        guessed: bool = False,
    ) -> Sample:
        """points: (N, 3) x, y, visibility. key: tells the picture's objects apart. size: the picture's width and
        height as the file says them, if it does. guessed: whether the box is the object's only because nothing says
        whose it is. InputError: why it is none."""
        visibility = points[:, 2]
        landmarks = np.where(visibility[:, None] > 0, points[:, :2], np.nan)
        if reason := fault(landmarks, visibility=visibility):
            raise InputError(reason)
        if box is not None and not (np.isfinite(box).all() and (box[2:] > box[:2]).all()):
            raise InputError("the box has no size")
        if box is not None and not (
            (np.nanmax(landmarks, axis=0) >= box[:2]).all() and (np.nanmin(landmarks, axis=0) <= box[2:]).all()
        ):
            if not guessed:
                raise InputError("the box is not where the points are")
            self.skipped["boxes of no object"] += 1
            box = None
        self.labels.known.update(np.flatnonzero(visibility).tolist())
        image = self.pictures.find(name, here)
        self._as_large(image, size)
        person = self._identities.person(image.parent, image.stem)
        shown = image.relative_to(self.pictures.top).as_posix()
        return Sample(
            image,
            landmarks.astype(np.float32),
            person or f"{self.source}:{shown}",
            self.source,
            f"{self.source}/{shown}:{key}",
            None if box is None else box.astype(np.float32),
            attributes or {},
            visibility.astype(np.uint8),
        )

    def _as_large(self, image: Path, said: tuple[object, object]) -> None:
        """InputError: the picture was resized since its points were set, by more than a pixel and a hundredth. A size
        of 0 says nothing, and EXIF may turn the picture; whoever opens one that cannot be read says why."""
        wide, high = (side if is_finite(side) else int(side) if _is_number(str(side)) else 0 for side in said)
        if not (wide and high):
            return
        if image not in self._sizes:
            self._sizes[image] = images.header_size(image)
        width, height = self._sizes[image]

        def near(one: float, other: float) -> bool:
            return abs(one - other) <= max(1, _ROUNDED * other)

        if width and not any(near(a, width) and near(b, height) for a, b in ((wide, high), (high, wide))):
            raise InputError(
                f"the picture {image.name[:100]} is {width} x {height} px, and its points were set on {wide:g} x "
                f"{high:g}; scale the points with it, or take the wrong width and height out"
            )

    def ending(self, where: Path) -> Iterator[InputError | Note]:
        """What was passed over and who is who. InputError, raised: as ``Labels.left``; a table that names none."""
        yield from self.labels.left(where)
        if len(self.kinds) > 1:
            yield Note(f"objects of several labels are read as one: {listed(self.kinds)}")
        if self._of_others:
            of = ", ".join(f"{count} of {name}" for name, count in sorted(self._of_others.items()))
            yield Note(f"not of {self._split}, and passed over: {of}")
        if self.skipped:
            yield InputError(
                f"{where}: {' and '.join(counted(n, what) for what, n in self.skipped.items())} passed over"
            )
        yield from map(Note, self._identities.named())


def layout_of(labels: Iterable[str], where: Path) -> Layout:
    """A layout that has points of these labels, to count with. InputError: none, or too many."""
    names = tuple(dict.fromkeys(_plain(str(label).strip()) for label in labels))
    if "0" in names and all(map(_is_number, names)):
        return _counted(max(map(int, names)) + 1, (), where)
    return _counted(len(names), names, where)


def ends(path: Path) -> bytes:
    """The first and the last bytes of a file, by which a large one is known; of UTF-16 without the zeros."""
    with files.reading(path, 1 << 40) as (file, size):
        head = file.read(_END)
        file.seek(max(0, size - _END))
        return (head + file.read(_END)).replace(b"\0", b"")


def json_of(path: Path, limit: int, lists: Iterable[str], what: str) -> dict:
    """A whole file of JSON, at most ``limit`` bytes, with these lists of objects. InputError where it is none of
    ``what``."""
    try:
        content = json.loads(files.read(path, limit))  # finds out by itself which UTF it is
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({str(error)[:100]})") from None
    for part in lists:
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{path}: no list of {part}; expected {what}")
    return content


def loose(name: str) -> str:
    """Left_Eye, "left eye " and left-eye are one name."""
    return re.sub(r"[\s_-]+", "_", _plain(name).strip().casefold())


def _counted(points: int, names: tuple[str, ...], where: Path) -> Layout:
    if not 2 <= points <= MOST_POINTS:
        raise InputError(f"{where}: {points} different points; expected 2 to {MOST_POINTS}")
    return Layout("any", points, names=names)


def listed(names: Iterable) -> str:
    names = list(names)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(repr, names[:_SHOWN])) + more


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 6


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)
