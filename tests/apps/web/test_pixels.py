"""What a network is shown, byte for byte what OpenCV makes of the same picture."""

import cv2
import numpy as np
import pytest

from bench.time.browser import clip
from edgewing import detection, geometry

RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def noise():
    """Every byte of it differs from its neighbours: a pixel that is off by one shows."""
    return RNG.integers(0, 256, (120, 160, 3), dtype=np.uint8)


@pytest.mark.parametrize("size", [128, 160])
def test_crops_are_those_of_geometry_warp(ask, noise, size):
    boxes = [(40, 30, 90, 84), (10.25, 5.5, 150.75, 118.1), (-30, -20, 40, 35), (100, 80, 190, 160), (70, 50, 84, 65)]
    boxes += [tuple(np.sort(RNG.uniform(-20, 170, (2, 2)), axis=0).ravel()) for _ in range(12)]
    for box in boxes:
        crop = geometry.crop_from_box(np.array(box), size)
        ours = ask(
            "geometry.cropFromBox", list(box), {"factor": geometry.FACTOR, "least": geometry.LEAST, "size": size}
        )
        assert ours["side"] == pytest.approx(crop.side, abs=1e-9)
        expected = geometry.warp(noise, crop.to_image, size)
        got = ask("pixels.sample", noise, ours).reshape(size, size, 3)
        assert (got == expected).all(), f"{box}: {(got != expected).any(axis=2).sum()} px differ"


def test_a_crop_beside_the_picture_is_black(ask, noise):
    crop = ask("geometry.cropFromBox", [1000, 1000, 1100, 1100], {"factor": 1.3, "least": 1.1, "size": 64})
    assert not ask("pixels.sample", noise, crop).any()


@pytest.mark.parametrize("shape", [(480, 640), (360, 640), (640, 480), (720, 1280), (512, 512), (562, 572), (300, 257)])
def test_the_detector_sees_what_opencv_shrinks(ask, shape):
    image = cv2.GaussianBlur(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8), (0, 0), 2)
    for side in (128, 256):
        expected, scale = detection.fit_into_square(image, side)
        got = ask("pixels.fitIntoSquare", image, side)
        assert got["scale"] == pytest.approx(scale)
        off = np.abs(got["rgb"].reshape(side, side, 3).astype(int) - expected)
        assert off.max() <= 1 and (off > 0).mean() < 2e-3  # where a value lies between two levels


@pytest.mark.parametrize("shape", [(90, 120), (100, 64), (128, 1), (1, 1)])
def test_small_pictures_grow_to_one_grey_level(ask, shape):
    image = RNG.integers(0, 256, (*shape, 3), dtype=np.uint8)
    expected, _ = detection.fit_into_square(image, 128)
    got = ask("pixels.fitIntoSquare", image, 128)["rgb"].reshape(128, 128, 3)
    assert np.abs(got.astype(int) - expected).max() <= 1


def test_a_frame_of_the_clip(ask):
    (frame,) = clip(1)
    crop = geometry.crop_from_box(np.array([260.0, 190.0, 390.0, 330.0]), 160)
    ours = ask("geometry.cropFromBox", [260, 190, 390, 330], {"factor": 1.344, "least": 1.1, "size": 160})
    assert (ask("pixels.sample", frame, ours).reshape(160, 160, 3) == geometry.warp(frame, crop.to_image, 160)).all()
