"""`edgewing doctor` here, where there is no runtime, and where two OpenCVs lie over one another."""

import subprocess
import sys

import pytest

from edgewing import detection, doctor
from edgewing.camera import recording
from edgewing.errors import InputError
from tests.edgewing.test_cli import edgewing


def test_what_is_here():
    done = edgewing("doctor")
    assert done.returncode == 0 and done.stderr == ""
    lines = {line[9:35].strip(): line for line in done.stdout.splitlines()[1:]}
    assert all(line.split()[0] in ("ok", "missing") for line in lines.values())
    here = ["numpy", "OpenCV", "TFLite (.tflite)", "ONNX (.onnx)", "ExecuTorch (.pte)", "videos (FFmpeg)"]
    here += [f"detector {name}" for name in detection.DETECTORS] + [f"video {suffix}" for suffix in recording.CODECS]
    assert [name for name in here if not lines[name].startswith("ok")] == []
    assert "CPUExecutionProvider" in lines["ONNX (.onnx)"] and "mp4v" in lines["video .mp4"]
    assert {"GStreamer", "window", "cameras", "camera page", "TensorRT (.engine)", "models"} <= set(lines)


def test_what_to_type():
    """A process that cannot import the runtimes: the detectors run in OpenCV, which is always there."""
    code = (
        "import sys; sys.modules.update({name: None for name in "
        "('onnxruntime', 'ai_edge_litert', 'tflite_runtime', 'tensorflow', 'executorch', 'openvino', 'MNN', 'ncnn')})\n"
        "from edgewing import cli; cli.main(['doctor'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0
    for package in ("onnxruntime", "ai-edge-litert", "executorch", "openvino", "MNN", "ncnn"):
        assert f"pip install {package}" in done.stdout
    assert "ok       detector blazeface-back    OpenCV" in done.stdout


def test_two_opencvs():
    assert doctor.one_of({"opencv-python-headless": "4.14.0"}) == "opencv-python-headless"
    with pytest.raises(InputError, match="uninstall -y opencv-python opencv-python-headless && pip install .*==4"):
        doctor.one_of({"opencv-python": "4.13.0", "opencv-python-headless": "4.14.0"})
