"""The time of a candidate against a baseline on a machine that does other things too: the ratio decides, not the time.

Both files are opened anew for every turn, because where a library happens to put its weights is worth a per cent or
two. In a turn they run in pairs, one call each and the order changing, so that what else the machine does hits both;
the turn's figure is the median of the ratios of its pairs. Turns are independent of each other: their mean has an
interval by Student's t, on the logarithm. After every look at the interval the timing ends if it lies on one side of
the tolerance, and goes on if not, up to the last look.

The clock is the processor time of this process; for a file that runs on a GPU it is wall clock.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench import intervals
from bench.time.race import Entrant

PAIRS = 60  # of a turn
WARMUP = 5  # calls of each file before a turn
LOOKS = (8, 12, 18, 27, 40, 60)  # turns after which the interval is looked at
INTERVAL = 0.99  # wide, because it is looked at several times
SLOWER, NOT_SLOWER, UNDECIDED = "slower", "not slower", "undecided"
CLOCKS: dict[str, Callable[[], int]] = {"processor": time.process_time_ns, "wall": time.perf_counter_ns}


@dataclass(frozen=True)
class Timing:
    """change: of the candidate's time, as a share of the baseline's (0.1: a tenth slower), low, high: its interval.

    verdict: whether the interval lies above the tolerance, below, or around it after the last look. ms: (2, T, P)
    milliseconds a face of every call, baseline first, T turns of P pairs. seconds: wall clock of the whole.
    """

    change: float
    low: float
    high: float
    verdict: str
    ms: np.ndarray
    seconds: float

    @property
    def turns(self) -> int:
        return self.ms.shape[1]


def time_in_turn(
    baseline: Callable[[], Entrant], candidate: Callable[[], Entrant], tolerance: float, clock: str = "processor"
) -> Timing:
    """Time two files in turn until the interval decides. baseline, candidate: open the file, and give it ready to run.

    tolerance: how much slower the candidate may be, 0.05 for a twentieth.
    """
    start, turns = time.perf_counter(), []
    limit = math.log1p(tolerance)
    for number, ms in enumerate(_turns(baseline, candidate, CLOCKS[clock], LOOKS[-1]), 1):
        turns.append(ms)
        if number in LOOKS:
            middle, low, high = interval(np.array(turns))
            if low > limit or high <= limit:
                break
    verdict = SLOWER if low > limit else NOT_SLOWER if high <= limit else UNDECIDED
    change, low, high = (math.expm1(value) for value in (middle, low, high))
    return Timing(change, low, high, verdict, np.stack(turns, axis=1), time.perf_counter() - start)


def interval(turns: np.ndarray) -> tuple[float, float, float]:
    """The mean logarithm of the ratio over turns, and its interval. turns: (T, 2, P) times, T at least 2."""
    mean, half = intervals.students(np.median(np.log(turns[:, 1] / turns[:, 0]), axis=-1), INTERVAL)
    return mean, mean - half, mean + half


def _turns(
    baseline: Callable[[], Entrant], candidate: Callable[[], Entrant], clock: Callable[[], int], most: int
) -> Iterator[np.ndarray]:
    """(2, PAIRS) ms of one turn after the other; which file is opened first, and runs first, changes."""
    for number in range(most):
        if number % 2:
            second, first = candidate(), baseline()
        else:
            first, second = baseline(), candidate()
        entrants = (first, second)
        for entrant in entrants:
            for call in range(WARMUP):
                entrant.call(entrant.inputs[call % len(entrant.inputs)])
        ms = np.empty((2, PAIRS))
        for pair in range(PAIRS):
            for i in (1, 0) if pair % 2 else (0, 1):
                tensor = entrants[i].inputs[pair % len(entrants[i].inputs)]
                start = clock()
                entrants[i].call(tensor)
                ms[i, pair] = (clock() - start) / 1e6 / entrants[i].batch
        yield ms
