"""How far to one side the labels of a data set lie.

People and machines that mark faces are off by a constant. A network trained on mirrored pictures cannot learn that, it
sees as much to the left; so the mean of label - prediction in x, the prediction averaged with that of the mirrored
picture, is the set's offset. In y nothing tells an offset from a convention.

F faces, N landmarks.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgewing import geometry, hints
from edgewing.errors import InputError
from train.checkpoint import load_model
from train.data import load, read
from train.evaluate import predict

MOST = 1000  # faces of a source, evenly spaced; the standard error is printed


def measure(run: str | Path, folder: str | Path) -> tuple[str, int, float, float]:
    """Source, faces, mean offset in x as a share of the crop's side, and its standard error. InputError as ``read``."""
    network, recipe, _ = load_model(run)
    samples = read(folder, recipe.layout, points_frame=recipe.points_frame).samples
    crops, labels = [], []
    for index in np.unique(np.linspace(0, len(samples) - 1, min(MOST, len(samples))).astype(int)):
        sample = samples[int(index)]
        crop = geometry.crop_from_landmarks(sample.landmarks, recipe.input_size)
        try:
            image = load(sample)
        except InputError as error:
            print(f"left out: {error}")
            continue
        crops.append(geometry.warp(image, crop.to_image, crop.size))
        labels.append(geometry.apply(crop.to_crop, sample.landmarks))
    if not crops:
        raise InputError(f"{folder}: none of its pictures can be read")
    predicted, _ = predict(network, recipe, np.stack(crops), mirrored=True)
    shares = (np.stack(labels) - predicted)[..., 0].mean(axis=1) / recipe.input_size
    return sample.source, len(crops), float(shares.mean()), float(shares.std() / len(shares) ** 0.5)


def tell(run: Path, folders: Sequence[str]) -> None:
    """Print the offsets of the folders, and the option that takes them."""
    print(f"{'source':20} faces  offset, share of the crop's side")
    found = {}
    for folder in folders:
        source, faces, offset, error = measure(run, folder)
        found[source] = offset
        print(f"{source:20} {faces:5}  {offset:+.4f} +- {error:.4f}", flush=True)
    print(hints.next_line("python -m train fit ... --offsets", *(f"{k}={v:.4f}" for k, v in found.items())))
