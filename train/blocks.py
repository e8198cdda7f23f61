"""What stacked hourglasses are built of: the paper's blocks and the mobile ones, an hourglass, a stack of them.

B batch, C channels, N landmarks, S stacks, H, W rows and columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

INVERTED_NARROW = 32  # channels up to which an inverted residual expands by 2, not 4
BOUNDARY_LEVEL = 0.05  # a boundary heatmap above this is boundary, in the released code


class CoordConv(nn.Module):
    """A convolution that also sees where it is: channels y, x, r of its input's frame, -1 to 1 (r: 0 to 1).

    The order (first the one that varies along rows) is the released code's; with ``boundary`` two more: the first two
    masked by the previous stack's boundary. Kept as a sum of two convolutions, features and coordinates, which is the
    same function and the same parameters as one convolution of the concatenation: so that pruning can follow the
    features, and so that at a fixed size the coordinates become a constant map. Both begin as that one would.
    """

    def __init__(self, cin: int, cout: int, kernel: int = 1, stride: int = 1, boundary: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2)
        self.coord = nn.Conv2d(5 if boundary else 3, cout, kernel, stride, kernel // 2, bias=False)
        with torch.no_grad():  # PyTorch's start is uniform within 1 / sqrt(inputs): each part has fewer than the whole
            for layer in (self.conv, self.coord):
                for parameter in layer.parameters():
                    parameter.mul_(math.sqrt(layer.in_channels / (cin + self.coord.in_channels)))
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
