"""A teacher: a trained network whose heatmaps a student learns from, beside the labels.

B batch, C channels, T crop pixels.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing.errors import InputError
from train.checkpoint import load_model
from train.recipes import Recipe


class Teacher:
    """``teacher(crops, cells)``: its heatmaps of the very crops that the student sees, at the student's size."""

    def __init__(self, run: str | Path, student: Recipe):
        """InputError where the teacher has another layout, or other channels, than the student."""
        self.network, self.recipe, self.contract = load_model(run)
        folder = Path(run) if Path(run).is_dir() else Path(run).parent
        self.name = f"{folder.resolve().name} (weights {self.contract.provenance.weights_sha256[:12]})"
        ours, theirs = (f"{r.layout}, boundary: {r.has_boundary}" for r in (student, self.recipe))
        if ours != theirs:
            raise InputError(f"{run}: teaches {theirs}; the student has {ours}")
        self.network.requires_grad_(False)

    def to(self, device: torch.device) -> Teacher:
        self.network.to(device, memory_format=torch.channels_last)
        return self

    @torch.no_grad()
    def __call__(self, crops: Tensor, cells: int) -> Tensor:
        """crops (B, 3, T, T) -> (B, C, cells, cells) in [0, 1], the last stack's."""
        size = self.recipe.input_size
        if crops.shape[-1] != size:
            crops = F.interpolate(crops, size=(size, size), mode="bilinear", align_corners=False)
        heatmaps = self.network(crops)[-1].float()
        if heatmaps.shape[-1] != cells:
            heatmaps = F.interpolate(heatmaps, size=(cells, cells), mode="bilinear", align_corners=False)
        return heatmaps.clamp(0, 1)
