"""What a channel is worth: what the loss loses without it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from compress.channels import Group
from edgewing.errors import InputError
from train.blocks import StackedHourglass
from train.data.crops import evenly
from train.evaluate import Faces
from train.heatmaps import GroundTruth
from train.loss import heatmap_loss
from train.recipes import Recipe

FACES, BATCH = 128, 8  # that Taylor's estimate looks at


def taylor(network: StackedHourglass, groups: list[Group], recipe: Recipe, faces: Faces) -> list[np.ndarray]:
    """How much the recipe's loss would change, to first order, if nobody read the channel any more.

    With a gate of 1 at each channel, the loss's slope along the gate is the sum of weight times gradient over all that
    read it; root mean square over batches, since the slopes of a trained network cancel (Molchanov et al., CVPR 2019).
    """
    if len(faces) == 0:
        raise InputError("pruning needs crops, RUN/faces/calibration.npz; train the run again")
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
        heatmap_loss(
            network(crops), target, mask, recipe.loss, recipe.weight, truth.counted(landmarks), recipe.loss_constants
        ).backward()
        for group, square in zip(groups, squares):
            square += _slope(network, group) ** 2
    network.zero_grad(set_to_none=True)
    return [np.sqrt(square / len(batches)) for square in squares]


def _slope(network: nn.Module, group: Group) -> np.ndarray:
    """(width,) weight times gradient, summed over all that read each of the group's channels."""
    total = np.zeros(group.width)
    for member in group.members:
        convolution = network.get_submodule(member.convolution)
        if member.out or convolution.groups > 1:  # depthwise: who reads its output is a member too
            continue
        values = (convolution.weight.detach() * convolution.weight.grad).sum((0, 2, 3)).numpy()
        for channel, own in enumerate(member.channels):
            total[channel] += values[list(own)].sum()
    return total
