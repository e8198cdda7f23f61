"""NME, FR, AUC, CED. Fractions everywhere; percent belongs into tables.

An error that is infinite is a face without a prediction: it counts as failed in FR and AUC and is left out of the
mean, whose caller prints the number of failed faces beside it.

F: faces, N: landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewing.errors import InputError, unknown
from edgewing.layouts import Layout

THRESHOLDS = (0.08, 0.10)
BOX = "landmarks"  # the normaliser that every face has: the root of the area of the tight box of its points
LEAST_FACES = 50  # that a gate needs to say anything of accuracy


def normaliser(landmarks: np.ndarray, layout: Layout, name: str = "", boxes: np.ndarray | None = None) -> np.ndarray:
    """The distance that errors are divided by, per face.

    landmarks: (F, N, 2) true points, px; NaN where there is none. name: one of the layout's normalisers, '' for its
    default. boxes: (F, 4) the dataset's own boxes, needed where the normaliser is ``dataset``. Returns (F,) px.
    ``landmarks``, the root of the area of the points' tight box, is known to every layout.
    Raises InputError for an unknown name, a missing box, a point that is needed and not there, or a distance of zero.
    """
    name = name or layout.default_normaliser
    if name != BOX and name not in layout.normalisers:
        raise unknown(f"normaliser of {layout.name}", name, [*layout.normalisers, BOX])
    ends = BOX if name == BOX else layout.normalisers[name]
    if ends == BOX:
        distance = np.sqrt(np.prod(np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1), axis=-1))
    elif ends == "diagonal":
        distance = np.linalg.norm(np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1), axis=-1)
    elif ends == "dataset":
        if boxes is None:
            raise InputError(f"normaliser {name!r} of {layout.name} needs the dataset's boxes; there are none")
        distance = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1))
    else:
        assert not isinstance(ends, str)  # layouts knows no other kind
        first, second = (landmarks[:, list(group)].mean(axis=1) for group in ends)
        distance = np.linalg.norm(first - second, axis=-1)
    if np.isnan(distance).any():
        raise InputError(
            f"normaliser {name!r} needs points that {layout.object} {int(np.argmax(np.isnan(distance)))} does not "
            f"have; use {BOX!r}, the box of the points"
        )
    if not (distance > 0).all():
        which = f"{layout.object} {int(np.argmin(distance))}"
        raise InputError(f"normaliser {name!r} is zero for {which}; check its landmarks")
    return distance


def measurable(landmarks: np.ndarray, layout: Layout, name: str) -> bool:
    """Whether all (F, N, 2) faces have the points that the normaliser of that name needs, and apart."""
    ends = layout.normalisers[name]
    if isinstance(ends, str):
        return True
    first, second = (landmarks[:, list(group)].mean(axis=1) for group in ends)
    return bool((np.linalg.norm(first - second, axis=-1) > 0).all())  # not of NaN


def normaliser_of_all(landmarks: np.ndarray, layout: Layout) -> str:
    """The name of the layout's own normaliser, or BOX where one of the (F, N, 2) faces lacks a point that it needs, or
    has both ends in one place."""
    own = layout.default_normaliser
    return own if measurable(landmarks, layout, own) else BOX


def errors(predicted: np.ndarray, true: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """(F,) error of each face: mean over points of the Euclidean error, divided by ``distance`` (F,).

    predicted, true: (F, N, 2) px in one frame. Points that are not there (true is NaN) have no part in it. A face with
    a non-finite prediction has error infinity.
    """
    there = ~np.isnan(true).any(axis=-1)
    off = np.linalg.norm(np.asarray(predicted, float) - true, axis=-1)
    off = np.where(there & ~np.isfinite(off), np.inf, np.where(there, off, 0.0))
    per_face = off.sum(axis=-1) / there.sum(axis=-1) / distance
    return np.where(np.isfinite(per_face), per_face, np.inf)


def failure_rate(face_errors: np.ndarray, threshold: float) -> float:
    """Share of faces whose error is above the threshold."""
    return float((face_errors > threshold).mean())


def area_under_curve(face_errors: np.ndarray, threshold: float) -> float:
    """Area under the cumulative error curve up to the threshold, divided by it: mean(max(0, 1 - e / t))."""
    return float(np.maximum(0.0, 1.0 - face_errors / threshold).mean())


def correct_keypoints(
    predicted: np.ndarray, true: np.ndarray, distance: np.ndarray, threshold: float
) -> dict[str, float] | None:
    """PCK: the ``share`` of points whose error is at most ``threshold`` times the object's ``distance``, with that
    threshold. None where the threshold, a layout's, is 0.

    predicted, true: (F, N, 2) px in one frame, distance: (F,) px; PCK@0.2 of the torso (Yang and Ramanan, TPAMI 2013)
    with the layout lsp-14. A prediction that is not finite is wrong; points that are not there do not count.
    """
    there = ~np.isnan(true).any(axis=-1)
    off = np.linalg.norm(np.asarray(predicted, float) - true, axis=-1) / distance[:, None]
    return {"threshold": threshold, "share": float((off <= threshold)[there].mean())} if threshold else None


def area_under_roc(scores: np.ndarray, positive: np.ndarray) -> float | None:
    """AUROC: the chance that a positive has a higher score than a negative, ties counting half. None without both.

    scores: of any shape. positive: bool, likewise.
    """
    scores, positive = np.ravel(scores), np.ravel(positive)
    count = int(positive.sum())
    if not 0 < count < len(scores):
        return None
    values, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # of ties their mean
    return float((ranks[inverse][positive].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def cumulative_errors(face_errors: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """The CED: share of faces with error at most each threshold."""
    return np.searchsorted(np.sort(face_errors), thresholds, side="right") / len(face_errors)


@dataclass(frozen=True)
class Summary:
    """What stands in a row: fractions, except for the counts."""

    faces: int
    failed: int
    nme: float
    fr08: float
    fr10: float
    auc08: float
    auc10: float


def summarise(face_errors: np.ndarray) -> Summary:
    """NME, FR and AUC at 8 and 10 % of (F,) face errors. Raises InputError when there are no faces."""
    if len(face_errors) == 0:
        raise InputError("nothing to score; check the folder and its annotation files")
    finite = face_errors[np.isfinite(face_errors)]
    low, high = THRESHOLDS
    return Summary(
        faces=len(face_errors),
        failed=len(face_errors) - len(finite),
        nme=float(finite.mean()) if len(finite) else float("inf"),
        fr08=failure_rate(face_errors, low),
        fr10=failure_rate(face_errors, high),
        auc08=area_under_curve(face_errors, low),
        auc10=area_under_curve(face_errors, high),
    )
