"""What training costs: images a second of whole steps, and ground truth and augmentation against a per-sample pipeline.

Steps are those of train.loop, from a cache of drawn faces to updated weights. Each way adds to the one before: fp32 as
torch does it by default (on a GPU with TF32 allowed), channels_last, bf16, compile; the ways take turns, so that what
else the machine does falls on all of them. Waiting is the share of the loop's time in which it has no batch on the
device: blocked on the reader, or copying.

Ground truth and augmentation are compared face by face with bench.training.reference, on one thread, by processor time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import geometry, hints, layouts, rows
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from edgewing.words import counted

EXAMPLE = "--to training.jsonl"

ROUNDS, FACES = 9, 8  # of the comparison with bench.training.reference
STEPS, SPEED_ROUNDS = 3, 5
WAYS = {
    "eager fp32": {"channels_last": False, "precision": "fp32", "compile": False},
    "+ channels_last": {"channels_last": True, "precision": "fp32", "compile": False},
    "+ bf16": {"channels_last": True, "precision": "bf16", "compile": False},
    "+ compile": {"channels_last": True, "precision": "bf16", "compile": True},
}
RECIPES = ("paper-300w", "models/edgewing-m.safetensors", "models/edgewing-s.safetensors")
DRAWN = 64  # faces in the cache that steps read from
CPU_BATCH = 4  # the paper's network takes seconds a face there
# Dense bf16 operations a second of the makers' data sheets (SXM); of other devices no utilisation is stated.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12}
# A backward pass costs two forward ones, and a multiply-accumulate is two operations.
OPERATIONS = 3 * 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--recipes", nargs="+", default=RECIPES, metavar="RECIPE", help="names, runs or weights (default: %(default)s)"
    )
    parser.add_argument("--ways", type=int, default=len(WAYS), help=f"the first so many of: {', '.join(WAYS)}")
    parser.add_argument("--steps", type=int, default=STEPS, help="steps a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=SPEED_ROUNDS, help="of each way, in turn (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=0, help=f"faces a step (the recipe's; {CPU_BATCH} on a CPU)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch on a CPU (default: %(default)s)")
    parser.add_argument("--json", type=Output, metavar="OUT", help="write the first row here")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the rows here (default: print only)")


def main(to: str | None, json: str | None, **how) -> None:
    made = training_rows(**how)
    for row in made:
        print(row_as_text(row))
    rows.keep(made, to, json)
    print(hints.next_line("python -m train fit drawn --layout 300w-68 --recipe demo --run demo"))


def training_rows(
    recipes: Sequence[str] = RECIPES, *, ways: int = len(WAYS), steps: int = STEPS, rounds: int = SPEED_ROUNDS,
    batch: int = 0, threads: int = 1, command: str = "",
) -> list[dict]:  # fmt: skip
    """A row for the cost of ground truth and augmentation, and one of images a second for each recipe."""
    import torch

    if min(steps, rounds, ways) < 1 or batch < 0:
        raise InputError("--steps, --rounds, --ways: give 1 or more; --batch: 0 or more")
    torch.set_num_threads(1)
    found = [_recipe(name) for name in recipes]
    made = [ground_truth_row(found[0], command)]
    torch.set_num_threads(threads)
    how = {"ways": ways, "steps": steps, "rounds": rounds, "batch": batch, "threads": threads, "command": command}
    return made + [speed_row(recipe, name, **how) for recipe, name in zip(found, recipes)]


def _recipe(name: str):
    from train import checkpoint, recipes

    return checkpoint.load_model(name).recipe if name.endswith(".safetensors") else recipes.get(name)


def ground_truth_row(recipe, command: str) -> dict:
    """The row: processor ms per face of both ways, medians over rounds, and their ratio with its spread."""
    import torch

    from bench.training import reference
    from train.augment import Augment
    from train.data import cache
    from train.heatmaps import GroundTruth

    layout, side = layouts.get(recipe.layout), cache.dense_enough(recipe.input_size)
    images, points = _squares(recipe.layout, side, cache.CONTEXT)
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
                times[name].append(1000 * (time.process_time() - start) / FACES)
    ratio = np.array(times["one_by_one"]) / np.array(times["batched"])
    protocol = {
        "clock": "processor time of ground truth and augmentation, one thread, the two ways in turn",
        "against": "per sample (bench.training.reference): scipy, a matplotlib figure, distance transform, dilation",
        "faces": FACES, "rounds": ROUNDS, "layout": recipe.layout, "input_size": recipe.input_size,
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


def _squares(layout: str, side: int, context: float) -> tuple[np.ndarray, np.ndarray]:
    """Drawn faces as a cache has them: (F, side, side, 3) uint8 and (F, N, 2) points in their px."""
    from train.data.drawn import faces

    images, points = [], []
    for face in faces(FACES, layout, 0):
        tight = geometry.crop_from_landmarks(face.landmarks, side)
        square = geometry.Crop(tight.centre, context * tight.side, side)
        images.append(geometry.warp(face.image, square.to_image, side))
        points.append(geometry.apply(square.to_crop, face.landmarks))
    return np.stack(images), np.stack(points).astype(np.float32)


@dataclass
class _Way:
    """A trainer that goes on from round to round, and what its steps took."""

    name: str
    trainer: object
    seconds: list[float]
    waited: list[float]


def speed_row(
    recipe, name: str, *, ways: int, steps: int, rounds: int, batch: int = 0, threads: int = 1, command: str = ""
) -> dict:
    """The row of one recipe: images a second and waiting of each way."""
    import torch

    from train import model, recipes
    from train.augment import Augment
    from train.data import cache as caches
    from train.data.drawn import faces
    from train.trainer import Trainer
    from train.workers import Workers

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = True
    batch = batch or (recipe.batch if device.type == "cuda" else CPU_BATCH)
    recipe = recipes.replace(recipe, batch=batch, steps=1, epochs=1.0)
    tried = []
    for way, fields in list(WAYS.items())[:ways]:
        trainer = Trainer(recipes.replace(recipe, **fields), 10 * steps * rounds, Workers(device=device))
        tried.append(_Way(way, trainer, [], []))
    with tempfile.TemporaryDirectory() as folder:
        layout, size = layouts.get(recipe.layout), caches.dense_enough(recipe.input_size)
        cache = caches.build(faces(DRAWN, recipe.layout, 0), Path(folder) / "drawn", layout, size)
        augment = Augment(recipe, cache.meta["size"], cache.meta["context"])
        for number in range(-1, rounds):  # the first round warms up, and compiles
            for way in tried:
                seconds, waited = _steps(way.trainer, cache, augment, steps)
                if number >= 0:
                    way.seconds.append(seconds / steps)
                    way.waited.append(waited / seconds)
    macs = model.macs(tried[0].trainer.network, recipe.input_size)
    on = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    peak = next((peak for part, peak in PEAKS.items() if part in on), None)
    protocol = {
        "clock": "wall clock of whole steps: reading, augmentation, ground truth, network, loss, update; ways in turn",
        "steps": steps, "rounds": rounds, "batch": batch, "input_size": recipe.input_size,
        "layout": recipe.layout, "stacks": recipe.stacks, "network": recipe.network, "macs": macs,
        "threads": threads, "device": on, "torch": torch.__version__,
        "tf32": "allowed in eager fp32" if device.type == "cuda" else "not on a CPU",
    }  # fmt: skip
    operations = macs * OPERATIONS / peak if peak else None
    figures = [_figures(way, tried[0], batch, operations) for way in tried]
    return {**rows.header("training", {}, protocol, command), "recipe": name, "ways": figures}


def _figures(way: _Way, first: _Way, batch: int, operations: float | None) -> dict:
    """What a row says of a way. operations: of a face, as a share of what the device does in a second."""
    rates, gain = batch / np.array(way.seconds), np.array(first.seconds) / np.array(way.seconds)
    half = operations is not None and "bf16" in WAYS[way.name]["precision"]
    return {
        "way": way.name,
        "images_per_s": float(np.median(rates)),
        "p10": float(np.quantile(rates, 0.1)),
        "p90": float(np.quantile(rates, 0.9)),
        "times_eager": float(np.median(gain)),
        "times_eager_p10": float(np.quantile(gain, 0.1)),
        "times_eager_p90": float(np.quantile(gain, 0.9)),
        "waiting": float(np.median(way.waited)),
        "peak_share": float(np.median(rates)) * operations if half else None,
    }


def _steps(trainer, cache, augment, count: int) -> tuple[float, float]:
    """Seconds of so many steps from where the trainer is, and seconds of them without a batch on the device."""
    import torch

    from train.stream import Stream, batches

    def settle() -> None:
        if trainer.device.type == "cuda":
            torch.cuda.synchronize(trainer.device)

    stream = Stream(np.arange(len(cache)), np.ones(len(cache)), trainer.recipe.batch, trainer.recipe.seed)
    waited, start = 0.0, time.perf_counter()
    reader = batches(cache, stream, trainer.step, trainer.step + count, device=trainer.device)
    while True:
        asked = time.perf_counter()
        read = next(reader, None)
        if read is None:
            break
        step, _, images, *labels = read
        settle()
        waited += time.perf_counter() - asked
        trainer.update(*augment.batch(images, *labels, torch.Generator().manual_seed(step)))
    settle()
    return time.perf_counter() - start, waited


def row_as_text(row: dict) -> str:
    """The figures in lines for a terminal."""
    p = row["protocol"]
    if "ways" not in row:
        return (
            f"protocol: {p['clock']}; {counted(p['rounds'], 'rounds')} of {p['faces']} drawn faces, {p['layout']}, "
            f"{p['input_size']} px\n"
            f"batched {row['batched_ms_per_face']:.2f} ms a face, per sample {row['one_by_one_ms_per_face']:.2f} ms: "
            f"{row['ratio']:.1f} times less (p10 {row['ratio_p10']:.1f}, p90 {row['ratio_p90']:.1f})"
        )
    told = [
        f"{row['recipe']}: {p['stacks']} stacks, {p['input_size']} px, {p['macs'] / 1e9:.2f} GMAC, batches of "
        f"{p['batch']} on {p['device']}, {counted(p['rounds'], 'rounds')} of {counted(p['steps'], 'steps')}"
    ]
    for way in row["ways"]:
        share = f", {way['peak_share']:.1%} of the bf16 peak" if way["peak_share"] is not None else ""
        told.append(
            f"  {way['way']:16s} {way['images_per_s']:8.1f} images/s ({way['p10']:.1f} to {way['p90']:.1f}), "
            f"{way['times_eager']:.2f} times eager ({way['times_eager_p10']:.2f} to {way['times_eager_p90']:.2f}), "
            f"waiting {way['waiting']:.1%}{share}"
        )
    return "\n".join(told)
