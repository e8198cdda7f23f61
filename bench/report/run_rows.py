"""Accuracy and latency of every artefact of a run, each as `bench accuracy` and `bench latency` measure it.

What cannot be measured costs its row, not the others.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from bench.accuracy import scoring
from bench.accuracy.scored_faces import VALIDATION
from bench.report import artefacts
from bench.time import latency
from edgewing import formats, hints, measure, processors, rows
from edgewing.errors import InputError
from train import runs

EXAMPLE = "runs/demo-s --data lfpw/testset --layout 300w-68"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=f"{runs.ABOUT}; with export/")
    parser.add_argument("--data", metavar="DIR", help="photographs with landmarks (default: those the run holds out)")
    parser.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    parser.add_argument("--mode", choices=measure.MODES, default="quick", help=measure.MODE_HELP)
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=processors.MEASURED)


def main(run: str, data: str | None, layout: str, mode: str, threads: int, device: str) -> None:
    folder = runs.find(run)
    log = measure_run(folder, data=data, layout=layout, mode=mode, threads=threads, device=device)
    print(f"\nwrote {log}")
    print(hints.next_line("python -m bench report", folder))


def measure_run(
    run: Path, *, data: str | None = None, layout: str = "", mode: str = "quick", threads: int = 1, device: str = "cpu"
) -> Path:
    """The file of the run's rows, with two more for each artefact. Raises: InputError: nothing can be measured."""
    found, problems = artefacts.of_run(run)
    for problem in problems:
        print(f"passed over: {problem}", file=sys.stderr)
    if not found:
        raise InputError(f"{run}/export: no artefact; make some with: python -m targets {run}")
    log, faces, measured = run / "rows.jsonl", run / VALIDATION, 0
    time = {"mode": mode, "faces": str(faces) if faces.is_file() else None, "threads": threads, "device": device}
    for path, contract in found:
        print(f"\n{path}", flush=True)
        pictures = run / "bench" / f"{path.name}-faces.npz"
        pictures.parent.mkdir(exist_ok=True)
        score = {
            "data": data or str(run),
            "pictures": str(pictures),
            "layout": layout,
            "threads": threads,
            "device": device,
        }
        for kind, make, how, describe in (
            ("accuracy", scoring.score, score, scoring.row_as_text),
            ("latency", latency.latency_row, time, latency.row_as_text),
        ):
            given = [str(word) for name, value in how.items() if value for word in (f"--{name}", value)]
            command = shlex.join(["python", "-m", "bench", kind, "--model", str(path), *given])
            try:
                # ONNX Runtime can score a TensorRT package's graph, but its time says nothing about TensorRT's.
                lacking = latency.needs(path, contract)
                if lacking and (kind == "latency" or not formats.TABLE[contract.model.format].runtime):
                    raise InputError(lacking)
                row = make(path, **how, command=command)
                text, measured = describe(row), measured + 1
            except InputError as error:
                header = rows.header(kind, measure.artefact(path), {}, command)
                row, text = {**header, "not_run": str(error)}, f"{kind}: not run: {error}"
            print(text, flush=True)
            rows.append(log, row)
    if not measured:
        raise InputError(f"{run}: nothing could be measured; the reasons stand above and in {log}")
    return log
