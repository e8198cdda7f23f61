"""The one table of file formats: who reads the contract out of a file, who runs it, what it needs, who makes it.

A new target is three things: its file (``targets/NEW.py`` with ``export(job, precision, path)`` and
``embed(path, contract)``; a new container has a reader, and where it is run a runtime, in files of their own), its row
here, and its package in requirements/targets.txt. Rows name modules as text: this stands below all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

WIDTHS = ("fp32", "fp16", "int8")
BUILD = "on the board: python -m edgewing.build {file}"
FIRMWARE = "into the firmware of a board: xxd -i {file}"
# Arm's NPUs and their widths (multiply-accumulates in a cycle), as Vela has them
WIDE = {"u55": (32, 64, 128, 256), "u65": (256, 512), "u85": (128, 256, 512, 1024, 2048)}
ETHOS = tuple(f"ethos-{npu}-{width}" for npu, widths in WIDE.items() for width in widths)
MOST_THREADS = 64  # of a runtime: with far more the process dies
PRECISIONS = (*WIDTHS, "weight8", "palette6")


@dataclass(frozen=True)
class Target:
    """One conversion. module: where it is. precisions: legal ones; default: those made when none is named.

    next: the command to type, of {file}. tag: what stands in the file's name besides run, precision and options.
    suffix: where it is not its format's. apple: whether --ios says something of it. npu: whether --most-cpu does.
    """

    name: str
    module: str
    aliases: tuple[str, ...]
    precisions: tuple[str, ...]
    default: tuple[str, ...]
    next: str = "edgewing run IMAGE --model {file}"
    tag: str = ""
    suffix: str = ""
    apple: bool = False
    npu: bool = False


@dataclass(frozen=True)
class Format:
    """A kind of file, by its suffix. reader: ``module:function`` of (file, size), the contract's text or None.

    runtime: module with ``load(path, contract, threads)``, '' where none runs it here; tried: whether it has
    ``attempt()`` as edgewing.trial wants it. evaluator: module with ``opened(path)``, the runtimes that stand in where
    ``runtime`` cannot run a file; none for a file that it can. needs: what a machine must have to time it. dashes: of
    its lines in charts, as SVG has them. package: it is a folder.
    """

    suffix: str
    reader: str
    runtime: str = ""
    tried: bool = True
    evaluator: str = ""
    needs: str = ""
    dashes: str = ""
    package: bool = False
    targets: tuple[Target, ...] = ()


TABLE = {
    "onnx": Format(
        ".onnx", "edgewing.containers:onnx", "edgewing.runtimes.onnx",
        targets=(Target("onnx", "targets.onnx", ("ort", "onnxruntime"), ("fp32", "fp16"), ("fp32",)),),
    ),
    "tflite": Format(
        ".tflite", "edgewing.containers:tflite", "edgewing.runtimes.tflite", evaluator="targets.tflm", dashes="7 4",
        targets=(
            Target("tflite", "targets.tflite", ("android", "litert", "lite"), WIDTHS, WIDTHS),
            Target("tflm", "targets.tflm", ("micro", "microcontroller"), ("int8",), ("int8",), FIRMWARE, "tflm"),
            *(Target(npu, "targets.ethos", (), ("int8",), ("int8",), FIRMWARE, npu, npu=True) for npu in ETHOS),
        ),
    ),
    "coreml": Format(
        ".mlpackage", "edgewing.containers:coreml", evaluator="targets.coreml_evaluator", needs="a Mac", dashes="2 4",
        package=True,
        targets=(
            Target(
                "coreml", "targets.coreml", ("ios", "apple", "mlpackage"), PRECISIONS, ("fp16",),
                "drag {file} into Xcode; what is inside: edgewing info {file}", apple=True,
            ),
        ),
    ),
    "tensorrt": Format(
        ".engine", "edgewing.containers:engine", "edgewing.runtimes.tensorrt", tried=False, needs="a GPU",
        dashes="10 3 2 3",
        targets=(
            Target(
                "tensorrt", "targets.tensorrt", ("trt", "jetson", "nvidia"), WIDTHS, ("fp16", "int8"),
                BUILD, "tensorrt", ".onnx",
            ),
            Target("tensorrt11", "targets.tensorrt11", ("trt11",), ("fp16",), ("fp16",), BUILD, "tensorrt11", ".onnx"),
        ),
    ),
    "executorch": Format(
        ".pte", "edgewing.containers:executorch", "edgewing.runtimes.executorch",
        evaluator="targets.executorch_coreml",
        targets=(
            Target("executorch", "targets.executorch", ("pte", "et", "xnnpack"), ("fp32", "int8"), ("int8",)),
            Target(
                "executorch-coreml", "targets.executorch_coreml", ("pte-coreml",), ("fp16",), ("fp16",),
                "load {file} with ExecuTorch in an iOS app; what is inside: edgewing info {file}", "coreml", apple=True,
            ),
        ),
    ),
    "openvino": Format(
        ".openvino", "edgewing.containers:package", "edgewing.runtimes.openvino", dashes="5 2 1 2", package=True,
        targets=(Target("openvino", "targets.openvino", ("ov", "intel", "ir"), WIDTHS, ("fp16", "int8")),),
    ),
    "mnn": Format(
        ".mnn", "edgewing.containers:mnn", "edgewing.runtimes.mnn", dashes="8 2 2 2",
        targets=(Target("mnn", "targets.mnn", ("alibaba",), ("fp32", "fp16", "weight8"), ("fp16",)),),
    ),
    "ncnn": Format(
        ".ncnn", "edgewing.containers:package", "edgewing.runtimes.ncnn", dashes="1 3", package=True,
        targets=(Target("ncnn", "targets.ncnn", ("pnnx",), ("fp32", "fp16"), ("fp16",)),),
    ),
    "safetensors": Format(".safetensors", "edgewing.containers:safetensors"),
}  # fmt: skip
BY_SUFFIX = {form.suffix: name for name, form in TABLE.items()}
