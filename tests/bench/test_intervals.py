"""Intervals against figures by hand: Student's t of a table, the normal approximation of a bootstrap."""

import numpy as np
import pytest

from bench import intervals
from edgewing.errors import InputError


def test_students_by_hand():
    """1 and 3: standard error 1, t of one degree at 99 % 63.657; one value has no end."""
    assert intervals.students([1, 3], 0.99) == (2, pytest.approx(63.6567, rel=1e-4))
    assert intervals.students([5], 0.95) == (5, np.inf)


def test_paired_change():
    """Twice the error on every face is +100 % whatever faces are drawn; noise of the pairs makes the interval."""
    errors = np.random.default_rng(0).gamma(4, 0.01, 300)
    exact = intervals.paired_change(2 * errors, errors)
    assert (exact.change, exact.low, exact.high) == pytest.approx((1, 1, 1)) and exact.faces == 300
    noise = np.random.default_rng(1).normal(0, 0.005, 300)
    noisy = intervals.paired_change(errors + noise, errors)
    # the interval of the mean of the noise, which is what pairs leave, not that of either mean
    half = 1.96 * noise.std() / np.sqrt(300) / errors.mean()
    assert (noisy.high - noisy.low) / 2 == pytest.approx(half, rel=0.1)
    assert noisy.low < noise.mean() / errors.mean() < noisy.high
    assert intervals.paired_change(errors + noise, errors) == noisy  # seeded


def test_paired_change_of_faces_without_prediction():
    reference = np.array([0.1, 0.1, np.inf, 0.1])
    found = intervals.paired_change(np.array([0.2, np.inf, 0.1, 0.1]), reference)
    assert (found.faces, found.lost) == (2, 1) and found.change == pytest.approx(0.5)
    with pytest.raises(InputError, match="nothing that both"):
        intervals.paired_change(np.array([np.inf, 0.1]), np.array([0.1, np.inf]))
    with pytest.raises(InputError, match="2 against 1"):
        intervals.paired_change(np.zeros(2), np.zeros(1))
