"""What a run's artefacts are worth: a table on the terminal, one self-contained HTML file, and the table as Markdown.

`python -m bench report runs/demo-s` reads the artefacts in RUN/export (their contracts and parity), RUN/rows.jsonl
(accuracy and latency, of this machine and of devices) and RUN/metrics.jsonl, and writes RUN/report.html and
RUN/report.md. `--peers ROWS` adds what `bench peers` measured last.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from bench.peers import plane
from bench.report import columns, page
from bench.report.artefacts import COLUMNS, Run, protocol_line, read_run
from bench.report.columns import cell
from edgewing import files, hints, rows
from edgewing.errors import InputError
from edgewing.outputs import Output
from edgewing.words import counted
from train.runs import ABOUT, find

EXAMPLE = "runs/demo-s"


TEXTS = [i for i, column in enumerate(COLUMNS) if column in ("format", "precision", "gate")]


def _notes(run: Run) -> list[str]:
    """What stands below a run's table."""
    timed = next(iter(run.timed), None)
    lines = list(run.notes)
    lines += [f"accuracy: {protocol_line(run.protocol)}"] if run.protocol else []
    if timed:
        p = timed["protocol"]
        lines.append(
            f"time: {p['clock']}; {counted(p['threads'], 'threads')}, mode {p['mode']}, {timed['machine']['cpu']}"
        )
    lines += [run.busy] if run.busy else []
    return [*lines, "shift: against the float model, px of a 256 px crop"]


def as_markdown(runs: list[Run], peers: list[dict]) -> str:
    """The tables of the page, for a pull request or a README."""
    lines = []
    for run in runs:
        lines += [f"## {cell(run.path.name)}", "", *columns.markdown(COLUMNS, list(map(run.cells, run.entries)), TEXTS)]
        lines += ["", *(f"- {cell(line)}" for line in _notes(run) + [f"rejected: {r}" for r in run.rejections]), ""]
        if beside := page.side_by_side(run):
            lines += ["### Median ms by device", "", *columns.markdown(*beside, (0, 1)), ""]
        for name, found in page.device_lines(run):
            lines += [f"### {cell(name)}", "", *columns.markdown(page.DEVICE_COLUMNS, found, TEXTS), ""]
        lines += ["```sh", *dict.fromkeys(row["command"].replace("`", "") for row in run.rows), "```", ""]
    if peers:
        shown = columns.markdown(plane.COLUMNS, plane.table_lines(peers), plane.TEXTS)
        lines += ["## Beside models of others", "", *shown, ""]
        lines += [f"- {cell(line)}" for line in plane.refusals(peers) + plane.protocol(peers)]
        lines += ["", "```sh", peers[0]["command"], "```", ""]
    return "\n".join(lines)


def _last_peers(path: str) -> list[dict]:
    """The rows of the newest `bench peers` in a file, which share one command and one order. InputError: none."""
    found = [row for row in rows.read(path)[0] if row["kind"] == "peer"]
    run = [row for row in found if row["protocol"] == found[-1]["protocol"] and row["commit"] == found[-1]["commit"]]
    newest = {row["artefact"]["path"]: row for row in run}  # a run repeated: the later row of each counts
    if not plane.measured(list(newest.values())):
        raise InputError(f"{path}: no row of kind peer with figures; make some with: python -m bench peers --to {path}")
    return list(newest.values())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help=f"with export/ and rows.jsonl; each {ABOUT}")
    parser.add_argument(
        "--html", type=Output, metavar="OUT", help="where the page goes (default: report.html in the first run)"
    )
    parser.add_argument(
        "--markdown", type=Output, metavar="OUT", help="where the tables go (default: report.md beside the page)"
    )
    parser.add_argument("--peers", metavar="ROWS", help="rows of `bench peers`; the newest run of it is shown too")


def main(runs: Sequence[str], html: str | None, markdown: str | None, peers: str | None, command: str) -> int:
    """Print the tables, write the page. 1 where an artefact was rejected."""
    collected = [read_run(find(run)) for run in runs]
    beside = _last_peers(peers) if peers else []
    out = Path(html or collected[0].path / "report.html")
    text = Path(markdown or out.with_suffix(".md"))
    for run in collected:
        rejected = [i for i, entry in enumerate(run.entries) if entry.rejected]
        print()
        columns.show(COLUMNS, list(map(run.cells, run.entries)), TEXTS, title=str(run.path), red=rejected)
        for line in _notes(run):
            columns.console().print(Text(line), style="dim", soft_wrap=True)
        for problem in run.problems:
            print(f"passed over: {problem}", file=sys.stderr)
    files.write(out, page.render(collected, command, beside).encode())
    files.write(text, as_markdown(collected, beside).encode())
    rejections = [line for run in collected for line in run.rejections]
    print()
    for line in rejections:
        print(f"rejected: {line}")
    print(f"tables: {text}")
    print(f"report: {out}")
    best = page.pick(collected[0])
    if best:
        print(hints.next_line("edgewing run PHOTO.jpg --save points.png --model", best.path))
    return 1 if rejections else 0
