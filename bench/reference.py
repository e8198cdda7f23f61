"""Ground truth and augmentation of one face, as per-sample pipelines do it: numpy, scipy, OpenCV, a loop over points.

What `bench training` compares the batched code with. Same maps as train.heatmaps with ``cell`` targets: a 7x7 window of
a Gaussian per landmark, splines through the cells drawn into a mask, a distance transform, a dilation per channel.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import splev, splprep

from edgewing.layouts import Layout

SIGMA, HALF = 1.75, 3  # cells: standard deviation, and half of the 7x7 window


def augment(image: np.ndarray, landmarks: np.ndarray, size: int, context: float, random: np.random.Generator):
    """One (S, S, 3) uint8 square and (N, 2) points -> (size, size, 3) float32 crop in [0, 1] and its points."""
    side = image.shape[0]
    angle, zoom = np.deg2rad(random.uniform(-30, 30)), 1 + random.uniform(-0.15, 0.15)
    shift = random.uniform(-0.08, 0.08, 2) * size
    scale = size * context / side / zoom
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    matrix = np.hstack([linear, ((size - 1) / 2 + shift - linear @ np.full(2, (side - 1) / 2))[:, None]])
    crop = cv2.warpAffine(image, matrix, (size, size)).astype(np.float32) / 255
    points = landmarks @ linear.T + matrix[:, 2]
    if random.random() < 0.25:
        crop = cv2.GaussianBlur(crop, (0, 0), random.uniform(0.5, 2))
    if random.random() < 0.25:
        crop = crop + random.normal(0, 0.04, crop.shape)
    crop = (crop - crop.mean()) * random.uniform(0.7, 1.4) + crop.mean() * random.uniform(0.7, 1.4)
    crop = np.clip(crop * random.uniform(0.9, 1.1, 3), 0, 1) ** random.uniform(0.7, 1.4)
    if random.random() < 0.4:
        x, y = random.integers(0, size, 2)
        width, height = random.integers(size // 10, size // 2, 2)
        crop[y : y + height, x : x + width] = random.random(3)
    return crop.astype(np.float32), points


def ground_truth(points: np.ndarray, layout: Layout, cells: int, stride: float) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) crop points -> (C, cells, cells) maps and their masks, the boundary last."""
    centres = np.floor((points + 0.5) / stride).astype(int)
    maps = np.zeros((layout.channels, cells, cells), np.float32)
    axis = np.arange(-HALF, HALF + 1)
    window = np.exp(-(axis[:, None] ** 2 + axis[None] ** 2) / (2 * SIGMA**2))
    for channel, (x, y) in enumerate(centres):
        left, top = max(0, x - HALF), max(0, y - HALF)
        right, bottom = min(cells, x + HALF + 1), min(cells, y + HALF + 1)
        if left < right and top < bottom:
            part = window[top - y + HALF : bottom - y + HALF, left - x + HALF : right - x + HALF]
            maps[channel, top:bottom, left:right] = part
    empty = np.full((cells, cells), 255, np.uint8)
    for curve in layout.curves.values():
        knots = centres[list(curve)]
        knots = knots[np.concatenate([[True], (np.diff(knots, axis=0) != 0).any(axis=1)])]
        if len(knots) > 1:
            spline, _ = splprep(knots.T.astype(float), s=0, k=min(3, len(knots) - 1))
            line = np.round(np.stack(splev(np.linspace(0, 1, 100), spline), -1)).astype(np.int32)
            cv2.polylines(empty, [line.reshape(-1, 1, 2)], False, 0)
    distance = cv2.distanceTransform(empty, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    maps[-1] = np.where(distance < 3, np.exp(-(distance**2) / 2), 0)
    masks = np.stack([cv2.dilate(m, np.ones((3, 3), np.uint8)) >= 0.2 for m in maps]).astype(np.float32)
    return maps, masks
