"""Accuracy and latency of every artefact of a run, each as `bench accuracy` and `bench latency` measure it.

What cannot be measured costs its row, not the others.
"""

from __future__ import annotations

import argparse
import shlex
import sys

from bench import accuracy, artefacts, latency
from bench.faces import VALIDATION
from edgewing import formats, hints, measure, rows
from edgewing.errors import InputError
from train import runs

EXAMPLE = "runs/demo-s --data lfpw/testset --layout 300w-68"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help=f"{runs.ABOUT}; with export/")
    parser.add_argument("--data", metavar="DIR", help="photographs with landmarks (default: those the run holds out)")
    parser.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    parser.add_argument("--mode", choices=measure.MODES, default="quick", help=measure.MODE_HELP)
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")


def main(arguments: argparse.Namespace) -> None:
    run = runs.find(arguments.run)
    found, problems = artefacts.find(run)
    for problem in problems:
        print(f"passed over: {problem}", file=sys.stderr)
    if not found:
        raise InputError(f"{run}/export: no artefact; make some with: python -m targets {run}")
    log, faces, rows_made = run / "rows.jsonl", run / VALIDATION, 0
    for path, contract in found:
        print(f"\n{path}", flush=True)
        pictures = run / "bench" / f"{path.name}-faces.npz"
        pictures.parent.mkdir(exist_ok=True)
        score = ["accuracy", "--model", str(path), "--data", arguments.data or str(run), "--pictures", str(pictures)]
        score += ["--layout", arguments.layout] if arguments.layout else []
        time = ["latency", "--model", str(path), "--mode", arguments.mode]
        time += ["--faces", str(faces)] if faces.is_file() else []
        for words in (score, time):
            words += ["--threads", str(arguments.threads)]
            kind, command = words[0], shlex.join(["python", "-m", "bench", *words])
            try:
                # ONNX Runtime can score a TensorRT package's graph, but its time says nothing about TensorRT's.
                lacking = latency.needs(path, contract)
                if lacking and (kind == "latency" or not formats.TABLE[contract.model.format].runtime):
                    raise InputError(lacking)
                row, text = _row(kind, words[1:], command)
                rows_made += 1
            except InputError as error:
                row, text = latency.not_run(kind, str(path), str(error), command), f"{kind}: not run: {error}"
            print(text, flush=True)
            rows.append(log, row)
    if not rows_made:
        raise InputError(f"{run}: nothing could be measured; the reasons stand above and in {log}")
    print(f"\nwrote {log}")
    print(hints.next_line("python -m bench report", run))


def _row(kind: str, words: list[str], command: str) -> tuple[dict, str]:
    """One measurement and how it reads on a terminal."""
    parser, module = argparse.ArgumentParser(), {"accuracy": accuracy, "latency": latency}[kind]
    module.add_arguments(parser)
    parsed = parser.parse_args(words)
    row = accuracy.score_both(parsed, command) if kind == "accuracy" else latency.time_artefact(parsed, command)
    return row, module.describe(row)
