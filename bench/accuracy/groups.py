"""Accuracy of parts of a set of faces: by how far the head is turned, by how large the face is, by any label.

Every part has its number of faces, and its NME an interval (a bootstrap over faces), because the parts are small.

F: faces, N: landmarks.
"""

from __future__ import annotations

import functools

import numpy as np

from bench import intervals
from edgewing import metrics
from edgewing.layouts import Layout
from train.data import drawn
from train.data.drawn.cartoons import shape

YAW = (0, 15, 30, 45)  # degrees, the lower ends; the last is open above
SIZE = (0, 64, 96, 128, 192)  # px, likewise
HIDDEN = (0, 1, 5, 10)  # points, likewise
SUBSET_HOW = "the test set's own subsets, which may overlap"
HIDDEN_HOW = "points that the dataset calls occluded, upper end not included"
YAW_HOW = "head turned by so many degrees: weak-perspective fit of a mean head to the true points but for the contour"
SIZE_HOW = "longer side of the box of the true points, px of the picture"
RESAMPLES = 1000


def part(how: str, labels: list[str], face_errors: np.ndarray, order: list[str]) -> dict:
    """One way to divide the faces. labels: of each face, '' where it belongs to no group. order: the groups' names.

    Returns ``how`` and ``groups``: name -> faces, failed, nme with nme_low and nme_high, fr08, fr10, auc08, auc10.
    """
    labels = np.array(labels)
    groups = {name: nme_figures(face_errors[labels == name]) for name in order if (labels == name).any()}
    return {"how": how, "groups": groups}


def by_yaw(landmarks: np.ndarray, layout: Layout, face_errors: np.ndarray) -> dict | None:
    """landmarks: (F, N, 2) true points. None for a layout that is not of a face."""
    if layout.name not in drawn.LAYOUTS:
        return None
    whole = ~np.isnan(landmarks[:, _inner(layout)]).any(axis=(1, 2))  # a face that lacks points tells no angle
    if not whole.any():
        return None
    angles = np.abs(yaw(landmarks[whole], layout))
    return part(YAW_HOW, _labels(angles, YAW), face_errors[whole], _names(YAW))


def by_size(landmarks: np.ndarray, face_errors: np.ndarray) -> dict:
    """landmarks: (F, N, 2) true points, px of the original picture; NaN where there is none."""
    sizes = (np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1)).max(axis=-1)
    return part(SIZE_HOW, _labels(sizes, SIZE), face_errors, _names(SIZE))


def by_attribute(attributes: list[dict[str, int]], face_errors: np.ndarray) -> dict | None:
    """WFLW's six subsets, 300W's common and challenging: attributes of each face, 1 where it belongs to the subset.

    None where no subset leaves out a face: it would say what the whole says.
    """
    names = list(dict.fromkeys(name for of_face in attributes for name in of_face))
    members = {name: np.array([bool(of_face.get(name)) for of_face in attributes]) for name in names}
    if all(chosen.all() or not chosen.any() for chosen in members.values()):
        return None
    found = {name: nme_figures(face_errors[chosen]) for name, chosen in members.items() if chosen.any()}
    return {"how": SUBSET_HOW, "groups": found}


def by_occlusion(hidden: np.ndarray, face_errors: np.ndarray) -> dict:
    """hidden: (F,) how many points of each face the dataset calls occluded (COFW, AFLW)."""
    return part(HIDDEN_HOW, _labels(hidden, HIDDEN), face_errors, _names(HIDDEN))


def yaw(landmarks: np.ndarray, layout: Layout) -> np.ndarray:
    """(F,) estimated yaw in degrees, positive with the nose to the right of the picture, of (F, N, 2) points.

    The mean drawn head (train.data.drawn.cartoons.shape) is fitted by least squares in weak perspective, without the
    contour, whose points slide along the head as it turns. Tests hold the error on drawn heads of other shapes and
    expressions, turned by up to 60 degrees, to 3 degrees at the median and 8 at the 90th percentile.
    """
    inner = _inner(layout)
    head = _mean_head(layout.name)[inner]
    seen = landmarks[:, inner] - landmarks[:, inner].mean(axis=1, keepdims=True)
    camera = np.einsum("kn,fnc->fck", np.linalg.pinv(head - head.mean(axis=0)), seen)  # (F, 2, 3)
    left, _, right = np.linalg.svd(camera, full_matrices=False)
    rotation = left @ right  # the nearest two rows of a rotation
    ahead = np.cross(rotation[:, 0], rotation[:, 1])
    return np.rad2deg(np.arctan2(-ahead[:, 0], ahead[:, 2]))


def lines_of(parts: dict[str, dict]) -> list[str]:
    """A line per group for a terminal."""
    lines = []
    for name, division in parts.items():
        lines.append(f"by {name} ({division['how']}):")
        for group, figures in division["groups"].items():
            lines.append(f"  {group:>12}  {figures['faces']:>5} crops  {cells(figures)}")
    return lines


def cells(figures: dict) -> str:
    """``NME 3.21 % (3.02 to 3.44)  FR10 0.00 %``; an NME over no predicted face at all has no figure."""
    failure = f"FR08 {100 * figures['fr08']:.2f} %  FR10 {100 * figures['fr10']:.2f} %  AUC10 {figures['auc10']:.4f}"
    if figures["nme"] is None:
        return f"NME none  {failure}"
    nme, low, high = (100 * figures[key] for key in ("nme", "nme_low", "nme_high"))
    return f"NME {nme:.2f} % ({low:.2f} to {high:.2f})  {failure}"


def nme_figures(face_errors: np.ndarray) -> dict:
    """What metrics.summarise says of (F,) errors, and the bootstrap interval nme_low, nme_high of its NME."""
    low, high = _interval(face_errors[np.isfinite(face_errors)])
    return {**vars(metrics.summarise(face_errors)), "nme_low": low, "nme_high": high}


def _interval(face_errors: np.ndarray) -> tuple[float, float]:
    if not len(face_errors):
        return float("nan"), float("nan")
    return intervals.bootstrap(lambda chosen: face_errors[chosen].mean(axis=1), len(face_errors), RESAMPLES)


def _labels(values: np.ndarray, starts: tuple[int, ...]) -> list[str]:
    names = _names(starts)
    return [names[i] for i in np.searchsorted(starts, values, side="right") - 1]


def _names(starts: tuple[int, ...]) -> list[str]:
    """(0, 15, 30) -> 0-15, 15-30, 30+."""
    return [f"{a}-{b}" for a, b in zip(starts, starts[1:])] + [f"{starts[-1]}+"]


def _inner(layout: Layout) -> np.ndarray:
    return np.setdiff1d(np.arange(layout.points), layout.curves.get("contour", ()))


@functools.cache
def _mean_head(layout_name: str) -> np.ndarray:
    """(N, 3) the mean drawn head's landmarks, facing the camera."""
    surface = shape.Surface(shape.Plan(shape.neutral()))
    points = surface.at(surface.locate(surface.plan.points))
    return shape.in_layout(points, layout_name)
