"""Int8 inside torch: a network computed as its TFLite file computes it, differentiable.

    fake = FakeQuantized(network, landmarks=68)
    fake.ranges = ranges.measure("moving-average", fake.activations(crops))
    heatmaps = fake(images)                       # as network(images), rounded to 8 bits where the file is

It rounds where targets.tflite does: the picture to k / 255, the output of every convolution with its batch norm and
activation, sums, what is enlarged, heads; weights per output channel after the batch norm is folded in. Biases (32 bits
in the file) and decode stay float. Gradients pass straight through the rounding, and end where a value was clipped
(Jacob et al., arXiv 1712.05877, section 3). Batch norms use and keep their running statistics: the weights that are
trained are the folded ones. The network's modules and names are untouched, so its weights are an ordinary run's.

B batch, C channels, H, W rows and columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edgewing.errors import InputError
from train.blocks import BOUNDARY_LEVEL, CoordConv, Hourglass, Series, Stack, StackedHourglass

PICTURE = "picture"
Ranges = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Map:
    """Activations (B, C, H, W), the site that made them, and whether they are rounded to its range already."""

    site: str
    values: Tensor
    rounded: bool


class FakeQuantized(nn.Module):
    """A StackedHourglass of inverted or fused blocks in int8, from (B, 3, H, W) images in [0, 1] to a list of heatmaps.

    A site is where an activation is made; its name is the layer's (``stem.1.expand.0``), with ``:n`` behind where a
    layer makes several. ranges: site -> (low, high), low <= 0 <= high. float_layers: regular expressions of layers
    that stay in float, as in targets.tflite. landmarks: heatmaps of the last head that are exported; the rest of them
    stays in float. InputError for other networks.
    """

    def __init__(
        self, network: StackedHourglass, landmarks: int, ranges: Ranges | None = None, float_layers: Sequence[str] = ()
    ):
        super().__init__()
        if not supported(network):
            raise InputError("fake quantization knows inverted and fused blocks only (recipe: mobile, block inverted)")
        self.network, self.landmarks = network, landmarks
        self.ranges, self.float_layers = ranges or {}, tuple(float_layers)
        self._seen: dict[str, np.ndarray] | None = None

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self._made(PICTURE, images)
        for i, layer in enumerate(self.network.stem):
            x = self._layer(f"stem.{i}", layer, x)
        previous, boundary, outputs = x, None, []
        for i, stack in enumerate(self.network.stacks):
            name, last = f"stacks.{i}", i == len(self.network.stacks) - 1
            x = self._entry(f"{name}.entry", stack.entry, previous, boundary)
            x = self._hourglass(f"{name}.hourglass", stack.hourglass, x)
            x = self._layer(f"{name}.top", stack.top, x)
            x = self._convolution(f"{name}.conv_last", stack.conv_last, x, stack.bn_end, self.network.activation)
            head = self._head(f"{name}.head", stack, x, last)
            outputs.append(head.values)
            if stack.carry_features is not None:
                boundary = head
                for j, carry in enumerate(("carry_features", "carry_heatmaps")):
                    carried = self._convolution(f"{name}.{carry}", getattr(stack, carry), (x, head)[j])
                    previous = self._sum(f"network:{2 * i + j}", previous, carried)
        return outputs

    def activations(self, crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        """For each of (F, T, T, 3) uint8 crops the float activations by site: what targets.ranges measures."""
        device = next(self.network.parameters()).device
        for crop in crops:
            self._seen = {}
            try:
                with torch.no_grad():
                    self(torch.from_numpy(crop).to(device).permute(2, 0, 1)[None] / 255)
                seen = self._seen
            finally:
                self._seen = None
            yield seen

    def _layer(self, name: str, layer: nn.Module, x: Map) -> Map:
        """A block of parts in series, or convolution, batch norm and perhaps activation, or a sequence of such."""
        if isinstance(layer, Series):
            y = x
            for part, convolution in layer.named_children():
                y = self._layer(f"{name}.{part}", convolution, y)
            return self._sum(name, x, y) if layer.residual else y
        if isinstance(layer[0], nn.Conv2d):
            return self._convolution(f"{name}.0", layer[0], x, *layer[1:])
        for i, part in enumerate(layer):
            x = self._layer(f"{name}.{i}", part, x)
        return x

    def _convolution(
        self,
        site: str,
        conv: nn.Conv2d,
        x: Map,
        norm: nn.BatchNorm2d | None = None,
        activation: nn.Module | None = None,
    ) -> Map:
        values = self._convolved(site, conv, self._read(x, site), norm)
        return self._made(site, values if activation is None else activation(values))

    def _convolved(
        self, site: str, conv: nn.Conv2d, x: Tensor, norm: nn.BatchNorm2d | None = None, biased: bool = True
    ) -> Tensor:
        weight, bias = folded(conv, norm)
        weight = weights_int8(weight) if self._integer(site) else weight
        return F.conv2d(x, weight, bias if biased else None, conv.stride, conv.padding, conv.dilation, conv.groups)

    def _entry(self, name: str, entry: nn.Module, x: Map, boundary: Map | None) -> Map:
        """Features and, in a CoordConv, coordinates: a constant map, quantized by its own extremes, and what the
        boundary masks. The bias belongs to the constant map, where the converter puts it."""
        if not isinstance(entry, CoordConv):
            return self._convolution(name, entry, x)
        site = f"{name}.conv"
        features = self._made(site, self._convolved(site, entry.conv, self._read(x, site), biased=False))
        maps, coord = entry.coordinates(x.values), entry.coord
        same = {"stride": coord.stride, "padding": coord.padding}
        constant = F.conv2d(maps, coord.weight[:, :3], entry.conv.bias, **same)
        if self._integer(name):
            constant = affine_int8(constant, float(constant.detach().amin()), float(constant.detach().amax()))
        out = self._made(name, self._read(features, name) + constant)
        if entry.mask is None:
            return out
        mask = (self._read(boundary, name)[:, -1:].detach() > BOUNDARY_LEVEL).to(maps.dtype)
        weight = coord.weight[:, 3:]
        weight = weights_int8(weight) if self._integer(name) else weight
        # Masked coordinates lie in [-1, 1] whatever the crops are.
        masked = self._made(f"{name}:maps", maps[:, :2] * mask)
        masked = self._made(f"{name}:masked", F.conv2d(self._read(masked, name), weight, **same))
        return self._sum(f"{name}:sum", out, masked)

    def _hourglass(self, name: str, hourglass: Hourglass, x: Map) -> Map:
        skips = []
        for i, (skip, down) in enumerate(zip(hourglass.skip, hourglass.down)):
            skips.append(self._layer(f"{name}.skip.{i}", skip, x))
            x = self._layer(f"{name}.down.{i}", down, x)
        x = self._layer(f"{name}.middle", hourglass.middle, x)
        for i in reversed(range(len(skips))):
            x = self._layer(f"{name}.back.{i}", hourglass.back[i], x)
            # Enlarging keeps the scale of what it enlarges.
            up = hourglass.up(self._read(x, name))
            up = self._round(x.site, up) if self._integer(name) else up
            x = self._sum(f"{name}:{i}", skips[i], Map(x.site, up, self._integer(name)))
        return x

    def _head(self, site: str, stack: Stack, x: Map, last: bool) -> Map:
        values = self._convolved(site, stack.head, self._read(x, site))
        if not last:
            return self._made(site, values)
        kept = self._made(site, values[:, : self.landmarks])
        return Map(site, torch.cat([kept.values, values[:, self.landmarks :]], dim=1), kept.rounded)

    def _sum(self, site: str, a: Map, b: Map) -> Map:
        return self._made(site, self._read(a, site) + self._read(b, site))

    def _integer(self, site: str) -> bool:
        """Whether the operation that makes this site is an int8 one; none is while activations are measured."""
        layer = site.partition(":")[0]
        return self._seen is None and not any(re.search(pattern, layer) for pattern in self.float_layers)

    def _made(self, site: str, values: Tensor) -> Map:
        """The output of an operation: rounded where the operation is an integer one."""
        if self._seen is not None:
            self._seen[site] = values.cpu().numpy()
        integer = self._integer(site)
        return Map(site, self._round(site, values) if integer else values, integer)

    def _read(self, x: Map, reader: str) -> Tensor:
        """An operation's input: rounded where the operation is an integer one, whoever made it."""
        return x.values if x.rounded or not self._integer(reader) else self._round(x.site, x.values)

    def _round(self, site: str, values: Tensor) -> Tensor:
        return affine_int8(values, *((0.0, 1.0) if site == PICTURE else self.ranges[site]))


def supported(network: nn.Module) -> bool:
    """Whether a network is one that FakeQuantized can compute."""
    if not isinstance(network, StackedHourglass) or not isinstance(network.stem, nn.Sequential):
        return False
    blocks = [stack.top for stack in network.stacks]
    return all(isinstance(block, Series) for block in (*network.stem[1:], *blocks))


def affine_int8(values: Tensor, low: float, high: float) -> Tensor:
    """Values at 256 steps from low to high, 0 being one of them: one scale and zero point for the tensor."""
    low, high = min(low, 0.0), max(high, 0.0)
    if high == low:
        return values
    scale = (high - low) / 255
    zero = min(127, max(-128, round(-128 - low / scale)))
    return torch.fake_quantize_per_tensor_affine(values, scale, zero, -128, 127)


def weights_int8(weight: Tensor) -> Tensor:
    """(O, I, kh, kw) at 255 steps around 0, up to each output channel's largest value."""
    scale = (weight.detach().abs().amax(dim=(1, 2, 3)) / 127).clamp(min=1e-9)
    zero = torch.zeros_like(scale, dtype=torch.int32)
    return torch.fake_quantize_per_channel_affine(weight, scale, zero, 0, -127, 127)


def folded(conv: nn.Conv2d, norm: nn.BatchNorm2d | None) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution with the batch norm behind it, by its running statistics."""
    if norm is None:
        return conv.weight, conv.bias
    gain = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    bias = norm.bias - norm.running_mean * gain
    return conv.weight * gain[:, None, None, None], bias if conv.bias is None else bias + conv.bias * gain
