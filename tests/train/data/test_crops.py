"""Crops by hand, and the released code's protocol against what it does in its own words."""

import numpy as np
import pytest

from edgewing import geometry
from edgewing.errors import InputError
from train.data.crops import CROPS, square
from train.data.samples import Sample


def sample(landmarks, box=(100, 50, 200, 170)):
    box = None if box is None else np.array(box, np.float32)
    return Sample("a.jpg", np.array(landmarks, np.float32), "g", "s", "the face", box)


NEAR = [(120, 80), (180, 150)]


def test_gtbox_and_provided_are_one_formula_of_two_boxes():
    assert square(sample(NEAR), 64) == geometry.crop_from_box((120, 80, 180, 150), 64)
    provided = square(sample(NEAR), 64, "provided")
    assert provided == geometry.crop_from_box((100, 50, 200, 170), 64)
    assert provided.side == pytest.approx(max(1.344 * 110, 1.1 * 120))


def test_released_is_provided_where_no_landmark_is_near_the_edge():
    assert square(sample(NEAR), 256, "released") == pytest.approx(square(sample(NEAR), 256, "provided"))


@pytest.mark.parametrize("x, whole, divisor", [(220, False, 250), (222, True, 250), (242, True, 230), (260, True, 200)])
def test_released_looks_at_the_labels(x, whole, divisor):
    """150 is the box's centre, 0.84 (w + h) = 184.8 px are 450 of the crop. 250 of the middle 256 are 396.6 of 450,
    which is at 220.5; 440 of 450 are at 238.3. 242 needs 92 / (440 / 450 - 1 / 2) = 192.6 px: 46200 / 240 is 192.5."""
    crop = square(sample([*NEAR, (x, 110)]), 256, "released")
    side = 200 * 1.05 * 220 / divisor
    assert crop.side == pytest.approx(side if whole else side * 0.8)
    at = (x - (150 - side / 2)) * 450 / side
    assert at <= 440
    if divisor < 250:
        larger = 200 * 1.05 * 220 / (divisor + 10)
        assert (x - (150 - larger / 2)) * 450 / larger > 440


@pytest.mark.parametrize("protocol", ["provided", "released"])
def test_without_a_box_or_with_an_empty_one(protocol):
    with pytest.raises(InputError, match=f"the face: no box of the dataset for --crop {protocol}"):
        square(sample(NEAR, None), 64, protocol)
    with pytest.raises(InputError, match="empty or broken box"):
        square(sample(NEAR, (5, 5, 5, 9)), 64, protocol)


def test_the_protocols():
    assert list(CROPS) == ["gtbox", "provided", "released"]
