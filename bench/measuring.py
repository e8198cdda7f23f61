"""Runs into measured files: exported by targets.export, scored by bench.accuracy.scoring, timed by bench.time.race.

Every file of a table is scored on the same faces and timed in one race, so that its figures may be compared. Rows are
appended to one file; a score that is there for the same file and the same faces is not taken again, times always are:
only those of one race go together.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.accuracy import scoring
from bench.time import race
from edgewing import containers, measure, rows
from edgewing.errors import InputError
from edgewing.words import counted
from targets import table
from targets.export import make, open_run
from train.checkpoint import load_model
from train.evaluate import VALIDATION, Faces

PRECISIONS = ("fp16", "int8")
ROUNDS = 60


@dataclass(frozen=True)
class Point:
    """One file, measured. nme, fr10, auc10: fractions. ms: processor time on one thread, decode included.

    ratio: of that time to the reference's. accepted: whether it passed the gate of its export.
    """

    run: str
    precision: str
    path: Path
    nme: float
    fr10: float
    auc10: float
    ms: float
    ratio: float
    bytes: int
    accepted: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", metavar="DIR", help="labelled photographs to score on (default: those held out)")
    parser.add_argument("--layout", metavar="NAME", help="layout of --data")
    parser.add_argument("--reference", metavar="FILE", help="what times are divided by (default: the first file)")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="of the race (default: %(default)s)")


@dataclass(frozen=True)
class How:
    """What to measure with, as ``add_arguments`` has it. rows: the file that rows are appended to. command: theirs."""

    rows: Path
    data: str | None = None
    layout: str | None = None
    reference: str | None = None
    rounds: int = ROUNDS
    command: str = ""


def points(runs: Sequence[Path], how: How) -> list[Point]:
    """fp16 and int8 TFLite of every run, in order, measured. InputError where something cannot be."""
    if how.data and not how.layout:
        raise InputError("--data needs --layout NAME, which says how the photographs are labelled")
    if not how.data:
        _same_faces(runs)
    found = [(run, precision, path) for run in runs for precision, path in exported_files(run, how).items()]
    scores = [accuracy_of(path, run, how) for run, _, path in found]
    timed = times([path for _, _, path in found], how)
    return [
        Point(
            run.resolve().name, precision, path, score["nme"], score["fr10"], score["auc10"], time["cpu_ms"],
            time["ratio"], path.stat().st_size, not table.is_rejected(path),
        )
        for (run, precision, path), score, time in zip(found, scores, timed)
    ]  # fmt: skip


def exported_files(run: Path, how: How) -> dict[str, Path]:
    """precision -> TFLite file with the run's weights; made where it is not there yet, rejected ones included."""
    weights = load_model(run).contract.provenance.weights_sha256
    target = table.TABLE["tflite"]

    def there(precision: str) -> Path | None:
        path = target.path(run / "export", run.resolve().name, precision)
        for candidate in (path, table.rejected(path)):
            if candidate.is_file() and containers.read_contract(candidate).provenance.weights_sha256 == weights:
                return candidate
        return None

    missing = [precision for precision in PRECISIONS if there(precision) is None]
    if missing:
        print(f"exporting {run}: {', '.join(missing)}")
        source = open_run(run, table.Options())
        for precision in missing:
            print(f"  {make(source, 'tflite', precision, command=how.command).result}")
    return {precision: path for precision in PRECISIONS if (path := there(precision)) is not None}


def accuracy_of(path: Path, run: Path, how: How) -> dict:
    """The accuracy row of a file, from how.rows where it is there already, for the same bytes and the same faces."""
    sha256, data = measure.artefact(path)["sha256"], str(how.data or run / VALIDATION)
    for row in reversed(rows.read(how.rows)[0] if how.rows.is_file() else []):
        if row["kind"] != "accuracy" or row["artefact"]["sha256"] != sha256:
            continue
        if row["protocol"]["data"] == data and how.layout in (None, row["protocol"]["layout"]):
            break
    else:
        print(f"scoring {path}")
        row = scoring.score(path, how.data or run, layout=how.layout or "", command=how.command)
        rows.append(how.rows, row)
    if row["nme"] is None:
        raise InputError(f"{path}: nothing has a prediction; it cannot be compared")
    return row


def times(paths: Sequence[Path], how: How) -> list[dict]:
    """The race rows of files, in their order; all timed in this process, in turn."""
    print(f"timing {counted(len(paths), 'files')} in turn, {counted(how.rounds, 'rounds')}")
    made = race.race_rows(paths, reference=how.reference, rounds=how.rounds, command=how.command)
    rows.keep(made, how.rows, tell=False)
    found = {row["artefact"]["sha256"]: row for row in made}
    return [found[measure.artefact(path)["sha256"]] for path in paths]


def _same_faces(runs: Sequence[Path]) -> None:
    """Validation faces are cut for each run; their figures go together only where they are of the same people."""
    names = None
    for run in runs:
        own = Faces.load(run / VALIDATION).names
        if names is not None and not np.array_equal(own, names):
            raise InputError(
                f"{run}: holds out others than {runs[0]}; give pictures for all of them: --data DIR --layout NAME"
            )
        names = own
