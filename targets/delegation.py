"""What delegates take of a phone's .tflite file. XNNPACK, which LiteRT itself brings, must take it all: a gate on nodes
that fall back to slower kernels. A node in the middle that is refused costs more than its own time, because the maps
are handed over and back.

LiteRT's GPU delegate is asked too, and what it says is a line for the user. LiteRT's analyzer is not: in the PyPI
package it finds every file compatible, for its table of operations is left out there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from edgewing import runtimes
from edgewing.runtimes import tflite

THREADS = (1, 2)
# Besides the picture's cast: of the paper's network, which doubles its maps by repeating cells and halves them by their
# mean. XNNPACK refuses the one, and the other in int8. The mobile network has neither for that reason.
EXCEPTIONS = ("RESIZE_NEAREST_NEIGHBOR", "AVERAGE_POOL_2D")
GPU = "import sys; from edgewing.runtimes.compiled import load; print(load(sys.argv[1], 1, 'GPU').description.delegate)"
LEFT = re.compile(
    r"not supported by GPU delegate:\n((?:.+\n)+?)(\d+) operations will run on the GPU, and the remaining (\d+)"
)
GPU_SECONDS = 120


def problems(path: Path, opened: runtimes.Runtime) -> list[str]:
    """A sentence if XNNPACK leaves a node of a .tflite file that is no exception, with 1 or with 2 threads. ``opened``:
    it is already, with one of them. A file for a microcontroller is none for XNNPACK.
    """
    if opened.contract.input.dtype == "int8":
        return []
    for threads in THREADS:
        known = opened.description
        found = known if known.threads == threads else tflite.interpret(path, threads)[1]
        if set(found.left) - {runtimes.PICTURE_CAST, *EXCEPTIONS}:
            return [f"{found.fallback} ({threads} thread{'s' * (threads > 1)})"]
    return []


def gpu(path: Path) -> str:
    """What the GPU delegate takes of a .tflite file, as a line; in a process of its own, whose driver may die.

    It is the delegate of this machine (WebGPU), whose parser is that of the phones'. A driver in software will do.
    """
    try:
        done = subprocess.run([sys.executable, "-c", GPU, path], capture_output=True, timeout=GPU_SECONDS)
    except subprocess.TimeoutExpired:
        return f"LiteRT's GPU delegate: no answer within {GPU_SECONDS} s"
    log, taken = (stream.decode(errors="replace") for stream in (done.stderr, done.stdout))
    if found := LEFT.search(log):
        refused, (on_gpu, left) = found[1].splitlines(), map(int, found.groups()[1:])
        said = f"leaves {left} of {on_gpu + left} nodes to the CPU, refused: {'; '.join(refused)}"
    elif not done.returncode:
        said = "takes a part of the nodes" if "CPU" in taken else "takes every node"
    elif "Failed to initialize WebGPU" in log:
        said = "not asked, for it finds no GPU here"
    else:
        said = f"does not take the file: {next(iter(re.findall('ERROR: (.*)', log)), 'it died')}"
    return f"LiteRT's GPU delegate: {said}"
