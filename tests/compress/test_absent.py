"""Points that are not there, through every stage that makes a smaller run: never learnt as a place, never spread."""

import numpy as np
import pytest
import torch

from compress import conventions, distill, importance
from compress.channels import Graph
from compress.fakequant import FakeQuantized
from compress.pseudo import Labeller, Picture, label
from edgewing import layouts
from targets import ranges
from tests.targets.discs import LAYOUT, RECIPE, SIZE, discs, write_run
from tests.train.data.folders import write_picture, write_pts
from train import recipes
from train.evaluate import Faces
from train.model import build
from train.trainer import Trainer
from train.workers import Workers

LAYOUT_19 = layouts.get(LAYOUT)
# the point that no face has; one that is its own in a mirrored picture
GONE = next(i for i, other in enumerate(LAYOUT_19.flip_index) if i == other)


@pytest.fixture
def faces():
    crops, landmarks = discs(16, 0)
    landmarks[:, GONE] = np.nan
    return Faces(crops, landmarks, np.array([f"disc {i}" for i in range(16)]))


def loud(network, point, by=0.7):
    """The network with another heatmap of that point."""
    with torch.no_grad():
        network.stacks[-1].head.bias[point] += by
    return network


def test_prunings_importance_does_not_ask_what_absent_points_do(faces):
    torch.manual_seed(0)
    network = build(RECIPE).eval()
    groups = Graph(network, SIZE).groups()
    before, after, other = (
        np.concatenate(importance.taylor(loud(network, point, by), groups, RECIPE, faces))
        for point, by in ((GONE, 0.0), (GONE, 0.7), (GONE + 1, 0.7))
    )
    assert np.isfinite(before).all() and np.array_equal(before, after) and not np.array_equal(before, other)


@pytest.mark.parametrize("rounded", [False, True], ids=["float", "int8"])
def test_fine_tuning_gives_absent_points_no_slope(faces, rounded):
    trainer = Trainer(recipes.replace(RECIPE, coordinate_loss=0.5), 1, Workers())
    if rounded:
        fake = FakeQuantized(trainer.network, LAYOUT_19.points)
        fake.ranges = ranges.measure("min-max", fake.activations(faces.crops))
        trainer.forward = fake
    crops = torch.from_numpy(faces.crops).permute(0, 3, 1, 2).float() / 255
    trainer.loss(crops, torch.from_numpy(faces.landmarks), torch.from_numpy(faces.visibility)).backward()
    slopes = trainer.network.stacks[-1].head.weight.grad.flatten(1).abs().amax(dim=1)
    assert slopes[GONE] == 0 and (np.delete(slopes[: LAYOUT_19.points].numpy(), GONE) > 0).all()
    assert all(p.grad.isfinite().all() for p in trainer.network.parameters() if p.grad is not None)


@pytest.mark.parametrize("absent", ["empty", "ignore"])
def test_a_teacher_that_knows_labels_no_point_where_it_is_silent(tmp_path, absent):
    recipe = recipes.replace(RECIPE, absent=absent)
    torch.manual_seed(0)
    network = build(recipe).eval()
    with torch.no_grad():  # all points but one are somewhere, the last nowhere
        network.stacks[-1].head.bias.fill_(0.9)
        network.stacks[-1].head.weight[GONE], network.stacks[-1].head.bias[GONE] = 0, 0
    crops, _ = discs(3, 0)
    labeller = Labeller(write_run(tmp_path, network, recipe), LAYOUT_19)
    made = label([Picture(str(i), crop) for i, crop in enumerate(crops)], [labeller], lambda done: None)
    there = np.isfinite(made.landmarks).all(axis=-1)
    gone = [GONE] if absent == "empty" else []
    assert [np.flatnonzero(~row).tolist() for row in there] == [gone] * 3
    assert np.isfinite(made.spread).all()


def test_a_face_of_which_nothing_is_found_is_left_out_without_a_word_to_the_others(tmp_path):
    recipe = recipes.replace(RECIPE, absent="empty")
    network = build(recipe).eval()
    with torch.no_grad():
        network.stacks[-1].head.weight.zero_()
        network.stacks[-1].head.bias.zero_()
    crops, _ = discs(1, 0)
    made = label([Picture("a", crops[0])], [Labeller(write_run(tmp_path, network, recipe), LAYOUT_19)], print)
    assert np.isnan(made.landmarks).all() and made.spread[0] == np.inf


def test_labels_that_a_teacher_corrects_stay_absent(tmp_path):
    """.pts with one point that nobody set: the teacher's guess of it is no label."""
    teacher = write_run(tmp_path / "teacher", build(RECIPE).eval(), RECIPE)
    crops, landmarks = discs(12, 0)
    for i, (crop, points) in enumerate(zip(crops, landmarks)):
        write_picture(tmp_path / f"set/data/{i}.png", crop)
        points[GONE] = -1  # of .pts, which count from 1: 0 0
        write_pts(tmp_path / f"set/data/{i}.pts", points)
    recipe = recipes.replace(RECIPE, data=(str(tmp_path / "set/data"),), corrected=("set/data",))
    cache, _ = distill.prepared([str(teacher)], recipe, tmp_path / "cache", 1e9, Workers(), lambda text: None)
    every = np.arange(len(cache))
    found, visibility = cache.landmarks(every), cache.visibility(every)
    assert len(cache) == 12 and np.isnan(found[:, GONE]).all() and (visibility[:, GONE] == 0).all()
    assert np.isfinite(np.delete(found, GONE, axis=1)).all() and (np.delete(visibility, GONE, axis=1) == 2).all()


def test_marks_of_another_layout_that_are_missing_move_nothing_else():
    ours, theirs = layouts.get("300w-68"), layouts.get("wflw-98")
    random = np.random.default_rng(0)
    shape = random.uniform(0, 100, (98, 2))
    marked = (shape + random.normal(0, 1, (conventions.LEAST, 98, 2))).astype(np.float32)
    labels = marked[:, theirs.map_to(ours.name)] + random.normal(0, 2, (conventions.LEAST, 68, 2)).astype(np.float32)
    whole = conventions.translate(labels, marked, theirs, ours)
    gaps = marked.copy()
    gaps[3, theirs.map_to(ours.name)[5]] = np.nan
    with_gaps = conventions.translate(labels, gaps, theirs, ours)
    assert np.argwhere(np.isnan(with_gaps)).tolist() == [[3, 5, 0], [3, 5, 1]]
    assert np.nanmax(np.abs(with_gaps - whole)) < 0.5
    labels[4, 6] = np.nan  # and of a point that the teachers do not see
    assert np.argwhere(np.isnan(conventions.translate(labels, gaps, theirs, ours)[..., 0])).tolist() == [[3, 5], [4, 6]]
