"""Run a command again and again and kill it at random moments: `python -m tests.bench.killed RUN KILLS MODULE WORD...`.

MODULE: whose ``main`` takes the words. It runs in forked children, so that imports are paid for once; the first is not
killed and says how long one takes, the last is not either. After each, every file of the run with a name of its own
must be whole. Prints JSON: how many were killed, and the exit codes of those that ended by themselves.
"""

import hashlib
import importlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import cv2  # noqa: F401
import numpy as np
import torch

from bench import __main__ as bench_command  # noqa: F401
from compress import quantize  # noqa: F401
from edgewing import containers, rows
from targets import coreml, gate, onnx, table, tensorrt, tflite  # noqa: F401
from targets.export import quantization
from train.evaluate import Faces


def whole(run: Path) -> None:
    """Whatever has a final name can be read, sealed files with their seal."""
    for path in (run / "export").glob("[!.]*"):
        about = containers.read_contract(path)
        assert about.seal.strip("0") and about.parity is not None, path
        assert about.parity.accepted is not table.is_rejected(path), path
    quantization(run)
    for path in run.glob("bench/[!.]*.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            assert all(arrays[name].size for name in arrays), path
    if (run / "rows.jsonl").exists():
        found, broken = rows.read(run / "rows.jsonl")
        assert len(broken) <= 1 or found, broken


def inputs(run: Path) -> str:
    digest = hashlib.sha256((run / "model.safetensors").read_bytes())
    for name in ("validation", "calibration"):
        digest.update(Faces.load(run / "faces" / f"{name}.npz").crops.tobytes())
    return digest.hexdigest()


def made(run: Path) -> dict:
    """What the command has to say in the end, as far as it is the same every time: the bytes of the files, the choice
    of int8, and the newest figures of each file in its rows; times are not."""
    found = {path.name: _digest(path) for path in (run / "export").glob("[!.]*")}
    choice = run / gate.QUANTIZATION
    found["int8"] = choice.read_text() if choice.exists() else ""
    for row in rows.read(run / "rows.jsonl")[0] if (run / "rows.jsonl").exists() else ():
        found[row["kind"], row["artefact"]["path"]] = row.get("nme"), row.get("shift_p99_px"), row.get("not_run")
    return found


def _digest(path: Path) -> str:
    # coremltools numbers what is in a package anew every time; the weights stay, and the figures in the rows
    files = sorted(path.rglob("weight.bin")) if path.is_dir() else [path]
    assert files
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def started(module: str, words: list[str]) -> int:
    """A child that runs the command, in a group of its own."""
    if child := os.fork():
        return child
    os.setpgid(0, 0)
    code = 70
    try:
        code = importlib.import_module(module).main(words) or 0
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.stdout.flush()
        os._exit(code)


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(run: Path, kills: int, module: str, words: list[str]) -> dict:
    torch.set_num_threads(1)
    random.seed(0)
    before, start = inputs(run), time.monotonic()
    codes, killed = [code_of(started(module, words))], 0
    longest = time.monotonic() - start
    whole(run)
    expected = made(run)
    while killed < kills:
        child = started(module, words)
        time.sleep(random.uniform(0, longest))
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            codes.append(os.waitstatus_to_exitcode(status))
        else:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
        whole(run)
    codes.append(code_of(started(module, words)))
    whole(run)
    assert inputs(run) == before
    assert made(run) == expected
    assert not list((run / "export").glob(".*")), "unfinished files are there"
    return {"killed": killed, "codes": sorted(set(codes)), "seconds": round(longest, 1)}


if __name__ == "__main__":
    signal.alarm(1800)
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])))
