"""bench expression: its row and its table, on a few heads."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from bench.accuracy import expression
from edgewing.errors import InputError
from train.data.drawn.__main__ import main as main_of_heads

ROOT = Path(__file__).parents[3]


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


def test_photographs_and_videos_are_read_too(tmp_path, capsys):
    main_of_heads(["folder", str(tmp_path / "heads"), "6"])
    portrait = cv2.imread(str(ROOT / "docs/portrait.jpg"))
    for k in range(4):
        moved = cv2.warpAffine(portrait, np.float32([[1, 0, k], [0, 1, 0]]), portrait.shape[1::-1])
        cv2.imwrite(str(tmp_path / f"{k:04d}.png"), moved)
    videos = [str(tmp_path / "%04d.png")]
    row = expression.score("edgewing-free-s", 6, data=[str(tmp_path / "heads")], videos=videos)
    (seen,), (turned,) = row["photographs"].values(), row["videos"].values()
    assert seen["faces"] == 6 and seen["median"]["roll"] < 5
    assert turned["with_face"] == turned["frames"] == 4 and turned["change"]["yaw"] < 1 and turned["shut"] is None
    expression.tell(row)
    said = capsys.readouterr().out
    assert "4 of 4 frames" in said and "6 faces" in said


def test_a_video_without_a_face_is_refused(tmp_path):
    for k in range(2):
        cv2.imwrite(str(tmp_path / f"{k:04d}.png"), np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(InputError, match="the pose of a face in 0 of 2 frames"):
        expression.score("edgewing-free-s", 2, videos=[str(tmp_path / "%04d.png")])
