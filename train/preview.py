"""Pictures of a run: preview.png before the first step, curves.png at its end. Needs OpenCV and matplotlib."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from edgewing import layouts
from train import recipes
from train.augment import Augment
from train.data.cache import Cache
from train.heatmaps import GroundTruth

COLUMNS, ROWS = 6, 2


def draw_run(run: Path, cache: Cache) -> list[Path]:
    """preview.png (augmented faces with points; the same with heatmaps and boundary) and curves.png."""
    try:
        import cv2  # noqa: F401
        import matplotlib

        matplotlib.use("Agg")
    except ImportError:  # a GPU host may have torch, numpy and safetensors alone; its runs are drawn elsewhere
        return []
    return [_preview(run, cache), _curves(run)]


def _preview(run: Path, cache: Cache) -> Path:
    from matplotlib import pyplot

    recipe = recipes.load(run)
    faces = np.linspace(0, len(cache) - 1, COLUMNS * ROWS).astype(int)
    images, landmarks = (torch.from_numpy(a) for a in cache.read(faces))
    augment = Augment(recipe, cache.meta["size"], cache.meta["context"])
    crops, points = augment(images, landmarks, torch.Generator().manual_seed(recipe.seed))
    target, _ = GroundTruth(recipe)(points)
    count = layouts.get(recipe.layout).points
    figure, axes = pyplot.subplots(2 * ROWS, COLUMNS, figsize=(2 * COLUMNS, 4 * ROWS), layout="constrained")
    extent = (-0.5, recipe.input_size - 0.5, recipe.input_size - 0.5, -0.5)
    for i, (crop, face) in enumerate(zip(crops, points)):
        column, row = i % COLUMNS, 2 * (i // COLUMNS)
        for axis in (axes[row][column], axes[row + 1][column]):
            axis.imshow(crop.permute(1, 2, 0).numpy())
            axis.set_axis_off()
            axis.set_xlim(extent[:2])
            axis.set_ylim(extent[2:])
        axes[row][column].scatter(*face.numpy().T, s=3, c="#35e06c", linewidths=0)
        over = np.zeros((recipe.cells, recipe.cells, 4), np.float32)
        over[..., 1] = target[i, :count].amax(0).numpy()
        if recipe.has_boundary:
            over[..., 0] = target[i, -1].numpy()
        over[..., 3] = over[..., :2].max(-1) * 0.75
        axes[row + 1][column].imshow(over, extent=extent)
    return _save(figure, run / "preview.png")


def _curves(run: Path) -> Path:
    from matplotlib import pyplot

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [(m["step"], m["loss"]) for m in lines if "loss" in m]
    scores = [(m["step"], 100 * m["nme"]) for m in lines if "nme" in m]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, values, label in ((left, losses, "loss"), (right, scores, "validation NME, %")):
        if values:
            axis.plot(*zip(*values), marker="." if len(values) < 30 else None)
        axis.set_yscale("log")
        axis.set_xlabel("step")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3, which="both")
    return _save(figure, run / "curves.png")


def _save(figure, path: Path) -> Path:
    from matplotlib import pyplot

    part = path.with_name(f".{path.name}")
    figure.savefig(part, dpi=110, format="png")
    pyplot.close(figure)
    part.replace(path)
    return path
