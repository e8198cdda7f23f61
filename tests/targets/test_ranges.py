import numpy as np
import pytest

from edgewing.errors import InputError
from targets import ranges

SAMPLES = [{"a": np.array([-1.0, 0.0, 3.0])}, {"a": np.array([-3.0, 0.0, 1.0])}, {"a": np.array([0.0, 0.0, 2.0])}]


@pytest.mark.parametrize(
    "name, low, high",
    [
        ("min-max", -3.0, 3.0),
        ("mean-min-max", -4 / 3, 2.0),
        # 3, then 0.95 * 3 + 0.05 * 1 = 2.9, then 0.95 * 2.9 + 0.05 * 2 = 2.855; -1, -1.1, -1.045
        ("moving-average", -1.045, 2.855),
    ],
)
def test_ranges_by_hand(name, low, high):
    assert ranges.measure(name, SAMPLES)["a"] == pytest.approx((low, high))


def test_percentile_leaves_outliers_out():
    values = np.linspace(0, 1, 10_001)
    values[5] = 50.0
    low, high = ranges.measure("percentile", [{"a": values}])["a"]
    assert low == 0.0 and 0.99 < high < 1.01  # the largest of 10,001 values lies above the 99.99th percentile


def test_a_range_contains_zero():
    assert ranges.measure("min-max", [{"a": np.array([2.0, 3.0]), "b": np.array([-3.0, -2.0])}]) == {
        "a": (0.0, 3.0), "b": (-3.0, 0.0),
    }  # fmt: skip


def test_crops_are_shuffled_the_same_way_and_limited():
    crops = np.arange(500)[:, None, None, None]
    chosen = ranges.choose(crops)
    assert len(chosen) == ranges.CROPS and len(np.unique(chosen)) == ranges.CROPS
    assert (chosen == ranges.choose(crops)).all() and not (np.diff(chosen.ravel()) > 0).all()


def test_bad_input():
    with pytest.raises(InputError, match="did you mean 'min-max'"):
        ranges.get("minmax")
    with pytest.raises(InputError, match="no crops"):
        ranges.choose(np.zeros((0, 8, 8, 3), np.uint8))
