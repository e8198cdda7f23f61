"""Head pose, units and gaze, on drawn heads that nobody learnt from."""

import numpy as np
import pytest

from edgewing import expression, layouts
from train.data.drawn import heads

FACE, PUPILS = layouts.get("300w-68"), layouts.get("wflw-98")


@pytest.fixture(scope="module")
def some():
    """Heads by layout, not drawn."""
    return {
        layout.name: [heads.undrawn(number, layout.name) for number in range(2000, 2200)] for layout in (FACE, PUPILS)
    }


@pytest.mark.parametrize("layout", [FACE, PUPILS], ids=str)
def test_the_pose_of_half_of_them_is_right_to_two_degrees(layout, some):
    found = np.array([list(vars(expression.pose(one.landmarks, layout)).values()) for one in some[layout.name]])
    off = abs((found - [one.angles for one in some[layout.name]] + 180) % 360 - 180)
    assert np.median(off, axis=0).max() < 2


def test_signs_of_the_angles():
    for axis in range(3):
        angles = np.eye(3)[axis] * 20
        found = vars(expression.pose(heads.head(5, FACE.name, tuple(angles)).landmarks, FACE))
        assert abs(list(found.values())[axis] - 20) < 8


def test_a_face_turned_moved_and_scaled_has_the_same_expression(some):
    points = some[PUPILS.name][0].landmarks.astype(np.float64)
    turned = (points @ [[0, 1], [-1, 0]]) * 3 + (500, -20)  # clockwise by 90 degrees, as one sees it
    assert expression.units(turned, PUPILS) == pytest.approx(expression.units(points, PUPILS), abs=1e-5)
    before, after = (expression.pose(p, PUPILS) for p in (points, turned))
    assert (after.yaw, after.pitch) == pytest.approx((before.yaw, before.pitch), abs=1e-3)
    assert (after.roll - before.roll) % 360 == pytest.approx(270, abs=1e-3)


def test_what_points_can_see(some):
    """Blinks, an open mouth and the gaze follow the truth; nothing tells a puffed cheek."""
    found = [expression.units(one.landmarks, PUPILS) for one in some[PUPILS.name]]
    assert list(found[0]) == list(some[PUPILS.name][0].units) and len(found[0]) == 52
    assert all(0 <= value <= 1 for one in found for value in one.values())

    def follows(name: str) -> float:
        return np.corrcoef([one[name] for one in found], [one.units[name] for one in some[PUPILS.name]])[0, 1]

    assert min(follows(name) for name in ("jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "mouthSmileLeft")) > 0.9
    looks = [[gaze.left, gaze.up] for gaze in (expression.gaze(one.landmarks, PUPILS) for one in some[PUPILS.name])]
    off = abs(np.array(looks) - [one.gaze for one in some[PUPILS.name]])
    assert np.median(off, axis=0).max() < 3


def test_points_that_are_not_there_are_left_out(some):
    points = some[FACE.name][3].landmarks
    there = np.ones(68, bool)
    there[:8] = False
    wild = np.where(there[:, None], points, np.nan)
    whole, part = expression.pose(points, FACE), expression.pose(wild, FACE, there)
    assert abs(whole.yaw - part.yaw) < 10 and abs(whole.pitch - part.pitch) < 10


def test_what_nothing_tells():
    assert expression.pose(np.zeros((2, 2)), layouts.Layout("clock", 2)) is None
    assert expression.pose(np.zeros((68, 2)), FACE) is None
    assert expression.pose(np.ones((68, 2)) * np.arange(68)[:, None], FACE, np.arange(68) < 5) is None
    assert expression.pose(np.full((68, 2), np.nan), FACE) is None
    assert expression.units(np.ones((68, 2)), FACE) is None and expression.gaze(np.ones((68, 2)), FACE) is None


def test_axes_point_where_the_head_is_turned():
    straight = expression.Pose(0, 0, 0).axes
    assert straight == pytest.approx(np.diag([1, 1, -1]), abs=1e-9)  # side right, chin down, nose to the viewer
    side, chin, nose = expression.Pose(30, 0, 0).axes
    assert nose[0] > 0.4 and abs(nose[1]) < 1e-9 and chin[1] > 0.99  # to the right of the picture
    assert expression.Pose(0, 20, 0).axes[2][1] > 0.3  # down
    side, chin, _ = expression.Pose(0, 0, 20).axes  # against the clock: the side goes up, the chin to the right
    assert side[1] < -0.3 and chin[0] > 0.3


def test_axes_of_a_drawn_head():
    """Its nose's tip lies where the axis goes, from the middle of the eyes and the mouth."""
    for number in (11, 12, 13):
        points = heads.undrawn(number, FACE.name, (35.0 * (-1) ** number, 0.0, 10.0)).landmarks
        nose = expression.pose(points, FACE).axes[2]
        assert (points[30] - points[[36, 39, 42, 45, 48, 54]].mean(axis=0)) @ nose[:2] > 0
