"""Faces followed from frame to frame: the next crop comes from the last landmarks, and points are held steady. What is
no face is followed likewise; only finding it is another matter (edgewing.detection).

Pure: no clock, no thread, no file. The caller hands in frames and their times. All numbers are in ``tracking.json``,
which the browser's tracking reads too.

N: landmarks. Size of a face: the mean of the sides of its landmark box, image px.
"""

from __future__ import annotations

import functools
import json
import math
from dataclasses import dataclass
from importlib import resources

import numpy as np

from edgewing import detection, geometry
from edgewing.errors import InputError
from edgewing.landmarker import Face, Landmarker


@dataclass(frozen=True)
class Filter:
    """Constants of ``OneEuro``, chosen by `python -m bench steadiness` (docs/camera.md)."""

    least_cutoff: float  # Hz, of a point at rest: lower is steadier
    speed_cutoff: float  # Hz more for each face size per second: higher trails less
    own_share: float  # how much a point's own movement within the face counts, against the movement of the whole
    derivative_cutoff: float  # Hz, of the velocity itself
    longest_gap: float  # s without a frame, after which the filter begins anew


@dataclass(frozen=True)
class Trust:
    """When a find becomes a track, and when a track is lost."""

    least_new: float  # mean score of a face that a detector found
    least_kept: float  # confidence of a track
    confidence_seconds: float  # time constant of the confidence: a frame or two of motion blur lose no track
    least_side: float  # px of the landmark box
    most_aspect: float  # longer over shorter side of the landmark box
    most_growth: float  # of its size between two frames, or one over it
    least_overlap: float  # intersection over union with the frame before
    least_inside: float  # share of the landmark box that lies in the frame
    least_there: float  # share of the points that are in the picture, where scores tell; of a profile half are not
    same: float  # intersection over union from which two tracks are one face: the older one stays


@dataclass(frozen=True)
class Search:
    """When the detector runs: while there is no track, while a lost one is remembered, and on a slow beat."""

    beat: float  # s between looks for new faces
    memory: float  # s for which a lost track keeps its id for a face that is found again
    reach: float  # of its size: how far from its last place that face may be
    most_faces: int  # followed at a time, the largest: what bounds the time of a frame


@dataclass(frozen=True)
class Settings:
    filter: Filter
    track: Trust
    search: Search


@functools.cache
def settings(face: bool = True) -> Settings:
    """What is in tracking.json; for what is no face with its ``object``: a person who stands is no failed find."""
    raw = json.loads((resources.files("edgewing") / "tracking.json").read_text())
    track = raw["track"] if face else raw["track"] | raw["object"]
    return Settings(Filter(**raw["filter"]), Trust(**track), Search(**raw["search"]))


class OneEuro:
    """The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012), on all points of a face at once.

    A low-pass whose cutoff grows with speed: steady at rest, quick in motion. Speeds are in face sizes per second, so
    that the same constants serve a face of any size. Where we differ: the speed is that of the whole face, the mean
    over its points, plus a share of each point's own beside it, for noise of single points cancels in the mean. With
    one point it is the paper's filter.
    """

    def __init__(self, constants: Filter):
        self.constants = constants
        self.points: np.ndarray | None = None
        self.velocity = np.zeros(1)
        self.time = 0.0

    def __call__(self, points: np.ndarray, time: float, size: float, there: np.ndarray | None = None) -> np.ndarray:
        """(N, 2) px at a time in s -> (N, 2) float64 px. A time that does not advance changes nothing.

        there: (N,) bool, the points that say how fast the whole is; by default all."""
        c, step = self.constants, time - self.time
        if self.points is None or step > c.longest_gap:
            self.points, self.velocity, self.time = points.astype(np.float64), np.zeros(points.shape), time
        elif step > 0:
            moved = points - self.points
            self.velocity += smoothing(c.derivative_cutoff, step) * (moved / step - self.velocity)
            whole = self.velocity[slice(None) if there is None else there].mean(axis=0)
            own = np.linalg.norm(self.velocity - whole, axis=1, keepdims=True)
            speed = (np.linalg.norm(whole) + c.own_share * own) / size
            self.points = self.points + smoothing(c.least_cutoff + c.speed_cutoff * speed, step) * moved
            self.time = time
        return self.points


def smoothing(cutoff: float | np.ndarray, step: float) -> float | np.ndarray:
    """The factor alpha of an exponential low-pass, from its cutoff in Hz and the time since the last sample in s."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * step))


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no one answer to ==, and 68 lines of text
class Track:
    """A face in one frame. id: stays with the face. landmarks: (N, 2) float32 image px, held steady. face: what the
    model gave, among it the landmarks as they were. confidence: mean score over the last moments, in [0, 1]. age: s
    since it was found."""

    id: int
    landmarks: np.ndarray
    face: Face
    confidence: float
    age: float

    def __repr__(self) -> str:
        return f"Track({self.id}, confidence {self.confidence:.2f}, age {self.age:.2f} s, {self.face})"


@dataclass
class _Followed:
    """What the tracker keeps of a track from frame to frame."""

    id: int
    begun: float
    box: np.ndarray  # tight box of the last landmarks, held steady
    filter: OneEuro
    confidence: float = 0.0
    seen: float = 0.0


class Tracker:
    """Follow the faces of a stream.

    >>> tracker = Tracker(Landmarker("edgewing-s"))
    >>> for time, frame in frames: tracks = tracker(frame, time)

    A frame costs at most one run of the detector and, of the model, one for each track and each face newly found, at
    most ``most_faces`` of them.
    """

    def __init__(self, landmarker: Landmarker, constants: Settings | None = None):
        self.landmarker, self.settings = landmarker, constants or settings(landmarker.contract.layout.is_face)
        self.searched = False  # whether the detector ran in the last frame
        self._next_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids go on."""
        self._tracks: list[_Followed] = []
        self._lost: list[_Followed] = []
        self._time, self._search_time = -math.inf, -math.inf
        self._shape: tuple[int, ...] = ()

    def __call__(self, frame: np.ndarray, time: float) -> list[Track]:
        """Tracks of a (H, W, 3) uint8 RGB frame, oldest first. time: s on any clock that does not go back.

        A frame of another size begins anew, since nothing says where a face went.
        """
        if not time >= self._time:
            raise InputError(f"a frame of time {time:g} s after one of {self._time:g} s; times must not go back")
        if frame.shape != self._shape:
            self.reset()
        self._time, self._shape = time, frame.shape
        search, one = self.settings.search, self.landmarker.detector.name == detection.WHOLE

        shown: list[tuple[_Followed, Track]] = []
        for followed, face in zip(self._tracks, self.landmarker(frame, [followed.box for followed in self._tracks])):
            if self._goes_on(followed, face):
                shown.append((followed, self._advance(followed, face)))
            else:
                self._lost.append(followed)
        self._lost = [followed for followed in self._lost if time - followed.seen <= search.memory]

        again = bool(self._lost) or time - self._search_time >= search.beat
        self.searched = not shown or (again and not one)  # the whole picture is one find, and that is being followed
        if self.searched:
            self._search_time = time
            shown += self._find(frame, [followed.box for followed, _ in shown])
        shown = self._apart(shown)
        self._tracks = [followed for followed, _ in shown]
        return [track for _, track in shown]

    def _goes_on(self, followed: _Followed, face: Face) -> bool:
        """Whether the landmarks are still those of the face. Its confidence is brought up to date."""
        trust = self.settings.track
        share = 1 - math.exp(-(self._time - followed.seen) / trust.confidence_seconds)
        followed.confidence += share * (face.confidence - followed.confidence)
        if followed.confidence < trust.least_kept or not _plausible(face, self._shape, trust):
            return False
        box = face.landmark_box
        growth = size(box) / size(followed.box)
        same = detection.overlap(followed.box, box[None])[0] >= trust.least_overlap
        return bool(same and 1 / trust.most_growth <= growth <= trust.most_growth)

    def _advance(self, followed: _Followed, face: Face) -> Track:
        steady = followed.filter(face.landmarks, self._time, size(face.landmark_box), face.there).astype(np.float32)
        # A crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is.
        followed.box, followed.seen = geometry.landmark_box(steady[face.there]), self._time
        return Track(followed.id, steady, face, followed.confidence, self._time - followed.begun)

    def _find(self, frame: np.ndarray, known: list[np.ndarray]) -> list[tuple[_Followed, Track]]:
        """Faces of the detector that are not among the known boxes, as far as there is room for them."""
        search = self.settings.search
        boxes, begun = np.reshape(known, (-1, 4)), []
        found = [found.box for found in self.landmarker.detector(frame)]
        fresh = [box for box in found if max(detection.overlap(box, boxes), default=0) < detection.SAME_FACE]
        for face in self.landmarker(frame, fresh[: search.most_faces - len(known)]):
            if trusted(face, frame.shape, self.settings.track):
                followed, steady = self._lost_near(face.landmark_box), OneEuro(self.settings.filter)
                if followed is None:
                    followed = _Followed(self._next_id, self._time, face.landmark_box, steady)
                    self._next_id += 1
                followed.confidence, followed.filter = face.confidence, steady
                begun.append((followed, self._advance(followed, face)))
        return begun

    def _lost_near(self, box: np.ndarray) -> _Followed | None:
        """The lost track whose place is nearest to a box, if that is near enough; it is taken out of the lost ones."""
        distances = [float(np.hypot(*(centre(box) - centre(lost.box)))) for lost in self._lost]
        if not distances or min(distances) > self.settings.search.reach * size(box):
            return None
        return self._lost.pop(distances.index(min(distances)))

    def _apart(self, shown: list[tuple[_Followed, Track]]) -> list[tuple[_Followed, Track]]:
        """Of tracks that have come to lie on one face, the oldest."""
        kept: list[tuple[_Followed, Track]] = []
        for followed, track in sorted(shown, key=lambda pair: pair[0].id):
            others = np.reshape([other.box for other, _ in kept], (-1, 4))
            if max(detection.overlap(followed.box, others), default=0) < self.settings.track.same:
                kept.append((followed, track))
        return kept


def trusted(face: Face, shape: tuple[int, ...], trust: Trust | None = None) -> bool:
    """Whether what a detector found in a picture of this shape is a face, as far as its landmarks tell."""
    trust = trust or settings().track
    return face.confidence >= trust.least_new and _plausible(face, shape, trust)


def _plausible(face: Face, shape: tuple[int, ...], trust: Trust) -> bool:
    """Whether this can be a face in a picture of this shape: with enough of its points, finite, neither tiny nor thin,
    and mostly inside."""
    if face.there.mean() < trust.least_there:
        return False
    box = face.landmark_box
    sides = box[2:] - box[:2]
    if not np.isfinite(box).all() or min(sides) < trust.least_side or max(sides) > trust.most_aspect * min(sides):
        return False
    height, width = shape[:2]
    inside = np.clip(np.minimum(box[2:], [width, height]) - np.maximum(box[:2], 0), 0, None)
    return bool(np.prod(inside) >= trust.least_inside * np.prod(sides))


def size(box: np.ndarray) -> float:
    """Mean of the sides of a box."""
    return float(np.mean(box[2:] - box[:2]))


def centre(box: np.ndarray) -> np.ndarray:
    """(2,) the middle of a box."""
    return (box[:2] + box[2:]) / 2
