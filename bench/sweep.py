"""`python -m bench sweep`: the plane of accuracy, time and size: rows, a Pareto plot, and its knee.

Every run is exported to TFLite fp16 and int8, scored, and timed on one core, in turn. An interrupted sweep goes on with
the same command: what is exported or scored is not done again; times are taken anew, because only those of one race go
together.

The knee is the point of the Pareto front with the largest distance below the chord between its ends, in logarithms of
milliseconds and NME, each scaled to 0..1 over the front. Writes sweep.jsonl and sweep.svg into the folder.
"""

from __future__ import annotations

import argparse

from bench import ladder, measuring, pareto
from bench.measuring import How
from bench.report import columns
from edgewing import files, hints
from edgewing.words import counted
from train.runs import ABOUT, find, run_folder

EXAMPLE = "runs/a runs/b --run plane"
COLUMNS = (0, 1, 2, 3, 4, 5, 7, 9)  # of the ladder's, those that a plane has


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help=f"each {ABOUT}")
    parser.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished one goes on")
    measuring.add_arguments(parser)


def main(runs: list[str], run: str, **how) -> int:
    folder = run_folder(run)
    found = [find(one) for one in runs]
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / "sweep.svg"
    how = How(folder / "sweep.jsonl", **how)
    points = measuring.points(found, how)
    head, *lines = ([line[i] for i in COLUMNS] for line in (ladder.HEAD, *ladder.table_lines(points)))
    columns.show(head, lines, left=(0, 1, len(COLUMNS) - 1))
    accepted = [point for point in points if point.accepted]
    faces = how.data or "the runs' validation faces"
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
