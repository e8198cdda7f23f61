"""`python -m compress quantize`: which ranges int8 takes, and what stays in float, by measuring the converted file.

Every candidate is converted, run over the run's validation faces and held against the float model (targets.parity). If
no ranges pass, the blocks of the network are tried one by one, and those that hurt most stay in float until the file
passes. What passes is the gate's to say, unless --limit and --nme ask for more: what ships has --limit 1 --nme 0.5. The
choice goes into RUN/quantization.json, which `python -m targets` reads. Beside the file stands the same network with
its activations and weights rounded in torch (compress.fakequant): what quantization-aware training trains. Exit code 1
if nothing passes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from compress.fakequant import FakeQuantized, supported
from edgewing import files, hints, runtimes, trial
from edgewing.errors import InputError
from edgewing.words import counted
from targets import graph, parity, ranges, table, tflite
from targets.gate import QUANTIZATION, smallest_float
from targets.job import Job
from targets.progress import Progress, silence
from train import runs
from train.blocks import Hierarchical, Series, StackedHourglass
from train.checkpoint import load_model
from train.data.crops import evenly
from train.evaluate import CALIBRATION

EXAMPLE = "runs/demo-s --limit 1 --nme 0.5 --sensitivity"
RANGES = "ranges.json"  # of a run that `qat` made
SENSITIVITY_FACES = 64  # of the validation faces, evenly spaced: enough to rank blocks by
# Share of the blocks that may stay in float: beyond, fp16 is the better file. What hurts goes to float and not to
# activations of 16 bits (16x8), which TFLite has too: XNNPACK does not run them, they are slower than float.
MOST_FLOAT = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help=runs.ABOUT)
    parser.add_argument("--data", metavar="DIR", help=f"{table.ABOUT_DATA} (default: the run's own)")
    parser.add_argument(
        "--to", default="tflite", metavar="TARGET", help="where int8 is measured (default: %(default)s)"
    )
    add_limits(parser)
    parser.add_argument("--sensitivity", action="store_true", help="measure block by block and print the table")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The options that ``limit_of`` takes."""
    parser.add_argument(
        "--limit",
        type=float,
        metavar="PX",
        help=f"p99 shift to stay below, px of {parity.CROP} (default: the gate's, {parity.SHIFT_LIMIT['integer']:g})",
    )
    parser.add_argument(
        "--nme",
        type=float,
        metavar="PERCENT",
        help=f"how much worse NME may get, relative (default: the gate's, {100 * parity.NME_LIMIT:g})",
    )


def limit_of(limit: float | None, nme: float | None) -> Limit:
    return Limit(limit, None if nme is None else nme / 100)


def main(
    source: str, to: str, data: str | None, limit: float | None, nme: float | None, sensitivity: bool, debug: bool
) -> int:
    reach = limit_of(limit, nme)
    with Progress("quantize") as say:
        say("loading the run")
        bench = Bench(runs.find(source), to, data)
    return decide(bench, reach, sensitivity, debug)[0]


@dataclass(frozen=True)
class Limit:
    """What a file must reach beyond the gate: p99 shift in px of 256, and NME relative to float; None: the gate's."""

    shift: float | None = None
    nme: float | None = None

    def __post_init__(self):
        asked = (("--limit", self.shift, parity.SHIFT_LIMIT["integer"], 1), ("--nme", self.nme, parity.NME_LIMIT, 100))
        for option, value, gate, unit in asked:
            if value is not None and not 0 < value <= gate:
                raise InputError(
                    f"{option} {unit * value:g}: give a number above 0 and at most {unit * gate:g}, the gate's"
                )

    def reasons(self, result: parity.Result) -> list[str]:
        """Why a file does not pass, the gate's reasons first; empty where it does."""
        p99, change, found = result.part.p99, result.nme_change, list(result.reasons)
        if self.shift is not None and p99 > self.shift:
            found.append(f"p99 shift {p99:.3f} px, asked for {self.shift:g} px")
        if self.nme is not None and change > self.nme:
            found.append(f"NME {100 * change:.2f} % worse than float, asked for {100 * self.nme:g} %")
        return found


@dataclass(frozen=True)
class Trial:
    """One int8 file: how it was made, its parity, and why it does not pass (empty where it does)."""

    ranges: str
    float_layers: tuple[str, ...]
    parity: parity.Result
    reasons: list[str]

    @property
    def accepted(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        kept = f" + {len(self.float_layers)} float" if self.float_layers else ""
        return line(self.ranges + kept, self.parity, "passes" if self.accepted else "fails")

    def record(self) -> dict:
        return {
            "ranges": self.ranges, "float_layers": list(self.float_layers), **figures(self.parity),
            "accepted": self.accepted, "reasons": self.reasons,
        }  # fmt: skip


def line(name: str, result: parity.Result, verdict: str = "") -> str:
    """One row of the table, under HEADER."""
    p, change = result.part, f"{100 * result.nme_change:+.2f} %"
    shifts = f"{p.p50:6.3f} {p.p99:7.3f} {p.max:7.3f}"
    return f"{name:26} {shifts}   {100 * p.nme_artefact:.2f} % {change:>9}  {verdict}".rstrip()


def figures(result: parity.Result) -> dict:
    p = result.part
    return {"p50": p.p50, "p99": p.p99, "max": p.max, "nme_float": p.nme_float, "nme": p.nme_artefact}


HEADER = f"{'ranges':26} {'p50':>6} {'p99':>7} {'max':>7}   NME     change"


class Bench:
    """Makes and measures int8 files of one run for one target; conversion and activations are made once."""

    def __init__(self, source: Path, target: str, data: str | None = None):
        self.key, self.target = table.get(target)
        if "int8" not in self.target.precisions:
            known = [name for name, row in table.TABLE.items() if "int8" in row.precisions]
            raise InputError(f"--to {self.key}: has no int8; give one of {', '.join(known)}")
        self.source = source
        self.network, _, self.contract = load_model(source)
        contract = self.contract
        self.faces, calibration = parity.of_run(source, contract, data)
        if calibration is None:
            raise InputError(
                f"{source / CALIBRATION}: no such file; give pictures with --data DIR, or train the run again"
            )
        self.calibration = calibration
        self.job = Job(self.network, contract, calibration.crops)
        self.reference = graph.reference(self.network, contract, self.faces.crops)

    @contextlib.contextmanager
    def saying(self) -> Iterator[None]:
        """A progress line for what is done inside."""
        with Progress("quantize") as self.job.say:
            try:
                yield
            finally:
                self.job.say = lambda text: None

    def measure(self, name: str, float_layers: tuple[str, ...] = (), some: int | None = None) -> parity.Result:
        """Parity of the file with these ranges and float layers, on all faces or evenly on ``some``."""
        self.job.ranges, self.job.float_layers, self.job.compared = name, float_layers, tuple(ranges.TABLE)
        faces, reference = self.faces, self.reference
        if some is not None and some < len(faces):
            chosen = evenly(len(faces), some)
            faces = faces.some(chosen)
            reference = runtimes.Points(reference.landmarks[chosen], reference.scores[chosen])
        with tempfile.TemporaryDirectory() as folder:
            path = self.target.path(Path(folder), self.source.resolve().name, "int8")
            self.job.target = self.key
            self.target.load().export(self.job, "int8", path)
            trial.remember(path)
            return parity.measure(path, reference, faces).rejected_for(self.job.refused)

    def fake(self, name: str, float_layers: tuple[str, ...] = ()) -> parity.Result | None:
        """The same of the network rounded in torch; None where that is not known of the target or the network."""
        if self.key != tflite.FORMAT or not supported(self.network):
            return None
        self.job.ranges, self.job.compared = name, ()
        network = FakeQuantized(self.network, self.contract.layout.points, float_layers=float_layers)
        network.ranges = self.job.measured("fake", network.activations)
        points = graph.reference(network, self.contract, self.faces.crops)
        about = self.job.contract(tflite.FORMAT, tflite.INTERFACE, "int8", tflite.LIBRARIES)
        return parity.compare(about, "fake quantization in torch", points, self.reference, self.faces)

    def sensitivity(self, name: str) -> dict[str, float]:
        """Block -> p99 shift in px of 256 where this block alone is int8; the largest first."""
        blocks = blocks_of(self.network)
        shift = {}
        for block in blocks:
            others = tuple(pattern(other) for other in blocks if other != block)
            shift[block] = self.measure(name, others, SENSITIVITY_FACES).part.p99
        return dict(sorted(shift.items(), key=lambda item: -item[1]))


def blocks_of(network: StackedHourglass) -> list[str]:
    """Names of the parts that go to float together: the blocks, and convolutions that stand outside of one."""
    blocks = [name for name, module in network.named_modules() if isinstance(module, (Series, Hierarchical))]
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
    """best: what to use. trials: all that were measured, in order. sensitivity: of blocks, if it was measured."""

    best: Trial
    trials: list[Trial]
    sensitivity: dict[str, float]


def choose(bench: Bench, limit: Limit = Limit(), sensitivity: bool = False, debug: bool = False) -> Choice:
    """Of the ranges that pass those with the smallest p99 shift; where none do, blocks go to float.

    sensitivity: measure and print it of all blocks, needed or not. Prints a line for each file measured.
    """
    trials: list[Trial] = []

    def attempt(name: str, float_layers: tuple[str, ...] = ()) -> Trial:
        with bench.saying():
            bench.job.say(name + _in_float(float_layers))
            with silence(debug):
                result = bench.measure(name, float_layers)
        trials.append(Trial(name, float_layers, result, limit.reasons(result)))
        print(trials[-1], flush=True)
        return trials[-1]

    best = min((attempt(name) for name in ranges.TABLE), key=_rank)
    shift: dict[str, float] = {}
    if sensitivity or not best.accepted:
        why = "" if best.accepted else "no ranges pass; "
        print(f"{why}measuring block by block with {best.ranges}", flush=True)
        with bench.saying():
            bench.job.say("each block alone in int8")
            with silence(debug):
                shift = bench.sensitivity(best.ranges)
        print(f"p99 shift in px where one block alone is int8, {SENSITIVITY_FACES} crops:")
        for block, value in list(shift.items())[: None if sensitivity else 5]:
            print(f"  {block:30} {value:.3f}")
    kept: tuple[str, ...] = ()
    for block in list(shift)[: int(len(shift) * MOST_FLOAT)]:
        if best.accepted:
            break
        kept += (pattern(block),)
        best = min(best, attempt(best.ranges, kept), key=_rank)
    return Choice(best, trials, shift)


def decide(bench: Bench, limit: Limit = Limit(), sensitivity: bool = False, debug: bool = False) -> tuple[int, Choice]:
    """Choose, say why, write RUN/quantization.json. The exit code: 0, or 1 where nothing passes."""
    source, target = bench.source, bench.key
    print(f"int8 {target} of {source}; shifts in px of a {parity.CROP} px crop, over {bench.faces}")
    print(f"ranges are measured on {bench.calibration}")
    print(HEADER, flush=True)
    choice = choose(bench, limit, sensitivity, debug)
    best = choice.best
    with bench.saying():
        fake = bench.fake(best.ranges, best.float_layers)
    record = {
        "ranges": best.ranges,
        "float_layers": list(best.float_layers),
        "target": target,
        "accepted": best.accepted,
        "limit": limit.shift or parity.SHIFT_LIMIT["integer"],
        "nme_limit": limit.nme or parity.NME_LIMIT,
        "faces": len(bench.faces),
        "protocol": best.parity.part.protocol,
        "ran_on": best.parity.part.ran_on,
        "fake": fake and figures(fake),
        "trials": [trial.record() for trial in choice.trials],
        "sensitivity": choice.sensitivity,
    }
    path = source / QUANTIZATION
    files.write(path, (json.dumps(record, indent=1) + "\n").encode())
    if fake:
        print("side by side, the same ranges and blocks:")
        print(line("  converted file", best.parity))
        print(line("  fake-quantized, torch", fake))
    if not best.accepted:
        print(f"nothing passes; the nearest is {best.ranges}: {'; '.join(best.reasons)}; try, in order:")
        print("\n".join(f"{number}. {text}" for number, text in enumerate(remedies(source, target, best), 1)))
    print(f"wrote {path}: {best.ranges}{_in_float(best.float_layers)}")
    if best.accepted:
        print(hints.next_line("python -m targets", source, "--to", "onnx", "tflite", "coreml", "tensorrt"))
    return (0 if best.accepted else 1), choice


def remedies(source: Path, target: str, best: Trial) -> list[str]:
    """What to try where nothing passes, in order."""
    name = source.resolve().name
    found = [] if best.parity.reasons else ["ask for no more than the gate does: leave out --limit and --nme"]
    if not (source / RANGES).exists():
        train = hints.typed("python -m compress qat", source, "--run", f"{name}-qat")
        found.append(f"train it in int8: {train}")
    wider = hints.typed("python -m targets", source, "--to", target, "--precision", smallest_float(source, target))
    found.append(f"a float file: {wider}")
    return [*found, f"train longer, or a wider network, and start from it: --initial {source}"]


def _in_float(patterns: tuple[str, ...]) -> str:
    return f", {counted(len(patterns), 'blocks')} in float" if patterns else ""


def _rank(trial: Trial) -> tuple[bool, float]:
    return not trial.accepted, trial.parity.part.p99
