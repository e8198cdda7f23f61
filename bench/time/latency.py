"""Latency of one artefact on this machine, in a process of its own so that peak memory and load time are its own.

The measuring itself is `python -m edgewing.measure`, the same file that runs on a phone or a Jetson.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from edgewing import children, containers, formats, hints, measure, processors, rows
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from edgewing.runtimes import tensorrt
from edgewing.tensorrt import cuda
from edgewing.words import counted

EXAMPLE = "--model face-int8.tflite --json latency.json"


def needs(path: Path, contract: Contract) -> str:
    """What this machine lacks to time a file of that contract; empty where it can be timed. No figure stands in.

    A TensorRT engine runs where TensorRT and a GPU are; the ONNX file it is built from is never timed in its place.
    """
    if contract.model.format == "tensorrt" and containers.format_of(path) == "tensorrt":
        try:
            tensorrt.library()
            cuda.driver()
        except InputError:
            pass
        else:
            return ""
    lacking = formats.TABLE[contract.model.format].needs
    return f"needs {lacking}" if lacking else ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument("--json", type=Output, metavar="OUT", help="write the row here (default: print only)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=processors.MEASURED)
    parser.add_argument("--mode", choices=measure.MODES, default="quick", help=measure.MODE_HELP)
    parser.add_argument("--faces", metavar="NPZ", help="time these crops, as of RUN/faces (default: seeded noise)")


def main(model: str, to: str | None, json: str | None, **how) -> None:
    row = latency_row(model, **how)
    print(row_as_text(row))
    rows.keep([row], to, json)
    print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", model))


def latency_row(
    model: str | Path, *, mode: str = "quick", threads: int = 1, faces: str | None = None, device: str = "cpu",
    command: str = "",
) -> dict:  # fmt: skip
    """The latency row of a model. faces: crops to time it on. Raises: InputError where it cannot be run here."""
    path = processors.file_of(model, device)
    if lacking := needs(path, containers.read_contract(path)):
        raise InputError(f"{path}: not run: {lacking}; measure it there with python -m bench devices")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "row.json"
        call = [sys.executable, "-m", "edgewing.measure", "--model", str(path), "--json", str(out)]
        call += ["--threads", str(threads), "--mode", mode, "--device", device] + (["--faces", faces] if faces else [])
        child = subprocess.run(call, capture_output=True, text=True, preexec_fn=children.bound())
        if child.returncode:
            lines = child.stderr.strip().splitlines() or [f"ended with code {child.returncode} and no word"]
            raise InputError(f"{path}: not measured: {lines[-1].removeprefix('error: ')}")
        row = json.loads(out.read_text(encoding="utf-8"))
    return {**row, **rows.header("latency", row["artefact"], row["protocol"], command)}


def row_as_text(row: dict) -> str:
    """What was timed and the figures of a latency row, in lines for a terminal."""
    p = row["protocol"]
    return "\n".join(
        [
            f"protocol: {p['clock']}; mode {p['mode']} (at least {p['least_runs']} runs and {p['least_seconds']:g} s), "
            f"{p['warmup_runs']} runs to warm up, {counted(p['threads'], 'threads')}, {p['input']}",
            f"runtime: {row['runtime']} on {row['machine']['cpu']}",
            *([row["fallback"]] if row["fallback"] else []),
            f"p50 {row['p50_ms']:.3f}  p90 {row['p90_ms']:.3f}  p99 {row['p99_ms']:.3f}  max {row['max_ms']:.3f}  "
            f"processor {row['cpu_ms']:.3f} ms  ({row['runs']} runs, {row['seconds']:.1f} s)",
            *([f"a call: {row['call_ms']:.3f} ms for {p['batch']} crops"] if p["batch"] > 1 else []),
            f"load {row['load_ms']:.0f} ms  first run {row['first_ms']:.1f} ms  peak memory "
            f"{row['peak_bytes'] / 1e6:.0f} MB  file {row['artefact']['bytes'] / 1e3:.0f} kB",
        ]
    )
