"""What training costs beside the network: ground truth and augmentation per face, batched against face by face.

    python -m bench training --layout 300w-68 --json training.json

Both ways see the same drawn squares in the same process, in turn; processor time, so that a busy machine does not
decide. The only part of bench that imports train (besides its readers), and torch.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from bench import reference, rows
from edgewing import geometry, layouts

ROUNDS, BATCH = 15, 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", default="mobile", help="whose input and heatmap size to use")
    parser.add_argument("--layout", default="300w-68", help="which points")
    parser.add_argument("--json", metavar="OUT", help="write the row here (default: print only)")


def cost(arguments: argparse.Namespace, command: str) -> dict:
    """The row: processor ms per face of both ways, medians over rounds, and their ratio with its spread."""
    import torch

    from train import recipes
    from train.augment import Augment
    from train.data import cache
    from train.data.drawn import faces
    from train.heatmaps import GroundTruth

    torch.set_num_threads(1)
    recipe = recipes.replace(recipes.get(arguments.recipe), layout=arguments.layout)
    layout, side = layouts.get(recipe.layout), cache.dense_enough(recipe.input_size)
    images, points = [], []
    for face in faces(BATCH, recipe.layout, 0):
        tight = geometry.crop_from_landmarks(face.landmarks, side)
        square = geometry.Crop(tight.centre, cache.CONTEXT * tight.side, side)
        images.append(geometry.warp(face.image, square.to_image, side))
        points.append(geometry.apply(square.to_crop, face.landmarks))
    images, points = np.stack(images), np.stack(points).astype(np.float32)
    augment, truth = Augment(recipe, side, cache.CONTEXT), GroundTruth(recipe)
    tensors = torch.from_numpy(images), torch.from_numpy(points)

    def batched(seed: int) -> None:
        truth(augment(*tensors, torch.Generator().manual_seed(seed))[1])

    def one_by_one(seed: int) -> None:
        random = np.random.default_rng(seed)
        for image, landmarks in zip(images, points):
            _, moved = reference.augment(image, landmarks, recipe.input_size, cache.CONTEXT, random)
            reference.ground_truth(moved, layout, recipe.cells, recipe.stride)

    times: dict[str, list[float]] = {"batched": [], "one_by_one": []}
    for seed in range(ROUNDS + 2):
        for name, way in (("batched", batched), ("one_by_one", one_by_one)):
            start = time.process_time()
            way(seed)
            if seed >= 2:  # the first two rounds warm up
                times[name].append(1000 * (time.process_time() - start) / BATCH)
    ratio = np.array(times["one_by_one"]) / np.array(times["batched"])
    protocol = {
        "clock": "processor time of ground truth and augmentation, one thread, the two ways in turn",
        "faces": BATCH, "rounds": ROUNDS, "layout": recipe.layout, "input_size": recipe.input_size,
        "cells": recipe.cells,
    }  # fmt: skip
    return {
        **rows.header("training", {}, protocol, command),
        "batched_ms_per_face": float(np.median(times["batched"])),
        "one_by_one_ms_per_face": float(np.median(times["one_by_one"])),
        "ratio": float(np.median(ratio)),
        "ratio_p10": float(np.quantile(ratio, 0.1)),
        "ratio_p90": float(np.quantile(ratio, 0.9)),
    }


def describe(row: dict) -> str:
    """The figures in lines for a terminal."""
    p = row["protocol"]
    return (
        f"protocol: {p['clock']}; {p['rounds']} rounds of {p['faces']} drawn faces, {p['layout']}, "
        f"{p['input_size']} px\n"
        f"batched {row['batched_ms_per_face']:.2f} ms a face, one by one {row['one_by_one_ms_per_face']:.2f} ms: "
        f"{row['ratio']:.1f} times less (p10 {row['ratio_p10']:.1f}, p90 {row['ratio_p90']:.1f})"
    )
