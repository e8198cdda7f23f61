"""`python -m compress sweep`: the plane of accuracy, time and size: rows, a Pareto plot, and its knee.

Over runs that are there, and over variants trained for it: --train DIR... with every pair of --width and --input-size,
each an ordinary run in the sweep's folder (w0.5-128) by `python -m train fit`. Every run is exported to TFLite fp16 and
int8, scored, and timed on one core, in turn. An interrupted sweep goes on with the same command: what is trained,
exported or scored is not done again; times are taken anew, because only those of one race go together.

The knee is the point of the Pareto front with the largest distance below the chord between its ends, in logarithms of
milliseconds and NME, each scaled to 0..1 over the front. Writes sweep.jsonl and sweep.png into the folder.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from pathlib import Path

from compress import ladder, measuring, pareto
from compress.measuring import How
from edgewing import hints
from edgewing.errors import InputError
from train import checkpoint
from train.runs import ABOUT, find, run_folder

EXAMPLE = "--run plane --train ../shared/data/lfpw/trainset --layout 300w-68 --width 0.5 0.75 --input-size 112 128"
COLUMNS = (0, 1, 2, 3, 4, 5, 7, 9)  # of the ladder's, those that a plane has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="*", help=f"each {ABOUT}")
    parser.add_argument(
        "--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished sweep goes on"
    )
    parser.add_argument("--train", nargs="+", metavar="DIR", help="train variants on these folders (or `drawn`)")
    parser.add_argument("--recipe", default="small", metavar="NAME", help="of the variants (default: %(default)s)")
    parser.add_argument("--width", nargs="+", type=float, default=[0.75], metavar="W", help="(default: 0.75)")
    parser.add_argument("--input-size", nargs="+", type=int, default=[128], metavar="PX", help="(default: 128)")
    parser.add_argument("--steps", type=int, metavar="N", help="to train each variant for (default: the recipe's)")
    parser.add_argument("--cache", default="cache", metavar="DIR", help="of decoded pictures (default: %(default)s)")
    measuring.add_arguments(parser)


def main(options: argparse.Namespace) -> int:
    folder = run_folder(options.run)
    runs = [find(run) for run in options.runs]
    if options.train:
        runs += variants(options, folder, print)
    if not runs:
        raise InputError("nothing to sweep; give RUN..., or --train DIR... with --width and --input-size")
    folder.mkdir(parents=True, exist_ok=True)
    rows, picture = folder / "sweep.jsonl", folder / "sweep.png"
    how = How(rows, options.data, options.layout if options.data else None, options.reference, options.rounds)
    points = measuring.points(runs, how)
    lines = [tuple(line[i] for i in COLUMNS) for line in ladder.table(points)]
    print("\n".join(ladder.aligned(lines)))
    accepted = [point for point in points if point.accepted]
    faces = options.data or "the runs' validation faces"
    pareto.draw(points, picture, f"{len(points)} files, NME on {faces}")
    if accepted:
        best = pareto.knee(accepted)
        print(f"knee: {best.run} {best.precision}, {100 * best.nme:.2f} %, {best.ms:.3f} ms, {best.bytes:,} bytes")
    else:
        print("knee: none; every file failed its gate")
    print(f"wrote {rows}")
    print(f"wrote {picture}")
    print(hints.next_line("python -m compress ladder", *runs))
    return 0 if accepted else 1


def variants(options: argparse.Namespace, folder: Path, say: Callable[[str], None]) -> list[Path]:
    """A trained run for every width and input size; those that are finished stay as they are."""
    found = []
    for width, size in itertools.product(options.width, options.input_size):
        run = folder / f"w{width:g}-{size}"
        found.append(run)
        if (run / checkpoint.MODEL).exists():
            say(f"{run}: trained already")
            continue
        say(f"training {run}")
        words = ["train", "fit", *options.train, "--recipe", options.recipe, "--run", str(run)]
        words += ["--width", f"{width:g}", "--input-size", str(size), "--cache", options.cache]
        words += ["--layout", options.layout] if options.layout else []
        words += ["--steps", str(options.steps)] if options.steps else []
        measuring.command(words)
    return found
