"""Load and run model files in processes of their own, with 1 GiB and 2 s of processor time more than they start with.

python -m tests.edgewing.loading FILE... prints a JSON line for each: its path and how it ended. ``ran``; ``refused``,
with the line that a user would see; or what must never happen, another exception or a signal (24: the time was up).
"""

import json
import os
import resource
import signal
import sys

import numpy as np

from edgewing import containers, runtimes
from edgewing.errors import InputError
from edgewing.face_set import Faces
from edgewing.runtimes import executorch, onnx, tflite

HERE = ("onnx", "tflite", "executorch")  # formats with a runtime on this machine; of the others the contract is read
GIB, SECONDS = 1 << 30, 2
WALL = 120  # s, for a process that sleeps; the machine may be busy


def size() -> int:
    """Bytes of address space in use."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def load(path: str) -> dict:
    if path.endswith(".npz"):
        Faces.load(path, 64)
    elif containers.format_of(path) in HERE:
        runtime = runtimes.open(path)
        side = runtime.contract.crop.size
        runtime(np.zeros((1, side, side, 3), np.uint8))
    else:
        containers.read_contract(path)
    return {"ended": "ran"}


def child(path: str, pipe: int) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)  # the libraries say much about such files
    os.dup2(quiet, 1), os.dup2(quiet, 2)
    signal.alarm(WALL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (size() + GIB,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
    try:
        found = load(path)
    except InputError as error:
        found = {"ended": "refused", "said": str(error)}
    except BaseException as error:
        found = {"ended": type(error).__name__, "said": str(error)}
    os.write(pipe, json.dumps(found).encode())
    os._exit(0)


def main(paths: list[str]) -> None:
    onnx.library(), tflite.library(), executorch.library()  # what they cost is not the files' doing
    for path in paths:
        out, into = os.pipe()
        if not (process := os.fork()):
            child(path, into)
        os.close(into)
        with open(out, "rb") as file:
            text = file.read()
        _, status = os.waitpid(process, 0)
        found = json.loads(text) if os.WIFEXITED(status) else {"ended": f"signal {os.WTERMSIG(status)}"}
        print(json.dumps({"path": path} | found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
