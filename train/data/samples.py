"""One labelled face, and many of them in little memory.

N: number of landmarks. Landmarks are x, y in image pixels with (0, 0) at the centre of the top-left pixel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgewing.errors import InputError
from edgewing.face_set import seen
from edgewing.words import counted

# Larger coordinates are no pixels of a picture that edgewing.images would read.
_LARGEST_COORDINATE = 1e6
_BLOCK = 4096
_FEWEST_POINTS = 2  # fewer have no box
_FEWEST_EQUAL = 5  # points in one place that are no coincidence; of many points a tenth


@dataclass(slots=True)
class Sample:
    """A face in a picture, with its points.

    image: the picture's file (within a MATLAB file: FILE.mat/variable/number). landmarks: (N, 2) float32, image pixels;
    NaN where there is no point. visibility: (N,) uint8 in COCO's numbers, 0 no such point in the picture, 1 hidden but
    marked, 2 seen; where a reader gives none, 0 where a landmark is NaN and 2 elsewhere.
    group: identity; all samples of a group stay on one side of a validation split.
    source: where it comes from, such as ``lfpw/trainset``. name: unique within what was read.
    box: (4,) x0, y0, x1, y1 that the dataset brings, or None. attributes: the dataset's own, such as ``{"blur": 1}``.
    """

    image: Path
    landmarks: np.ndarray
    group: str
    source: str
    name: str
    box: np.ndarray | None = None
    attributes: dict[str, int] = field(default_factory=dict)
    visibility: np.ndarray | None = None

    def __post_init__(self):
        if self.visibility is None:
            self.visibility = seen(self.landmarks)


def visibility_of(sample) -> np.ndarray:
    """(N,) uint8 of a Sample, or of a drawn face, all of whose points are there."""
    given = getattr(sample, "visibility", None)
    return seen(sample.landmarks) if given is None else given


class Missing(InputError):
    """The picture of a sample is not there."""


class Unlabelled(InputError):
    """A picture is there and some of its points were never set: left out, and not counted as missing."""


@dataclass
class Absent:
    """Counts points that are not there, of (N,) visibilities."""

    faces: int = 0
    points: int = 0

    def look(self, visibility: np.ndarray) -> None:
        count = int((visibility == 0).sum())
        self.points += count
        self.faces += count > 0

    def notes(self, what: str = "objects") -> list[str]:
        text = f"take no part, as nobody set them: {counted(self.points, 'points')} of {counted(self.faces, what)}"
        return [text] if self.points else []


class Note(str):
    """What a reader says of a whole folder, such as which of its tables of names fit."""


class Samples(Sequence):
    """A list of Samples of one layout that can be appended to; landmarks are packed in blocks and the texts of a sample
    in one string, so that a million faces of 68 points take 0.7 GB (as objects it would be twice that)."""

    def __init__(self, points: int):
        self._points = points
        self._blocks: list[np.ndarray] = []
        self._visibility: list[np.ndarray] = []
        self._texts: list[bytes] = []
        self._extras: dict[int, tuple[np.ndarray | None, dict[str, int]]] = {}

    def append(self, sample: Sample) -> None:
        index = len(self)
        if index % _BLOCK == 0:
            self._blocks.append(np.empty((_BLOCK, self._points, 2), np.float32))
            self._visibility.append(np.empty((_BLOCK, self._points), np.uint8))
        self._blocks[-1][index % _BLOCK] = sample.landmarks
        self._visibility[-1][index % _BLOCK] = sample.visibility
        texts = str(sample.image), sample.group, sample.source, sample.name
        self._texts.append("\0".join(texts).encode("utf-8", "surrogateescape"))
        if sample.box is not None or sample.attributes:
            self._extras[index] = sample.box, sample.attributes

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> Sample:
        index = range(len(self))[index]
        image, group, source, name = self._texts[index].decode("utf-8", "surrogateescape").split("\0")
        landmarks = self._blocks[index // _BLOCK][index % _BLOCK].copy()
        visibility = self._visibility[index // _BLOCK][index % _BLOCK].copy()
        box, attributes = self._extras.get(index, (None, {}))
        return Sample(Path(image), landmarks, group, source, name, box, attributes, visibility)

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))


@dataclass
class Listing:
    """What lies in one or more folders.

    problems: a line ``file:line: reason`` (or ``file: reason``) for each sample that was left out.
    summary: a line for each folder: which annotations were read, how many faces.
    """

    samples: Samples
    problems: list[str] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)


def fault(
    landmarks: np.ndarray, shape: tuple[int, ...] | None = None, visibility: np.ndarray | None = None
) -> str | None:
    """Why (N, 2) landmarks cannot be those of a face in a picture of that shape (H, W, ...), or None.

    Points a little outside the picture are legal, annotators set them; further out than the picture is large, or all of
    them outside, is not. Points that are not there, by their (N,) visibility, are passed over. Without ``shape`` only
    what can be known without the picture is checked.
    """
    if visibility is not None:
        landmarks = landmarks[visibility > 0]
        if len(landmarks) < _FEWEST_POINTS:
            return f"only {len(landmarks)} of its points are there"
    if not np.isfinite(landmarks).all():
        return "a coordinate is not a finite number"
    if np.abs(landmarks).max() > _LARGEST_COORDINATE:
        return f"a coordinate of {np.abs(landmarks).max():.3g} px"
    width, height = np.ptp(landmarks, axis=0)
    if min(width, height) < 1:
        return f"the points span only {width:.2g} x {height:.2g} px"
    if shape is None:
        return None
    size = np.array([shape[1], shape[0]])
    outside = (landmarks < -size) | (landmarks > 2 * size)
    if outside.any():
        x, y = landmarks[outside.any(axis=1)][0]
        return f"a point at ({x:.1f}, {y:.1f}) is far outside the picture of {size[0]} x {size[1]} px"
    if not ((landmarks >= -0.5) & (landmarks <= size - 0.5)).all(axis=1).any():
        return f"all points are outside the picture of {size[0]} x {size[1]} px"
    return None


def unset(points: np.ndarray) -> np.ndarray:
    """(N,) bool: which of (N, 2) points nobody set, in the numbers of their file: programs that label write 0 0 or
    -1 -1 for them, or one place for all. (Of lips that touch, machines put up to 4 of 68 points in one pixel.)"""
    places = list(map(tuple, points.tolist()))
    many = max(_FEWEST_EQUAL, len(places) / 10)
    absent = {place for place, count in Counter(places).items() if count >= many} | {(0, 0), (-1, -1)}
    return np.array([place in absent for place in places])


def load_image(sample) -> np.ndarray:
    """The picture of a Sample as (H, W, 3) uint8 RGB (or of a drawn face, which brings it).

    InputError ``file: reason``: the picture is missing, broken or too large, or the landmarks cannot be in it.
    """
    image = sample.image if isinstance(sample.image, np.ndarray) else _picture(sample.image)
    if reason := fault(sample.landmarks, image.shape, visibility_of(sample)):
        raise InputError(f"{sample.name if image is sample.image else sample.image}: {reason}")
    return image


def file_of(image: Path) -> Path:
    """The file that a sample's picture is in: itself, or the MATLAB file that it is a cell of."""
    return image.parent.parent if image.parent.parent.suffix == ".mat" else image


def _picture(image: Path) -> np.ndarray:
    if file_of(image) != image:
        from train.data import matlab

        return matlab.picture(file_of(image), image.parent.name, int(image.name))
    from edgewing import images

    return images.read_image(image)
