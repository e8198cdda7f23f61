"""The time of networks that nobody has trained yet: int8 TFLite files with random weights, timed in turn."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from compress.prune import CannotBeMet, prune
from edgewing import runtimes
from edgewing.contract import ModelPart
from edgewing.errors import InputError
from targets import tflite
from targets.job import Job
from train.checkpoint import Loaded
from train.credits import Credits
from train.evaluate import Faces
from train.float_contract import float_contract
from train.model import build, macs
from train.recipes import Recipe

CROPS = 4  # of noise, to calibrate on
CREDITS = Credits(notes=("Random weights, for timing.",))
FINEST = 0.02  # of the multiply-accumulates; networks nearer to one another differ by a block of channels or none
ROUNDS, CALLS = 40, 5  # each file in turn, so many calls of it after one that is not counted


def convert(recipe: Recipe, path: Path, say: Callable[[str], None]) -> ModelPart:
    """Write the int8 file of a recipe's network; what its contract says of it."""
    torch.manual_seed(recipe.seed)
    network, size = build(recipe), recipe.input_size
    noise = np.random.default_rng(0).integers(0, 256, (CROPS, size, size, 3), np.uint8)
    contract = float_contract(network, recipe, path.stem, CREDITS)
    path.parent.mkdir(parents=True, exist_ok=True)
    tflite.export(Job(network, contract, noise, say=say), "int8", path)
    return contract.model


def share_of_macs(loaded: Loaded, latency: float, faces: Faces, say: Callable[[str], None]) -> tuple[float, float]:
    """(multiply-accumulates, time) of the largest pruned network found whose file takes at most ``latency`` of the
    time of the run's own on this machine; all three shares, found by bisection.

    Raises: InputError where no network is as fast as that.
    """
    whole = macs(loaded.network, loaded.recipe.input_size)
    low, high, found = 0.0, 1.0, None
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "source.tflite")
        convert(loaded.recipe, source, say)
        while high - low > FINEST:
            middle = (low + high) / 2
            say(f"converting and timing {middle:.1%} of the multiply-accumulates")
            try:
                smaller = prune(loaded.network, loaded.recipe, middle * whole, faces).recipe
            except CannotBeMet:
                low = middle
                continue
            path = Path(folder, f"{middle}.tflite")
            convert(smaller, path, say)
            ratio = time_ratio(path, source)
            low, high, found = (middle, high, (middle, ratio)) if ratio <= latency else (low, middle, found)
    if found is None:
        raise InputError(f"--latency {latency:g} cannot be met by taking channels away; train a smaller network")
    return found


def time_ratio(path: Path, reference: Path) -> float:
    """The median processor time of a file on one thread, decode included, as a share of another's; both in turn."""
    opened = [runtimes.open(one, tell=False) for one in (path, reference)]
    size = opened[0].contract.crop.size
    crop = np.random.default_rng(0).integers(0, 256, (1, size, size, 3), np.uint8)
    taken = np.empty((2, ROUNDS, CALLS))
    for round_ in range(ROUNDS):
        for i, call in enumerate(opened):
            call(crop)
            for k in range(CALLS):
                before = time.process_time_ns()
                call(crop)
                taken[i, round_, k] = time.process_time_ns() - before
    ours, theirs = np.median(taken, axis=(1, 2))
    return float(ours / theirs)
