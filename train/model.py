"""The stacked hourglass of arXiv 1904.07399 with boundary channel and CoordConv, and the same shape from mobile blocks.

    network = paper_hourglass(98, stacks=4)          # 24,153,036 parameters, as the paper's
    heatmaps = network(images)                       # a list of one (B, 99, H/4, W/4) tensor per stack

Images are (B, 3, H, W) RGB in [0, 1], nothing subtracted. Channels of a heatmap tensor are the N landmarks and then,
where the layout has curves, the boundary. Activations of the mobile network are ReLU6 and its upsampling is bilinear:
both are what keeps int8 close to float, and what phone delegates run.

B batch, C channels, N landmarks, S stacks, H, W rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgewing import layouts
from edgewing.errors import InputError
from train.recipes import Recipe

PAPER_DEPTH = 4
PAPER_WIDTH = 256
# The mobile network at width 1: channels at 1/4, 1/8, 1/16, 1/32, 1/64 of the input, and of its first convolution.
MOBILE_CHANNELS = (32, 48, 80, 128, 128)
MOBILE_STEM = 16
MOBILE_REPEATS = (1, 2, 2, 2)  # blocks on the way down to 1/8, 1/16, 1/32, 1/64
INVERTED_NARROW = 32  # channels up to which an inverted residual expands by 2, not 4
SMALLEST_MAP = 4  # cells; a 3x3 convolution on 2x2 sees mostly padding, and has the most channels
BOUNDARY_LEVEL = 0.05  # a boundary heatmap above this is boundary, in the released code


class CoordConv(nn.Module):
    """A convolution that also sees where it is: channels y, x, r of its input's frame, -1 to 1 (r: 0 to 1).

    The order (first the one that varies along rows) is the released code's; with ``boundary`` two more: the first two
    masked by the previous stack's boundary. Kept as a sum of two convolutions, features and coordinates, which is the
    same function and the same parameters as one convolution of the concatenation: so that pruning can follow the
    features, and so that at a fixed size the coordinates become a constant map.
    """

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, boundary: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2)
        self.coord = nn.Conv2d(5 if boundary else 3, cout, kernel, stride, kernel // 2, bias=False)
        self.mask = BoundaryMask() if boundary else None
        self.register_buffer("maps", coordinate_maps(1, 1), persistent=False)

    def forward(self, x: Tensor, boundary: Tensor | None = None) -> Tensor:
        """x: (B, C, H, W). boundary: (B, 1, H, W) heatmap of the previous stack, where this was built with one."""
        maps = self.coordinates(x)
        if self.mask is not None:
            maps = torch.cat([maps.expand(x.shape[0], -1, -1, -1), maps[:, :2] * self.mask(boundary)], dim=1)
        return self.conv(x) + self.coord(maps)

    def coordinates(self, x: Tensor) -> Tensor:
        """(1, 3, H, W) maps of the size of x, kept for the next call."""
        if self.maps.shape[-2:] != x.shape[-2:] or self.maps.device != x.device:
            self.maps = coordinate_maps(*x.shape[-2:]).to(x.device)
        return self.maps.to(x.dtype)


class BoundaryMask(nn.Module):
    """1 where the boundary heatmap, clamped to [0, 1], is above 0.05; else 0. No gradient flows through it."""

    def forward(self, boundary: Tensor) -> Tensor:
        return (boundary.detach().clamp(0, 1) > BOUNDARY_LEVEL).to(boundary.dtype)


def coordinate_maps(height: int, width: int) -> Tensor:
    """(1, 3, H, W): i / (size - 1) * 2 - 1 along rows, the same along columns, and their norm over its maximum."""
    rows, columns = (torch.arange(n, dtype=torch.float32) / max(n - 1, 1) * 2 - 1 for n in (height, width))
    y, x = rows[:, None].expand(height, width), columns[None, :].expand(height, width)
    r = (x**2 + y**2).sqrt()
    return torch.stack([y, x, r / r.max().clamp(min=1e-6)])[None]


class Hierarchical(nn.Module):
    """Bulat and Tzimiropoulos' block, the paper's: three convolutions in series, all three outputs concatenated."""

    def __init__(self, cin: int, cout: int, stride: int = 1):
        super().__init__()
        self.pool = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        widths = (cin, cout // 2, cout // 4, cout // 4)
        self.bn = nn.ModuleList(nn.BatchNorm2d(c) for c in widths[:3])
        self.conv = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in zip(widths, widths[1:]))
        self.project = None
        if cin != cout:
            self.project = nn.Sequential(nn.BatchNorm2d(cin), nn.ReLU(), nn.Conv2d(cin, cout, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(x)
        branches, y = [], x
        for bn, conv in zip(self.bn, self.conv):
            y = conv(F.relu(bn(y)))
            branches.append(y)
        return torch.cat(branches, dim=1) + (x if self.project is None else self.project(x))


class Series(nn.Module):
    """A block whose parts follow each other; its input is added where the shapes agree."""

    def __init__(self, residual: bool, **parts: nn.Module):
        super().__init__()
        self.residual = residual
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for part in self.children():
            y = part(y)
        return x + y if self.residual else y


class Inverted(Series):
    """MobileNetV2's block: expand, depthwise 3x3, project.

    Narrow blocks expand by 2 only: they stand where maps are large, and most of the network's time would go there.
    """

    def __init__(self, cin: int, cout: int, stride: int = 1, ratio: int = 0, kernel: int = 3):
        hidden = cin * (ratio or (2 if cin <= INVERTED_NARROW else 4))
        super().__init__(
            stride == 1 and cin == cout,
            expand=conv_bn(cin, hidden, 1) if ratio != 1 else nn.Identity(),
            depthwise=conv_bn(hidden, hidden, kernel, stride, groups=hidden),
            project=conv_bn(hidden, cout, 1, activation=False),
        )


class Fused(Series):
    """EfficientNetV2's Fused-MBConv without expansion: a dense 3x3 convolution, project.

    Where channels are few and maps large, it does more multiply-accumulates than Inverted in less time: processors
    multiply several times faster in a dense convolution than in a depthwise one (docs/compression.md).
    """

    def __init__(self, cin: int, cout: int, stride: int = 1):
        hidden = max(cin, cout)
        super().__init__(
            stride == 1 and cin == cout,
            spatial=conv_bn(cin, hidden, 3, stride),
            project=conv_bn(hidden, cout, 1, activation=False),
        )


def conv_bn(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1, activation: bool = True):
    """Convolution without bias, batch norm, and ReLU6 if ``activation``."""
    layers = [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]
    return nn.Sequential(*layers, *([nn.ReLU6()] if activation else []))


BLOCKS: dict[str, Callable[..., nn.Module]] = {"inverted": Inverted, "hierarchical": Hierarchical}


class Hourglass(nn.Module):
    """Down and up again with a skip at every level: x_n = skip(x_n) + up(back(inner(down(x_n)))).

    Entry 0 of the lists is the outermost level (the released code's level 4).
    """

    def __init__(self, skip: list, down: list, middle: nn.Module, back: list, upsampling: str):
        super().__init__()
        self.skip, self.down, self.back = nn.ModuleList(skip), nn.ModuleList(down), nn.ModuleList(back)
        self.middle = middle
        exact = {"align_corners": False} if upsampling == "bilinear" else {}
        self.up = nn.Upsample(scale_factor=2, mode=upsampling, **exact)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for skip, down in zip(self.skip, self.down):
            skips.append(skip(x))
            x = down(x)
        x = self.middle(x)
        for skipped, back in zip(reversed(skips), reversed(self.back)):
            x = skipped + self.up(back(x))
        return x


class Stack(nn.Module):
    """One hourglass with its coordinates, its head, and what carries on to the next stack.

    width: channels of the hourglass's maps. features: of what the heatmaps are read from. channels: heatmaps.
    """

    def __init__(
        self,
        entry: nn.Module,
        hourglass: Hourglass,
        top: nn.Module,
        width: int,
        features: int,
        channels: int,
        last: bool,
    ):
        super().__init__()
        self.entry, self.hourglass, self.top = entry, hourglass, top
        self.conv_last = nn.Conv2d(width, features, 1)
        self.bn_end = nn.BatchNorm2d(features)
        self.head = nn.Conv2d(features, channels, 1)
        self.carry_features = None if last else nn.Conv2d(features, width, 1)
        self.carry_heatmaps = None if last else nn.Conv2d(channels, width, 1)


class StackedHourglass(nn.Module):
    """Stem, then stacks; ``forward`` gives the heatmaps of every stack, the last one's being the result."""

    def __init__(self, stem: nn.Module, stacks: list[Stack], activation: nn.Module):
        super().__init__()
        self.stem, self.stacks, self.activation = stem, nn.ModuleList(stacks), activation

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [0, 1] -> S tensors (B, C, H/4, W/4)."""
        previous = self.stem(images)
        outputs: list[Tensor] = []
        for stack in self.stacks:
            x = previous
            if isinstance(stack.entry, CoordConv):
                x = stack.entry(x, outputs[-1][:, -1:]) if stack.entry.mask is not None else stack.entry(x)
            else:
                x = stack.entry(x)
            x = self.activation(stack.bn_end(stack.conv_last(stack.top(stack.hourglass(x)))))
            outputs.append(stack.head(x))
            if stack.carry_features is not None:
                previous = previous + stack.carry_features(x) + stack.carry_heatmaps(outputs[-1])
        return outputs


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


def mobile_hourglass(
    landmarks: int,
    stacks: int = 1,
    boundary: bool = True,
    coordinates: bool = True,
    block: str = "inverted",
    width: float = 1.0,
    features: int = 0,
    cells: int = 40,
    stem_stride: int = 4,
    fused: int = 0,
    maps: tuple[int, ...] = (),
) -> StackedHourglass:
    """The same shape from mobile blocks, its channels growing with depth.

    features: channels that the heatmaps are read from; 0 for as many as the finest maps have. Those are few, and no
    more heatmaps than that are independent: a wider last convolution, behind ReLU6, lifts that for little time.
    cells: heatmap rows; the hourglass is as deep as they divide evenly by 2 and SMALLEST_MAP allows, at most as the
    paper's.
    stem_stride: 4 or 2, crop pixels per cell.
    fused: how many of the levels, the finest first, have Fused blocks; the stem is of the finest.
    maps: channels of the levels, the finest first, instead of MOBILE_CHANNELS by width; there are no more levels.
    """
    depth = next(d for d in range(PAPER_DEPTH, -1, -1) if cells % 2**d == 0 and cells >> d >= SMALLEST_MAP)
    widths = list(maps or (max(8, round(c * width / 8) * 8) for c in MOBILE_CHANNELS))[: depth + 1]
    makes = [Fused if level < fused else BLOCKS[block] for level in range(len(widths))]
    first, fine = max(8, round(MOBILE_STEM * width / 8) * 8), makes[0]
    stem = nn.Sequential(conv_bn(3, first, 3, 2), fine(first, widths[0], stem_stride // 2), fine(widths[0], widths[0]))

    def stack(i: int) -> Stack:
        skip = [make(c, c) for make, c in zip(makes, widths[:-1])]
        down = [
            nn.Sequential(upper(a, b, 2), *(lower(b, b) for _ in range(repeats - 1)))
            for upper, lower, a, b, repeats in zip(makes, makes[1:], widths, widths[1:], MOBILE_REPEATS)
        ]
        back = [lower(b, a) for lower, a, b in zip(makes[1:], widths, widths[1:])]
        hourglass = Hourglass(skip, down, makes[-1](widths[-1], widths[-1]), back, "bilinear")
        entry = _entry(widths[0], boundary and i > 0, coordinates)
        top = fine(widths[0], widths[0])
        last = i == stacks - 1
        return Stack(entry, hourglass, top, widths[0], features or widths[0], landmarks + boundary, last)

    network = StackedHourglass(stem, [stack(i) for i in range(stacks)], nn.ReLU6())
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
        from train.lite0 import lite0_hourglass

        network = lite0_hourglass(landmarks, recipe.has_boundary, recipe.coordinates, recipe.features)
    else:
        network = mobile_hourglass(
            landmarks, recipe.stacks, recipe.has_boundary, recipe.coordinates, recipe.block, recipe.width,
            recipe.features, recipe.cells, recipe.input_size // recipe.cells, recipe.fused, recipe.maps,
        )  # fmt: skip
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
