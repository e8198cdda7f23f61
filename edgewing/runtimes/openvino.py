"""OpenVINO packages (.openvino: model.xml, model.bin, contract.json) on the processor.

In float32 where the file says no less: OpenVINO's own choice is bfloat16 where the processor has it, which moves points
by more than float files may be moved.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import packages
from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.runtimes import Description, Tensor, tried

XML, BIN = "model.xml", "model.bin"


class Compiled:
    """A graph in OpenVINO."""

    def __init__(self, compiled, description: Description):
        self.request, self.description = compiled.create_infer_request(), description
        self.inputs, self.outputs = _tensors(compiled.inputs), _tensors(compiled.outputs)

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self.request.infer([tensor])
        return {part.name: self.request.get_output_tensor(i).data for i, part in enumerate(self.outputs)}


def load(path: Path, contract: Contract, threads: int) -> Compiled:
    """InputError where OpenVINO is missing or refuses the package, or it fails its trial."""
    openvino = tried(path, "openvino", library)
    try:
        compiled = _compiled(openvino, path, threads)
    except RuntimeError as error:
        raise InputError(f"{path}: OpenVINO refuses it ({reason(error)}); export it again") from None
    return Compiled(compiled, Description("openvino", metadata.version("openvino"), "CPU, f32", threads))


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it."""
    openvino = library()

    def load(data: bytes):
        with packages.unpacked(data) as folder:
            compiled = _compiled(openvino, folder, 1)
        zeros = [np.zeros(tuple(part.shape), part.element_type.to_dtype()) for part in compiled.inputs]
        return lambda shape: compiled.create_infer_request().infer(zeros)

    return load


def library() -> ModuleType:
    """OpenVINO; InputError where it is not installed.

    Importing it tells its makers so, over the network; without the package that does, it does not.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return importlib.import_module("openvino")
    except ImportError:
        raise InputError("needs OpenVINO; pip install openvino") from None


def _compiled(openvino: ModuleType, folder: Path, threads: int):
    core = openvino.Core()
    model = core.read_model(str(folder / XML), str(folder / BIN))
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": "1"}
    return core.compile_model(model, "CPU", how)


def _tensors(parts) -> list[Tensor]:
    return [
        Tensor(part.any_name, tuple(_size(side) for side in part.partial_shape), part.element_type.to_dtype().name)
        for part in parts
    ]


def _size(side) -> int | None:
    return None if side.is_dynamic else side.get_length()
