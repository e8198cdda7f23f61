"""What a Landmarker gives: a list of faces that prints well, and what each says of itself.

N: landmarks. Image px, (0, 0) at the centre of the first pixel.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from edgewing import anatomy, expression, geometry
from edgewing.contract import RadiusPart
from edgewing.errors import InputError
from edgewing.expression import Gaze, Pose
from edgewing.layouts import Layout
from edgewing.words import counted

UNNAMED = Layout("none", 0)


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


@functools.cache
def constants() -> dict[str, dict[str, Any]]:
    """What is in tracking.json."""
    return json.loads((resources.files("edgewing") / "tracking.json").read_text())


@functools.cache
def trust(face: bool = True) -> Trust:
    """For what is no face with its ``object``: a person who stands is no failed find."""
    return Trust(**constants()["track"] | ({} if face else constants()["object"]))


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """box: (4,) the box its crop was made from, turned about its middle as the crop is. landmarks: (N, 2)
    float32. scores: (N,) float32 in [0, 1].

    crop: the square that the network saw. seconds: what the network took, decode included. heatmaps: (C, H, W) over the
    square, where the model gives any: those of the N landmarks, and a boundary last where C is N + 1. least_score: a
    lower score says that the point is not in the picture; 0 where scores do not say. layout: what the points are.
    image: (H, W, 3) the frame it is in. error: how far points may be off, where the model says it. given: its box was
    given, not found. id: of a face that is followed.
    """

    box: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray
    crop: geometry.Crop
    seconds: float
    heatmaps: np.ndarray | None = None
    least_score: float = 0.0
    layout: Layout = UNNAMED
    image: np.ndarray | None = field(default=None)
    error: RadiusPart | None = None
    given: bool = False
    id: int | None = None

    @property
    def there(self) -> np.ndarray:
        """(N,) bool: which points are in the picture, as far as scores tell (the contract's decode.least_score)."""
        return self.scores >= self.least_score

    @property
    def visibility(self) -> np.ndarray:
        """(N,) uint8, 0 not in the picture, 2 in it. (COCO's 1, hidden, no model here tells apart from 2.)"""
        width, height = self._size
        inside = ((self.landmarks > -0.5) & (self.landmarks < np.array([width, height]) - 0.5)).all(axis=1)
        return np.where(self.there & inside, 2, 0).astype(np.uint8)

    @property
    def radius(self) -> np.ndarray | None:
        """(N,) image px: the true point lies no further from ours in 90 % of cases (the contract's radius.share); None
        where the model does not say."""
        return None if self.error is None else (self.crop.side * self.error.of(self.scores)).astype(np.float32)

    def shown(self, landmarks: np.ndarray | None = None) -> np.ndarray:
        """(N, 2) the landmarks, or those given in their place, with NaN for points that are not there."""
        return np.where(self.there[:, None], self.landmarks if landmarks is None else landmarks, np.nan)

    @property
    def landmark_box(self) -> np.ndarray:
        """(4,) tight box of the points that are there, of which there must be one; turned about its middle as the crop
        is."""
        return geometry.turned_box(self.landmarks[self.there], self.crop.turn)

    @property
    def turn(self) -> float:
        """Radians by which it is turned from upright, clockwise; the crop's where its points do not tell."""
        found = anatomy.turn(self.landmarks, self.layout)
        return self.crop.turn if found is None else found

    @property
    def confidence(self) -> float:
        """Mean score of the points that are there."""
        return float(self.scores[self.there].mean()) if self.there.any() else 0.0

    @property
    def trusted(self) -> bool:
        """Whether it is one, as far as scores and shape tell; a box that was given is meant."""
        width, height = self._size
        return self.given or trusted(self, (height, width), trust(self.layout.is_face))

    @property
    def regions(self) -> dict[str, np.ndarray]:
        """Part -> (K, 2) its landmarks: contour, left_eyebrow, right_eyebrow, left_eye, right_eye, nose, mouth; of a
        layout of your own its curves and groups. Left is the left of the picture, where a face is upright."""
        return {name: self.landmarks[list(points)] for name, points in anatomy.regions(self.layout).items()}

    @property
    def pose(self) -> Pose | None:
        """yaw, pitch, roll in degrees (edgewing.expression); None where the layout or the points do not tell."""
        return expression.pose(self.landmarks, self.layout, self.there)

    @property
    def expression(self) -> dict[str, float] | None:
        """The 52 units by ARKit's names, 0 to 1; None for layouts without pupils, which is all but 98 points."""
        return expression.units(self.landmarks, self.layout, self.there)

    @property
    def gaze(self) -> Gaze | None:
        """Degrees that the eyes are turned in the head, to the person's ``left`` and ``up``; None without pupils."""
        return expression.gaze(self.landmarks, self.layout, self.there)

    @property
    def eye_openness(self) -> tuple[float, float] | None:
        """Left and right: how far the lids are apart, as a share of the eye's width. 0 is shut."""
        left, right = (
            anatomy.openness(self.landmarks, self.layout, f"{side}_upper_lid", f"{side}_lower_lid")
            for side in ("left", "right")
        )
        return None if left is None or right is None else (left, right)

    @property
    def mouth_openness(self) -> float | None:
        """How far the lips are apart inside, as a share of the mouth's width. 0 is shut."""
        return anatomy.openness(self.landmarks, self.layout, "inner_upper_lip", "inner_lower_lip")

    def aligned(self, size: int = anatomy.ARCFACE_SIZE) -> np.ndarray:
        """(size, size, 3) uint8 RGB: the face upright, eyes, nose and mouth where ArcFace has them; black outside.

        InputError where the layout does not have them, or the size is no number of pixels.
        """
        import cv2

        if self.image is None:
            raise InputError("this face came without its picture, so it cannot be cut out of it")
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or not 0 < size <= 4096:
            raise InputError(f"a square of {size!r} px; give a whole number from 1 to 4096")
        matrix = anatomy.alignment(self.landmarks, self.layout, size)
        return cv2.warpAffine(self.image, matrix, (size, size), flags=cv2.INTER_LINEAR)

    def to_dict(self) -> dict[str, Any]:
        """What JSON has of it; what the layout does not tell is left out."""
        found: dict[str, Any] = {} if self.id is None else {"id": self.id}
        found |= {"box": rounded(self.box, 3)}
        found |= {"box_turn": round(math.degrees(self.crop.turn), 2)} if self.crop.turn else {}
        found |= {"landmarks": rounded(self.landmarks, 3)}
        found |= {"scores": rounded(self.scores, 4)} | ({"there": self.there.tolist()} if self.least_score else {})
        found |= {} if self.radius is None else {"radius": rounded(self.radius, 3)}
        found |= {"trusted": self.trusted}
        if pose := self.pose:
            found["pose"] = {name: round(value, 2) for name, value in vars(pose).items()}
        if eyes := self.eye_openness:
            found["eye_openness"] = rounded(np.array(eyes), 4)
        if gaze := self.gaze:
            found["gaze"] = {name: round(value, 2) for name, value in vars(gaze).items()}
        if units := self.expression:
            found["expression"] = {name: round(value, 3) for name, value in units.items()}
        if (mouth := self.mouth_openness) is not None:
            found["mouth_openness"] = round(mouth, 4)
        return found

    def to_json(self) -> str:
        """``to_dict`` as a line."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __repr__(self) -> str:
        corners = ", ".join(str(round(v)) for v in self.box)
        some = "" if self.there.all() else f"{self.there.sum()} of "
        points = f"{some}{counted(len(self.landmarks), 'landmarks')}"
        doubt = "" if self.trusted else ", not trusted"
        return f"Face(box {corners}; {points}, mean score {self.confidence:.2f}{doubt})"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same points in the same crop; what it took does not count."""
        if not isinstance(other, Face):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("box", "landmarks", "scores"))

    def __hash__(self) -> int:
        return hash(self.landmarks.tobytes())

    @property
    def _size(self) -> tuple[float, float]:
        """Width and height of its picture."""
        return (math.inf, math.inf) if self.image is None else (self.image.shape[1], self.image.shape[0])


class Faces(list[Face]):
    """The faces of one picture, largest first. image: (H, W, 3) uint8 RGB, the picture. layout: of their points."""

    def __init__(self, faces: Iterable[Face], image: np.ndarray, layout: Layout):
        super().__init__(faces)
        self.image, self.layout = image, layout

    def plot(self, radius: bool = False) -> np.ndarray:
        """The picture with the points of all faces that can be trusted, (H, W, 3) uint8 RGB. radius: and with a circle
        around each in which the true point lies, where the model says how large that is."""
        from edgewing import drawing

        return drawing.draw_faces(self.image, [face for face in self if face.trusted], self.layout.edges, radius)

    def save(self, path: str | Path, radius: bool = False) -> None:
        """``plot`` as a picture's file. InputError for a suffix that is not a picture's."""
        from edgewing import images

        images.write(path, self.plot(radius))

    def show(self) -> None:
        """``plot`` in a window until a key is pressed. InputError where there is no window or display."""
        from edgewing import window

        window.refuse_without()
        shown = window.Window()
        shown.show(self.plot())
        shown.wait()
        shown.close()

    def to_dict(self) -> dict[str, Any]:
        """Width and height of the picture, the layout's name, and each face's own."""
        height, width = self.image.shape[:2]
        found = [face.to_dict() for face in self]
        return {"width": width, "height": height, "layout": self.layout.name, self.layout.several: found}

    def to_json(self) -> str:
        """``to_dict`` as a line."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def __repr__(self) -> str:
        what = self.layout.object if len(self) == 1 else f"{self.layout.object}s"
        lines = [f"{len(self)} {what} in {self.image.shape[1]} x {self.image.shape[0]} px"]
        return "\n  ".join(lines + [repr(face) for face in self])

    def _repr_png_(self) -> bytes:  # notebooks show it
        import cv2

        return cv2.imencode(".png", cv2.cvtColor(self.plot(), cv2.COLOR_RGB2BGR))[1].tobytes()


def trusted(face: Face, shape: tuple[float, ...], limits: Trust | None = None) -> bool:
    """Whether what a detector found in a picture of this shape is a face, as far as its landmarks tell."""
    limits = limits or trust()
    return face.confidence >= limits.least_new and plausible(face, shape, limits)


def plausible(face: Face, shape: tuple[float, ...], limits: Trust) -> bool:
    """Whether this can be a face in a picture of this shape: with enough of its points, finite, neither tiny nor thin,
    and mostly inside."""
    if face.there.mean() < limits.least_there:
        return False
    box = face.landmark_box
    sides = box[2:] - box[:2]
    if not np.isfinite(box).all() or min(sides) < limits.least_side or max(sides) > limits.most_aspect * min(sides):
        return False
    height, width = shape[:2]
    inside = np.clip(np.minimum(box[2:], [width, height]) - np.maximum(box[:2], 0), 0, None)
    return bool(np.prod(inside) >= limits.least_inside * np.prod(sides))


def rounded(values: np.ndarray, digits: int) -> list:
    """A float array as nested lists for JSON."""
    return np.round(np.asarray(values, np.float64), digits).tolist()
