"""What a phone's delegate must take of a .tflite file: the gate on nodes that fall back to slower kernels.

Here that is XNNPACK, the delegate that LiteRT itself brings. A node in the middle that it refuses costs more than its
own time, because the maps are handed over and back.
"""

from __future__ import annotations

from pathlib import Path

from edgewing import runtimes
from edgewing.runtimes import tflite

THREADS = (1, 2)
# Besides the picture's cast: of the paper's network, which doubles its maps by repeating cells and halves them by their
# mean. XNNPACK refuses the one, and the other in int8. The mobile network has neither for that reason.
EXCEPTIONS = ("RESIZE_NEAREST_NEIGHBOR", "AVERAGE_POOL_2D")


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
