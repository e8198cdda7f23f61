"""Ground truth and augmentation of one face as per-sample pipelines make them: numpy, scipy, a matplotlib figure.

What `bench training` compares the batched code with: the way of the paper's released code and of most that follow it,
written anew, nothing copied. A warp per channel in floating point, a loop over landmarks, splines by FITPACK, a
figure that draws the curves, a distance transform of what was drawn, a grey dilation per channel. Maps are those of
train.heatmaps with ``cell`` targets, but for the boundary, which is drawn in whole cells.
"""

from __future__ import annotations

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage
from scipy.interpolate import splev, splprep

from edgewing.layouts import Layout

SIGMA, HALF = 1.75, 3  # cells: standard deviation, and half of the 7x7 window
DPI = 100
SAMPLES = 100  # points of a curve that are drawn


def augment(image: np.ndarray, landmarks: np.ndarray, size: int, context: float, random: np.random.Generator):
    """One (S, S, 3) uint8 square and (N, 2) points -> (size, size, 3) float64 crop in [0, 1] and its points.

    The paper's kinds: rotation by 50 degrees, scale by 15 %, translation by 25 of 256 px, blur, noise, occlusion; how
    often and how much as in train.recipes.
    """
    side = image.shape[0]
    angle, zoom = np.deg2rad(random.uniform(-50, 50)), 1 + random.uniform(-0.15, 0.15)
    shift = random.uniform(-25 / 256, 25 / 256, 2) * size
    scale = size * context / side / zoom
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    linear = np.array([[cos, -sin], [sin, cos]])
    offset = (size - 1) / 2 + shift - linear @ np.full(2, (side - 1) / 2)
    points = landmarks @ linear.T + offset
    # scipy maps output to input, rows before columns
    back = np.linalg.inv(linear)
    start = -(back @ offset)
    square = image / 255
    crop = np.stack(
        [
            ndimage.affine_transform(square[..., c], back[::-1, ::-1], start[::-1], (size, size), order=1)
            for c in range(3)
        ],
        axis=-1,
    )
    if random.random() < 0.25:
        crop = ndimage.gaussian_filter(crop, (random.uniform(0.5, 2),) * 2 + (0,))
    if random.random() < 0.25:
        crop = crop + random.normal(0, 0.06 * random.random(), crop.shape)
    if random.random() < 0.4:
        x, y = random.integers(0, size, 2)
        width, height = random.integers(size // 10, size // 2, 2)
        crop[y : y + height, x : x + width] = random.random(3)
    return np.clip(crop, 0, 1), points


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
    if layout.curves:
        distance = ndimage.distance_transform_edt(_drawn(centres, layout, cells) > 127)
        maps[-1] = np.where(distance < 3, np.exp(-(distance**2) / 2), 0)
    masks = np.stack([ndimage.grey_dilation(m, size=(3, 3)) >= 0.2 for m in maps]).astype(np.float32)
    return maps, masks


def _drawn(centres: np.ndarray, layout: Layout, cells: int) -> np.ndarray:
    """(cells, cells) grey, the curves dark: a figure of so many pixels, pixel centres at whole numbers."""
    figure = Figure(figsize=(cells / DPI, cells / DPI), dpi=DPI)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.5, cells - 0.5)
    axes.set_ylim(cells - 0.5, -0.5)
    for curve in layout.curves.values():
        knots = centres[list(curve)]
        knots = knots[np.concatenate([[True], (np.diff(knots, axis=0) != 0).any(axis=1)])]
        if len(knots) > 1:
            spline, _ = splprep(knots.T.astype(float), s=0, k=min(3, len(knots) - 1))
            axes.plot(*splev(np.linspace(0, 1, SAMPLES), spline), color="black", linewidth=72 / DPI, antialiased=False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., 0]
