"""Structured pruning: whole channels go, by dependency groups through concatenations, skips and stacks.

    pruned = prune(network, recipe, 0.7, "taylor", faces)
    pruned.network, pruned.recipe                        # an ordinary network and the recipe that builds it

The widths that are left are written into the recipe, so a pruned run is an ordinary recipe plus weights and loads
without Torch-Pruning. Channels go in blocks of eight.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from compress import importance as importances
from compress.groups import Graph, Group, Member
from edgewing.errors import InputError
from train import recipes
from train.evaluate import Faces
from train.model import StackedHourglass, build, channels, macs
from train.recipes import Recipe

ROUND_TO = 8  # channels; what vector units and delegates take at once
MOST = 0.75  # share of a part's channels that may go: beyond, one layer would starve to save others


@dataclass(frozen=True)
class Pruned:
    """network: with fewer channels, in evaluation mode. recipe: with the widths that are left. macs: before, after.

    removed: convolution -> (channels read, channels written) that are gone, by their old indices.
    """

    network: StackedHourglass
    recipe: Recipe
    macs: tuple[int, int]
    removed: dict[str, tuple[set[int], set[int]]]


def prune(network: StackedHourglass, recipe: Recipe, budget: float, importance: str, faces: Faces) -> Pruned:
    """Take channels away until the convolutions need at most ``budget`` of their multiply-accumulates.

    importance: magnitude, taylor (first-order, from the loss on ``faces``), lamp. The network given is not changed.
    InputError: an unknown importance, a budget outside 0..1, or one that cannot be met.
    """
    if not 0 < budget < 1:
        raise InputError(f"--macs {budget:g}: give the share of the multiply-accumulates to keep, between 0 and 1")
    graph = Graph(network, recipe.input_size)
    groups = graph.groups()
    worth = importances.get(importance)(graph.network, groups, recipe, faces)
    costs = Costs(graph.network, recipe.input_size)
    before = costs.total()
    removed: dict[str, tuple[set[int], set[int]]] = {}
    for group, gone in choose(groups, worth, costs, budget * before):
        for member in group.members:
            read, written = removed.setdefault(member.convolution, (set(), set()))
            (written if member.out else read).update(c for channel in gone for c in member.channels[channel])
        graph.remove(group, gone)
    pruned = _recipe(recipe, graph.network)
    rebuilt = build(pruned)
    rebuilt.load_state_dict(graph.network.state_dict())
    return Pruned(rebuilt.eval(), pruned, (before, macs(rebuilt, recipe.input_size)), removed)


def choose(groups: list[Group], worth: list[np.ndarray], costs: Costs, target: float) -> list[tuple[Group, list[int]]]:
    """Groups and their channels to remove until ``costs`` are at most ``target``; ``costs`` are reduced accordingly.

    The next block always comes from where the share of importance lost so far is smallest, so that all parts of the
    network lose about the same share. (Least importance for what is saved looks thriftier and was worse in every
    trial: it starves single layers.) InputError where the target cannot be met.
    """
    waiting: list[tuple[float, int, _Part]] = []
    for group, importance in zip(groups, worth):
        for channels_ in group.parts():
            order = np.argsort(importance[channels_], kind="stable")
            heapq.heappush(waiting, _Part(group, importance, channels_[order]).entry(len(waiting)))
    gone: dict[str, tuple[Group, list[int]]] = {}
    while costs.total() > target:
        share, order, part = heapq.heappop(waiting) if waiting else (np.inf, 0, None)
        if share == np.inf:
            left, asked = costs.total() / costs.initial, target / costs.initial
            raise InputError(
                f"--macs {asked:g} cannot be met; in blocks of {ROUND_TO} channels the least is {left:.2f}"
            )
        block = part.block()
        costs.remove(part.group.members, block)
        gone.setdefault(part.group.root, (part.group, []))[1].extend(block.tolist())
        part.taken += block.size
        heapq.heappush(waiting, part.entry(order))
    return list(gone.values())


@dataclass
class _Part:
    """Channels of a group that the same convolutions write and read, the least important first."""

    group: Group
    importance: np.ndarray
    channels: np.ndarray
    taken: int = 0

    def block(self) -> np.ndarray:
        """The next channels to go: as many as leave a multiple of eight; none where too few are left."""
        left = len(self.channels) - self.taken
        size = left % ROUND_TO or ROUND_TO
        enough = left - size >= max(ROUND_TO, len(self.channels) * (1 - MOST))
        return self.channels[self.taken : self.taken + (size if enough else 0)]

    def entry(self, order: int) -> tuple[float, int, _Part]:
        """(share of importance gone with the next block; infinite where none may go, order of equals, self)."""
        block = self.block()
        lost = self.importance[self.channels[: self.taken + block.size]].sum()
        share = lost / max(self.importance[self.channels].sum(), 1e-30) if block.size else np.inf
        return float(share), order, self


class Costs:
    """Multiply-accumulates of the convolutions as their widths shrink, without running anything."""

    def __init__(self, network: nn.Module, size: int):
        self._widths: dict[str, list[int]] = {}
        self._unit: dict[str, int] = {}  # multiply-accumulates for one channel in and one out
        self._depthwise = set()
        hooks = []
        for name, module in network.named_modules():
            if not isinstance(module, nn.Conv2d):
                continue
            self._widths[name] = [module.in_channels, module.out_channels]
            if module.groups > 1:
                self._depthwise.add(name)
            hooks.append(module.register_forward_hook(self._observe(name)))
        with torch.no_grad():
            network(torch.zeros(1, 3, size, size))
        for hook in hooks:
            hook.remove()
        self._now = {name: self._of(name, *widths) for name, widths in self._widths.items()}
        self.initial = self.total()

    def _observe(self, name: str):
        def observe(module, _, output):
            self._unit[name] = output[0, 0].numel() * module.weight[0, 0].numel()

        return observe

    def _of(self, name: str, read: int, written: int) -> int:
        return self._unit[name] * written * (1 if name in self._depthwise else read)

    def total(self) -> int:
        return sum(self._now.values())

    def remove(self, members: Iterable[Member], gone: np.ndarray) -> None:
        """Take these channels of a group away."""
        for member in members:
            name = member.convolution
            self._widths[name][int(member.out)] -= sum(len(member.channels[channel]) for channel in gone)
            self._now[name] = self._of(name, *self._widths[name])


def _recipe(recipe: Recipe, network: nn.Module) -> Recipe:
    """The recipe with the widths of ``network`` where they are not those that the recipe alone would build."""
    usual = channels(build(recipes.replace(recipe, channels={})))
    return recipes.replace(recipe, channels={k: v for k, v in channels(network).items() if v != usual[k]})
