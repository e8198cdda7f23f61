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


def outliers(seed=0):
    """Values of one crop: bell-shaped, one of them far away."""
    return np.append(np.random.default_rng(seed).normal(0, 1, 50_000), 8.0 if seed == 0 else 0.0).astype(np.float32)


def error(values, low, high):
    """Mean squared error of int8 with a zero point, in whole numbers."""
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    q = np.clip(np.rint(values / scale) + zero, -128, 127)
    return np.mean(((q - zero) * scale - values) ** 2)


def test_mse_is_the_best_of_a_grid():
    samples = [{"a": outliers(seed)} for seed in range(3)]
    values = np.concatenate([sample["a"] for sample in samples])
    low, high = ranges.measure("mse", samples)["a"]
    grid = {
        (a, b): error(values, a * values.min(), b * values.max())
        for a in np.linspace(0.1, 1, 19)
        for b in np.linspace(0.1, 1, 19)
    }
    best = min(grid.values())
    assert error(values, low, high) < 1.02 * best
    assert high < 0.8 * values.max()  # the far one is clipped
    assert error(values, values.min(), values.max()) > 1.2 * best  # and min-max pays for them


def test_mse_keeps_a_saturated_end():
    """Half of the values at 6, as ReLU6 leaves them: clipping those costs more than it gains."""
    values = np.concatenate([np.random.default_rng(0).uniform(0, 6, 5000), np.full(5000, 6.0), np.zeros(5000)])
    assert ranges.measure("mse", [{"a": values}])["a"] == pytest.approx((0.0, 6.0))


def test_a_histogram_counts_all_and_grows():
    """The same counts whether the largest values come first or last, but for what doubling the bins rounds."""
    crops = [np.linspace(-1, 2, 1000) * scale for scale in (0.01, 1.0, 30.0)]
    counted = []
    for order in (crops, crops[::-1]):
        histogram = ranges.Histogram()
        for crop in order:
            histogram.add(crop)
        values, counts = histogram.values()
        assert counts.sum() == 3000
        assert values[0] == pytest.approx(-30, abs=histogram.width)
        assert values[-1] == pytest.approx(60, abs=histogram.width)
        assert histogram.width <= 2 * 60 / histogram.SIDE * 2
        counted.append((counts @ values, counts @ values**2))
    assert counted[0] == pytest.approx(counted[1], rel=1e-2)


def test_ranges_of_nothing_but_zero():
    assert ranges.measure("mse", [{"a": np.zeros((2, 3))}]) == {"a": (0.0, 0.0)}


def test_all_statistics_in_one_pass():
    passes = iter([SAMPLES])
    found = ranges.collect([row.quantile for row in ranges.TABLE.values()], next(passes))
    for name, row in ranges.TABLE.items():
        assert ranges.over_crops(name, found[row.quantile]) == ranges.measure(name, SAMPLES)


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
