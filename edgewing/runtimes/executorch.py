"""ExecuTorch files (.pte) through ExecuTorch's own runtime, which brings torch.

Outputs have no names in a .pte: they are the contract's, in its order.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import files, trial
from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.protobuf import WireError
from edgewing.pte import METHOD, Program
from edgewing.runtimes import PICTURE_CAST, Description, Tensor

CAST = "dim_order_ops::_to_dim_order_copy"  # of uint8 to float; XNNPACK takes those of floats
# c10::ScalarType, as a .pte has it
_DTYPES = {0: "uint8", 1: "int8", 3: "int32", 4: "int64", 5: "float16", 6: "float32"}


class Method:
    """``forward`` of a program, loaded."""

    def __init__(self, program, contract: Contract, description: Description):
        self.torch = importlib.import_module("torch")  # what the runtime takes and gives
        self.program, self.description = program, description  # the method's bytes are the program's
        self.method = program.load_method(METHOD)
        about = self.method.metadata
        taken = [about.input_tensor_meta(i) for i in range(about.num_inputs())]
        given = [about.output_tensor_meta(i) for i in range(about.num_outputs())]
        self.inputs = [_tensor(contract.input.name, part) for part in taken]
        names = [part.name for part in contract.outputs]
        names += [f"number {i}" for i in range(len(names), len(given))]
        self.outputs = [_tensor(name, part) for name, part in zip(names, given)]

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        found = self.method.execute([self.torch.from_numpy(tensor)])
        return {part.name: output.numpy() for part, output in zip(self.outputs, found)}


def load(path: Path, contract: Contract, threads: int) -> Method:
    """Raises InputError where ExecuTorch is missing, has not the backend that the file was made for, or refuses the
    file, or it fails its trial."""
    backends, left, taken = calls(path)
    with trial.of(path, "executorch"):
        try:
            runtime = library().Runtime.get()
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        for backend in backends:
            if not runtime.backend_registry.is_available(backend):
                where = "a Mac" if backend.startswith("CoreML") else "another machine"
                raise InputError(f"{path}: needs {where}: ExecuTorch has no {backend} here; run it there")
    portable = importlib.import_module("executorch.extension.pybindings.portable_lib")
    portable._unsafe_reset_threadpool(threads)
    description = Description("executorch", metadata.version("executorch"), "built-in kernels", threads)
    if backends:
        delegate = " and ".join(backend.removesuffix("Backend").upper() for backend in backends)
        kinds = tuple(PICTURE_CAST if kind == CAST else kind for kind in left)
        description = replace(description, delegate=delegate, nodes=taken + len(kinds), left=kinds)
    try:
        return Method(runtime.load_program(path), contract, description)
    except (RuntimeError, ValueError) as error:
        raise InputError(f"{path}: ExecuTorch refuses it ({reason(error)}); export it again") from None


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it."""
    torch, runtime = importlib.import_module("torch"), library().Runtime.get()

    def load(data: bytes):
        program = runtime.load_program(data)
        try:
            method = program.load_method(METHOD)
        except RuntimeError as error:
            raise InputError(f"ExecuTorch refuses it ({reason(error)})") from None
        given = [method.metadata.input_tensor_meta(i) for i in range(method.metadata.num_inputs())]
        zeros = [torch.zeros(*part.sizes(), dtype=getattr(torch, _DTYPES[part.dtype()])) for part in given]
        return lambda shape: program and method.execute(zeros)  # the method's bytes are the program's

    return load


def calls(path: Path) -> tuple[list[str], list[str], int]:
    """Of a .pte: the backends that it calls, the operations outside of them, and how many XNNPACK has taken.
    Raises InputError where it is cut off or damaged."""
    with files.reading(path, files.LARGEST_MODEL) as (file, size):
        try:
            program = Program(file, size)
            backends, kernels = program.calls()
            return list(backends), list(kernels.elements()), program.nodes()
        except WireError as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None


def library() -> ModuleType:
    """ExecuTorch; InputError where it is not installed."""
    try:
        return importlib.import_module("executorch.runtime")
    except ImportError:
        raise InputError("needs ExecuTorch; pip install executorch") from None


def _tensor(name: str, part) -> Tensor:
    return Tensor(name, tuple(part.sizes()), _DTYPES.get(part.dtype(), f"type {part.dtype()}"))
