"""MNN files (.mnn) through MNN, on the processor."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import files
from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.notices import quiet
from edgewing.runtimes import Description, Tensor, tried


class Session:
    """A graph in MNN."""

    def __init__(self, mnn: ModuleType, path: Path, threads: int):
        self.mnn, self.description = mnn, Description("mnn", mnn.version(), "CPU, high precision", threads)
        self.kinds = {"uint8": mnn.Halide_Type_Uint8, "float32": mnn.Halide_Type_Float}
        self.interpreter = mnn.Interpreter(str(path))
        how = {"backend": "CPU", "numThread": threads, "precision": "high"}  # it may take bfloat16 where it likes
        self.session = self.interpreter.createSession(how)
        self.taken = self.interpreter.getSessionInputAll(self.session)
        self.given = self.interpreter.getSessionOutputAll(self.session)
        self.inputs, self.outputs = ([_tensor(*part) for part in all_.items()] for all_ in (self.taken, self.given))

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        (into,), axes = self.taken.values(), self.mnn.Tensor_DimensionType_Caffe
        into.copyFrom(self.mnn.Tensor(tensor.shape, self.kinds[tensor.dtype.name], tensor, axes))
        self.interpreter.runSession(self.session)
        found = {}
        for part in self.outputs:
            host = self.mnn.Tensor(part.shape, self.kinds["float32"], np.zeros(part.shape, np.float32), axes)
            self.given[part.name].copyToHostTensor(host)
            found[part.name] = host.getNumpyData().copy()  # the array is the tensor's
        return found


def load(path: Path, contract: Contract, threads: int) -> Session:
    """InputError where MNN is missing or refuses the file, or it fails its trial."""
    mnn = tried(path, "mnn", library)
    try:
        with quiet(1, 2), files.plain(path) as name:
            return Session(mnn, Path(name), threads)
    except Exception as error:  # its own are plain Exceptions
        raise InputError(f"{path}: MNN refuses it ({reason(error)}); export it again") from None


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it."""
    mnn = library()

    def load(data: bytes):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "model.mnn")
            path.write_bytes(data)
            session = Session(mnn, path, 1)
        return lambda shape: [session.run(np.zeros(part.shape, part.dtype)) for part in session.inputs]

    return load


def library() -> ModuleType:
    """MNN; InputError where it is not installed."""
    try:
        with quiet(1, 2):  # it says on stdout what the processor has
            return importlib.import_module("MNN")
    except ImportError:
        raise InputError("needs MNN; pip install MNN") from None


def _tensor(name: str, tensor) -> Tensor:
    return Tensor(name, tuple(tensor.getShape()), tensor.getNumpyData().dtype.name)
