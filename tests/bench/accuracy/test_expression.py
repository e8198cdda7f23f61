"""bench expression: its row and its table, on a few heads."""

import json

import pytest

from bench.__main__ import main
from bench.accuracy import expression
from edgewing.errors import InputError


def test_a_row_of_a_model_with_pupils(tmp_path, capsys):
    to = tmp_path / "rows.jsonl"
    assert main(["expression", "--model", "edgewing-free-98", "--heads", "12", "--to", str(to)]) == 0
    (row,) = [json.loads(line) for line in to.read_text().splitlines()]
    assert row["kind"] == "expression" and len(row["units"]) == 52 and row["protocol"]["heads"] == 12
    assert row["pose"]["median"]["yaw"] < 5 and row["units"]["jawOpen"]["true_points"] > 0.8
    said = capsys.readouterr().out
    assert "jawOpen" in said and "by true points" in said


def test_a_model_without_pupils_has_its_pose_alone():
    row = expression.score("edgewing-free-s", 6)
    assert row["units"] is None and row["gaze"] is None and row["pose"]["median"]["roll"] < 5


def test_heads_that_were_learnt_from_are_refused():
    with pytest.raises(InputError, match="were learnt from"):
        expression.score("edgewing-free-s", 6, 1 << 40)
