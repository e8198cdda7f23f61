"""What a run's artefacts are worth: a table on the terminal and one self-contained HTML file.

`python -m bench report runs/demo-s` reads the artefacts in RUN/export (their contracts and parity), RUN/rows.jsonl
(accuracy and latency) and RUN/metrics.jsonl, and writes RUN/report.html.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import page
from bench.artefacts import COLUMNS, Run, collect, protocol_line
from edgewing import files


def print_table(run: Run, console: Console) -> None:
    table = Table(title=str(run.path), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("format", "precision", "gate") else "right")
    for entry in run.entries:
        table.add_row(*map(Text, run.cells(entry)), style="red" if entry.rejected else None)
    console.print(table)
    timed = next(iter(run.timed), None)
    lines = list(run.notes)
    lines += [f"accuracy: {protocol_line(run.protocol)}"] if run.protocol else []
    if timed:
        p = timed["protocol"]
        lines.append(f"time: {p['clock']}; {p['threads']} thread(s), mode {p['mode']}, {timed['machine']['cpu']}")
    lines += [run.busy] if run.busy else []
    lines.append("shift: against the float model, px of a 256 px crop")
    for line in lines:
        console.print(Text(line), style="dim", soft_wrap=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="run folders with export/ and rows.jsonl")
    parser.add_argument("--html", metavar="OUT", help="where the page goes (default: report.html in the first run)")


def main(arguments: argparse.Namespace, command: str) -> int:
    """Print the tables, write the page. 1 where an artefact was rejected."""
    collected = [collect(Path(run)) for run in arguments.runs]
    out = Path(arguments.html or collected[0].path / "report.html")
    # A log has no width of its own; on a terminal narrower than the table, rich folds the cells.
    width = None if sys.stdout.isatty() else max(130, int(os.environ.get("COLUMNS") or 0))
    console = Console(width=width, highlight=False)
    for run in collected:
        console.print()
        print_table(run, console)
        for problem in run.problems:
            print(f"passed over: {problem}", file=sys.stderr)
    html = page.render(collected, command)
    files.write(out, html.encode())
    rejections = [line for run in collected for line in run.rejections]
    print()
    for line in rejections:
        print(f"rejected: {line}")
    print(f"report: {out}")
    best = page.pick(collected[0])
    if best:
        print(f"next: edgewing run PHOTO.jpg --model {shlex.quote(str(best.path))} --save points.png")
    return 1 if rejections else 0
