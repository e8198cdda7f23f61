"""Structured pruning: whole channels go, by dependency groups through concatenations, skips and stacks.

    pruned = prune(network, recipe, 30e6, faces)
    pruned.network, pruned.recipe                        # an ordinary network and the recipe that builds it

The widths that are left are written into the recipe, so a pruned run is an ordinary recipe plus weights and loads
without Torch-Pruning. Channels go in blocks of eight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import nn

from compress.channels import Graph, Group
from compress.costs import Costs
from compress.importance import taylor
from edgewing.errors import InputError
from train import recipes
from train.blocks import StackedHourglass
from train.evaluate import Faces
from train.model import build, channels
from train.recipes import Recipe

ROUND_TO = 8  # channels; what vector units and delegates take at once
MOST = 0.75  # share of a part's channels that may go: beyond, one layer would starve to save others


class CannotBeMet(InputError):
    """Not even with every channel gone that may go."""


@dataclass(frozen=True)
class Pruned:
    """network: with fewer channels, in evaluation mode. recipe: with the widths that are left. macs: before, after.

    removed: convolution -> (channels read, channels written) that are gone, by their old indices.
    """

    network: StackedHourglass
    recipe: Recipe
    macs: tuple[int, int]
    removed: dict[str, tuple[set[int], set[int]]]


def prune(network: StackedHourglass, recipe: Recipe, target: float, faces: Faces) -> Pruned:
    """Take channels away until the network needs at most ``target`` multiply-accumulates.

    faces: what the loss is taken on, which says what a channel is worth. The network given is not changed.

    Raises: CannotBeMet for a target that is too low.
    """
    costs = Costs(network, recipe)
    graph = Graph(network, recipe.input_size)
    groups = graph.groups()
    worth = taylor(graph.network, groups, recipe, faces)
    removed: dict[str, tuple[set[int], set[int]]] = {}
    for group, gone in choose(groups, worth, costs, target):
        for member in group.members:
            read, written = removed.setdefault(member.convolution, (set(), set()))
            (written if member.out else read).update(c for channel in gone for c in member.channels[channel])
        graph.remove(group, gone)
    pruned = _recipe(recipe, graph.network)
    rebuilt = build(pruned)
    rebuilt.load_state_dict(graph.network.state_dict())
    return Pruned(rebuilt.eval(), pruned, (costs.initial, costs.total()), removed)


def choose(groups: list[Group], worth: list[np.ndarray], costs: Costs, target: float) -> list[tuple[Group, list[int]]]:
    """Groups and their channels to remove until ``costs`` are at most ``target``; ``costs`` are reduced accordingly.

    The next block always comes from where the share of importance lost so far is smallest, so that all parts of the
    network lose about the same share.

    Raises: CannotBeMet.
    """
    parts = [
        _Part(group, importance, channels_[np.argsort(importance[channels_], kind="stable")])
        for group, importance in zip(groups, worth)
        for channels_ in group.parts()
    ]
    gone: dict[str, tuple[Group, list[int]]] = {}
    while costs.total() > target:
        rank, part = min(((part.rank(costs), part) for part in parts), key=lambda pair: pair[0], default=(np.inf, None))
        if rank == np.inf:
            left, asked = costs.total() / costs.initial, target / costs.initial
            raise CannotBeMet(
                f"--macs {asked:g} cannot be met; in blocks of {ROUND_TO} channels the least is {left:.2f}"
            )
        block = part.block()
        costs.remove(part.group.members, block)
        gone.setdefault(part.group.root, (part.group, []))[1].extend(block.tolist())
        part.taken += block.size
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

    def rank(self, costs: Costs) -> float:
        """What speaks against taking the next block; infinite where none may go, or none is saved."""
        block = self.block()
        if not block.size or costs.saving(self.group.members, block) <= 0:
            return np.inf
        lost = self.importance[self.channels[: self.taken + block.size]].sum()
        return float(lost / max(self.importance[self.channels].sum(), 1e-30))


def _recipe(recipe: Recipe, network: nn.Module) -> Recipe:
    """The recipe with the widths of ``network`` where they are not those that the recipe alone would build."""
    usual = channels(build(recipes.replace(recipe, channels={})))
    return recipes.replace(recipe, channels={k: v for k, v in channels(network).items() if v != usual[k]})
