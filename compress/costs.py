"""Multiply-accumulates of a network as its channels go, without running anything.

costs = Costs(network, recipe)
costs.remove(group.members, [3, 5])  # channels of a group (compress.channels)
costs.total() / costs.initial
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from compress.channels import Member
from train.recipes import Recipe


class Costs:
    """What the convolutions of the network multiply as their widths shrink. initial: before any channel is gone."""

    def __init__(self, network: nn.Module, recipe: Recipe):
        convolutions = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
        self._units = _units(network, convolutions, recipe.input_size)
        self._widths = {n: [m.in_channels, m.out_channels] for n, m in convolutions.items()}
        self._depthwise = {n for n, m in convolutions.items() if m.groups > 1}
        self._now = {name: self._macs(name) for name in convolutions}
        self.initial = self.total()

    def total(self) -> int:
        return sum(self._now.values())

    def remove(self, members: Iterable[Member], gone: Sequence[int]) -> None:
        """Take these channels of a group away."""
        for name in self._narrow(members, gone, -1):
            self._now[name] = self._macs(name)

    def saving(self, members: Iterable[Member], gone: Sequence[int]) -> int:
        """What ``remove`` would take off the total, which stays as it is."""
        changed = set(self._narrow(members, gone, -1))
        saved = sum(self._now[name] - self._macs(name) for name in changed)
        self._narrow(members, gone, 1)
        return saved

    def _narrow(self, members: Iterable[Member], gone: Sequence[int], sign: int) -> list[str]:
        """Change the widths; the convolutions that have others now."""
        changed = []
        for member in members:
            count = sum(len(member.channels[channel]) for channel in gone)
            if count:
                self._widths[member.convolution][int(member.out)] += sign * count
                changed.append(member.convolution)
        return changed

    def _macs(self, name: str) -> int:
        read, written = self._widths[name]
        return self._units[name] * written * (1 if name in self._depthwise else read)


def _units(network: nn.Module, convolutions: dict[str, nn.Conv2d], size: int) -> dict[str, int]:
    """Convolution -> its multiply-accumulates for one channel in and one out, at crops of ``size`` px."""
    units: dict[str, int] = {}

    def observe(name: str):
        def hook(conv: nn.Conv2d, arguments: tuple, output: Tensor) -> None:
            units[name] = output[0, 0].numel() * conv.weight[0, 0].numel()

        return hook

    hooks = [conv.register_forward_hook(observe(name)) for name, conv in convolutions.items()]
    try:
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return units
