"""Yaw of drawn heads, whose pose is known exactly; figures of groups by hand."""

import json

import numpy as np
import pytest

from bench.accuracy import groups, scoring
from edgewing import geometry, layouts
from tests.bench.conftest import template
from train.data.drawn.cartoons.render import aim, sample_pose
from train.data.drawn.cartoons.shape import Surface, in_layout, sample


def heads(layout, count, seed=3):
    """(F, N, 2) landmarks and (F,) yaw in degrees of random persons and expressions, turned by up to 60 degrees."""
    random = np.random.default_rng(seed)
    points, yaws = [], random.uniform(-60, 60, count)
    for yaw in yaws:
        _, pitch, roll = sample_pose(random)
        _, plan = aim(Surface(sample(random)), (np.deg2rad(yaw), pitch, roll), random)
        points.append(in_layout(plan, layout))
    return np.array(points), yaws


@pytest.mark.parametrize("layout", ["300w-68", "wflw-98", "cofw-29", "aflw-19"])
def test_yaw_of_drawn_heads(layout):
    points, true = heads(layout, 80)
    off = np.abs(groups.yaw(points, layouts.get(layout)) - true)
    assert np.median(off) < 3 and np.quantile(off, 0.9) < 8


def test_yaw_changes_its_sign_in_a_mirror_and_not_with_scale_or_roll():
    points, true = heads("300w-68", 20)
    layout = layouts.get("300w-68")
    yaw = groups.yaw(points, layout)
    mirrored = (points * [-1, 1])[:, layout.flip_index]
    np.testing.assert_allclose(groups.yaw(mirrored, layout), -yaw, atol=1e-4)
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    np.testing.assert_allclose(groups.yaw(3 * points @ turn.T + 7, layout), yaw, atol=1e-4)


def test_figures_of_groups_by_hand():
    errors = np.array([0.02, 0.04, 0.09, 0.12, np.inf])
    part = groups.part("by letter", ["a", "a", "b", "b", "b"], errors, ["a", "b", "c"])
    a, b = part["groups"]["a"], part["groups"]["b"]
    assert list(part["groups"]) == ["a", "b"]  # nobody in c
    assert (a["faces"], a["nme"], a["fr08"], a["fr10"]) == (2, pytest.approx(0.03), 0, 0)
    assert (b["faces"], b["failed"], b["nme"]) == (3, 1, pytest.approx(0.105))
    assert (b["fr08"], b["fr10"]) == (1.0, pytest.approx(2 / 3))
    assert a["auc10"] == pytest.approx((0.8 + 0.6) / 2) and a["auc08"] == pytest.approx((0.75 + 0.5) / 2)
    assert a["nme_low"] == pytest.approx(0.02) and a["nme_high"] == pytest.approx(0.04)


def test_sizes_fall_into_their_groups():
    square = np.array([[0.0, 0.0], [1.0, 1.0]])
    part = groups.by_size(np.array([square * side for side in (63.9, 64, 100, 500)]), np.full(4, 0.01))
    assert {name: g["faces"] for name, g in part["groups"].items()} == {"0-64": 1, "64-96": 1, "96-128": 1, "192+": 1}


def test_accuracy_has_both_parts_of_photographs_and_pose_of_a_run(artefact, photographs, run_folder, tmp_path):
    model = artefact(tmp_path / "a.onnx", template())

    row = scoring.score(model, photographs(3), layout="300w-68")
    side = np.ptp(geometry.landmark_box(template() * 2).reshape(2, 2), axis=0).max()
    (name,) = row["parts"]["size"]["groups"]
    assert name == "96-128" and 96 <= side < 128 and row["parts"]["size"]["groups"][name]["nme"] == row["nme"]
    assert sum(g["faces"] for g in row["parts"]["pose"]["groups"].values()) == 3
    assert "by size (longer side" in scoring.row_as_text(row) and "96-128" in scoring.row_as_text(row)
    json.dumps(row, allow_nan=False)
    assert set(scoring.score(model, run_folder([(0, 0)]))["parts"]) == {"pose"}
