"""Points that people marked in another layout, in the convention of ours.

    labels = translate(labels, marked, theirs, ours)

Two schools mark the same face apart: WFLW's points lie some per cent of the eye distance from 300-W's of the same name.
Teachers know our convention and are unsure of hard faces; a hand is sure and has its own convention. So the labels of
teachers move to where the hand marked, less what lies between the two schools: the median of (hand - teacher), point by
point, in a frame that turns and grows with the face, over the half of the faces where the two agree best.

F faces, N landmarks of our layout, M marked points of theirs.
"""

from __future__ import annotations

import numpy as np

from edgewing.layouts import Layout

LEAST = 20  # faces; of fewer the median says too little of two schools


def translate(labels: np.ndarray, marked: np.ndarray, theirs: Layout, ours: Layout) -> np.ndarray | None:
    """Labels (F, N, 2) of teachers, moved to hand-marked points (F, M, 2) of the same faces; both image px.

    Where their layout has all our points (98 -> 68), each moves as its own mark says. Where ours has more (68 -> 98),
    points without a mark move with their neighbours. A point whose own mark is NaN is not there, whatever the teachers
    say. None where no point map joins the two layouts, or where there are fewer than LEAST faces.
    """
    if ours.name in theirs.maps:
        ours_of_mark, marks = np.arange(ours.points), marked[:, theirs.map_to(ours)]
    elif theirs.name in ours.maps:
        ours_of_mark, marks = ours.map_to(theirs), marked
    else:
        return None
    if len(labels) < LEAST:
        return None
    mean, frame = _mean_face(_complex(labels))
    apart = (_complex(marks) - _complex(labels[:, ours_of_mark])) / frame
    between = _median(apart)
    disagreement = np.nanmean(np.abs(apart - between), axis=1)
    between = _median(apart[disagreement <= np.nanmedian(disagreement)])
    moved = (np.nan_to_num(apart - between) @ _neighbours(mean, ours_of_mark).T) * frame
    moved = (labels + np.stack([moved.real, moved.imag], axis=-1)).astype(np.float32)
    moved[:, ours_of_mark] = np.where(np.isnan(marks), np.nan, moved[:, ours_of_mark])
    return moved


def _complex(points: np.ndarray) -> np.ndarray:
    return points[..., 0] + 1j * points[..., 1].astype(np.float64)


def _median(points: np.ndarray) -> np.ndarray:
    """(F, M) complex -> (M,)."""
    return np.nanmedian(points.real, axis=0) + 1j * np.nanmedian(points.imag, axis=0)


def _mean_face(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(F, N) complex -> the mean shape (N,) of unit size, and of each face (F, 1) the turn and size (image px) that lay
    that shape on it best in the sense of least squares. A pass from the first face's shape and one more will do."""
    centred = points - np.nanmean(points, axis=1, keepdims=True)
    mean = centred[np.isnan(points).sum(axis=1).argmin()]
    for _ in range(2):
        mean = mean / np.sqrt(np.nansum(np.abs(mean) ** 2))
        frame = np.nansum(centred * mean.conj(), axis=1, keepdims=True)
        mean = np.nanmean(centred / frame, axis=0)
    return mean, frame


def _neighbours(mean: np.ndarray, marked: np.ndarray) -> np.ndarray:
    """(N, M) weights, rows of sum 1, by which a point follows the marks: its own alone, or those of the two nearest
    marked points by the inverse of their distance in the mean face."""
    distance = np.abs(mean[:, None] - mean[None, marked])
    weights = np.zeros_like(distance)
    rows = np.arange(len(mean))[:, None]
    nearest = np.argsort(distance, axis=1)[:, :2]
    weights[rows, nearest] = 1 / np.maximum(distance[rows, nearest], 1e-9)
    weights[marked] = 0
    weights[marked, np.arange(len(marked))] = 1
    return weights / weights.sum(axis=1, keepdims=True)
