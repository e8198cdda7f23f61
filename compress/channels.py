"""Which channels belong together: Torch-Pruning's dependency graph, made to speak of channels one by one.

    graph = Graph(network, 160)                          # of a copy; the network given is not changed
    group = graph.groups()[0]
    graph.remove(group, [3, 5])
    graph.network                                        # smaller

A channel of a residual stream is written by a convolution of every block on the way and read by several: all of them
lose it together. Torch-Pruning is imported only here; nothing that was pruned needs it again.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from targets.job import needs
from train.blocks import StackedHourglass


@dataclass(frozen=True)
class Member:
    """One side of a convolution that takes part in a group. channels[i]: its channels that go with the group's i-th."""

    convolution: str
    out: bool  # side: the channels written, else those read
    channels: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Group:
    """The channels of ``root``'s output, by index, and all that goes with them."""

    root: str
    width: int
    members: tuple[Member, ...]

    def parts(self) -> list[np.ndarray]:
        """The channels, sorted into those that the same convolutions write and read.

        One part in most groups. Where branches are concatenated, each branch writes its part of the stream, and a part
        may never be emptied: a ranking of the whole would do just that, as branches differ in size of weights.
        """
        parts: dict[tuple[bool, ...], list[int]] = {}
        for channel in range(self.width):
            parts.setdefault(tuple(bool(m.channels[channel]) for m in self.members), []).append(channel)
        return [np.array(part) for part in parts.values()]


class Graph:
    """The dependencies of a network's channels at crops of ``size`` px. ``network`` is a copy that loses channels."""

    def __init__(self, network: StackedHourglass, size: int):
        with needs("prune", "torch-pruning"):
            import torch_pruning as tp
        self.network = copy.deepcopy(network).eval().requires_grad_(True)
        self._tp, self._kept = tp, {stack.head for stack in self.network.stacks}
        self._graph = tp.DependencyGraph().build_dependency(self.network, torch.zeros(1, 3, size, size))
        self._names = {module: name for name, module in self.network.named_modules()}

    def groups(self) -> list[Group]:
        """All groups whose channels may go: those of the heads are the landmarks and stay."""
        # Widest first: only the widest writer of a stream reaches all of it, a concatenated branch just its own part.
        convolutions = [m for m in self._names if isinstance(m, nn.Conv2d) and m in self._graph.module2node]
        seen: set[nn.Module] = set()
        found = []
        for root in sorted(convolutions, key=lambda m: -m.out_channels):
            if root in seen:
                continue
            group = self._group(root, range(root.out_channels))
            written = {
                item.dep.target.module for item in group if self._graph.is_out_channel_pruning_fn(item.dep.handler)
            }
            seen |= written
            if not written & self._kept:
                found.append(Group(self._names[root], root.out_channels, self._members(group, root.out_channels)))
        return found

    def remove(self, group: Group, channels: Sequence[int]) -> None:
        """Take these channels of a group out of every convolution and batch norm that has them."""
        self._group(self.network.get_submodule(group.root), sorted(int(c) for c in channels)).prune()

    def _group(self, root: nn.Conv2d, channels: Sequence[int]):
        return self._graph.get_pruning_group(root, self._tp.prune_conv_out_channels, list(channels))

    def _members(self, group, width: int) -> tuple[Member, ...]:
        members = []
        for item in group:
            module = item.dep.target.module
            if not isinstance(module, nn.Conv2d):
                continue
            own: list[list[int]] = [[] for _ in range(width)]
            for root, channel in zip(item.root_idxs, item.idxs):
                own[root].append(int(channel))
            out = self._graph.is_out_channel_pruning_fn(item.dep.handler)
            members.append(Member(self._names[module], out, tuple(map(tuple, own))))
        return tuple(members)
