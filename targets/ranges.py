"""Ranges of activations for int8, by name: what each crop says (low, high), and how the crops are put together.

The converters bring a moving average and little else, each its own; here one table serves TFLite and TensorRT, so that
a choice measured on one can be tried on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from edgewing.errors import InputError, unknown

DEFAULT = "moving-average"
CROPS = 200  # enough that the choice of crops no longer matters (shared measurements: 16 and 200 differ by 0.2 % NME)


def _moving_average(values: np.ndarray) -> float:
    """Factor 0.95, from the first crop on: after 200 crops the first one weighs nothing any more."""
    average = values[0]
    for value in values[1:]:
        average = 0.95 * average + 0.05 * value
    return float(average)


def _mean(values: np.ndarray) -> float:
    return float(values.mean())


@dataclass(frozen=True)
class Ranges:
    """quantile: of one crop's values, 1 for its largest (and, mirrored, its smallest); None where the values of all
    crops are counted together (``Histogram``), and ``least_error`` chooses. low, high: over the crops."""

    quantile: float | None
    low: Callable[[np.ndarray], float] = _mean
    high: Callable[[np.ndarray], float] = _mean


TABLE = {
    "moving-average": Ranges(1.0, _moving_average, _moving_average),
    "mean-min-max": Ranges(1.0),
    "min-max": Ranges(1.0, lambda v: float(v.min()), lambda v: float(v.max())),
    "percentile": Ranges(0.9999),
    "percentile-99.9": Ranges(0.999),
    "mse": Ranges(None),
}


def get(name: str) -> Ranges:
    """The ranges of that name; InputError with the nearest name if there is none."""
    if name not in TABLE:
        raise unknown("ranges", name, TABLE)
    return TABLE[name]


def choose(crops: np.ndarray) -> np.ndarray:
    """At most CROPS of (F, S, S, 3) crops, shuffled: a moving average forgets what came first."""
    if len(crops) == 0:
        raise InputError("no crops to calibrate on; train the run again, which writes its faces/calibration.npz")
    return crops[np.random.default_rng(0).permutation(len(crops))[:CROPS]]


class Histogram:
    """How often each value came, of one tensor over all crops, in bins of one width that doubles when a larger value
    comes: memory stays the same however many crops there are. The middle of a bin is at 0, which int8 says exactly."""

    SIDE = 4096  # bins on either side of 0; at least half of one side is in use, 8 or more for each int8 step

    def __init__(self):
        self.width, self.counts = 0.0, np.zeros(2 * self.SIDE + 1, np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count float values of any shape."""
        largest = float(np.abs(values).max(initial=0.0))
        if largest > 0 and self.width == 0.0:
            self.width = 2 * largest / self.SIDE
        while largest > self.width * self.SIDE:
            self._grow()
        bins = np.rint(values.ravel() / (self.width or 1.0)).astype(np.int64) + self.SIDE
        self.counts += np.bincount(bins, minlength=len(self.counts))

    def _grow(self) -> None:
        wider = np.rint(np.arange(-self.SIDE, self.SIDE + 1) / 2).astype(np.int64) + self.SIDE
        self.counts = np.bincount(wider, self.counts, len(self.counts)).astype(np.int64)
        self.width *= 2

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """The values that came (middles of their bins), rising, and how often each."""
        there = np.flatnonzero(self.counts)
        return (there - self.SIDE) * self.width, self.counts[there]


SHARES = np.linspace(0.2, 1.0, 41)  # of the largest value, and of the smallest: what ``least_error`` tries


def least_error(histogram: Histogram) -> tuple[float, float]:
    """(low, high) for which int8 changes the values least, in the mean of squares: narrower ranges clip, wider ones
    round more coarsely. All pairs of SHARES of the extremes are tried."""
    values, counts = histogram.values()
    low, high = min(values[0], 0.0), max(values[-1], 0.0)
    if high == low:
        return low, high
    best = np.inf, low, high
    for bottom in low * SHARES if low < 0 else [0.0]:
        for top in high * SHARES if high > 0 else [0.0]:
            error = float(((int8(values, bottom, top) - values) ** 2) @ counts)
            best = min(best, (error, bottom, top))
    return float(best[1]), float(best[2])


def int8(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """What 256 steps from low to high make of float values: clipped and rounded, 0 exact (low <= 0 <= high)."""
    step = (high - low) / 255
    zero = np.rint(-low / step)
    return (np.clip(np.rint(values / step) + zero, 0, 255) - zero) * step


Found = dict[str, tuple[np.ndarray, np.ndarray]] | dict[str, Histogram]


def collect(quantiles: Iterable[float | None], samples: Iterable[dict[str, np.ndarray]]) -> dict[float | None, Found]:
    """Each of ``quantiles`` (as in Ranges) -> tensor name -> what ``over_crops`` needs: (lowest, highest) of each crop,
    two arrays, or a Histogram of all.

    samples: for each crop the activations by tensor name, any shape. They are gone through once.
    """
    found: dict[float | None, dict] = {quantile: {} for quantile in quantiles}
    inner = [quantile for quantile in found if quantile not in (None, 1.0)]
    for activations in samples:
        for tensor, values in activations.items():
            pairs = {1.0: (values.min(), values.max())} if 1.0 in found else {}
            if inner:  # in one call, which sorts once
                ends = np.quantile(values, [1 - q for q in inner] + inner)
                pairs |= {q: (ends[i], ends[len(inner) + i]) for i, q in enumerate(inner)}
            for quantile, pair in pairs.items():
                found[quantile].setdefault(tensor, []).append(pair)
            if None in found:
                found[None].setdefault(tensor, Histogram()).add(values)
    return {
        quantile: tensors if quantile is None else {t: tuple(np.array(v, np.float64).T) for t, v in tensors.items()}
        for quantile, tensors in found.items()
    }


def over_crops(name: str, found: Found) -> dict[str, tuple[float, float]]:
    """Tensor name -> (low, high), from what was collected for these ranges.

    A range always contains 0, which every integer format must be able to say exactly (padding, ReLU).
    """
    how = get(name)
    if how.quantile is None:
        return {tensor: least_error(histogram) for tensor, histogram in found.items()}
    return {tensor: (min(how.low(lows), 0.0), max(how.high(highs), 0.0)) for tensor, (lows, highs) in found.items()}


def measure(name: str, samples: Iterable[dict[str, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """Both in one: tensor name -> (low, high) over crops."""
    quantile = get(name).quantile
    return over_crops(name, collect([quantile], samples)[quantile])
