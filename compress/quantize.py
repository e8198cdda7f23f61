"""`python -m compress quantize`: which ranges int8 takes, and what stays in float, by measuring the converted file.

Every candidate is converted, run over the run's validation faces and held against the float model (targets.parity). If
no ranges pass the gate, the blocks of the network are tried one by one, and those that hurt most stay in float until
the file passes. The choice goes into RUN/quantization.json, which `python -m targets` reads. Exit code 1 if
nothing passes.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from edgewing import files, runtimes
from edgewing.errors import InputError
from targets import graph, parity, ranges, table
from targets.__main__ import QUANTIZATION
from targets.job import Job
from targets.progress import Progress, silence
from train.checkpoint import load_model
from train.evaluate import CALIBRATION, VALIDATION
from train.model import BLOCKS, StackedHourglass

PURPOSE = "choose the ranges of int8, and what stays in float"
EXAMPLE = "runs/demo-s"
SENSITIVITY_FACES = 64  # of the validation faces, evenly spaced: enough to rank blocks by
MOST_FLOAT = 0.5  # share of the blocks that may stay in float: beyond, fp16 is the better file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", type=Path, help="the run's folder")
    parser.add_argument(
        "--to", default="tflite", metavar="TARGET", help="where int8 is measured (default: %(default)s)"
    )


def main(options: argparse.Namespace) -> int:
    return run(options.source, options.to, options.debug)


@dataclass(frozen=True)
class Trial:
    """One int8 file: how it was made, and its parity."""

    ranges: str
    float_layers: tuple[str, ...]
    parity: parity.Result

    @property
    def accepted(self) -> bool:
        return not self.parity.reasons

    def __str__(self) -> str:
        p = self.parity.part
        kept = f" + {len(self.float_layers)} float" if self.float_layers else ""
        verdict = "passes" if self.accepted else "fails"
        change = f"{100 * self.parity.nme_change:+.2f} %"
        shifts = f"{p.p50:6.3f} {p.p99:7.3f} {p.max:7.3f}"
        return f"{self.ranges + kept:26} {shifts}   {100 * p.nme_artefact:.2f} % {change:>9}  {verdict}"

    def record(self) -> dict:
        p = self.parity.part
        return {
            "ranges": self.ranges, "float_layers": list(self.float_layers), "p50": p.p50, "p99": p.p99, "max": p.max,
            "nme_float": p.nme_float, "nme": p.nme_artefact, "accepted": self.accepted, "reasons": self.parity.reasons,
        }  # fmt: skip


class Bench:
    """Makes and measures int8 files of one run for one target; conversion and activations are made once."""

    def __init__(self, source: Path, target: str):
        key, self.target = table.get(target)
        if "int8" not in self.target.precisions:
            known = [name for name, row in table.TABLE.items() if "int8" in row.precisions]
            raise InputError(f"--to {key}: has no int8; give one of {', '.join(known)}")
        if not source.is_dir():
            raise InputError(f"{source}: no such run; train one with: python -m train fit drawn --run {source.name}")
        self.source = source
        self.network, _, contract = load_model(source)
        size, points = contract.crop.size, contract.layout.points
        self.faces = parity.stored(source / VALIDATION, points, size)
        self.job = Job(self.network, contract, parity.stored(source / CALIBRATION, points, size).crops)
        self.reference = graph.reference(self.network, contract, self.faces.crops)

    def measure(self, name: str, float_layers: tuple[str, ...] = (), some: int | None = None) -> Trial:
        """The file with these ranges and float layers, on all faces or evenly on ``some``."""
        self.job.ranges, self.job.float_layers = name, float_layers
        faces, reference = self.faces, self.reference
        if some is not None and some < len(faces):
            chosen = np.linspace(0, len(faces) - 1, some).astype(int)
            faces = parity.Faces(faces.crops[chosen], faces.landmarks[chosen], faces.source)
            reference = runtimes.Points(reference.landmarks[chosen], reference.scores[chosen])
        with tempfile.TemporaryDirectory() as folder:
            path = self.target.path(Path(folder), self.source.resolve().name, "int8")
            self.target.load().export(self.job, "int8", path)
            return Trial(name, float_layers, parity.measure(path, reference, faces))

    def sensitivity(self, name: str) -> dict[str, float]:
        """Block -> p99 shift in px of 256 where this block alone is int8; the largest first."""
        blocks = blocks_of(self.network)
        shift = {}
        for block in blocks:
            others = tuple(pattern(other) for other in blocks if other != block)
            shift[block] = self.measure(name, others, SENSITIVITY_FACES).parity.part.p99
        return dict(sorted(shift.items(), key=lambda item: -item[1]))


def blocks_of(network: StackedHourglass) -> list[str]:
    """Names of the parts that go to float together: the blocks, and convolutions that stand outside of one."""
    blocks = [name for name, module in network.named_modules() if isinstance(module, tuple(BLOCKS.values()))]
    inside = tuple(f"{name}." for name in blocks)
    single = [
        name
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and not name.startswith(inside)
    ]
    # A CoordConv's two terms are one sum.
    return blocks + list(dict.fromkeys(re.sub(r"\.(conv|coord)$", "", name) for name in single))


def pattern(block: str) -> str:
    """The regular expression that finds a block and all that is in it."""
    return rf"^{re.escape(block)}(\.|$)"


@dataclass(frozen=True)
class Choice:
    """best: what to use. trials: all that were measured, in order. sensitivity: of the blocks, where it was needed."""

    best: Trial
    trials: list[Trial]
    sensitivity: dict[str, float]


def choose(bench: Bench, debug: bool = False) -> Choice:
    """Of the ranges that pass the gate those with the smallest p99 shift; where none do, blocks go to float.

    Prints a line for each file measured.
    """
    trials: list[Trial] = []

    def attempt(name: str, float_layers: tuple[str, ...] = ()) -> Trial:
        with Progress("quantize") as bench.job.say:
            bench.job.say(name + _in_float(float_layers))
            with silence(debug):
                trials.append(bench.measure(name, float_layers))
        print(trials[-1], flush=True)
        return trials[-1]

    best = min((attempt(name) for name in ranges.TABLE), key=_rank)
    shift: dict[str, float] = {}
    if not best.accepted:
        print(f"no ranges pass; measuring block by block with {best.ranges}", flush=True)
        with Progress("quantize") as bench.job.say:
            bench.job.say("each block alone in int8")
            with silence(debug):
                shift = bench.sensitivity(best.ranges)
        print("p99 shift of one block alone: " + ", ".join(f"{k} {v:.2f}" for k, v in list(shift.items())[:5]))
        kept: tuple[str, ...] = ()
        for block in list(shift)[: int(len(shift) * MOST_FLOAT)]:
            kept += (pattern(block),)
            best = min(best, attempt(best.ranges, kept), key=_rank)
            if best.accepted:
                break
    return Choice(best, trials, shift)


def run(source: Path, target: str, debug: bool = False) -> int:
    """Choose, say why, write RUN/quantization.json. 0; 1 where nothing passes the gate."""
    with Progress("quantize") as say:
        say("loading the run")
        bench = Bench(source, target)
    faces = f"{len(bench.faces)} faces of {bench.faces.source}"
    print(f"int8 {target} of {source}; shifts in px of a {parity.CROP} px crop, over {faces}")
    print(f"{'ranges':26} {'p50':>6} {'p99':>7} {'max':>7}   NME     change", flush=True)
    choice = choose(bench, debug)
    best = choice.best
    record = {
        "ranges": best.ranges,
        "float_layers": list(best.float_layers),
        "target": target,
        "accepted": best.accepted,
        "faces": len(bench.faces),
        "protocol": best.parity.part.protocol,
        "ran_on": best.parity.part.ran_on,
        "trials": [trial.record() for trial in choice.trials],
        "sensitivity": choice.sensitivity,
    }
    path = source / QUANTIZATION
    files.write(path, (json.dumps(record, indent=1) + "\n").encode())
    if not best.accepted:
        print(f"nothing passes the gate; the nearest is {best.ranges}: {'; '.join(best.parity.reasons)}")
    print(f"wrote {path}: {best.ranges}{_in_float(best.float_layers)}")
    print(f"next: python -m targets {source} --to onnx tflite coreml tensorrt")
    return 0 if best.accepted else 1


def _in_float(patterns: tuple[str, ...]) -> str:
    return f", {len(patterns)} block{'s' * (len(patterns) > 1)} in float" if patterns else ""


def _rank(trial: Trial) -> tuple[bool, float]:
    return not trial.accepted, trial.parity.part.p99
