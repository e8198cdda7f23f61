"""Faces followed from frame to frame: the next crop comes from the last landmarks, and points are held steady. What is
no face is followed likewise; only finding it is another matter (edgewing.detection).

Pure: no clock, no thread, no file. The caller hands in frames and their times. All numbers are in ``tracking.json``,
which the browser's tracking reads too.

N: landmarks. Size of a face: the mean of the sides of its landmark box, image px.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np

from edgewing import anatomy, detection, geometry, images
from edgewing.errors import InputError
from edgewing.faces import Face, Trust, constants, plausible, trust, trusted
from edgewing.landmarker import Landmarker

STILL = 5  # frames in a row that may have the time of the one before: a clock that stands still is a fault


@dataclass(frozen=True)
class Filter:
    """Constants of ``OneEuro``, chosen by `python -m bench steadiness` (docs/camera.md)."""

    least_cutoff: float  # Hz, of a point at rest: lower is steadier
    speed_cutoff: float  # Hz more for each face size per second: higher trails less
    own_share: float  # how much a point's own movement within the face counts, against the movement of the whole
    derivative_cutoff: float  # Hz, of the velocity itself
    longest_gap: float  # s without a frame, after which the filter begins anew


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
    raw = constants()
    return Settings(Filter(**raw["filter"]), trust(face), Search(**raw["search"]))


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

    @property
    def steady(self) -> Face:
        """The face with the landmarks held steady."""
        return dataclasses.replace(self.face, landmarks=self.landmarks)

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
    turn: float = 0.0  # of the next crop, and of the box about its middle

    @property
    def place(self) -> detection.Detection:
        return detection.Detection(self.box, self.confidence, self.turn)


class Tracker:
    """Follow the faces of a stream.

    >>> tracker = Tracker(Landmarker("edgewing-s"))
    >>> for time, frame in frames: tracks = tracker(frame, time)

    A frame costs at most one run of the detector and, of the model, one for each track and each face newly found (up to
    five where that is unsure or lies on its side), at most ``most_faces`` of them.
    """

    def __init__(self, landmarker: Landmarker, constants: Settings | None = None):
        if not isinstance(landmarker, Landmarker):
            raise InputError(f"a landmarker of type {type(landmarker).__name__}; expected edgewing.Landmarker(...)")
        self.landmarker, self.settings = landmarker, constants or settings(landmarker.contract.layout.is_face)
        self.searched = False  # whether the detector ran in the last frame
        self._next_id = 0
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids go on."""
        self._tracks: list[_Followed] = []
        self._lost: list[_Followed] = []
        self._time, self._search_time, self._still = -math.inf, -math.inf, 0
        self._shape: tuple[int, ...] = ()

    def __call__(self, frame: np.ndarray, time: float, colour: str = "RGB") -> list[Track]:
        """Tracks of a (H, W, 3) uint8 frame, oldest first. time: s on any clock that goes on: in a frame of the
        time of the one before no point moves, and several such in a row are an InputError.

        colour: RGB, or BGR as OpenCV reads it. A frame of another size begins anew, since nothing says where a face
        went.
        """
        frame = images.given(frame, colour)
        if not math.isfinite(time):
            raise InputError(f"a frame of time {time:g} s; give its seconds on a clock")
        if not time >= self._time:
            raise InputError(f"a frame of time {time:g} s after one of {self._time:g} s; times must not go back")
        self._still = self._still + 1 if time == self._time else 0
        if self._still >= STILL:
            raise InputError(f"{self._still + 1} frames of time {time:g} s; give each its own, on a clock that goes on")
        if frame.shape != self._shape:
            self.reset()
        self._time, self._shape = time, frame.shape
        search, one = self.settings.search, self.landmarker.detector.name == detection.WHOLE

        shown: list[tuple[_Followed, Track]] = []
        for followed, face in zip(self._tracks, self.landmarker.look(frame, [one.place for one in self._tracks])):
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
        limits = self.settings.track
        share = 1 - math.exp(-(self._time - followed.seen) / limits.confidence_seconds)
        followed.confidence += share * (face.confidence - followed.confidence)
        if followed.confidence < limits.least_kept or not plausible(face, self._shape, limits):
            return False
        box = face.landmark_box
        growth = size(box) / size(followed.box)
        same = detection.overlap(followed.box, box[None])[0] >= limits.least_overlap
        return bool(same and 1 / limits.most_growth <= growth <= limits.most_growth)

    def _advance(self, followed: _Followed, face: Face) -> Track:
        steady = followed.filter(face.landmarks, self._time, size(face.landmark_box), face.there).astype(np.float32)
        # A crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is.
        # It is turned with a face that lies on its side, and stands still while the face is about as upright in it.
        tilt = anatomy.turn(steady, face.layout)
        followed.turn = face.crop.turn if tilt is None else geometry.crop_turn(tilt, face.crop.turn)
        followed.box, followed.seen = geometry.turned_box(steady[face.there], followed.turn), self._time
        return Track(followed.id, steady, face, followed.confidence, self._time - followed.begun)

    def _find(self, frame: np.ndarray, known: list[np.ndarray]) -> list[tuple[_Followed, Track]]:
        """Faces of the detector that are not among the known boxes, as far as there is room for them."""
        search = self.settings.search
        boxes, begun = np.reshape(known, (-1, 4)), []
        found = self.landmarker.detector(frame)
        fresh = [one for one in found if max(detection.overlap(one.box, boxes), default=0) < detection.SAME_FACE]
        for face in self.landmarker.find(frame, fresh[: search.most_faces - len(known)]):
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


def size(box: np.ndarray) -> float:
    """Mean of the sides of a box."""
    return float(np.mean(box[2:] - box[:2]))


def centre(box: np.ndarray) -> np.ndarray:
    """(2,) the middle of a box."""
    return (box[:2] + box[2:]) / 2
