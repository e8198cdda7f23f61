"""python -m train fit --initial: a run may start from the weights of another."""

import pytest
import torch

from edgewing.errors import InputError
from train import checkpoint, recipes
from train.__main__ import starting_weights
from train.describe import describe
from train.model import build

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.5, layout="aflw-19", steps=1)


@pytest.fixture
def source(tmp_path):
    torch.manual_seed(1)
    network = build(RECIPE).eval()
    about = describe(network, RECIPE, "source", ["drawn"], [])
    checkpoint.save_model(tmp_path / "model.safetensors", network, RECIPE, about)
    return tmp_path, network


def test_the_same_network_starts_with_all_weights(source):
    said = []
    started = starting_weights(source[0], recipes.replace(RECIPE, rate=1.0), said.append)
    assert all(torch.equal(v, source[1].state_dict()[k]) for k, v in started.state_dict().items())
    assert said == [f"weights of {source[0]}"]


def test_another_layout_starts_with_a_new_head_and_says_so(source):
    said = []
    started = starting_weights(source[0], recipes.replace(RECIPE, layout="300w-68"), said.append)
    assert started.stacks[0].head.out_channels == 69
    assert torch.equal(started.stem[0][0].weight, source[1].stem[0][0].weight)
    assert said[0].endswith("; new: stacks.0.head")


@pytest.mark.parametrize("wider", [{"features": 48}, {"width": 0.75}, {"width": 0.75, "features": 48}])
def test_a_wider_network_starts_where_the_narrower_one_ended(source, wider):
    said = []
    started = starting_weights(source[0], recipes.replace(RECIPE, **wider), said.append).eval()
    assert "stacks.0.conv_last (in part)" in said[0]
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(started(images)[0], source[1](images)[0], atol=1e-5)


def test_weights_of_another_network_are_refused(source):
    with pytest.raises(InputError, match="another network"):
        starting_weights(source[0], recipes.replace(RECIPE, width=0.25), print)
