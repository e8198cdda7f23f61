"""Offsets of labels: what is measured turns round in a mirror."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from edgewing import geometry, images, layouts
from tests.train.data.folders import write_pts
from train import checkpoint, offsets, recipes
from train.__main__ import main
from train.credits import Credits
from train.data.cache import Cache, dense_enough
from train.data.cache import build as build_cache
from train.data.drawn import faces
from train.float_contract import float_contract
from train.loop import fit
from train.model import build
from train.plan import plan
from train.workers import Workers

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.25, steps=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network that knows nothing, four faces, and the same faces mirrored."""
    place = tmp_path_factory.mktemp("offsets")
    torch.manual_seed(0)
    network = build(RECIPE).eval()
    torch.nn.init.normal_(network.stacks[0].head.weight)
    about = float_contract(network, RECIPE, "run", Credits(trained_on=("drawn",)))
    checkpoint.save_model(place / "model.safetensors", network, RECIPE, about)
    flip = layouts.get("300w-68").flip_index
    for name in ("set/plain", "set/mirrored"):
        (place / name).mkdir(parents=True)
    for i, face in enumerate(faces(4, "300w-68", 5)):
        mirrored = face.landmarks[flip] * [-1, 1] + [face.image.shape[1] - 1, 0]
        for name, image, points in (("plain", face.image, face.landmarks), ("mirrored", face.image[:, ::-1], mirrored)):
            images.write(place / f"set/{name}/{i}.png", np.ascontiguousarray(image))
            write_pts(place / f"set/{name}/{i}.pts", points)
    return place


def test_an_offset_turns_round_in_a_mirror(place):
    plain, mirrored = (offsets.measure(place, place / f"set/{name}") for name in ("plain", "mirrored"))
    assert (plain.source, plain.faces) == ("set/plain", 4) and plain.error == pytest.approx(mirrored.error, abs=1e-4)
    assert abs(plain.lateral) > 0.002 and mirrored.lateral == pytest.approx(-plain.lateral, abs=2e-4)
    flip = layouts.get("300w-68").flip_index
    assert np.allclose(mirrored.points[flip] * [-1, 1], plain.points, atol=2e-3)


def test_the_command_prints_the_option_that_takes_what_it_found(place, capsys):
    main(["offsets", str(place), str(place / "set/plain")])
    lines = capsys.readouterr().out.splitlines()
    offset = offsets.measure(place, place / "set/plain").lateral
    assert lines[-1].endswith(f"--offsets set/plain={offset:.4f}")


def test_offsets_of_each_point_go_from_the_command_into_a_recipe(place, tmp_path, capsys):
    """What was measured is taken away from labels: they then lie where the network says."""
    main(["offsets", str(place), str(place / "set/plain"), "--out", str(tmp_path / "o.json")])
    found = offsets.measure(place, place / "set/plain").points
    rows = json.loads((tmp_path / "o.json").read_text())
    assert np.allclose(np.reshape(rows["set/plain"], (68, 2)), found, atol=1e-6)
    found = found / 10  # a network that knows nothing is further off than a recipe allows
    (tmp_path / "o.json").write_text(json.dumps({"set/plain": found.reshape(-1).tolist()}))
    words = f"fit {place / 'set/plain'} --offsets set/plain={tmp_path / 'o.json'} --run {tmp_path / 'r'} --width 0.25"
    words += f" --input-size 64 --steps 1 --validation 0.3 --cache {tmp_path / 'cache'}"
    main(words.split())
    recipe = recipes.load(tmp_path / "r")
    assert np.allclose(np.reshape(recipe.offsets["set/plain"], (68, 2)), found, atol=1e-6)
    (folder,) = (f for f in (tmp_path / "cache").iterdir() if f.is_dir())
    cache = Cache.open(folder)
    side = cache.meta["size"] / cache.meta["context"]
    assert np.allclose(plan(recipe, cache).offsets[0], -found * side, atol=1e-4)


def test_learnt_offsets_find_what_one_source_marks_elsewhere(tmp_path):
    """Two sources of the same faces; the second has every other point 6 % of the crop lower, the rest higher."""
    recipe = recipes.replace(
        RECIPE, layout="aflw-19", coordinate_loss=1.0, batch=8, steps=150, learning_rate=1e-2, flip=0.0, occlusion=0.0,
        validation=0.2, learn_offsets=True,
    )  # fmt: skip
    wrong = np.where(np.arange(19) % 2 == 0, 0.06, -0.06)
    plain = list(faces(24, "aflw-19", 0))
    sides = (geometry.crop_from_landmarks(face.landmarks, 64).side for face in plain)
    lower = [np.stack([np.zeros(19), wrong * side], axis=1) for side in sides]
    moved = [dataclasses.replace(f, landmarks=f.landmarks + by, source="b") for f, by in zip(plain, lower)]
    cache = build_cache([*plain, *moved], tmp_path / "cache", layouts.get("aflw-19"), dense_enough(64))
    fit(recipe, cache, tmp_path / "run", Workers())
    found = json.loads((tmp_path / "run/offsets.json").read_text())
    first, second = (np.reshape(found[name], (19, 2)) for name in (plain[0].source, "b"))
    assert np.allclose(first, 0)
    assert np.corrcoef(second[:, 1], wrong)[0, 1] > 0.8
