"""Runs into measured files: exported by `python -m targets`, scored and timed by `python -m bench`, by command line.

Every file of a table is scored on the same faces and timed in one race, so that its figures may be compared. Rows are
appended to one file; a score that is there for the same file and the same faces is not taken again, times always are:
only those of one race go together.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import children, containers, measure
from edgewing.errors import InputError
from targets import table
from train.checkpoint import load_model
from train.evaluate import VALIDATION, Faces

PRECISIONS = ("fp16", "int8")


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
    parser.add_argument(
        "--rounds", type=int, default=60, metavar="N", help="of the race that times them (default: %(default)s)"
    )


@dataclass(frozen=True)
class How:
    """What to measure with, as ``add_arguments`` has it. rows: the file that rows are appended to."""

    rows: Path
    data: str | None = None
    layout: str | None = None
    reference: str | None = None
    rounds: int = 60


def points(runs: Sequence[Path], how: How, say: Callable[[str], None] = print) -> list[Point]:
    """fp16 and int8 TFLite of every run, in order, measured. InputError where something cannot be."""
    if how.data and not how.layout:
        raise InputError("--data needs --layout NAME, which says how the photographs are labelled")
    if not how.data:
        _same_faces(runs)
    found = [(run, precision, path) for run in runs for precision, path in export(run, say).items()]
    scores = [accuracy(path, run, how, say) for run, _, path in found]
    times = race([path for _, _, path in found], how, say)
    return [
        Point(
            run.resolve().name, precision, path, score["nme"], score["fr10"], score["auc10"], time["cpu_ms"],
            time["ratio"], path.stat().st_size, not table.is_rejected(path),
        )
        for (run, precision, path), score, time in zip(found, scores, times)
    ]  # fmt: skip


def export(run: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """precision -> TFLite file with the run's weights; made where it is not there yet, rejected ones included."""
    weights = load_model(run).contract.provenance.weights_sha256
    target = table.TABLE["tflite"]

    def there(precision: str) -> Path | None:
        path = target.path(run / "export", run.resolve().name, precision)
        for candidate in (path, table.rejected(path)):
            if candidate.is_file() and containers.read(candidate).provenance.weights_sha256 == weights:
                return candidate
        return None

    missing = [precision for precision in PRECISIONS if there(precision) is None]
    if missing:
        say(f"exporting {run}: {', '.join(missing)}")
        # 1: a file failed its gate, and is there under the name of one that did
        command(["targets", str(run), "--to", "tflite", "--precision", *missing], may_end=(0, 1))
    return {precision: path for precision in PRECISIONS if (path := there(precision)) is not None}


def accuracy(path: Path, run: Path, how: How, say: Callable[[str], None]) -> dict:
    """The accuracy row of a file, from how.rows where it is there already."""
    sha256 = measure.artefact(path)["sha256"]
    words = ["bench", "accuracy", "--model", str(path), "--data", how.data or str(run), "--to", str(how.rows)]
    words += ["--layout", how.layout] if how.layout else []

    def known() -> dict | None:
        """The newest row of this very file that this very command wrote."""
        typed = shlex.join(["python", "-m", *words])
        ours = (r for r in reversed(rows_of(how.rows)) if r.get("command") == typed)
        return next((row for row in ours if row.get("artefact", {}).get("sha256") == sha256), None)

    row = known()
    if row is None:
        say(f"scoring {path}")
        command(words)
        row = known()
    if row["nme"] is None:
        raise InputError(f"{path}: nothing has a prediction; it cannot be compared")
    return row


def race(paths: Sequence[Path], how: How, say: Callable[[str], None]) -> list[dict]:
    """The race rows of files, in their order; all timed in one process, in turn."""
    say(f"timing {len(paths)} files in turn, {how.rounds} rounds")
    before = len(rows_of(how.rows))
    words = ["bench", "race", *map(str, paths), "--rounds", str(how.rounds), "--to", str(how.rows)]
    command(words + (["--reference", how.reference] if how.reference else []))
    new = {row["artefact"]["sha256"]: row for row in rows_of(how.rows)[before:] if row.get("kind") == "race"}
    return [new[measure.artefact(path)["sha256"]] for path in paths]


def command(words: Sequence[str], may_end: tuple[int, ...] = (0,)) -> None:
    """`python -m WORDS`; InputError with its last words where it ends otherwise."""
    call = [sys.executable, "-m", *words]
    done = subprocess.run(call, capture_output=True, text=True, preexec_fn=children.bound())
    if done.returncode not in may_end:
        lines = (done.stderr.strip() or done.stdout.strip() or "no word").splitlines()
        typed = shlex.join(["python", "-m", *words[:3]])
        raise InputError(f"{typed} ... ended with {done.returncode}: {lines[-1].removeprefix('error: ')}")


def rows_of(path: Path) -> list[dict]:
    """The rows of a file, oldest first; lines that a killed process left half are passed over."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


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
