"""Scores against visibility, of points whose answer is known."""

import numpy as np
import pytest

from bench.accuracy.visibility import by_visibility, lines_of


def test_what_is_there_and_what_is_seen_are_told_apart():
    visibility = np.array([[0, 1, 2, 2], [0, 1, 2, 2]])
    scores = np.array([[0.1, 0.5, 0.9, 0.8], [0.6, 0.4, 0.9, 0.3]])
    distances = np.array([[np.nan, 0.05, 0.02, 0.04], [np.nan, 0.07, 0.02, np.inf]])
    part = by_visibility(scores, visibility, distances, [{"left": 1}, {}])
    assert part["all"]["points"] == {"absent": 2, "hidden": 2, "seen": 4}
    # of 2 x 6 pairs the absent point with 0.6 scores higher than 0.5, 0.4 and 0.3
    assert part["all"]["auroc_there"] == pytest.approx(9 / 12)
    # of 2 x 4 pairs both hidden points score higher than the seen one with 0.3
    assert part["all"]["auroc_seen"] == pytest.approx(6 / 8)
    assert part["all"]["error_seen"] == pytest.approx(0.08 / 3) and part["all"]["error_hidden"] == pytest.approx(0.06)
    assert part["left"]["points"]["absent"] == 1 and part["left"]["auroc_there"] == 1.0
    assert "AUROC 0.7500, 0.7500" in lines_of(part)[1]


def test_where_all_points_are_seen_there_is_nothing_to_say():
    assert by_visibility(np.ones((2, 3)), np.full((2, 3), 2), np.ones((2, 3)), [{}, {}]) is None


def test_a_group_without_hidden_points_has_no_figure():
    part = by_visibility(np.ones((1, 2)), np.array([[0, 2]]), np.array([[np.nan, 0.1]]), [{}])
    assert part["all"]["auroc_seen"] is None and part["all"]["error_hidden"] is None
    assert "none" in lines_of(part)[1]
