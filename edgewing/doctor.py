"""What is installed, what is missing, and what to type. Each check does the thing itself, not only an import."""

from __future__ import annotations

import functools
import importlib
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from edgewing import __version__, detection, notices, processors
from edgewing.camera import pipes, recording
from edgewing.errors import InputError

# distributions that write into the one folder cv2, those with a window first
OPENCVS = ("opencv-contrib-python", "opencv-python", "opencv-contrib-python-headless", "opencv-python-headless")


def report() -> Iterator[str]:
    """A line a finding: what, ``ok`` or ``missing``, and the version or the command that helps."""
    yield f"edgewing {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    for what, check in CHECKS.items():
        try:
            with notices.quiet():
                found = check()
            yield f"ok       {what:<26} {found}"
        except (ImportError, InputError) as error:
            yield f"missing  {what:<26} {error}"


def _opencv() -> str:
    try:
        import cv2
    except ImportError:
        raise InputError("pip install opencv-python-headless") from None
    return cv2.__version__


def _only_one() -> str:
    """OpenCVs lie over one another, and the files of the last one win; taking one away breaks the rest."""
    versions = {d.metadata["Name"].lower(): d.version for d in metadata.distributions() if d.metadata["Name"]}
    return one_of({name: versions[name] for name in OPENCVS if name in versions})


def one_of(found: dict[str, str]) -> str:
    """found: distribution -> version, the one to keep first.
    Raises InputError with what to type where there are several."""
    if len(found) < 2:
        return next(iter(found), "not from a package of pip")
    kept, names = next(iter(found.items())), " ".join(found)
    raise InputError(f"{len(found)} lie over one another; pip uninstall -y {names} && pip install {kept[0]}=={kept[1]}")


def _window() -> str:
    from edgewing import window

    window.refuse_without()
    return "for edgewing camera"


def _backend(name: str, otherwise: str) -> str:
    import cv2

    if not cv2.videoio_registry.hasBackend(getattr(cv2, f"CAP_{name}")):
        raise InputError(otherwise)
    return "in this OpenCV"


def _codec(suffix: str) -> str:
    """Writes a frame and reads it again."""
    from edgewing.camera import sources

    frame = np.full((64, 64, 3), 128, np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"frame{suffix}"
        video = recording.VideoFile(path, 30.0)
        video.write(frame, 0.0)
        video.close()
        codec = video.codec
        read = sources.open(str(path))
        next(read.frames())
        read.close()
    return codec


def _cameras() -> str:
    if not sys.platform.startswith("linux"):
        return "not listed on this system; try: edgewing camera"
    found = sorted(str(path) for path in Path("/dev").glob("video*"))
    if not found:
        raise InputError("no /dev/video*; plug one in, or name a stream: edgewing camera --source rtsp://...")
    return ", ".join(found)


def _onnx() -> str:
    from edgewing.runtimes import onnx

    library = onnx.library()
    return f"onnxruntime {library.__version__}; {', '.join(library.get_available_providers())}"


def _tflite() -> str:
    from edgewing.runtimes import tflite

    _, name, version = tflite.library()
    return f"{name} {version}"


def _processor(name: str) -> str:
    """Starts it, and runs the smallest model that came with the package on it."""
    from edgewing import models

    processor = processors.PROCESSORS[name]
    files = models.SHIPPED["edgewing-s"].present
    if name not in processors.here(name, files):
        raise InputError(f"no runtime here knows it; it comes with {processor.package}")
    return str(processors.start(name, files).description)


def _tensorrt() -> str:
    from edgewing.runtimes import tensorrt
    from edgewing.tensorrt import cuda

    return f"tensorrt {tensorrt.library().__version__}, {cuda.driver().chip()}"


def _runtime(name: str) -> str:
    """name: of the distribution, and of the module in edgewing.runtimes."""
    importlib.import_module(f"edgewing.runtimes.{name}").library()
    return f"{name} {metadata.version(name)}"


def _detector(name: str) -> str:
    """Finds nothing in a grey picture: that it runs is what counts."""
    find = detection.DETECTORS[name](1)
    find(np.full((64, 64, 3), 128, np.uint8))
    return str(getattr(find, "description", ""))


def _models() -> str:
    from edgewing import models

    return f"{', '.join(name for name, model in models.SHIPPED.items() if model.present)}; {models.default()} is taken"


def _page() -> str:
    from edgewing import web

    if not web.is_built():
        raise InputError("in the repository type: make web")
    return "for edgewing web and edgewing app web"


def _gstreamer() -> str:
    """Not run: GStreamer keeps a list of its plugins in the user's home."""
    if (found := shutil.which(pipes.GSTREAMER)) is None:
        raise InputError(pipes.NEEDED)
    return found


CHECKS: dict[str, Callable[[], str]] = {
    "numpy": lambda: np.__version__,
    "OpenCV": _opencv,
    "one OpenCV": _only_one,
    "models": _models,
    **{f"detector {name}": functools.partial(_detector, name) for name in detection.DETECTORS},
    "TFLite (.tflite)": _tflite,
    "ONNX (.onnx)": _onnx,
    "TensorRT (.engine)": _tensorrt,
    "ExecuTorch (.pte)": functools.partial(_runtime, "executorch"),
    "OpenVINO (.openvino)": functools.partial(_runtime, "openvino"),
    "MNN (.mnn)": functools.partial(_runtime, "mnn"),
    "NCNN (.ncnn)": functools.partial(_runtime, "ncnn"),
    **{f"--device {name}": functools.partial(_processor, name) for name in processors.PROCESSORS},
    "camera page": _page,
    "window": _window,
    "cameras": _cameras,
    "videos (FFmpeg)": functools.partial(_backend, "FFMPEG", "pip install --force-reinstall opencv-python-headless"),
    "GStreamer": _gstreamer,
    **{f"video {suffix}": functools.partial(_codec, suffix) for suffix in recording.CODECS},
}
