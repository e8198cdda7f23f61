"""`python -m bench sweep`: the plane of accuracy, time and size: rows, a Pareto plot, and its knee.

Over runs that are there, and over variants trained for it: --train DIR... with every pair of --width and --input-size,
each an ordinary run in the sweep's folder (w0.5-128). Every run is exported to TFLite fp16 and int8, scored, and timed
on one core, in turn. An interrupted sweep goes on with the same command: what is trained, exported or scored is not
done again; times are taken anew, because only those of one race go together.

The knee is the point of the Pareto front with the largest distance below the chord between its ends, in logarithms of
milliseconds and NME, each scaled to 0..1 over the front. Writes sweep.jsonl and sweep.svg into the folder.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import ladder, measuring, pareto
from bench.measuring import How
from bench.report import columns
from edgewing import files, hints, layouts
from edgewing.errors import InputError
from edgewing.words import counted
from train import checkpoint, fit, recipes
from train.options import from_options
from train.recipes import Recipe
from train.runs import ABOUT, find, run_folder

EXAMPLE = "--run plane --train lfpw/trainset --layout 300w-68 --width 0.5 0.75 --input-size 112 128"
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


def main(
    runs: list[str], run: str, train: list[str] | None, recipe: str, width: list[float], input_size: list[int],
    steps: int | None, cache: str, layout: str | None, data: str | None, **how,
) -> int:  # fmt: skip
    folder = run_folder(run)
    found = [find(one) for one in runs]
    if train:
        wanted = {"data": train, "layout": layouts.given(layout or fit.LAYOUT), "steps": steps}
        found += variants(from_options(recipes.get(recipe), wanted), width, input_size, folder, Path(cache), print)
    if not found:
        raise InputError("nothing to sweep; give RUN..., or --train DIR... with --width and --input-size")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "sweep.svg"
    how = How(folder / "sweep.jsonl", data, layout if data else None, **how)
    points = measuring.points(found, how)
    head, *lines = ([line[i] for i in COLUMNS] for line in (ladder.HEAD, *ladder.table_lines(points)))
    columns.show(head, lines, left=(0, 1, len(COLUMNS) - 1))
    accepted = [point for point in points if point.accepted]
    faces = data or "the runs' validation faces"
    files.write(picture, pareto.picture(points, f"{counted(len(points), 'files')}, NME on {faces}").encode())
    if accepted:
        best = pareto.knee(accepted)
        print(f"knee: {best.run} {best.precision}, {100 * best.nme:.2f} %, {best.ms:.3f} ms, {best.bytes:,} bytes")
    else:
        print("knee: none; every file failed its gate")
    print(f"wrote {how.rows}")
    print(f"wrote {picture}")
    print(hints.next_line("python -m bench ladder", *found))
    return 0 if accepted else 1


def variants(
    recipe: Recipe, widths: Sequence[float], sizes: Sequence[int], folder: Path, root: Path, say: Callable[[str], None]
) -> list[Path]:
    """A run of the recipe for every width and input size; those that are finished stay as they are. root: of caches."""
    found = []
    for width, size in itertools.product(widths, sizes):
        run = folder / f"w{width:g}-{size}"
        found.append(run)
        if (run / checkpoint.MODEL).exists():
            say(f"{run}: trained already")
            continue
        say(f"training {run}")
        fit.train(recipes.replace(recipe, width=width, input_size=size), run, root)
    return found
