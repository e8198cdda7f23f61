"""What a model runs on: the CPU, or what the installed runtimes offer beside it; and which of them is the fastest.

``device``: ``cpu``; ``gpu``, ``npu``: the first of that kind that starts; a name of PROCESSORS; ``auto``: measured.
A processor that does not start is said in one line, and the CPU takes its place.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import containers, formats, models, notices, runtimes
from edgewing.errors import InputError, unknown
from edgewing.runtimes import Runtime

DEVICES = ("auto", "cpu", "gpu", "npu")
# p99 of the distance to the CPU's points, px of a 256 px crop; of weights of 8 bits or fewer, and of float ones
SHIFT_LIMIT = {"integer": 2.0, "float": 0.1}
ROUNDS = 5  # runs of each candidate, of which the shortest counts


@dataclass(frozen=True)
class Processor:
    """kind: cpu, gpu or npu. form: of the files that it runs. provider: its name in that runtime. options: for that.
    package: what pip installs for it, or where it comes from. auto: whether it is tried without being asked for."""

    kind: str
    form: str
    provider: str
    options: Mapping[str, str]
    package: str
    auto: bool = True


def _onnx(kind: str, provider: str, package: str, auto: bool = True, **options: str) -> Processor:
    return Processor(kind, "onnx", f"{provider}ExecutionProvider", options, package, auto)


# In the order in which they are tried. OpenVINO computes in bf16 where a processor can, which moves points by more than
# the gate allows, so it is told not to. LiteRT's start a driver to see whether there is one: not without being asked.
PROCESSORS = {
    "cuda": _onnx("gpu", "CUDA", "onnxruntime-gpu", use_tf32="0"),
    "tensorrt": _onnx("gpu", "Tensorrt", "onnxruntime-gpu, and TensorRT", auto=False),  # builds for minutes
    "migraphx": _onnx("gpu", "MIGraphX", "onnxruntime-migraphx"),
    "directml": _onnx("gpu", "Dml", "onnxruntime-directml"),
    "coreml": _onnx("npu", "CoreML", "onnxruntime, on a Mac", ModelFormat="MLProgram", MLComputeUnits="ALL"),
    "coreml-gpu": _onnx("gpu", "CoreML", "onnxruntime, on a Mac", ModelFormat="MLProgram", MLComputeUnits="CPUAndGPU"),
    "qnn": _onnx("npu", "QNN", "onnxruntime-qnn", backend_type="htp"),
    "openvino": _onnx("cpu", "OpenVINO", "onnxruntime-openvino", device_type="CPU", precision="ACCURACY"),
    "openvino-gpu": _onnx("gpu", "OpenVINO", "onnxruntime-openvino", device_type="GPU", precision="ACCURACY"),
    "openvino-npu": _onnx("npu", "OpenVINO", "onnxruntime-openvino", device_type="NPU", precision="ACCURACY"),
    "xnnpack": _onnx("cpu", "Xnnpack", "an onnxruntime that is built with it"),
    "litert-gpu": Processor(
        "gpu", "tflite", "GPU", {}, "ai-edge-litert, and a driver (Vulkan, Metal, Direct3D)", False
    ),
    "litert-npu": Processor("npu", "tflite", "NPU", {}, "ai-edge-litert, and the maker's libraries", False),
    "litert-cpu": Processor("cpu", "tflite", "CPU", {}, "ai-edge-litert", False),
}


def here(device: str, files: Mapping[str, Path]) -> list[str]:
    """The names of processors that ``device`` means, that the runtimes installed here know and the files fit; all that
    ``auto`` tries. Raises InputError for a word that is none."""
    if device not in DEVICES and device not in PROCESSORS:
        raise unknown("device", device, [*DEVICES, *PROCESSORS])
    meant = {name: p for name, p in PROCESSORS.items() if device in (name, p.kind) or (device == "auto" and p.auto)}
    meant = {} if device == "cpu" else meant
    offered = {form: _offered(form) for form in {p.form for p in meant.values()} if form in files}
    return [name for name, p in meant.items() if p.provider in offered.get(p.form, ())]


def _offered(form: str) -> tuple[str, ...]:
    try:
        return importlib.import_module(formats.TABLE[form].runtime).offered()
    except InputError:
        return ()


def open(files: Mapping[str, Path], device: str = "cpu", threads: int = 1) -> Runtime:
    """A model on that processor. files: format -> file of one model, the one for the CPU first. ``auto`` is the CPU:
    ``fastest`` says what to take in its place.

    Raises InputError as runtimes.open; not where a processor is missing, which is a line on stderr.
    """
    names, problems = here(device, files), []
    for name in names if device != "auto" else ():
        try:
            return start(name, files, threads, tell=True)
        except InputError as error:
            problems.append(f"{name}: {error}")
    if device not in ("auto", "cpu") and next(iter(files)) in ("onnx", "tflite"):
        wanted = {p.package: None for name, p in PROCESSORS.items() if device in (name, p.kind) and p.form in files}
        comes = "no runtime here has one; it comes with " + " or ".join(wanted)
        why = "; ".join(problems) or (comes if wanted else "it needs an ONNX file: edgewing-free-s has one")
        print(f"note: {device} cannot be had, so it runs on the CPU ({why})", file=sys.stderr)
    return runtimes.open(next(iter(files.values())), threads)


def start(name: str, files: Mapping[str, Path], threads: int = 1, tell: bool = False) -> Runtime:
    """A model on the processor of that name. Raises InputError where it does not start or run there."""
    processor = PROCESSORS[name]
    runtime = runtimes.open(files[processor.form], threads, tell, (processor.provider, processor.options))
    size = runtime.contract.crop.size
    with notices.quiet():
        runtime.raw(np.zeros((1, size, size, 3), np.uint8))  # a graph may open and not run
    return runtime


MEASURED = "the processor's kind, or its name (docs/app.md); no other takes its place (default: %(default)s)"


def file_of(model: str | Path, device: str = "cpu") -> Path:
    """The file of a model that ``device`` runs. InputError where no runtime here has that, or none of the files fits:
    where something is measured nothing takes its place."""
    files = models.files(model)
    if device == "cpu":
        return next(iter(files.values()))
    names = here(device, files) if device != "auto" else []
    if not names:
        raise InputError(
            f"{model}: --device {device} cannot be had here; `edgewing doctor` says what is, and what to type"
        )
    return files[PROCESSORS[names[0]].form]


def on(path: Path, device: str = "cpu", threads: int = 1) -> Runtime:
    """That file on that processor and no other. InputError where it does not start there."""
    if device == "cpu":
        return runtimes.open(path, threads)
    files, problems = {containers.format_of(path): path}, []
    for name in here(device, files):
        try:
            return start(name, files, threads, tell=True)
        except InputError as error:
            problems.append(f"{name}: {error}")
    raise InputError(f"{path}: does not run on {device} here ({'; '.join(problems) or 'no runtime has it'})")


def _seconds(runtime: Runtime, crops: np.ndarray) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        runtime.raw(crops)
        times.append(time.perf_counter() - start)
    return min(times)


Timer = Callable[[Runtime, np.ndarray], float]
_fastest: dict[tuple[object, ...], str] = {}


def fastest(
    cpu: Runtime, files: Mapping[str, Path], crops: np.ndarray, threads: int = 1, seconds: Timer = _seconds
) -> Runtime:
    """The runtime that takes the least time for these crops, (B, S, S, 3) uint8 RGB, of those whose points agree with
    the CPU's; remembered for as long as the process lives. One that disagrees is said in a line on stderr. seconds:
    what a runtime takes for crops."""
    key = (*files.values(), threads)
    if key in _fastest:
        return start(_fastest[key], files, threads) if _fastest[key] else cpu
    best, best_name, least = cpu, "", seconds(cpu, crops)
    limit = SHIFT_LIMIT["integer" if cpu.contract.model.precision == "int8" else "float"]
    for name in here("auto", files):
        try:
            candidate = start(name, files, threads)
            shift = disagreement(cpu, candidate, crops)
        except InputError:
            continue
        if shift > limit:
            said = f"{name} moves points by {shift:.2f} px of a 256 px crop (p99), over {limit:g}; not taken"
            print(f"note: {said}", file=sys.stderr)
        elif (took := seconds(candidate, crops)) < least:
            best, best_name, least = candidate, name, took
    _fastest[key] = best_name
    return best


def disagreement(one: Runtime, other: Runtime, crops: np.ndarray) -> float:
    """p99 of the distance between the points of both, px of a 256 px crop."""
    first, second = one(crops).landmarks, other(crops).landmarks
    if not np.isfinite(second).all():
        return float("inf")
    return float(np.percentile(np.linalg.norm(first - second, axis=2), 99) * 256 / one.contract.crop.size)
