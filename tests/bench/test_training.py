"""The face-by-face pipeline must make what the batched one makes, or comparing their cost says nothing."""

import numpy as np
import pytest
import torch

from bench import reference
from bench.__main__ import main
from edgewing import layouts
from train import recipes
from train.data.drawn import shapes
from train.heatmaps import GroundTruth


@pytest.mark.parametrize("layout", ["300w-68", "wflw-98"])
def test_both_ways_make_the_same_maps(layout):
    recipe = recipes.replace(recipes.get("mobile"), layout=layout, targets="cell", sigma=1.75)
    (shape,) = shapes(1, layout, 3)
    low, high = shape.min(0), shape.max(0)
    points = (shape - low) / (high - low) * 110 + 25
    maps, masks = reference.ground_truth(points, layouts.get(layout), recipe.cells, recipe.stride)
    target, mask = GroundTruth(recipe)(torch.from_numpy(points[None].astype(np.float32)))
    np.testing.assert_allclose(maps[:-1], target[0, :-1].numpy(), atol=1e-6)
    np.testing.assert_array_equal(masks[:-1], mask[0, :-1].float().numpy())
    # the boundary is drawn in whole cells by the one and measured by the other
    assert np.abs(maps[-1] - target[0, -1].numpy()).mean() < 0.05


def test_augmented_points_stay_on_the_picture():
    picture = np.zeros((240, 240, 3), np.uint8)
    points = np.float64([[100, 110], [140, 120], [120, 150]])
    for u, v in points.astype(int):
        picture[v - 2 : v + 3, u - 2 : u + 3] = 255
    crop, moved = reference.augment(picture, points, 160, 1.5, np.random.default_rng(6))
    assert crop.shape == (160, 160, 3)
    bright = [crop[round(v), round(u)].mean() for u, v in moved]
    assert min(bright) > crop.mean() + 0.2


def test_the_verb_prints_both_and_writes_a_row(tmp_path, capsys):
    out = tmp_path / "training.json"
    assert main(["training", "--recipe", "demo", "--layout", "aflw-19", "--json", str(out)]) == 0
    assert "batched" in capsys.readouterr().out and '"ratio"' in out.read_text()
