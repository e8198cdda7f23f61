"""What importing costs: never torch, and OpenCV only where a picture is touched."""

import pkgutil
import subprocess
import sys

import pytest

import edgewing

MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(edgewing.__path__, "edgewing.") if not name.endswith("__main__")
)
NUMPY_ALONE = ["edgewing.layouts", "edgewing.geometry", "edgewing.decoding", "edgewing.metrics", "edgewing.contract"]


def loaded(modules: list[str]) -> set[str]:
    """Top-level names in sys.modules of a fresh interpreter that has imported these."""
    code = f"import sys, {', '.join(modules)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_all_of_edgewing_without_torch():
    assert {"edgewing.cli", "edgewing.runtimes.onnx", "edgewing.runtimes.tflite"} <= set(MODULES)
    assert not loaded(MODULES) & {"torch", "train", "targets", "compress", "bench", "onnx", "tensorflow"}


def test_these_need_numpy_alone():
    assert not loaded(NUMPY_ALONE) & {"cv2", "torch", "onnxruntime", "ai_edge_litert"}


@pytest.mark.parametrize("module", ["edgewing.containers", "edgewing.cli", "edgewing.runtimes"])
def test_looking_into_a_model_needs_no_opencv_and_no_runtime(module):
    assert not loaded([module]) & {"cv2", "onnxruntime", "ai_edge_litert"}


AS_ON_WINDOWS = """
import os, signal, sys
del signal.SIGKILL, signal.SIGHUP, os.fchmod
sys.modules |= {"resource": None, "fcntl": None}
import edgewing.cli, edgewing.doctor, edgewing.camera.app, edgewing.camera.streams, edgewing.measure
from edgewing import files
files.write("a.txt", b"1")
"""


def test_what_windows_lacks_is_not_needed(tmp_path):
    subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], cwd=tmp_path, check=True)
    assert (tmp_path / "a.txt").read_bytes() == b"1"
