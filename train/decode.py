"""Heatmaps -> landmarks in torch: edgewing.decoding's centroid, for training, evaluation and the exported graphs.

The operations are those that every delegate takes: no arg max, top-k, gather or boolean tensors.
B batch, N landmarks, H, W heatmap rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgewing.decoding import FLOOR


class Centroid(nn.Module):
    """(B, N, H, W) -> (B, N, 2) crop landmarks in px and (B, N) scores, as edgewing.decoding.decode to 0.01 px.

    H, W: of the maps, fixed as in an exported graph. stride: crop pixels per cell. threshold, power: see Decode.
    """

    def __init__(self, height: int, width: int, stride: float, threshold: float, power: int):
        super().__init__()
        self.stride, self.threshold, self.power = stride, threshold, power
        self.middle = [(width - 1) / 2, (height - 1) / 2]
        # Coordinates from the map's middle, in half maps: within [-1, 1], as half precision and int8 neighbours like it.
        self.half = [max(m, 0.5) for m in self.middle]
        for name, size, half in (("x", width, self.half[0]), ("y", height, self.half[1])):
            axis = (torch.arange(size, dtype=torch.float32) - (size - 1) / 2) / half
            self.register_buffer(name, axis, persistent=False)

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        peak = heatmaps.amax(dim=(-2, -1), keepdim=True)
        weights = torch.relu(heatmaps / peak.clamp(min=FLOOR) - self.threshold) ** self.power
        columns, rows = weights.sum(dim=-2), weights.sum(dim=-1)  # (B, N, W), (B, N, H)
        total = columns.sum(dim=-1).clamp(min=FLOOR)
        x = (columns * self.x).sum(dim=-1) / total
        y = (rows * self.y).sum(dim=-1) / total
        cells = [v * half + middle for v, half, middle in zip((x, y), self.half, self.middle)]
        landmarks = torch.stack(cells, dim=-1) * self.stride + (self.stride - 1) / 2
        return landmarks, peak[..., 0, 0].clamp(0, 1)
