"""Decoding against peaks made by hand: where they were put is where they must be found."""

import numpy as np
import pytest

from edgewing.decoding import Decode, decode
from edgewing.errors import InputError

SIDE, STRIDE = 64, 4
CENTROID = Decode()


def gaussian(x: float, y: float, sigma: float = 1.75, height: float = 1.0) -> np.ndarray:
    """(SIDE, SIDE) with its peak at x, y in cells."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return height * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 2 / sigma**2)


def one(heatmap: np.ndarray, how: Decode = CENTROID) -> tuple[np.ndarray, float]:
    landmarks, scores = decode(heatmap[None, None], STRIDE, how)
    assert landmarks.shape == (1, 1, 2) and landmarks.dtype == scores.dtype == np.float32
    return landmarks[0, 0], float(scores[0, 0])


def pixels(x: float, y: float) -> np.ndarray:
    """Cell j of stride 4 is centred on crop pixel 4 j + 1.5."""
    return np.array([4 * x + 1.5, 4 * y + 1.5])


@pytest.mark.parametrize("dx", [-0.5, -0.25, 0.0, 0.1, 0.49])
@pytest.mark.parametrize("height", [0.05, 0.5, 1.0])
def test_centroid_finds_a_sub_pixel_peak(dx, height):
    found, score = one(gaussian(30 + dx, 20 - dx, height=height))
    assert np.abs(found - pixels(30 + dx, 20 - dx)).max() < 0.12  # crop px, 0.03 of a cell
    assert score == pytest.approx(gaussian(30 + dx, 20 - dx, height=height).max(), abs=1e-6)


def test_centroid_cuts_off_a_second_peak():
    found, _ = one(gaussian(20, 20) + gaussian(50, 50, height=0.35))
    assert np.abs(found - pixels(20, 20)).max() < 0.05


def test_centroid_of_tied_peaks_is_their_middle():
    found, _ = one(np.maximum(gaussian(20, 30), gaussian(24, 30)))
    assert np.abs(found - pixels(22, 30)).max() < 0.05


def test_batch_and_landmarks_do_not_mix():
    places = np.random.default_rng(0).uniform(8, 55, (3, 5, 2))
    heatmaps = np.stack([[gaussian(x, y) for x, y in face] for face in places])
    landmarks, scores = decode(heatmaps, STRIDE)
    assert np.abs(landmarks - (4 * places + 1.5)).max() < 0.12 and scores.shape == (3, 5)


@pytest.mark.parametrize("how", [Decode(), Decode("quarter")])
def test_a_peak_at_the_border_stays_inside(how):
    for x, y in ((0, 0), (63, 0), (0, 40), (63, 63)):
        found, _ = one(gaussian(x, y), how)
        assert np.abs(found - pixels(x, y)).max() < 4 * 1.2
        assert found.min() >= 0 and found.max() <= 255


@pytest.mark.parametrize("heatmap", [np.zeros((SIDE, SIDE)), np.full((SIDE, SIDE), -1.0)])
def test_no_peak_is_the_middle_with_score_0(heatmap):
    found, score = one(heatmap)
    assert np.allclose(found, 127.5) and score == 0


def test_scores_are_clipped():
    assert one(gaussian(10, 10, height=1.3))[1] == 1.0


def test_quarter_step_goes_to_the_higher_neighbour():
    """arXiv 1904.07399: arg max and a quarter of a cell."""
    quarter = Decode("quarter")
    assert np.allclose(one(gaussian(30.3, 20.2), quarter)[0], pixels(30.25, 20.25))
    assert np.allclose(one(gaussian(29.8, 19.7), quarter)[0], pixels(29.75, 19.75))
    assert np.allclose(one(gaussian(30, 20), quarter)[0], pixels(30, 20))  # equal neighbours: no step


def test_quarter_takes_no_step_from_a_border_in_either_axis():
    heatmap = gaussian(0, 20.3)
    assert np.allclose(one(heatmap, Decode("quarter"))[0], pixels(0, 20))


def test_quarter_of_tied_maxima_is_the_first():
    heatmap = np.zeros((SIDE, SIDE))
    heatmap[10, 12] = heatmap[30, 5] = 1
    assert np.allclose(one(heatmap, Decode("quarter"))[0], pixels(12, 10))


def test_unknown_method():
    with pytest.raises(InputError, match="unknown decode method 'quater'; did you mean 'quarter'"):
        decode(np.zeros((1, 1, 4, 4)), 4, Decode("quater"))
