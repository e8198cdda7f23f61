"""edgewing: face landmarks on the edge. numpy and OpenCV; never torch.

>>> faces = edgewing.Landmarker()("portrait.jpg")
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what _LAZY gives, for editors and type checkers
    from edgewing.camera.streams import stream
    from edgewing.camera.tracking import Tracker
    from edgewing.faces import Face, Faces
    from edgewing.images import read_image
    from edgewing.landmarker import Landmarker

__version__ = "0.1.0"

# ONNX Runtime writes a device id and events to the user's cache the moment it is imported, and reads this only then.
# All that imports it imports this package first.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

# Imported when they are asked for: `edgewing info` reads a contract without OpenCV.
_LAZY = {
    "Face": "edgewing.faces",
    "Faces": "edgewing.faces",
    "Landmarker": "edgewing.landmarker",
    "Tracker": "edgewing.camera.tracking",
    "read_image": "edgewing.images",
    "stream": "edgewing.camera.streams",
}
__all__ = ["Face", "Faces", "Landmarker", "Tracker", "read_image", "stream"]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)
