"""How far the labels of a data set lie from where a network says, point by point.

People and machines that mark faces are off by a constant, and each set has its own idea of where an eye's corner is. A
network trained on mirrored pictures cannot learn that labels lie to one side, it sees as much of the other; so the
middle of label - prediction, the prediction averaged with that of the mirrored picture, is the set's offset: in x
wholly, in y as far as the set is not the one that the network learnt from.

F faces, N landmarks.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import files, hints
from edgewing.errors import InputError
from edgewing.outputs import Output
from train.checkpoint import load_model
from train.data import read_samples
from train.data.crops import cut, evenly
from train.evaluate import predict
from train.options import LABELLED
from train.runs import ABOUT

EXAMPLE = """runs/first data/lfpw/trainset data/ytf/train
  python -m train offsets runs/first data/other --out offsets.json"""
MOST = 1000  # faces of a source, evenly spaced; the standard error is printed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help=f"{ABOUT}; trained with mirrored pictures")
    parser.add_argument("data", nargs="+", metavar="DIR", help=LABELLED)
    parser.add_argument("--out", type=Output, metavar="FILE", help="write each point's x and y here, for --offsets")


def main(source: str, data: list[str], out: Output | None) -> None:
    """Print the offsets of the folders, and the option that takes them. out: where those of each point are written."""
    print(f"{'source':20} faces  offset to the right, share of the crop's side; largest of a point")
    found = [measure(source, folder) for folder in data]
    for f in found:
        largest = float(np.linalg.norm(f.points, axis=1).max())
        print(f"{f.source:20} {f.faces:5}  {f.lateral:+.4f} +- {f.error:.4f}  {largest:.4f}", flush=True)
    if out is None:
        options = [f"{f.source}={f.lateral:.4f}" for f in found]
    else:
        rows = {f.source: f.points.reshape(-1).round(6).tolist() for f in found}
        files.write(out, (json.dumps(rows) + "\n").encode())
        print(f"wrote {out}")
        options = [f"{f.source}={out}" for f in found]
    print(hints.next_line("python -m train fit ... --offsets", *options))


@dataclass(frozen=True)
class Offsets:
    """Shares of the crop's side. lateral: the mean in x of all points, and its standard error. points: (N, 2) of each
    point, x y, the median over faces: a few wrong predictions move it little."""

    source: str
    faces: int
    lateral: float
    error: float
    points: np.ndarray


def measure(run: str | Path, folder: str | Path) -> Offsets:
    """Of faces that lack no point: where one does the face is turned away, and networks err. InputError as ``read``."""
    network, recipe, _ = load_model(run)
    samples = [
        sample
        for sample in read_samples(folder, recipe.layout, points_frame=recipe.points_frame).samples
        if not np.isnan(sample.landmarks).any()
    ]
    crops, labels = cut((samples[i] for i in evenly(len(samples), MOST)), recipe.input_size, say=print)
    if not crops:
        raise InputError(f"{folder}: no picture that can be read has all its points")
    predicted, _ = predict(network, recipe, np.stack(crops), mirrored=True)
    shares = (np.stack(labels) - predicted) / recipe.input_size  # (F, N, 2)
    lateral = shares[..., 0].mean(axis=1)
    error = float(lateral.std() / len(lateral) ** 0.5)
    return Offsets(samples[-1].source, len(crops), float(lateral.mean()), error, np.median(shares, axis=0))
