"""Heatmaps -> landmarks in torch: edgewing.decoding's centroid, for the loss on coordinates and for exported graphs.

B batch, N landmarks, H, W heatmap rows and columns.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from edgewing import decoding


class Decode(nn.Module):
    """edgewing.decoding's centroid as tensor operations that every delegate accepts: no arg max, top-k or gather.

    (B, N, H, W) heatmaps -> (B, N, 2) landmarks in crop px, (B, N) scores in [0, 1]. Its class name is what
    quantizers are told to leave in float.
    """

    def __init__(self, how: decoding.Decode, height: int, width: int, stride: float):
        super().__init__()
        self.threshold, self.power = how.threshold, how.power
        # Crop px relative to the middle of the map: the sums below stay small, which half precision needs.
        self.register_buffer("one", torch.ones(1, 1, 1, 1))
        self.register_buffer("columns", ((torch.arange(width) - (width - 1) / 2) * stride)[:, None])
        self.register_buffer("rows", ((torch.arange(height) - (height - 1) / 2) * stride)[:, None])
        middle = [(side - 1) / 2 * stride + (stride - 1) / 2 for side in (width, height)]
        self.register_buffer("middle", torch.tensor(middle))

    def forward(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        # Channels last, as TFLite keeps its maps: reduced as they lie, nothing is transposed.
        maps = heatmaps.permute(0, 2, 3, 1)  # B H W N
        peak = maps.amax(dim=(1, 2), keepdim=True)  # B 1 1 N
        # Clamped, not offset: ONNX's exporter takes `+ 1e-12` for a no-op. One division a landmark, not one a cell,
        # and of a tensor: CoreML has a reciprocal of its own for 1.0 / x, 1 / (x + 1e-4).
        above = torch.relu(maps * (self.one / peak.clamp(min=decoding.FLOOR)) - self.threshold)
        weights = above
        for _ in range(self.power - 1):
            weights = weights * above
        column, row = weights.sum(dim=1), weights.sum(dim=2)  # B W N, B H N
        total = column.sum(dim=1).clamp(min=decoding.FLOOR)
        x = (column * self.columns).sum(dim=1) / total
        y = (row * self.rows).sum(dim=1) / total
        # min(max(peak, 0), 1), written so that TFLite fuses it: RELU_0_TO_1 is refused by XNNPACK, RELU6 is not.
        scores = (peak * 6.0).clamp(0.0, 6.0).flatten(1) * (1.0 / 6.0)
        return torch.stack([x, y], dim=-1) + self.middle, scores
