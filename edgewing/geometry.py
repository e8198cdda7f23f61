"""Boxes, square crops, affine maps: the one place where coordinates change frame.

Frames: image pixels and crop pixels, both with (0, 0) at the centre of the top-left pixel, as OpenCV and numpy index.
A box is x0, y0, x1, y1 in image pixels, a map is a (2, 3) matrix that takes a column (x, y, 1).
Only ``warp`` needs OpenCV, and imports it itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewing.errors import InputError

# Side of the training crop relative to the mean of the landmark box's sides: the released code's
# 0.8 * (w + h), padded by 5 %, of which the central 360 of 450 is used: 0.8 * 2 * 1.05 * 360 / 450 = 1.344.
FACTOR = 1.344
# ... but never so small that the box itself is cut: at least this many times its longer side.
LEAST = 1.1
LEVEL = np.radians(25)  # of a face's tilt in its crop; training turns crops by up to 30 degrees


@dataclass(frozen=True)
class Crop:
    """The square of an image that a network sees.

    centre: x, y in image pixels. side: image pixels. size: crop pixels (the square is resized to size x size).
    turn: radians by which it is turned about its centre, clockwise as one sees it.
    """

    centre: tuple[float, float]
    side: float
    size: int
    turn: float = 0.0

    @property
    def to_image(self) -> np.ndarray:
        """(2, 3) float64: crop pixels -> image pixels. The square's edge falls on the edge of crop pixel 0, which is
        half a pixel before its centre: upright, u = left + (c + 0.5) * side / size."""
        step, first = self.side / self.size, (1 - self.size) / 2
        linear = step * rotation(self.turn)
        return np.hstack([linear, np.reshape(linear @ (first, first) + self.centre, (2, 1))])

    @property
    def to_crop(self) -> np.ndarray:
        """(2, 3) float64: image pixels -> crop pixels."""
        return invert(self.to_image)


def rotation(turn: float) -> np.ndarray:
    """(2, 2) clockwise as one sees it, for y goes down; radians."""
    cos, sin = np.cos(turn), np.sin(turn)
    return np.array([[cos, -sin], [sin, cos]])


def turned_box(landmarks: np.ndarray, turn: float) -> np.ndarray:
    """(4,) the tight box of landmarks that are turned by so much: it has that box's sides, and is to be turned about
    its own middle. NaN as in landmark_box."""
    if not turn:
        return landmark_box(landmarks)
    back = rotation(turn)
    box = landmark_box(landmarks @ back)  # the inverse of a rotation is its transpose
    middle, half = back @ (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    return np.concatenate([middle - half, middle + half])


def crop_turn(found: float, before: float = 0.0) -> float:
    """How a crop is to be turned, in (-pi, pi], for a face that is turned by ``found``: as it was before while
    the face is within LEVEL of that. Networks know faces that are tilted so much, and a crop that keeps
    still shakes less."""
    away = (found - before + np.pi) % (2 * np.pi) - np.pi
    return before if abs(away) <= LEVEL else float((found + np.pi) % (2 * np.pi) - np.pi)


def invert(matrix: np.ndarray) -> np.ndarray:
    """The inverse of a (2, 3) affine map."""
    linear = np.linalg.inv(matrix[:, :2])
    return np.hstack([linear, -linear @ matrix[:, 2:]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Map (..., 2) points through a (2, 3) affine map; float64 inside, the points' float type outside."""
    mapped = np.asarray(points, np.float64) @ matrix[:, :2].T + matrix[:, 2]
    return mapped.astype(np.result_type(points, np.float32))


def landmark_box(landmarks: np.ndarray) -> np.ndarray:
    """(4,) tight box x0, y0, x1, y1 around (N, 2) landmarks; points that are not there (NaN) have no part in it."""
    return np.concatenate([np.nanmin(landmarks, axis=0), np.nanmax(landmarks, axis=0)])


def crop_from_box(box: np.ndarray, size: int, factor: float = FACTOR, least: float = LEAST, turn: float = 0.0) -> Crop:
    """The square crop around a box, as the protocols ``gtbox`` and ``provided`` have it.

    The centre is the box's; the side is ``factor`` times the mean of its width and height, at least ``least`` times
    the longer of the two; turned as ``turned_box`` has it. Raises InputError where the box is empty or not finite.
    """
    x0, y0, x1, y1 = (float(v) for v in box)
    width, height = x1 - x0, y1 - y0
    if not (np.isfinite([x0, y0, x1, y1]).all() and width > 0 and height > 0):
        raise InputError(f"empty or broken box {x0:g},{y0:g},{x1:g},{y1:g}; expected x0 < x1 and y0 < y1 in pixels")
    side = max(factor * (width + height) / 2, least * max(width, height))
    return Crop(((x0 + x1) / 2, (y0 + y1) / 2), side, size, turn)


def crop_from_landmarks(landmarks: np.ndarray, size: int, factor: float = FACTOR, least: float = LEAST) -> Crop:
    """The ``gtbox`` crop: from the tight box around the true (N, 2) landmarks in image pixels."""
    return crop_from_box(landmark_box(landmarks), size, factor, least)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Resample an image: output pixel c shows image point ``matrix @ (c, 1)``.

    image: (H, W, 3) uint8. matrix: (2, 3) crop -> image. Returns (size, size, 3) uint8; black outside, bilinear,
    no anti-aliasing, so that every other runtime can repeat it.
    """
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT)
