"""Drawn points are where the landmarks are, to a tenth of a pixel, and nothing else changes."""

import numpy as np
import pytest

from edgewing import drawing, layouts


def square_face(size: float, centre: float) -> np.ndarray:
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)
    return centre + corners * size / 2


@pytest.mark.parametrize("size", [16, 60, 600])
def test_a_point_is_drawn_where_it_is(size):
    """The centroid of what changed, sub-pixel places included."""
    side = 2 * size + 40
    for shift in (0.0, 0.3, 0.5):
        landmarks = square_face(size, side / 2) + shift
        image = np.zeros((side, side, 3), np.uint8)
        green = drawing.draw(image, landmarks, colour=(0, 255, 0))[..., 1].astype(float)
        half = int(side / 2)
        rows, columns = np.mgrid[:side, :side]
        corner = (rows < half) & (columns < half)
        weight = green * corner
        found = np.array([(weight * columns).sum(), (weight * rows).sum()]) / weight.sum()
        assert np.abs(found - landmarks[0]).max() < 0.12


@pytest.mark.parametrize("size", [20, 300])
def test_pixels_away_from_the_points_stay_as_they_are(size):
    random = np.random.default_rng(0)
    side = 2 * size
    image = random.integers(0, 256, (side, side, 3), np.uint8)
    landmarks = square_face(size, side / 2)
    before = image.copy()
    drawn = drawing.draw(image, landmarks, [(0, 1)], np.array([1, 0.5, 0, 1]))
    assert np.array_equal(image, before)  # a copy
    changed = (drawn != image).any(axis=-1)
    assert changed.any()
    rows, columns = np.nonzero(changed)
    places = np.stack([columns, rows], axis=1)
    reach = 1.5 * max(drawing.RADIUS * size, drawing.LEAST_RADIUS) + 1.5
    near_point = np.linalg.norm(places[:, None] - landmarks, axis=-1).min(axis=1) <= reach
    near_line = np.abs(rows - landmarks[0, 1]) <= reach
    assert (near_point | near_line).all()


def test_low_scores_look_different():
    image = np.zeros((200, 200, 3), np.uint8)
    drawn = drawing.draw(image, square_face(100, 100.0), scores=np.array([1.0, 0.0, 1.0, 0.0]))
    assert tuple(drawn[50, 50]) == drawing.SURE and tuple(drawn[50, 150]) == drawing.UNSURE


@pytest.mark.parametrize("offset", [-1000.0, 1000.0, -10.0, 95.0])
def test_points_outside_the_image(offset):
    image = np.zeros((100, 100, 3), np.uint8)
    drawn = drawing.draw(image, square_face(20, 0.0) + offset, [(0, 2)])
    assert drawn.shape == image.shape and drawn.any() == (abs(offset) < 100)


def test_points_that_are_not_numbers_are_left_out():
    image = np.zeros((100, 100, 3), np.uint8)
    landmarks = square_face(50, 50.0)
    landmarks[0] = np.nan
    assert drawing.draw(image, landmarks, [(0, 1), (1, 2)]).any()
    assert not drawing.draw(image, np.full((4, 2), np.nan), [(0, 1)]).any()


def test_a_face_of_every_size_is_drawn_quickly():
    """4000 px of face must not become a layer of gigabytes."""
    image = np.zeros((4100, 4100, 3), np.uint8)
    layout = layouts.get("300w-68")
    landmarks = np.random.default_rng(0).uniform(50, 4000, (68, 2))
    assert drawing.draw(image, landmarks, layout.edges).any()
    assert not drawing.draw(image[:50, :50], np.full((68, 2), 10.0) + 1e-3, layout.edges)[40:].any()
