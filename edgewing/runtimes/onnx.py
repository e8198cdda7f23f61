"""ONNX files through ONNX Runtime, on the processor."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import containers, files
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.protobuf import Message, WireError
from edgewing.runtimes import Description, Tensor

_DTYPES = {"tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(float16)": "float16", "tensor(float)": "float32"}


class Session:
    """A graph in ONNX Runtime."""

    def __init__(self, session, description: Description):
        self.session, self.description = session, description
        self.inputs = [_tensor(value) for value in session.get_inputs()]
        self.outputs = [_tensor(value) for value in session.get_outputs()]
        self._names = [tensor.name for tensor in self.outputs]

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self.session.run(self._names, {self.inputs[0].name: tensor})))


def load(path: Path, contract: Contract, threads: int) -> Session:
    """InputError where ONNX Runtime is missing, refuses the file, or the file's weights lie outside its folder."""
    try:
        onnxruntime = library()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    _refuse_outside(path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads sleep
    options.log_severity_level = 4  # what matters comes as an exception
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exception types are private
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{path}: ONNX Runtime refuses it ({reason}); export it again") from None
    return Session(session, Description("onnxruntime", onnxruntime.__version__, "CPUExecutionProvider", threads))


def library() -> ModuleType:
    """ONNX Runtime; InputError where it is not installed."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise InputError("needs ONNX Runtime; pip install onnxruntime") from None


def _tensor(value) -> Tensor:
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Tensor(value.name, shape, _DTYPES.get(value.type, value.type))


def _refuse_outside(path: Path) -> None:
    """A model may keep weights in files beside it, and nowhere else: a name such as ../../secret is refused."""
    folder = path.resolve().parent
    with files.reading(path, containers.LARGEST_FILE) as (file, size):
        try:
            for location in _external(Message(file, 0, size)):
                if not (folder / location).resolve().is_relative_to(folder):
                    raise InputError(f"{path}: keeps weights outside its folder, in {location!r}; refused")
        except (WireError, ValueError) as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None


def _external(model: Message) -> Iterator[str]:
    """Names of the files that tensors are kept in.

    onnx.proto3: ModelProto.graph 7, .functions 25; GraphProto.node 1, .initializer 5, .sparse_initializer 15;
    FunctionProto.node 7; NodeProto.attribute 5; AttributeProto.t 5, .g 6, .tensors 10, .graphs 11,
    .sparse_tensor 22, .sparse_tensors 23; SparseTensorProto.values 1, .indices 2; TensorProto.external_data 13.
    """
    graph = {1: "node", 5: "tensor", 15: "sparse"}
    inside = {
        "model": {7: "graph", 25: "function"},
        "graph": graph,
        "function": {7: "node"},
        "node": {5: "attribute"},
        "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
        "sparse": {1: "tensor", 2: "tensor"},
    }
    waiting = [("model", model)]
    while waiting:
        kind, message = waiting.pop()
        if kind == "tensor":
            location = message.entry(13, "location", 4096)
            if location is not None:
                yield location
            continue
        for number, value in message.fields():
            if number in inside[kind] and isinstance(value, Message):
                waiting.append((inside[kind][number], value))
