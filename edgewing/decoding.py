"""Heatmaps -> landmarks and scores, in numpy: the reference that every exported graph is compared with.

Frames: heatmap cell j of stride s covers crop pixels s j ... s j + s - 1, so its centre is at s j + (s - 1) / 2.
B: batch, N: landmarks, H, W: heatmap rows and columns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewing.errors import unknown

# Divisors are clamped, not offset: `+ 1e-12` is removed by ONNX's exporter as a no-op.
FLOOR = 1e-3


@dataclass(frozen=True)
class Decode:
    """How heatmaps become points.

    method: ``centroid``: of (relu(h / max - threshold))^power over the map, the weights being relative to each
        landmark's own maximum, so that a weak (occluded) peak still has a centre and far second peaks are cut off;
        ``quarter``: the paper's arg max, moved a quarter cell towards the higher neighbour in each axis.
    """

    method: str = "centroid"
    threshold: float = 0.4
    power: int = 2


def decode(heatmaps: np.ndarray, stride: float, how: Decode = Decode()) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, H, W) landmark heatmaps (no boundary) -> (B, N, 2) crop landmarks in px, (B, N) scores in [0, 1].

    stride: crop pixels per heatmap cell. A score is the heatmap's maximum, clipped to [0, 1].
    Raises InputError for a method that is unknown.
    """
    methods = {"centroid": _centroid, "quarter": _quarter}
    if how.method not in methods:
        raise unknown("decode method", how.method, methods)
    heatmaps = np.asarray(heatmaps, np.float32)
    cells = methods[how.method](heatmaps, how)
    scores = np.clip(heatmaps.max(axis=(-2, -1)), 0.0, 1.0)
    return (cells * stride + (stride - 1) / 2).astype(np.float32), scores


def _centroid(heatmaps: np.ndarray, how: Decode) -> np.ndarray:
    height, width = heatmaps.shape[-2:]
    peak = np.maximum(heatmaps.max(axis=(-2, -1), keepdims=True), FLOOR)
    weights = np.maximum(heatmaps / peak - how.threshold, 0.0) ** how.power
    total = np.maximum(weights.sum(axis=(-2, -1)), FLOOR)
    # Coordinates from the map's middle: a map without any peak decodes to the crop's centre, with score 0.
    x = (weights.sum(axis=-2) @ (np.arange(width, dtype=np.float32) - (width - 1) / 2)) / total
    y = (weights.sum(axis=-1) @ (np.arange(height, dtype=np.float32) - (height - 1) / 2)) / total
    return np.stack([x + (width - 1) / 2, y + (height - 1) / 2], axis=-1)


def _quarter(heatmaps: np.ndarray, how: Decode) -> np.ndarray:
    """arXiv 1904.07399's test: no step when the maximum lies on the map's border in either axis or neighbours tie."""
    height, width = heatmaps.shape[-2:]
    index = heatmaps.reshape(*heatmaps.shape[:-2], -1).argmax(axis=-1)
    row, column = index // width, index % width
    inside = (row > 0) & (row < height - 1) & (column > 0) & (column < width - 1)
    r, c = np.clip(row, 1, height - 2), np.clip(column, 1, width - 2)
    b, n = np.ogrid[: heatmaps.shape[0], : heatmaps.shape[1]]
    dx = np.sign(heatmaps[b, n, r, c + 1] - heatmaps[b, n, r, c - 1])
    dy = np.sign(heatmaps[b, n, r + 1, c] - heatmaps[b, n, r - 1, c])
    return np.stack([column + 0.25 * dx * inside, row + 0.25 * dy * inside], axis=-1).astype(np.float32)
