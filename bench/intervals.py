"""How sure a figure is: by drawing faces or rounds again, and by Student's t; and how two models differ face by face.

F: faces.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edgewing.errors import InputError

CHUNK = 200  # draws at a time: thousands of faces times thousands of draws are gigabytes
PAIRED_RESAMPLES = 4000


def bootstrap(
    figure: Callable[[np.ndarray], np.ndarray], count: int, resamples: int, interval: float = 0.95
) -> tuple[float, float]:
    """Ends of the percentile interval (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13).

    figure: of (K, count) numbers below ``count``, drawn with seed 0 and by chance more than once, its K values.
    resamples: a multiple of CHUNK.
    """
    random = np.random.default_rng(0)
    values = [figure(random.integers(0, count, (CHUNK, count))) for _ in range(resamples // CHUNK)]
    low, high = np.quantile(np.concatenate(values), [(1 - interval) / 2, (1 + interval) / 2])
    return float(low), float(high)


def students(values: np.ndarray, interval: float) -> tuple[float, float]:
    """The mean of (N,) values and half of its interval by Student's t; infinite for one value."""
    from scipy.stats import t  # scipy takes a second to import, and help waits for nothing

    values, count = np.asarray(values, float), len(values)
    if count < 2:
        return float(values.mean()), math.inf
    half = values.std(ddof=1) / math.sqrt(count) * t.ppf((1 + interval) / 2, count - 1)
    return float(values.mean()), float(half)


@dataclass(frozen=True)
class Change:
    """How a second model's NME differs from a first one's on the same faces, as a share of the first: 0.05 is 5 %
    worse. low, high: ends of the interval. faces: that both have a prediction for. lost: that only the first has."""

    change: float
    low: float
    high: float
    faces: int
    lost: int


def paired_change(face_errors: np.ndarray, reference: np.ndarray) -> Change:
    """The relative change of NME with its bootstrap interval over faces, the same faces drawn for both.

    face_errors, reference: (F,) errors of the same faces in the same order; infinite without a prediction.
    InputError: other numbers of faces, none that both predict, a reference without any error.
    """
    first, second = np.asarray(reference, float), np.asarray(face_errors, float)
    if first.shape != second.shape:
        raise InputError(f"{len(second)} against {len(first)}; a paired comparison needs the same pictures")
    lost = int((np.isfinite(first) & ~np.isfinite(second)).sum())
    both = np.isfinite(first) & np.isfinite(second)
    first, second = first[both], second[both]
    if not len(first) or not first.mean() > 0:
        raise InputError("nothing that both models predict with an error above 0; nothing to compare")

    def ratio(chosen: np.ndarray) -> np.ndarray:
        return second[chosen].mean(axis=1) / np.maximum(first[chosen].mean(axis=1), np.finfo(float).tiny)

    low, high = bootstrap(ratio, len(first), PAIRED_RESAMPLES)
    return Change(float(second.mean() / first.mean() - 1), low - 1, high - 1, len(first), lost)
