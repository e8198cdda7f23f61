"""What landmarks say of a face: its parts, how open eyes and mouth are, and its place in a square that recognition
networks take. numpy alone; left and right are those of the picture.

N: landmarks, (N, 2) px.
"""

from __future__ import annotations

import functools
import re

import numpy as np

from edgewing.errors import InputError
from edgewing.layouts import Layout

# Eyes, tip of the nose, corners of the mouth in a square of 112 px: ArcFace (Deng et al., CVPR 2019), as its authors'
# code aligns faces (insightface, MIT).
ARCFACE = np.array([(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)])
ARCFACE_SIZE = 112
PARTS = (  # what a curve's name says -> the part
    ("lip", "mouth"),
    ("nose", "nose"),
    (r"left_(\w+_)?(lid|eye)$", "left_eye"),
    (r"right_(\w+_)?(lid|eye)$", "right_eye"),
)


@functools.cache
def regions(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Name of a part -> its points, by the layout's curves and groups: contour, brows, ``left_eye``, ``nose``,
    ``mouth``."""
    found: dict[str, list[int]] = {}
    for curve, points in layout.curves.items():
        found.setdefault(_part(curve), []).extend(points)
    return {name: tuple(dict.fromkeys(points)) for name, points in found.items()} | layout.groups


def _part(curve: str) -> str:
    if brow := re.match(r"(left|right)_eyebrow", curve):
        return brow[0]
    return next((name for pattern, name in PARTS if re.search(pattern, curve)), curve)


def five_places(layout: Layout) -> list[tuple[int, ...]]:
    """The points of the eyes, tip of the nose, corners of the mouth.

    Raises InputError where the layout does not have them."""
    parts, curves = regions(layout), layout.curves
    nose = curves.get("nose_bridge", curves.get("nose", ())[1:2])
    lip = curves.get("outer_upper_lip", ())
    if not (nose and lip and "left_eye" in parts and "right_eye" in parts):
        raise InputError(f"layout {layout.name}: a face is aligned by eyes, nose and mouth, which it does not all have")
    return [parts["left_eye"], parts["right_eye"], (nose[-1],), (lip[0],), (lip[-1],)]


def five_points(landmarks: np.ndarray, layout: Layout) -> np.ndarray:
    """(5, 2) eyes, tip of the nose, corners of the mouth: means of theirs. InputError as for five_places."""
    return np.array([landmarks[list(several)].mean(axis=0) for several in five_places(layout)], np.float64)


def alignment(landmarks: np.ndarray, layout: Layout, size: int = ARCFACE_SIZE) -> np.ndarray:
    """(2, 3) the similarity from image px to a square of ``size`` px with the face as ARCFACE has it: least squares
    over five points, (0, 0) the centre of the first pixel."""
    given = five_points(landmarks, layout) @ (1, 1j)
    wanted = ((ARCFACE + 0.5) * size / ARCFACE_SIZE - 0.5) @ (1, 1j)
    middle = given.mean()
    turned = np.vdot(given - middle, wanted - wanted.mean()) / np.vdot(given - middle, given - middle).real
    shift = wanted.mean() - turned * middle
    return np.array([[turned.real, -turned.imag, shift.real], [turned.imag, turned.real, shift.imag]])


def turn(landmarks: np.ndarray, layout: Layout) -> float | None:
    """Radians by which a face is turned from upright, clockwise as one sees it; None where the layout does not tell."""
    try:
        matrix = alignment(landmarks, layout)
    except InputError:
        return None
    return -float(np.arctan2(matrix[1, 0], matrix[0, 0])) if np.isfinite(matrix).all() else None


def openness(landmarks: np.ndarray, layout: Layout, upper: str, lower: str) -> float | None:
    """How far two curves with common ends are apart, as a share of the distance of these ends; None where the layout
    has no such curves."""
    pair = [layout.curves.get(name, ()) for name in (upper, lower)]
    if len(pair[0]) != len(pair[1]) or len(pair[0]) < 3:
        return None
    above, below = (landmarks[list(points)].astype(np.float64) for points in pair)
    width = float(np.linalg.norm(above[-1] - above[0]))
    return float(np.linalg.norm(above[1:-1] - below[1:-1], axis=1).mean() / max(width, 1e-6))
