"""Timing in turn: with a clock that the test moves, so that every figure is known; then with real work."""

import math
import time

import numpy as np
import pytest

from bench.time import pairs
from bench.time.race import Entrant


class Bench:
    """Two files and a clock that moves as they are called: by their own time, and by noise that hits both alike."""

    def __init__(self, monkeypatch, noise=0.0, of_turn=0.0):
        self.now, self.opened, self.calls = 0, [], []
        self.random, self.noise, self.of_turn = np.random.default_rng(0), noise, of_turn
        monkeypatch.setitem(pairs.CLOCKS, "moved", lambda: self.now)

    def file(self, name, ns):
        def open_it():
            self.opened.append(name)
            here = ns * math.exp(self.of_turn * self.random.standard_normal())

            def call(tensor):
                self.calls.append(name)
                self.now += int(here * math.exp(self.noise * self.random.standard_normal()))

            return Entrant({}, {}, "", [np.zeros(1)], call)

        return open_it

    def compare(self, ratio, tolerance=0.05):
        return pairs.time_in_turn(self.file("old", 1e6), self.file("new", ratio * 1e6), tolerance, "moved")


@pytest.mark.parametrize(
    ("ratio", "verdict"),
    [(1.0, pairs.NOT_SLOWER), (0.5, pairs.NOT_SLOWER), (1.1, pairs.SLOWER), (2.0, pairs.SLOWER)],
)
def test_the_first_look_is_enough_for_what_is_clear(monkeypatch, ratio, verdict):
    timing = Bench(monkeypatch, noise=0.03).compare(ratio)
    assert timing.verdict == verdict and timing.turns == pairs.LOOKS[0]
    assert timing.low < timing.change < timing.high and timing.change == pytest.approx(ratio - 1, abs=0.02 * ratio)
    assert timing.ms.shape == (2, pairs.LOOKS[0], pairs.PAIRS)


def test_what_is_not_clear_is_looked_at_again(monkeypatch):
    """Where a library puts its weights moves a whole turn: only more turns help."""
    timing = Bench(monkeypatch, of_turn=0.06).compare(1.0)
    assert timing.verdict == pairs.NOT_SLOWER and pairs.LOOKS[0] < timing.turns <= pairs.LOOKS[-1]


def test_on_the_limit_itself_nothing_is_said(monkeypatch):
    timing = Bench(monkeypatch, noise=0.1, of_turn=0.02).compare(1.05)
    assert timing.verdict == pairs.UNDECIDED and timing.turns == pairs.LOOKS[-1]
    assert timing.low < 0.05 < timing.high


def test_files_are_opened_anew_and_change_places(monkeypatch):
    bench = Bench(monkeypatch)
    bench.compare(1.0)
    assert bench.opened[:4] == ["old", "new", "new", "old"]
    turn = bench.calls[: 2 * (pairs.WARMUP + pairs.PAIRS)]
    assert turn[2 * pairs.WARMUP :][:8] == ["old", "new", "new", "old"] * 2
    assert turn.count("old") == turn.count("new") == pairs.WARMUP + pairs.PAIRS


def test_the_interval_is_students(monkeypatch):
    """Two turns whose medians are +1 % and +3 %, by hand: mean 2 %, standard error 1 %, t of one degree at 99 %."""
    turns = np.ones((2, 2, 5))
    turns[0, 1], turns[1, 1] = math.exp(0.01), math.exp(0.03)
    turns[1, 1, 4] = 50  # one call that something else has interrupted
    middle, low, high = pairs.interval(turns)
    assert middle == pytest.approx(0.02) and (high - middle) == pytest.approx(63.6567 * 0.01, rel=1e-4)
    assert low == pytest.approx(2 * middle - high)


def test_real_work_by_the_processor_clock():
    """Half as much again is seen whatever the machine does; sleeping is no work."""

    def spin(ns, asleep=0.0):
        def call(tensor):
            end = time.process_time_ns() + ns
            while time.process_time_ns() < end:
                pass
            time.sleep(asleep)

        return lambda: Entrant({}, {}, "", [np.zeros(1)], call)

    assert pairs.time_in_turn(spin(200_000), spin(300_000), 0.05).verdict == pairs.SLOWER
    assert pairs.time_in_turn(spin(200_000), spin(200_000, asleep=0.0003), 0.25).verdict == pairs.NOT_SLOWER
