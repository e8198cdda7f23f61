"""A tiny network that really finds points, fitted within seconds, and a run folder around it.

Pictures of coloured discs: landmark i is the middle of disc i. Random weights would not do: their heatmaps have no
peaks, and how far a landmark moves would say nothing.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch

from edgewing import contract, layouts
from train import checkpoint, recipes
from train.credits import Credits
from train.float_contract import float_contract

SIZE, LAYOUT = 64, "aflw-19"


def discs(count: int, seed: int, size: int = SIZE, layout: str = LAYOUT) -> tuple[np.ndarray, np.ndarray]:
    """(count, size, size, 3) uint8 crops and (count, N, 2) landmarks in crop px: a grid of N discs, jittered."""
    rng = np.random.default_rng(seed)
    n = layouts.get(layout).points
    side = int(np.ceil(np.sqrt(n)))
    index = np.arange(n)
    grid = np.stack([index % side, index // side], axis=1)
    step = size * 0.8 / side
    points = (grid + 0.5) * step + size * 0.1 + rng.uniform(-0.3, 0.3, (count, n, 2)) * step
    colours = 60 + 195 * np.stack([index % 2, index // 2 % 2, index // 4 % 2], axis=1) * 0.9
    crops = rng.integers(0, 60, (count, size, size, 3), np.uint8)
    for crop, centres in zip(crops, points):
        for centre, colour in zip(centres, colours):
            cv2.circle(
                crop, np.rint(centre * 16).astype(int).tolist(), int(step * 4), colour.tolist(), -1, cv2.LINE_AA, 4
            )
    return crops, points.astype(np.float32)


def marked(landmarks: np.ndarray, seed: int, size: int = SIZE) -> np.ndarray:
    """The landmarks as a hand sets them, 1.5 % of the crop off: a gate of 1 % of the error is meant for errors of
    several per cent, and discs are found so well that rounding alone is more than that."""
    noise = np.random.default_rng(seed).normal(0, 0.015 * size, landmarks.shape)
    return (landmarks + noise).astype(np.float32)


def fit(
    network: torch.nn.Module, steps: int, layout: str = LAYOUT, size: int = SIZE, rate: float = 1e-2
) -> torch.nn.Module:
    """Fit the heatmaps (Gaussians of 1.5 cells) for some steps; returns the network in evaluation mode.

    The boundary of stacks before the last, which the next one reads, is all landmarks' Gaussians.
    """
    torch.manual_seed(0)
    optimiser = torch.optim.AdamW(network.parameters(), rate / 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    all_crops, all_points = discs(800, 1, size, layout)
    network.train()
    for step in range(steps):
        some = np.arange(step * 16, step * 16 + 16) % len(all_crops)
        crops, points = all_crops[some], all_points[some]
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        heatmaps = network(images)
        cells = torch.arange(heatmaps[-1].shape[-1])
        centre = torch.from_numpy((points - 1.5) / 4)[..., None]
        x, y = (torch.exp(-((cells - centre[:, :, axis]) ** 2) / (2 * 1.5**2)) for axis in (0, 1))
        target = y[..., None] * x[..., None, :]
        loss = _distance(heatmaps[-1], target)
        target = torch.cat([target, target.amax(1, keepdim=True)], dim=1)
        loss += sum(_distance(h, target) for h in heatmaps[:-1])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return network.eval()


def _distance(heatmaps: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return ((heatmaps[:, : target.shape[1]] - target) ** 2 * (1 + 10 * target)).mean()


RECIPE = recipes.Recipe("tiny", layout=LAYOUT, width=0.25, input_size=SIZE, data=("discs",))


def run_contract(network: torch.nn.Module, recipe: recipes.Recipe) -> contract.Contract:
    """The contract that a training run would give this network."""
    return float_contract(network, recipe, recipe.network, Credits(trained_on=("discs",)))


def write_run(folder: Path, network: torch.nn.Module, recipe: recipes.Recipe) -> Path:
    """A run folder as training leaves it, as far as exporting reads it."""
    checkpoint.save_model(folder / "model.safetensors", network, recipe, run_contract(network, recipe))
    (folder / "recipe.json").write_text(recipes.dumps(recipe))
    (folder / "faces").mkdir()
    for name, count, seed in (("validation", 64, 5), ("calibration", 200, 6)):
        crops, landmarks = discs(count, seed, recipe.input_size, recipe.layout)
        landmarks = marked(landmarks, seed, recipe.input_size)
        names = np.array([f"disc {i}" for i in range(count)])
        np.savez(folder / "faces" / f"{name}.npz", crops=crops, landmarks=landmarks, names=names)
    # Its few channels leave less room than a real network's: the widest ranges, as `compress quantize` would choose.
    (folder / "quantization.json").write_text('{"ranges": "min-max", "float_layers": []}')
    return folder
