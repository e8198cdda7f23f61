"""What a .tflite file says of its operations and tensors, and how its names and metadata are changed.

Through the schema that LiteRT brings, no TensorFlow. A file is bytes here; files from ai-edge-quantizer keep their
tensors behind the flatbuffer, which ``_unpacked`` puts back inside, or repacking would lose them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from edgewing.errors import InputError

OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
TYPES = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}


@dataclass(frozen=True)
class Tensor:
    """constant: its values are in the file. scales, zero_points: of a quantized tensor, else empty."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    constant: bool
    scales: np.ndarray
    zero_points: np.ndarray


@dataclass(frozen=True)
class Operation:
    kind: str
    inputs: list[Tensor]
    outputs: list[Tensor]


def operations(flat: bytes) -> list[Operation]:
    """The operations of the file's one subgraph, in order."""
    model = schema.ModelT.InitFromPackedBuf(flat)
    graph = model.subgraphs[0]
    tensors = [_tensor(model, t) for t in graph.tensors]
    found = []
    for op in graph.operators:
        code = model.operatorCodes[op.opcodeIndex]
        kind = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        inputs, outputs = ([tensors[i] for i in ids if i >= 0] for ids in (op.inputs, op.outputs))
        found.append(Operation(kind, inputs, outputs))
    return found


def _tensor(model, tensor) -> Tensor:
    buffer, q = model.buffers[tensor.buffer], tensor.quantization
    constant = bool(buffer.size) or (buffer.data is not None and len(buffer.data) > 0)
    scales, zeros = (np.asarray([] if v is None else v) for v in ((q.scale, q.zeroPoint) if q else (None, None)))
    shape = () if tensor.shape is None else tuple(int(s) for s in tensor.shape)
    return Tensor(tensor.name.decode(), TYPES[tensor.type], shape, constant, scales, zeros)


def renamed(flat: bytes, outputs: Sequence[str], layer: Callable[[str], str]) -> bytes:
    """The file with short names: the signature's outputs (output_0, output_1, ...) and their tensors get ``outputs``,
    every other tensor but the input ``layer(its name):number``."""
    model = _unpacked(flat)
    signature, graph = model.signatureDefs[0], model.subgraphs[0]
    for i, tensor in enumerate(graph.tensors):
        if i not in graph.inputs:
            tensor.name = f"{layer(tensor.name.decode())}:{i}"
    for output in signature.outputs:
        name = output.name.decode() if isinstance(output.name, bytes) else output.name
        output.name = outputs[int(name.removeprefix("output_"))]
        graph.tensors[output.tensorIndex].name = output.name
    return _packed(model)


def ends(flat: bytes) -> tuple[list[str], list[str]]:
    """Names of the graph's inputs and of its outputs, in order."""
    graph = schema.ModelT.InitFromPackedBuf(flat).subgraphs[0]
    return tuple([graph.tensors[i].name.decode() for i in side] for side in (graph.inputs, graph.outputs))


def with_metadata(flat: bytes, key: str, text: str) -> bytes:
    """The file with a metadata buffer of that name, instead of an earlier one of the same name."""
    model = _unpacked(flat)
    metadata = model.metadata or []
    entry = next((m for m in metadata if m.name in (key, key.encode())), None)
    if entry is None:
        entry = schema.MetadataT()
        entry.name, entry.buffer = key, len(model.buffers)
        model.buffers.append(schema.BufferT())
        model.metadata = [*metadata, entry]
    model.buffers[entry.buffer].data = np.frombuffer(text.encode(), np.uint8)
    return _packed(model)


def _unpacked(flat: bytes):
    model = schema.ModelT.InitFromPackedBuf(flat)
    for buffer in model.buffers:
        if buffer.size:
            buffer.data = np.frombuffer(flat, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    return model


def _packed(model) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def of_int8(flat: bytes) -> bytes:
    """The int8 file with an input of int8, pixels less 128, in place of its cast, division and quantization.

    InputError where something else stands between the picture and the first operation of int8.
    """
    model = _unpacked(flat)
    graph = model.subgraphs[0]
    tensor, dropped, kind = graph.inputs[0], [], ""
    while kind != "QUANTIZE":
        (reader,) = [op for op in graph.operators if tensor in op.inputs]
        code = model.operatorCodes[reader.opcodeIndex]
        kind = OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)]
        if kind not in ("CAST", "MUL", "QUANTIZE"):
            raise InputError(f"the picture goes into a {kind} of floats, where int8 is expected")
        dropped.append(reader)
        tensor = int(reader.outputs[0])
    made = graph.tensors[tensor].quantization
    if not np.isclose(made.scale[0], 1 / 255, atol=1e-6) or made.zeroPoint[0] != -128:
        raise InputError(
            f"the picture is quantized by {made.scale[0]:g} and {made.zeroPoint[0]}, not by 1/255 and -128"
        )
    graph.tensors[tensor].name = model.signatureDefs[0].inputs[0].name
    graph.operators = [op for op in graph.operators if all(op is not one for one in dropped)]
    graph.inputs = [tensor]
    model.signatureDefs[0].inputs[0].tensorIndex = tensor
    return _packed(model)
