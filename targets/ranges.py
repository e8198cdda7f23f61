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
    """quantile: of one crop's values, 1 for its largest (and, mirrored, its smallest). low, high: over the crops."""

    quantile: float
    low: Callable[[np.ndarray], float]
    high: Callable[[np.ndarray], float]


TABLE = {
    "moving-average": Ranges(1.0, _moving_average, _moving_average),
    "mean-min-max": Ranges(1.0, _mean, _mean),
    "min-max": Ranges(1.0, lambda v: float(v.min()), lambda v: float(v.max())),
    "percentile": Ranges(0.9999, _mean, _mean),
    "percentile-99.9": Ranges(0.999, _mean, _mean),
}


def get(name: str) -> Ranges:
    """The ranges of that name; InputError with the nearest name if there is none."""
    if name not in TABLE:
        raise unknown("ranges", name, TABLE)
    return TABLE[name]


def choose(crops: np.ndarray, count: int = CROPS, seed: int = 0) -> np.ndarray:
    """At most ``count`` of (F, S, S, 3) crops, shuffled: a moving average forgets what came first."""
    if len(crops) == 0:
        raise InputError("no crops to calibrate on; train the run again, which writes its faces/calibration.npz")
    return crops[np.random.default_rng(seed).permutation(len(crops))[:count]]


Extremes = dict[str, tuple[np.ndarray, np.ndarray]]


def extremes(quantile: float, samples: Iterable[dict[str, np.ndarray]]) -> Extremes:
    """Tensor name -> (lowest, highest) of each crop, two arrays; ``quantile`` as in Ranges.

    samples: for each crop the activations by tensor name, any shape.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for activations in samples:
        for tensor, values in activations.items():
            if quantile == 1.0:
                pair = values.min(), values.max()
            else:
                pair = np.quantile(values, [1 - quantile, quantile])
            found.setdefault(tensor, []).append(pair)
    return {tensor: tuple(np.array(pairs, np.float64).T) for tensor, pairs in found.items()}


def over_crops(name: str, found: Extremes) -> dict[str, tuple[float, float]]:
    """Tensor name -> (low, high), from what each crop said at the quantile of these ranges.

    A range always contains 0, which every integer format must be able to say exactly (padding, ReLU).
    """
    how = get(name)
    return {tensor: (min(how.low(lows), 0.0), max(how.high(highs), 0.0)) for tensor, (lows, highs) in found.items()}


def measure(name: str, samples: Iterable[dict[str, np.ndarray]]) -> dict[str, tuple[float, float]]:
    """Both in one: tensor name -> (low, high) over crops."""
    return over_crops(name, extremes(get(name).quantile, samples))
