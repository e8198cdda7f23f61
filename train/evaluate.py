"""NME of a network on a set of crops, and the faces a run carries with it for calibration and parity.

B batch, F faces, N landmarks, T crop pixels.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgewing import decoding, geometry, layouts, metrics
from edgewing.face_set import Faces
from train.decode import Decode
from train.recipes import Recipe

CALIBRATION = "faces/calibration.npz"
VALIDATION = "faces/validation.npz"


@torch.no_grad()
def predict(network: nn.Module, recipe: Recipe, crops: np.ndarray, mirrored: bool = False, batch: int = 32):
    """(F, T, T, 3) uint8 -> (F, N, 2) crop landmarks in px and (F, N) scores, from the last stack.

    mirrored: average the heatmaps with those of the mirrored crop; what a teacher labels with.
    """
    layout = layouts.get(recipe.layout)
    first = next(network.parameters())
    training = network.training
    network.eval()
    landmarks, scores = [], []
    for start in range(0, len(crops), batch):
        images = torch.from_numpy(crops[start : start + batch]).to(first.device).permute(0, 3, 1, 2).to(first.dtype)
        heatmaps = network(images / 255)[-1][:, : layout.points]
        if mirrored:
            other = network(images.flip(-1) / 255)[-1][:, : layout.points].flip(-1)
            heatmaps = (heatmaps + other[:, torch.as_tensor(layout.flip_index, device=other.device)]) / 2
        if first.device.type == "cpu":
            points, values = decoding.decode(heatmaps.float().numpy(), recipe.stride, recipe.how)
        else:  # where the maps are: a landmark is two numbers, its map a thousand and more
            decode = Decode(recipe.how, recipe.cells, recipe.cells, recipe.stride).to(first.device)
            points, values = (found.cpu().numpy() for found in decode(heatmaps.float()))
        landmarks.append(points)
        scores.append(values)
    network.train(training)
    return np.concatenate(landmarks), np.concatenate(scores)


@dataclass(frozen=True)
class Scores:
    """Of a network on Faces. errors: (F,) NME of each. predicted: (F, N, 2) crop px. normaliser: the name of what
    errors are divided by. pck: as metrics.correct_keypoints, at the layout's threshold."""

    errors: np.ndarray
    predicted: np.ndarray
    normaliser: str
    pck: dict[str, float] | None = None


def evaluate(network: nn.Module, recipe: Recipe, faces: Faces) -> Scores:
    """By the layout's default normaliser.

    Where that is the dataset's box (AFLW-19) and the crop was made from it (``provided``), the box is the crop's middle
    part, exactly so for squares; of another crop the whole crop stands in, and the normaliser is called ``crop``. Where
    a face lacks a point that the normaliser needs (profiles), all are measured by the box of their points instead.
    """
    return score(recipe, faces, predict(network, recipe, faces.crops)[0])


def score(recipe: Recipe, faces: Faces, predicted: np.ndarray) -> Scores:
    """The Scores of landmarks (F, N, 2), crop px, as ``evaluate``."""
    layout = layouts.get(recipe.layout)
    name, size = metrics.normaliser_of_all(faces.landmarks, layout), faces.crops.shape[1]
    side = size / geometry.FACTOR if recipe.crop == "provided" else size
    boxes = np.tile(np.float32([0, 0, side, side]), (len(faces), 1))
    distance = metrics.normaliser(faces.landmarks, layout, name, boxes)
    if layout.normalisers.get(name) == "dataset" and recipe.crop != "provided":
        name = "crop"
    pck = metrics.correct_keypoints(predicted, faces.landmarks, distance, layout.pck)
    return Scores(metrics.errors(predicted, faces.landmarks, distance), predicted, name, pck)


def append_metrics(path: Path, **values) -> None:
    """One line of metrics.jsonl."""
    with open(path, "a") as file:
        file.write(json.dumps(values) + "\n")
