"""Marks of another school correct a teacher's mistakes and leave the teacher's convention alone."""

import numpy as np
import pytest

from compress.conventions import LEAST, translate
from edgewing import layouts
from train.data.drawn import faces

IBUG, WFLW = layouts.get("300w-68"), layouts.get("wflw-98")
CONVENTION = np.array([1.5, -1.0])  # px of an upright face 100 px wide


@pytest.fixture(scope="module")
def truth():
    """(F, 98, 2): drawn faces turned and grown at random, image px, and (F,) how much each has grown, complex."""
    rng = np.random.default_rng(0)
    shapes = np.stack([face.landmarks for face in faces(2 * LEAST, "wflw-98", 0)]).astype(np.float64)
    shapes = shapes - shapes.mean(axis=1, keepdims=True)
    shapes *= 100 / np.ptp(shapes[..., 0], axis=1)[:, None, None]
    grown = rng.uniform(0.5, 2, len(shapes)) * np.exp(1j * rng.uniform(-0.5, 0.5, len(shapes)))
    return turn(shapes, grown), grown


def turn(points, by):
    turned = (points[..., 0] + 1j * points[..., 1]) * by[:, None]
    return np.stack([turned.real, turned.imag], axis=-1).astype(np.float32)


def error(found, true, grown):
    """Mean distance in px of an upright face 100 px wide."""
    return (np.linalg.norm(found - true, axis=-1) / np.abs(grown)[:, None]).mean(axis=1)


def test_more_marks_than_points_each_point_goes_where_its_own_mark_is_less_the_convention(truth):
    points, grown = truth
    ours = points[:, WFLW.map_to("300w-68")]
    rng = np.random.default_rng(1)
    labels = ours + turn(rng.normal(0, 1, ours.shape), grown)
    labels[:5] += turn(np.full((5, 68, 2), 12.0), grown[:5])  # faces that the teacher has missed
    marked = points + turn(np.broadcast_to(CONVENTION, points.shape), grown)
    moved = translate(labels, marked, WFLW, IBUG)
    assert moved.shape == ours.shape and moved.dtype == np.float32
    before, after = error(labels, ours, grown), error(moved, ours, grown)
    assert before[:5].min() > 10 and before[5:].mean() > 1
    # what is left is the teacher's own mean error and how far faces differ in pose; the convention (1.8 px) is gone
    assert after[:5].mean() < 1 and after.mean() < 0.6
    assert error(marked[:, WFLW.map_to("300w-68")], ours, grown).mean() > 1.7


def test_points_without_a_mark_move_with_their_neighbours(truth):
    points, grown = truth
    rng = np.random.default_rng(2)
    # a mistake that neighbours share: the whole of every third face is off by as much
    labels = points.copy()
    labels[::3] += turn(np.broadcast_to(rng.normal(0, 8, (len(points[::3]), 1, 2)), points[::3].shape), grown[::3])
    index = WFLW.map_to("300w-68")
    marked = points[:, index] + turn(np.broadcast_to(CONVENTION, (*points[:, index].shape,)), grown)
    moved = translate(labels, marked, IBUG, WFLW)
    alone = np.setdiff1d(np.arange(98), index)
    before, after = error(labels[:, alone], points[:, alone], grown), error(moved[:, alone], points[:, alone], grown)
    assert before[::3].mean() > 6 and after.mean() < 0.5 and after.max() < 1
    # Labels that are right stay, convention (1.8 px) or not, but for how a face's pose blurs the frame.
    right = translate(points, marked, IBUG, WFLW)
    assert error(right, points, grown).mean() < 0.4


def test_a_few_faces_or_no_map_say_nothing_of_two_schools(truth):
    points, _ = truth
    few = points[: LEAST - 1]
    assert translate(few[:, WFLW.map_to("300w-68")], few, WFLW, IBUG) is None
    cofw = layouts.get("cofw-29")
    assert translate(points, np.zeros((len(points), 29, 2), np.float32), cofw, WFLW) is None
