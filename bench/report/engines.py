"""What `python -m targets` said of its files, the last time of each, and their time in one race: file x engine x
precision x px x ms x bytes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bench.report import columns
from edgewing import files, formats, rows
from edgewing.errors import InputError
from edgewing.outputs import Output

EXAMPLE = "bench/results/engines.jsonl --table docs/engines.md"
COLUMNS = "file", "precision", "engine that ran it here", "p50, px", "p99, px", "NME, %", "float, %", "MB", "ms", ""
TEXTS = 0, 1, 2, 9
PAGE = """# Engines

`python -m targets` can make many kinds of files of one model ([which for what](targets.md)). This table compares
them on the same faces: how far the landmarks are from those of the float network (p50: half of them less, p99: 99
of 100 less; px of a 256 px crop), the mean error (NME) of the file and of the float network, the size, and the
time. ms is processor time of one thread, the median of all calls, decoding included. Files that no engine here runs
as their device would (CoreML, microcontrollers, NPUs, TensorRT) have no time. Processors differ in what they
favour, so race the files on yours (`python -m bench race FILE ...`).

`{command}` wrote this page from the rows that `python -m targets NAME --to ...` leaves in the run's `rows.jsonl`,
and from those of `python -m bench race FILE ... --to ...`.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="ROWS.jsonl", help="rows of `python -m targets`, such as RUN/rows.jsonl")
    parser.add_argument("--table", type=Output, metavar="MD", help="write the table as a Markdown page")


def main(rows: str, table: str | None) -> None:
    found, raced = last(Path(rows)), races(Path(rows))
    columns.show(COLUMNS, lines(found, raced), TEXTS)
    if table:
        files.write(table, page(found, raced, rows, table).encode())


def last(path: Path) -> list[dict]:
    """The last parity row of each file. InputError where there is none."""
    found, _ = rows.read(path)
    parity = {Path(row["artefact"]["path"]).name: row for row in found if row["kind"] == "parity"}
    if not parity:
        raise InputError(f"{path}: no row of `python -m targets` in it; name a run's rows.jsonl")
    return [parity[name] for name in sorted(parity)]


def races(path: Path) -> dict[str, dict]:
    """The last race row of each file, by its digest."""
    return {row["artefact"]["sha256"]: row for row in rows.read(path)[0] if row["kind"] == "race"}


def lines(found: list[dict], raced: dict[str, dict]) -> list[list[str]]:
    """A line for each row, in the order of COLUMNS."""
    return [
        [
            Path(row["artefact"]["path"]).name,
            re.search(rf"({'|'.join(formats.PRECISIONS)})", row["artefact"]["path"].rpartition("-")[2])[1],
            row["ran_on"],
            f"{row['shift_p50_px']:.3f}",
            f"{row['shift_p99_px']:.3f}",
            f"{100 * row['nme']:.2f}",
            f"{100 * row['nme_float']:.2f}",
            f"{row['artefact']['bytes'] / 1e6:.2f}",
            f"{raced[digest]['cpu_ms']:.2f}" if (digest := row["artefact"]["sha256"]) in raced else "",
            "; ".join(row["reasons"] or row.get("notes", [])),
        ]
        for row in found
    ]


def _run(row: dict) -> str:
    return Path(row["artefact"]["path"]).parents[1].name


def page(found: list[dict], raced: dict[str, dict], source: str, out: str) -> str:
    command = f"python -m bench engines {source} --table {out}"
    where = sorted({f"{_run(row)}: {row['protocol']['faces']} {row['protocol']['text']}" for row in found})
    table = columns.markdown(COLUMNS, lines(found, raced), TEXTS)
    machines = sorted({f"{row['machine']['cpu']}, load {row['machine']['load']}" for row in raced.values()})
    ends = [f"Faces of {text}." for text in where] + [f"Times: {text}." for text in machines]
    return "\n".join([PAGE.format(command=command), *table, "", *ends, ""])
