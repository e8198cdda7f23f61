"""What is installed, what is missing, and what to type. Each check does the thing itself, not only an import."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator

import numpy as np

from edgewing import __version__, detection
from edgewing.errors import InputError


def report() -> Iterator[str]:
    """A line a finding: what, ``ok`` or ``missing``, and the version or the command that helps."""
    yield f"edgewing {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield from _finding("numpy", lambda: np.__version__)
    yield from _finding("OpenCV", _opencv)
    yield from _finding("ONNX (.onnx)", _onnx)
    yield from _finding("TFLite (.tflite)", _tflite)
    yield from _finding("TensorRT (.engine)", _tensorrt)
    for name in detection.DETECTORS:
        yield from _finding(f"detector {name}", lambda name=name: _detector(name))
    yield from _finding("--detector auto", lambda: detection.open("auto").name)


def _finding(what: str, check: Callable[[], str]) -> Iterator[str]:
    try:
        yield f"ok       {what:<26} {check()}"
    except (ImportError, InputError) as error:
        yield f"missing  {what:<26} {error}"


def _opencv() -> str:
    try:
        import cv2
    except ImportError:
        raise InputError("pip install 'opencv-python-headless<5'") from None
    return cv2.__version__


def _onnx() -> str:
    from edgewing.runtimes import onnx

    return f"onnxruntime {onnx.library().__version__}"


def _tflite() -> str:
    from edgewing.runtimes import tflite

    _, name, version = tflite.library()
    return f"{name} {version}"


def _tensorrt() -> str:
    from edgewing import cuda
    from edgewing.runtimes import tensorrt

    return f"tensorrt {tensorrt.library().__version__}, {cuda.driver().chip()}"


def _detector(name: str) -> str:
    """Finds nothing in a grey picture: that it runs is what counts."""
    find = detection.DETECTORS[name](1)
    find(np.full((64, 64, 3), 128, np.uint8))
    return str(getattr(find, "description", "in OpenCV's wheel"))
