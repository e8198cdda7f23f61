"""Frames: a crop maps back onto itself, and a warped pixel is where the map says."""

import numpy as np
import pytest

from edgewing import geometry
from edgewing.errors import InputError


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_crop_and_back(random):
    for _ in range(20):
        crop = geometry.Crop(tuple(random.uniform(-50, 500, 2)), random.uniform(5, 900), int(random.integers(16, 300)))
        points = random.uniform(-100, 600, (7, 2))
        back = geometry.apply(crop.to_image, geometry.apply(crop.to_crop, points))
        assert np.abs(back - points).max() < 1e-9


def test_edges_meet_edges():
    """A crop of an image's own size is the identity; at half of it, crop pixel 0 lies between image pixels 0 and 1."""
    same = geometry.Crop((31.5, 31.5), 64, 64)
    assert np.allclose(same.to_image, [[1, 0, 0], [0, 1, 0]])
    half = geometry.Crop((31.5, 31.5), 64, 32)
    assert np.allclose(geometry.apply(half.to_image, np.zeros(2)), [0.5, 0.5])
    assert np.allclose(geometry.apply(half.to_image, np.array([31.0, 31.0])), [62.5, 62.5])


@pytest.mark.parametrize(("centre", "side", "size"), [((20, 30), 32, 64), ((25.25, 20.5), 20, 50), ((0, 0), 40, 40)])
def test_warp_puts_a_pixel_where_the_map_says(centre, side, size):
    """A bright blob's centroid in the crop is the mapped centre."""
    true = np.array([22.0, 24.0]) if centre != (0, 0) else np.array([7.0, 9.0])
    y, x = np.mgrid[:64, :64]
    blob = 255 * np.exp(-((x - true[0]) ** 2 + (y - true[1]) ** 2) / 2 / 1.5**2)
    image = np.rint(blob).astype(np.uint8)[..., None].repeat(3, axis=2)
    crop = geometry.Crop(centre, side, size)
    warped = geometry.warp(image, crop.to_image, size)[..., 1].astype(float)
    rows, columns = np.mgrid[:size, :size]
    found = np.array([(warped * columns).sum(), (warped * rows).sum()]) / warped.sum()
    assert np.abs(found - geometry.apply(crop.to_crop, true)).max() < 0.1


def test_warp_is_black_outside():
    image = np.full((10, 10, 3), 200, np.uint8)
    crop = geometry.warp(image, geometry.Crop((4.5, 4.5), 20, 20).to_image, 20)
    assert (crop[5:15, 5:15] == 200).all()
    outside = np.ones((20, 20), bool)
    outside[5:15, 5:15] = False
    assert not crop[outside].any()


def test_side_of_the_released_code():
    """1.344 times the mean side, at least 1.1 times the longer (method.md section 5)."""
    assert geometry.crop_from_box([10, 20, 110, 100], 256).side == pytest.approx(1.344 * 90)
    assert geometry.crop_from_box([0, 0, 100, 10], 256).side == pytest.approx(110)
    assert geometry.crop_from_box([10, 20, 110, 100], 256).centre == (60, 60)


def test_the_gtbox_crop_holds_every_landmark(random):
    for _ in range(50):
        landmarks = random.normal(0, 1, (68, 2)) * random.uniform(1, 100, 2) + random.uniform(-50, 500, 2)
        crop = geometry.crop_from_landmarks(landmarks, 256)
        inside = geometry.apply(crop.to_crop, landmarks)
        assert inside.min() > -0.5 and inside.max() < 255.5


@pytest.mark.parametrize("box", [[0, 0, 0, 5], [5, 0, 1, 5], [0, 0, np.nan, 5], [0, 0, np.inf, 5]])
def test_broken_boxes(box):
    with pytest.raises(InputError, match="empty or broken box"):
        geometry.crop_from_box(box, 256)


def test_apply_keeps_float32():
    assert geometry.apply(np.eye(2, 3), np.zeros((4, 2), np.float32)).dtype == np.float32
    assert geometry.apply(np.eye(2, 3), np.zeros((4, 2), np.float64)).dtype == np.float64
