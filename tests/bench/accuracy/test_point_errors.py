"""Errors by point, of points whose answer is known."""

import numpy as np
import pytest

from bench.accuracy import point_errors
from edgewing.layouts import Layout

DISTANCES = np.array([[0.1, 0.2, np.nan], [0.3, 0.4, 0.6]])
VISIBILITY = np.array([[2, 1, 0], [1, 1, 2]])


def test_of_every_point_of_seen_of_hidden_and_of_groups():
    layout = Layout("three", 3, groups={"first two": (0, 1), "last": (2,)})
    row = point_errors.by_point(DISTANCES, VISIBILITY, layout)
    assert row["per_point"] == pytest.approx([0.2, 0.3, 0.6])
    assert row["per_point_seen"] == [pytest.approx(0.1), None, pytest.approx(0.6)]
    assert row["per_point_hidden"] == [pytest.approx(0.3), pytest.approx(0.3), None]
    assert row["point_groups"] == {"first two": pytest.approx(0.25), "last": pytest.approx(0.6)}
    lines = point_errors.lines_of(row)
    assert lines[0].endswith(": 2 60.00 % (hidden none), 1 30.00 % (hidden 30.00 %), 0 20.00 % (hidden 30.00 %)")
    assert lines[1] == "by group of points: first two 25.00 %, last 60.00 %"


def test_where_all_points_are_seen_and_where_nothing_was_predicted():
    row = point_errors.by_point(DISTANCES, np.full((2, 3), 2), Layout("three", 3))
    assert set(row) == {"per_point"}
    assert point_errors.by_point(DISTANCES[:0], VISIBILITY[:0], Layout("three", 3)) == {"per_point": []}
    assert point_errors.lines_of({"per_point": []}) == []
