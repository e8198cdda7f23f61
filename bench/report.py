"""What a run's artefacts are worth: a table on the terminal, one self-contained HTML file, and the table as Markdown.

`python -m bench report runs/demo-s` reads the artefacts in RUN/export (their contracts and parity), RUN/rows.jsonl
(accuracy and latency, of this machine and of devices) and RUN/metrics.jsonl, and writes RUN/report.html and
RUN/report.md. `--peers ROWS` adds what `bench peers` measured last.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import page, peers_page
from bench.artefacts import COLUMNS, Run, collect, protocol_line
from edgewing import files, hints, rows
from edgewing.errors import InputError
from edgewing.outputs import Output
from train import runs

EXAMPLE = "runs/demo-s"


def print_table(run: Run, console: Console) -> None:
    table = Table(title=str(run.path), title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("format", "precision", "gate") else "right")
    for entry in run.entries:
        table.add_row(*map(Text, run.cells(entry)), style="red" if entry.rejected else None)
    console.print(table)
    for line in _notes(run):
        console.print(Text(line), style="dim", soft_wrap=True)


def _notes(run: Run) -> list[str]:
    """What stands below a run's table."""
    timed = next(iter(run.timed), None)
    lines = list(run.notes)
    lines += [f"accuracy: {protocol_line(run.protocol)}"] if run.protocol else []
    if timed:
        p = timed["protocol"]
        lines.append(f"time: {p['clock']}; {p['threads']} thread(s), mode {p['mode']}, {timed['machine']['cpu']}")
    lines += [run.busy] if run.busy else []
    return [*lines, "shift: against the float model, px of a 256 px crop"]


def markdown(runs: list[Run], peers: list[dict]) -> str:
    """The tables of the page, for a pull request or a README; texts of files cannot break out of their cell."""
    lines = []
    for run in runs:
        lines += [f"## {_cell(run.path.name)}", "", *_table(COLUMNS, [run.cells(entry) for entry in run.entries])]
        lines += ["", *(f"- {_cell(line)}" for line in _notes(run) + [f"rejected: {r}" for r in run.rejections]), ""]
        for name, found in page.device_lines(run):
            lines += [f"### {_cell(name)}", "", *_table(page.DEVICE_COLUMNS, found), ""]
        lines += ["```sh", *dict.fromkeys(row["command"].replace("`", "") for row in run.rows), "```", ""]
    if peers:
        lines += ["## Beside models of others", "", *_table(peers_page.COLUMNS, peers_page.told(peers)), ""]
        lines += [f"- {_cell(line)}" for line in peers_page.refusals(peers) + peers_page.protocol(peers)]
        lines += ["", "```sh", peers[0]["command"], "```", ""]
    return "\n".join(lines)


def _table(columns: Sequence[str], found: list[list[str]]) -> list[str]:
    ruled = ["| " + " | ".join(map(_cell, line)) + " |" for line in (columns, *found)]
    return [ruled[0], "|" + "---|" * len(columns), *ruled[1:]]


def _cell(text: str) -> str:
    """No line break, no column, no HTML."""
    return " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def _last_peers(path: str) -> list[dict]:
    """The rows of the newest `bench peers` in a file, which share one command and one order. InputError: none."""
    found = [row for row in rows.read(path)[0] if row["kind"] == "peer"]
    run = [row for row in found if row["protocol"] == found[-1]["protocol"] and row["commit"] == found[-1]["commit"]]
    newest = {row["artefact"]["path"]: row for row in run}  # a run repeated: the later row of each counts
    if not peers_page.measured(list(newest.values())):
        raise InputError(f"{path}: no row of kind peer with figures; make some with: python -m bench peers --to {path}")
    return list(newest.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"with export/ and rows.jsonl; each {runs.ABOUT}")
    parser.add_argument(
        "--html", type=Output, metavar="OUT", help="where the page goes (default: report.html in the first run)"
    )
    parser.add_argument(
        "--markdown", type=Output, metavar="OUT", help="where the tables go (default: report.md beside the page)"
    )
    parser.add_argument("--peers", metavar="ROWS", help="rows of `bench peers`; the newest run of it is shown too")


def main(arguments: argparse.Namespace) -> int:
    """Print the tables, write the page. 1 where an artefact was rejected."""
    collected = [collect(runs.find(run)) for run in arguments.runs]
    peers = _last_peers(arguments.peers) if arguments.peers else []
    out = Path(arguments.html or collected[0].path / "report.html")
    tables = Path(arguments.markdown or out.with_suffix(".md"))
    # A log has no width of its own; on a terminal narrower than the table, rich folds the cells.
    width = None if sys.stdout.isatty() else max(130, int(os.environ.get("COLUMNS") or 0))
    console = Console(width=width, highlight=False)
    for run in collected:
        console.print()
        print_table(run, console)
        for problem in run.problems:
            print(f"passed over: {problem}", file=sys.stderr)
    files.write(out, page.render(collected, arguments.typed, peers).encode())
    files.write(tables, markdown(collected, peers).encode())
    rejections = [line for run in collected for line in run.rejections]
    print()
    for line in rejections:
        print(f"rejected: {line}")
    print(f"tables: {tables}")
    print(f"report: {out}")
    best = page.pick(collected[0])
    if best:
        print(hints.next_line("edgewing run PHOTO.jpg --save points.png --model", best.path))
    return 1 if rejections else 0
