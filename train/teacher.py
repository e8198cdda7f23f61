"""Teachers: trained networks whose heatmaps a student learns from, beside the labels.

B batch, C channels, T crop pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing.errors import InputError
from train.blocks import StackedHourglass
from train.checkpoint import load_model
from train.credits import Credits
from train.recipes import Recipe


class Teacher:
    """``teacher(crops, cells, stacks)``: heatmaps of the very crops that the student sees, at the student's size; the
    mean of all networks where there are several."""

    def __init__(self, runs: str | Path | Sequence[str | Path], student: Recipe):
        """InputError where a teacher has another layout, or other channels, than the student."""
        self.networks: list[tuple[StackedHourglass, int]] = []
        self.credits = Credits()
        for run in [runs] if isinstance(runs, str | Path) else runs:
            network, recipe, contract = load_model(run)
            ours, theirs = (f"{r.layout}, boundary: {r.has_boundary}" for r in (student, recipe))
            if ours != theirs:
                raise InputError(f"{run}: teaches {theirs}; the student has {ours}")
            self.networks.append((network.requires_grad_(False), recipe.input_size))
            name = f"{contract.model.name} (weights {contract.provenance.weights_sha256[:12]})"
            self.credits += Credits((name,)) + Credits.of(contract)

    def to(self, device: torch.device) -> Teacher:
        for network, _ in self.networks:
            network.to(device, memory_format=torch.channels_last)
        return self

    @torch.no_grad()
    def __call__(self, crops: Tensor, cells: int, stacks: int = 1) -> list[Tensor]:
        """crops (B, 3, T, T) -> for each of the student's ``stacks`` (B, C, cells, cells) in [0, 1].

        Where student and teacher have the same number of stacks, stack by stack; else the student's are spread over the
        teacher's, last to last.
        """
        total: list[Tensor] = []
        for network, size in self.networks:
            heatmaps = network(_resize(crops, size))
            matched = [heatmaps[max(0, round((i + 1) * len(heatmaps) / stacks) - 1)] for i in range(stacks)]
            matched = [_resize(h.float(), cells).clamp(0, 1) for h in matched]
            total = [a + b for a, b in zip(total, matched)] if total else matched
        return [h / len(self.networks) for h in total]


def _resize(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False)
