"""How far a point may be off, by its score and by which point it is: measured, and held against other faces.

Split-conformal (Lei and others, JASA 113, 2018), in bins of the score (Mondrian): whatever the network is like, the
true point is within the radius in ``share`` of cases, as long as the faces to come are like those that it was measured
on. All lengths are shares of the crop's side, which grows with the face.

F: faces, N: landmarks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

BINS = 8  # of the score, with as many points in each
ROUNDS = 3  # scores and points in turn: they no longer move
FLOOR = 1e-6  # of a file that is never off


def fit(
    distances: np.ndarray, scores: np.ndarray, weights: np.ndarray, share: float
) -> tuple[list[float], list[float], list[float]]:
    """scores, sides, points of a RadiusPart, of (F, N) distances (NaN: no such point), scores and weights."""
    there = np.isfinite(distances)
    order = np.argsort(scores[there], kind="stable")
    passed = np.cumsum(weights[there][order])
    bins = np.split(order, np.searchsorted(passed / passed[-1], np.arange(1, BINS) / BINS))
    bins = [chosen for chosen in bins if len(chosen)]
    knots, first = np.unique([np.round(np.median(scores[there][b]), 4) for b in bins], return_index=True)
    factors = np.ones(distances.shape[1])
    for _ in range(ROUNDS):
        scaled = (distances / factors)[there]
        found = np.array([quantile(scaled[b], weights[there][b], share) for b in bins])
        sides = np.maximum.accumulate(found[::-1])[::-1][first]  # a surer point is never further off
        left = distances / np.interp(scores, knots, sides)
        several = zip(left.T, weights.T, there.T)
        factors = np.array([quantile(one[seen], weight[seen], share) for one, weight, seen in several])
    return knots.tolist(), sides.round(6).tolist(), factors.round(4).tolist()


def quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    """The least of the values that ``share`` of the weight, and of one value more, does not exceed."""
    if not len(values):
        return 1.0
    order = np.argsort(values)
    passed = np.cumsum(weights[order]) / weights.sum()
    place = np.searchsorted(passed, share * (len(values) + 1) / len(values) - 1e-12)
    return max(float(values[order][min(place, len(values) - 1)]), FLOOR)


def centred(offsets: np.ndarray) -> np.ndarray:
    """(F, N, 2) offsets of ours from the marks without the mean of each point: people who mark otherwise, always in the
    same way, are no error of the network."""
    return offsets - np.nanmean(offsets, axis=0)


def coverage(
    offsets: np.ndarray, sides: np.ndarray, radii: np.ndarray, share: float, divide: Callable[[np.ndarray], dict]
) -> dict:
    """Field of a row: how many true points lie within the radius that is said, the mean over faces.

    offsets: (F, N, 2) px, NaN where there is no point. sides: (F,) of the crops, px. radii: (F, N) px. divide: (F,) of
    each face to figures by part. ``centred``: without the mean offset of each point.
    """
    outside = _outside(offsets, radii)
    moved = centred(offsets / sides[:, None, None]) * sides[:, None, None]
    parts = {
        part: {name: _group(figures) for name, figures in division["groups"].items()}
        for part, division in divide(outside).items()
    }
    return {
        "share": share,
        "covered": 1 - float(np.nanmean(outside)),
        "centred": 1 - float(np.nanmean(_outside(moved, radii))),
        "median_radius": float(np.median(radii / sides[:, None])),
        "parts": parts,
    }


def lines_of(found: dict) -> list[str]:
    """Lines for a terminal."""
    lines = [
        f"true points within the radius that is said ({100 * found['share']:g} % are promised): "
        f"{100 * found['covered']:.1f} %; {100 * found['centred']:.1f} % without the mean offset of each point"
    ]
    for part, of_part in found["parts"].items():
        told = (f"{name} {100 * g['covered']:.1f} % ({g['faces']})" for name, g in of_part.items())
        lines.append(f"  by {part}: {', '.join(told)}")
    return lines


def _outside(offsets: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """(F,) share of each face's points beyond their radius."""
    distances = np.linalg.norm(offsets, axis=-1)
    return np.nanmean(np.where(np.isfinite(distances), distances > radii, np.nan), axis=1)


def _group(figures: dict) -> dict:
    """Of the figures that groups have for errors: here the share of points outside."""
    low, high = 1 - figures["nme_high"], 1 - figures["nme_low"]
    return {"faces": figures["faces"], "covered": 1 - figures["nme"], "low": low, "high": high}
