"""What a channel is worth, by name: ``TABLE[name](network, groups, recipe, faces)`` gives one array for each group.

Scores are compared across groups, so each is on a scale of its own that fits all groups of a network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from compress.channels import Group
from edgewing.errors import InputError, unknown
from train.data.crops import evenly
from train.evaluate import Faces
from train.heatmaps import GroundTruth
from train.loss import heatmap_loss
from train.model import StackedHourglass
from train.recipes import Recipe

FACES, BATCH = 128, 8  # that Taylor's estimate looks at


def taylor(network: StackedHourglass, groups: list[Group], recipe: Recipe, faces: Faces) -> list[np.ndarray]:
    """How much the recipe's loss would change, to first order, if nobody read the channel any more.

    With a gate of 1 at each channel, the loss's slope along the gate is the sum of weight times gradient over all that
    read it; root mean square over batches, since the slopes of a trained network cancel (Molchanov et al., CVPR 2019).
    """
    if len(faces) == 0:
        raise InputError("importance taylor needs crops, RUN/faces/calibration.npz; train the run again")
    truth = GroundTruth(recipe)
    chosen = evenly(len(faces), FACES)
    batches = np.array_split(chosen, max(1, len(chosen) // BATCH))
    squares = [np.zeros(group.width) for group in groups]
    network.requires_grad_(True)
    for part in batches:
        network.zero_grad(set_to_none=True)
        crops = torch.from_numpy(faces.crops[part]).permute(0, 3, 1, 2).float() / 255
        landmarks, visibility = (torch.from_numpy(of[part]) for of in (faces.landmarks, faces.visibility))
        target, mask = truth(landmarks, visibility)
        heatmap_loss(network(crops), target, mask, recipe.loss, recipe.weight, truth.counted(landmarks)).backward()
        for group, square in zip(groups, squares):
            square += (
                _gather(network, group, lambda m: (m.weight.detach() * m.weight.grad).sum((2, 3)), read_only=True) ** 2
            )
    network.zero_grad(set_to_none=True)
    return [np.sqrt(square / len(batches)) for square in squares]


def magnitude(network: StackedHourglass, groups: list[Group], recipe: Recipe, faces: Faces) -> list[np.ndarray]:
    """Squared weights that write and read the channel, relative to their mean in the group."""
    worth = [_gather(network, group, lambda m: m.weight.detach().square().sum((2, 3))) for group in groups]
    return [w / max(w.mean(), 1e-30) for w in worth]


def lamp(network: StackedHourglass, groups: list[Group], recipe: Recipe, faces: Faces) -> list[np.ndarray]:
    """Magnitude as a share of all that is not smaller in the group (Lee et al., ICLR 2021)."""
    scores = []
    for worth in magnitude(network, groups, recipe, faces):
        order = np.argsort(worth)
        rest = np.cumsum(worth[order][::-1])[::-1]
        score = np.empty_like(worth)
        score[order] = worth[order] / np.maximum(rest, 1e-30)
        scores.append(score)
    return scores


TABLE: dict[str, Callable[..., list[np.ndarray]]] = {"magnitude": magnitude, "taylor": taylor, "lamp": lamp}


def get(name: str) -> Callable[..., list[np.ndarray]]:
    """The importance of that name; InputError with the nearest name if there is none."""
    if name not in TABLE:
        raise unknown("importance", name, TABLE)
    return TABLE[name]


def _gather(network: nn.Module, group: Group, per_weight: Callable[[nn.Conv2d], Tensor], read_only: bool = False):
    """(width,) sums over each member convolution's (out, in) values that go with each of the group's channels."""
    total = np.zeros(group.width)
    for member in group.members:
        convolution = network.get_submodule(member.convolution)
        if read_only and (member.out or convolution.groups > 1):  # depthwise: who reads its output is a member too
            continue
        values = per_weight(convolution).sum(1 if member.out else 0).numpy()
        for channel, own in enumerate(member.channels):
            total[channel] += values[list(own)].sum()
    return total
