"""Parts, openness and alignment: by hand, and on drawn heads."""

import numpy as np
import pytest

from edgewing import anatomy, layouts
from edgewing.errors import InputError

FACE = layouts.get("300w-68")


def test_parts_by_name():
    parts = anatomy.regions(FACE)
    assert list(parts) == ["contour", "left_eyebrow", "right_eyebrow", "nose", "left_eye", "right_eye", "mouth"]
    assert sorted(parts["left_eye"]) == list(range(36, 42)) and sorted(parts["mouth"]) == list(range(48, 68))
    for name in ("wflw-98", "cofw-29"):
        parts = anatomy.regions(layouts.get(name))
        assert {"left_eyebrow", "right_eyebrow", "left_eye", "right_eye", "nose", "mouth"} <= set(parts)
    few = {"left_eyebrow", "right_eyebrow", "left_eye", "right_eye", "nose"}
    assert set(anatomy.regions(layouts.get("aflw-19"))) == few
    assert anatomy.regions(layouts.Layout("clock", 2, groups={"hands": (0, 1)})) == {"hands": (0, 1)}


@pytest.mark.parametrize("name", ["300w-68", "wflw-98"])
def test_a_turned_face_is_aligned_as_arcface_has_it(name):
    """The template itself, enlarged, turned and moved, comes back to its place, whatever the size."""
    layout = layouts.get(name)
    turn = 3.7 * np.exp(2.5j)
    points = np.zeros((layout.points, 2))
    places = turn * (anatomy.ARCFACE @ (1, 1j)) + (400 - 120j)
    parts, lip = anatomy.regions(layout), layout.curves["outer_upper_lip"]
    groups = [parts["left_eye"], parts["right_eye"], layout.curves["nose_bridge"][-1:], lip[:1], lip[-1:]]
    for group, place in zip(groups, places):
        points[list(group)] = place.real, place.imag
    for size in (112, 224):
        matrix = anatomy.alignment(points, layout, size)
        found = anatomy.five_points(points, layout) @ matrix[:, :2].T + matrix[:, 2]
        assert np.abs(found - ((anatomy.ARCFACE + 0.5) * size / 112 - 0.5)).max() < 1e-9


def test_what_cannot_be_aligned_says_so():
    with pytest.raises(InputError, match="layout aflw-19: a face is aligned by eyes, nose and mouth"):
        anatomy.alignment(np.zeros((19, 2)), layouts.get("aflw-19"))


def test_openness_by_hand():
    points = np.zeros((68, 2))
    points[[36, 37, 38, 39, 40, 41]] = [(0, 0), (10, -3), (20, -3), (30, 0), (20, 3), (10, 3)]
    assert anatomy.openness(points, FACE, "left_upper_lid", "left_lower_lid") == pytest.approx(6 / 30)
    assert anatomy.openness(points, layouts.get("aflw-19"), "left_upper_lid", "left_lower_lid") is None
