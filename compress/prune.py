"""Structured pruning: whole channels go, by dependency groups through concatenations, skips and stacks.

    python -m compress prune runs/first --run first-s --macs 0.7

Torch-Pruning finds which channels belong together; the widths that are left are written into the recipe, so a pruned
run is an ordinary recipe plus weights and loads without it. Fine-tuning follows, with the float network as teacher.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from edgewing.errors import InputError, unknown
from targets.job import needs
from train import recipes
from train.evaluate import Faces
from train.heatmaps import GroundTruth
from train.loss import heatmap_loss
from train.model import CoordConv, StackedHourglass, build, channels, macs
from train.recipes import Recipe

ROUND_TO = 8  # channels; what vector units and delegates take at once
MOST = 0.9  # share of a layer's channels that may go
STEPS = 30  # of the search for the ratio that meets the budget
TAYLOR_FACES = 64


@dataclass(frozen=True)
class Pruned:
    """network: with fewer channels. recipe: with the widths that are left. macs: before, after."""

    network: StackedHourglass
    recipe: Recipe
    macs: tuple[int, int]


def _importance(name: str):
    with needs("prune", "torch-pruning"):
        import torch_pruning as tp
    table: dict[str, Callable] = {
        "magnitude": lambda: tp.importance.MagnitudeImportance(p=2),
        "taylor": lambda: tp.importance.TaylorImportance(),
        "lamp": lambda: tp.importance.LAMPImportance(p=2),
    }
    if name not in table:
        raise unknown("importance", name, table)
    return table[name]()


IMPORTANCES = ("magnitude", "taylor", "lamp")


def prune(network: StackedHourglass, recipe: Recipe, budget: float, importance: str, faces: Faces) -> Pruned:
    """Take channels away until the convolutions need at most ``budget`` of their multiply-accumulates.

    importance: magnitude, taylor (first-order, from the loss on ``faces``), lamp. The network given is not changed.
    InputError: an unknown importance, a budget outside 0..1, or one that cannot be met in multiples of 8 channels.
    """
    if not 0 < budget < 1:
        raise InputError(f"--macs {budget:g}: give the share of the multiply-accumulates to keep, between 0 and 1")
    before = macs(network, recipe.input_size)
    low, high, best = 0.0, MOST, None
    # More pruning, fewer MACs: the smallest ratio that meets the budget, by halving.
    for _ in range(STEPS):
        ratio = (low + high) / 2
        candidate = _cut(network, recipe, ratio, importance, faces)
        after = macs(candidate, recipe.input_size)
        if after <= budget * before:
            high, best = ratio, (candidate, after)
        else:
            low = ratio
        if high - low < 0.01:
            break
    if best is None:
        raise InputError(f"--macs {budget:g} cannot be met: {MOST:.0%} of the channels still need more; ask for less")
    candidate, after = best
    pruned = _recipe(recipe, candidate)
    rebuilt = build(pruned)
    rebuilt.load_state_dict(candidate.state_dict())
    return Pruned(rebuilt, pruned, (before, after))


def _cut(network: StackedHourglass, recipe: Recipe, ratio: float, importance: str, faces: Faces) -> StackedHourglass:
    """A copy with about ``ratio`` of the channels of every group gone."""
    with needs("prune", "torch-pruning"):
        import torch_pruning as tp
    network = copy.deepcopy(network).eval().requires_grad_(True)
    kept = [stack.head for stack in network.stacks]
    if importance == "taylor":
        _accumulate_gradients(network, recipe, faces)
    pruner = tp.pruner.BasePruner(
        network,
        torch.zeros(1, 3, recipe.input_size, recipe.input_size),
        importance=_importance(importance),
        pruning_ratio=ratio,
        max_pruning_ratio=MOST,
        ignored_layers=kept,
        round_to=ROUND_TO,
    )
    pruner.step()
    for parameter in network.parameters():
        parameter.grad = None
    return network


def _accumulate_gradients(network: StackedHourglass, recipe: Recipe, faces: Faces) -> None:
    """Of the recipe's own loss over some faces, batch statistics frozen."""
    truth = GroundTruth(recipe)
    chosen = np.linspace(0, len(faces) - 1, min(len(faces), TAYLOR_FACES)).astype(int)
    for part in np.array_split(chosen, max(1, len(chosen) // 16)):
        crops = torch.from_numpy(faces.crops[part]).permute(0, 3, 1, 2).float() / 255
        target, mask = truth(torch.from_numpy(faces.landmarks[part]))
        heatmap_loss(network(crops), target, mask, recipe.loss, recipe.weight).backward()


def _recipe(recipe: Recipe, network: nn.Module) -> Recipe:
    """The recipe with the widths of ``network`` where they are not those that the recipe alone would build."""
    usual = channels(build(recipes.replace(recipe, channels={})))
    return recipes.replace(recipe, channels={k: v for k, v in channels(network).items() if v != usual[k]})


def removed(before: nn.Module, after: nn.Module) -> dict[str, tuple[int, int]]:
    """Convolution -> output channels before and after, where they differ; coordinates' terms are part of their sum."""
    terms = {f"{name}.coord" for name, module in before.named_modules() if isinstance(module, CoordConv)}
    old, new = channels(before), channels(after)
    return {
        name: (old[name][1], new[name][1])
        for name, module in before.named_modules()
        if isinstance(module, nn.Conv2d) and name not in terms and old[name][1] != new[name][1]
    }
