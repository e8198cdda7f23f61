"""Offsets of labels: what is measured turns round in a mirror."""

import numpy as np
import pytest
import torch

from edgewing import images, layouts
from tests.train.data.folders import write_pts
from train import checkpoint, offsets, recipes
from train.__main__ import main
from train.credits import Credits
from train.data.drawn import faces
from train.describe import describe
from train.model import build

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.25, steps=1)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A network that knows nothing, four faces, and the same faces mirrored."""
    place = tmp_path_factory.mktemp("offsets")
    torch.manual_seed(0)
    network = build(RECIPE).eval()
    torch.nn.init.normal_(network.stacks[0].head.weight)
    about = describe(network, RECIPE, "run", Credits(trained_on=("drawn",)))
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
    source, count, offset, error = offsets.measure(place, place / "set/plain")
    _, _, mirrored, same = offsets.measure(place, place / "set/mirrored")
    assert (source, count) == ("set/plain", 4) and error == pytest.approx(same, abs=1e-4)
    assert abs(offset) > 0.002 and mirrored == pytest.approx(-offset, abs=2e-4)


def test_the_command_prints_the_option_that_takes_what_it_found(place, capsys):
    main(["offsets", str(place), str(place / "set/plain")])
    lines = capsys.readouterr().out.splitlines()
    offset = offsets.measure(place, place / "set/plain")[2]
    assert lines[-1].endswith(f"--offsets set/plain={offset:.4f}")
