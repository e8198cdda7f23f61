"""What `python -m targets` said of its files, the last time of each: file x engine x precision x px x bytes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bench.report import columns
from edgewing import files, formats, rows
from edgewing.errors import InputError
from edgewing.outputs import Output

EXAMPLE = "bench/results/engines.jsonl --table docs/engines.md"
COLUMNS = "file", "precision", "engine that ran it here", "p50, px", "p99, px", "NME, %", "float, %", "MB", ""
TEXTS = 0, 1, 2, 8
PAGE = """# Engines

Every kind of file that `python -m targets` makes, over the same faces. px: how far the landmarks are from the float
network's, of a 256 px crop; NME of the file and of the float network. Written by `{command}`, from the rows of
`python -m targets edgewing-free-s --to ...`, copied out of the run's `rows.jsonl`. How long they take is a
matter of your machine: `python -m bench race FILE FILE --reference FILE`, when nothing else runs there.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("rows", metavar="ROWS.jsonl", help="rows of `python -m targets`, such as RUN/rows.jsonl")
    parser.add_argument("--table", type=Output, metavar="MD", help="write the table as a Markdown page")


def main(rows: str, table: str | None) -> None:
    found = last(Path(rows))
    columns.show(COLUMNS, lines(found), TEXTS)
    if table:
        files.write(table, page(found, rows, table).encode())


def last(path: Path) -> list[dict]:
    """The last parity row of each file. InputError where there is none."""
    found, _ = rows.read(path)
    parity = {Path(row["artefact"]["path"]).name: row for row in found if row["kind"] == "parity"}
    if not parity:
        raise InputError(f"{path}: no row of `python -m targets` in it; name a run's rows.jsonl")
    return [parity[name] for name in sorted(parity)]


def lines(found: list[dict]) -> list[list[str]]:
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
            "; ".join(row["reasons"] or row.get("notes", [])),
        ]
        for row in found
    ]


def page(found: list[dict], source: str, out: str) -> str:
    command = f"python -m bench engines {source} --table {out}"
    where = sorted({f"{row['protocol']['faces']} {row['protocol']['text']}" for row in found})
    table = columns.markdown(COLUMNS, lines(found), TEXTS)
    return "\n".join([PAGE.format(command=command), *table, "", *(f"Faces: {text}." for text in where), ""])
