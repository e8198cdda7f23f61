"""The face-by-face pipeline must make what the batched one makes, or comparing their cost says nothing."""

import json

import numpy as np
import pytest
import torch

from bench.__main__ import main
from bench.training import costs, reference
from edgewing import layouts
from train import recipes
from train.data.drawn import draw
from train.heatmaps import GroundTruth


@pytest.mark.parametrize("layout", ["300w-68", "wflw-98"])
def test_both_ways_make_the_same_maps(layout):
    recipe = recipes.replace(recipes.get("mobile"), layout=layout, targets="cell", sigma=1.75)
    shape = draw(3_000_009, layout).landmarks
    low, high = shape.min(0), shape.max(0)
    points = (shape - low) / (high - low) * 110 + 25
    maps, masks = reference.ground_truth(points, layouts.get(layout), recipe.cells, recipe.stride)
    target, mask = GroundTruth(recipe)(torch.from_numpy(points[None].astype(np.float32)))
    np.testing.assert_allclose(maps[:-1], target[0, :-1].numpy(), atol=1e-6)
    np.testing.assert_array_equal(masks[:-1], mask[0, :-1].float().numpy())
    # the boundary is drawn in whole cells by the one and measured by the other; a cell aside it would be below 0.88
    assert np.corrcoef(maps[-1].ravel(), target[0, -1].numpy().ravel())[0, 1] > 0.9


def test_augmented_points_stay_on_the_picture():
    picture = np.zeros((240, 240, 3), np.uint8)
    points = np.float64([[100, 110], [140, 120], [120, 150]])
    for u, v in points.astype(int):
        picture[v - 2 : v + 3, u - 2 : u + 3] = 255
    crop, moved = reference.augment(picture, points, 160, 1.5, np.random.default_rng(6))
    assert crop.shape == (160, 160, 3)
    bright = [crop[round(v), round(u)].mean() for u, v in moved]
    assert min(bright) > crop.mean() + 0.2


def test_the_verb_prints_both_and_writes_rows(tmp_path, capsys):
    out = tmp_path / "training.jsonl"
    words = ["training", "--recipes", "demo", "--ways", "3", "--rounds", "2", "--steps", "1", "--batch", "2"]
    assert main([*words, "--to", str(out)]) == 0
    said = capsys.readouterr().out
    assert "batched" in said and "+ bf16" in said and "peak" not in said  # of a CPU no peak is known
    cost, speed = (json.loads(line) for line in out.read_text().splitlines())
    assert cost["ratio"] > 1  # a figure per face cannot be the faster way
    assert [way["way"] for way in speed["ways"]] == ["eager fp32", "+ channels_last", "+ bf16"]
    assert all(way["images_per_s"] > 0 and 0 <= way["waiting"] < 1 for way in speed["ways"])
    assert speed["ways"][0]["times_eager"] == 1 and speed["protocol"]["batch"] == 2


def test_shipped_students_are_measured_by_their_own_recipe():
    recipe = costs._recipe("models/edgewing-s.safetensors")
    assert (recipe.input_size, recipe.features) == (128, 64)


def test_no_steps_are_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["training", "--rounds", "0"])
    assert ended.value.code == 2 and "--rounds" in capsys.readouterr().err
