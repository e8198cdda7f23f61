"""The stacked hourglass of arXiv 1904.07399 with boundary channel and CoordConv, and the same shape from mobile blocks.

    network = paper_hourglass(98, stacks=4)          # 24,153,036 parameters, as the paper's
    heatmaps = network(images)                       # a list of one (B, 99, H/4, W/4) tensor per stack

Images are (B, 3, H, W) RGB in [0, 1], nothing subtracted. Channels of a heatmap tensor are the N landmarks and then,
where the layout has curves, the boundary. Activations of the mobile network are ReLU6 and its upsampling is bilinear:
both are what keeps int8 close to float, and what phone delegates run.

B batch, C channels, N landmarks, S stacks, H, W rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgewing import layouts
from edgewing.errors import InputError
from train.blocks import BLOCKS, CoordConv, Fused, Hierarchical, Hourglass, Stack, StackedHourglass, conv_bn
from train.lite0 import lite0_hourglass
from train.recipes import Recipe

PAPER_DEPTH = 4
PAPER_WIDTH = 256
# The mobile network at width 1: channels at 1/4, 1/8, 1/16, 1/32, 1/64 of the input, and of its first convolution.
MOBILE_CHANNELS = (32, 48, 80, 128, 128)
MOBILE_STEM = 16
MOBILE_REPEATS = (1, 2, 2, 2)  # blocks on the way down to 1/8, 1/16, 1/32, 1/64
SMALLEST_MAP = 4  # cells; a 3x3 convolution on 2x2 sees mostly padding, and has the most channels


class PaperStem(nn.Module):
    """256 px -> 256 channels at a quarter: CoordConv 7x7 stride 2, three hierarchical blocks, one average pool."""

    def __init__(self, coordinates: bool = True):
        super().__init__()
        self.conv = CoordConv(3, 64, 7, 2) if coordinates else nn.Conv2d(3, 64, 7, 2, 3)
        self.bn = nn.BatchNorm2d(64)
        self.blocks = nn.Sequential(
            Hierarchical(64, 128), nn.AvgPool2d(2), Hierarchical(128, 128), Hierarchical(128, PAPER_WIDTH)
        )

    def forward(self, images: Tensor) -> Tensor:
        side = 4 * 2**PAPER_DEPTH
        if images.shape[-1] % side or images.shape[-2] % side:
            size = "x".join(map(str, images.shape[-2:]))
            raise InputError(f"images of {size} px; the paper's network takes sides that are multiples of {side}")
        return self.blocks(F.relu(self.bn(self.conv(images))))


def paper_hourglass(landmarks: int, stacks: int, boundary: bool = True, coordinates: bool = True) -> StackedHourglass:
    """The paper's network: N landmarks (+ boundary) from 1 to 4 stacks; parameter counts are in tests/train."""
    channels, width = landmarks + boundary, PAPER_WIDTH

    def stack(i: int) -> Stack:
        entry = _entry(width, boundary and i > 0, coordinates)
        down = [nn.Sequential(nn.AvgPool2d(2), Hierarchical(width, width)) for _ in range(PAPER_DEPTH)]
        skip, back = ([Hierarchical(width, width) for _ in range(PAPER_DEPTH)] for _ in range(2))
        hourglass = Hourglass(skip, down, Hierarchical(width, width), back, "nearest")
        return Stack(entry, hourglass, Hierarchical(width, width), width, width, channels, last=i == stacks - 1)

    return StackedHourglass(PaperStem(coordinates), [stack(i) for i in range(stacks)], nn.ReLU())


def mobile_hourglass(landmarks: int, recipe: Recipe) -> StackedHourglass:
    """The same shape from mobile blocks, its channels growing with depth.

    ``features`` channels are what the heatmaps are read from: the finest maps have few, and no more heatmaps than that
    are independent. A wider last convolution, behind ReLU6, lifts that for little time. The hourglass is as deep as its
    cells divide evenly by 2 and SMALLEST_MAP allows, at most as the paper's, with no more levels than ``maps``. The
    stem is of the finest of the ``fused`` levels.
    """
    width, cells, boundary = recipe.width, recipe.cells, recipe.has_boundary
    depth = next(d for d in range(PAPER_DEPTH, -1, -1) if cells % 2**d == 0 and cells >> d >= SMALLEST_MAP)
    widths = list(recipe.maps or (max(8, round(c * width / 8) * 8) for c in MOBILE_CHANNELS))[: depth + 1]
    makes = [Fused if level < recipe.fused else BLOCKS[recipe.block] for level in range(len(widths))]
    first, fine = max(8, round(MOBILE_STEM * width / 8) * 8), makes[0]
    stem = nn.Sequential(
        conv_bn(3, first, 3, 2), fine(first, widths[0], recipe.input_size // cells // 2), fine(widths[0], widths[0])
    )

    def stack(i: int) -> Stack:
        skip = [make(c, c) for make, c in zip(makes, widths[:-1])]
        down = [
            nn.Sequential(upper(a, b, 2), *(lower(b, b) for _ in range(repeats - 1)))
            for upper, lower, a, b, repeats in zip(makes, makes[1:], widths, widths[1:], MOBILE_REPEATS)
        ]
        back = [lower(b, a) for lower, a, b in zip(makes[1:], widths, widths[1:])]
        hourglass = Hourglass(skip, down, makes[-1](widths[-1], widths[-1]), back, "bilinear")
        entry = _entry(widths[0], boundary and i > 0, recipe.coordinates)
        top = fine(widths[0], widths[0])
        last = i == recipe.stacks - 1
        return Stack(entry, hourglass, top, widths[0], recipe.features or widths[0], landmarks + boundary, last)

    network = StackedHourglass(stem, [stack(i) for i in range(recipe.stacks)], nn.ReLU6())
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for stack_ in network.stacks:  # heatmaps are nearly empty: start near zero
        nn.init.normal_(stack_.head.weight, std=0.01)
        nn.init.zeros_(stack_.head.bias)
    return network


def _entry(width: int, boundary: bool, coordinates: bool) -> nn.Module:
    return CoordConv(width, width, boundary=boundary) if coordinates else nn.Conv2d(width, width, 1)


def build(recipe: Recipe) -> StackedHourglass:
    """The network of a recipe, with new weights; pruned channels as the recipe has them."""
    landmarks = layouts.get(recipe.layout).points
    if recipe.network == "paper":
        network = paper_hourglass(landmarks, recipe.stacks, recipe.has_boundary, recipe.coordinates)
    elif recipe.network == "lite0":
        network = lite0_hourglass(landmarks, recipe.has_boundary, recipe.coordinates, recipe.features)
    else:
        network = mobile_hourglass(landmarks, recipe)
    for name, (cin, cout) in recipe.channels.items():
        _resize(network, name, cin, cout)
    return network


def _resize(network: nn.Module, name: str, cin: int, cout: int) -> None:
    """Replace a convolution or batch norm by one with other channel counts."""
    try:
        old = network.get_submodule(name)
    except AttributeError:
        raise InputError(f"recipe field channels names {name!r}, which this network does not have") from None
    if isinstance(old, nn.BatchNorm2d):
        new = nn.BatchNorm2d(cout)
    elif isinstance(old, nn.Conv2d):
        groups = 1 if old.groups == 1 else cin
        bias = old.bias is not None
        new = nn.Conv2d(cin, cout, old.kernel_size, old.stride, old.padding, groups=groups, bias=bias)
    else:
        raise InputError(f"recipe field channels names {name!r}, which is not a convolution or batch norm")
    network.set_submodule(name, new)


def channels(network: nn.Module) -> dict[str, tuple[int, int]]:
    """(in, out) of every convolution and batch norm, as the recipe field of that name has them."""
    sizes = {}
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            sizes[name] = (module.in_channels, module.out_channels)
        elif isinstance(module, nn.BatchNorm2d):
            sizes[name] = (module.num_features, module.num_features)
    return sizes


def parameters(network: nn.Module) -> int:
    """Parameters, those of batch norms included and their statistics not."""
    return sum(p.numel() for p in network.parameters())


def macs(network: nn.Module, size: int) -> int:
    """Multiply-accumulates of the convolutions for one (3, size, size) crop: method of the paper's '26.8 GFLOPs'."""
    total = 0

    def count(module: nn.Conv2d, _, output: Tensor) -> None:
        nonlocal total
        total += output[0].numel() * module.weight[0].numel()

    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, nn.Conv2d)]
    training = network.training
    try:
        with torch.no_grad():
            first = next(network.parameters())
            network.eval()(torch.zeros(1, 3, size, size, device=first.device, dtype=first.dtype))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return total
