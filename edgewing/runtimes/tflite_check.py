"""What a .tflite file must be before LiteRT gets its bytes: graphs of built-in operations whose tensors are of a
bounded size, and lie in the file where their shapes and types say.

LiteRT verifies offsets itself; beyond them it believes the file. What that does is seen in its trial (edgewing.trial).

Field numbers: schema.fbs of LiteRT (https://github.com/google-ai-edge/LiteRT).
"""

from __future__ import annotations

import math
from pathlib import Path

from edgewing import containers, files
from edgewing.errors import InputError
from edgewing.flatbuffer import Flatbuffer
from edgewing.protobuf import WireError

MOST_ELEMENTS = 1 << 27  # of one tensor
HIGHEST_RANK = 8
CUSTOM = 32  # of BuiltinOperator: code of the file's maker, which nobody has here
ETHOS = "ethos-u"  # of Vela's one operation
# TensorType -> bytes of an element; of others, such as 4 bits, LiteRT alone knows how they are packed
SIZES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}


class _Custom(Exception):
    """An operation of this name, that is none of LiteRT's."""


def check(path: Path) -> None:
    """Raises InputError where the file is damaged, or is not such a graph."""
    with files.reading(path, files.LARGEST_MODEL) as (file, size):
        try:
            _model(Flatbuffer(file, size))
        except _Custom as error:
            hint = "is for an Ethos-U, and runs in firmware alone; here take the .tflite of the same export"
            other = f"has the operation {str(error)!r}, which is not one of LiteRT's; export it without"
            raise InputError(f"{path}: {hint if str(error) == ETHOS else other}") from None
        except WireError as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None


def _need(condition: bool, text: str) -> None:
    if not condition:
        raise WireError(text)


def _model(flat: Flatbuffer) -> None:
    """Model: operator_codes 1, subgraphs 2, buffers 4, signature_defs 7, external_buffer_groups 8, external_buffers 9.
    OperatorCode: deprecated_builtin_code 0, builtin_code 3. SignatureDef: inputs 0, outputs 1, subgraph_index 4.
    TensorMap: tensor_index 1."""
    model = flat.integer(0, "I")
    _need(not (flat.field(model, 8) or flat.field(model, 9)), "weights in another file")
    codes = list(flat.tables(model, 1))
    for code in codes:
        kind = max(flat.number(code, 0, "b"), flat.number(code, 3, "i"))
        if kind == CUSTOM:
            raise _Custom(flat.text(code, 1)[:40])
        _need(kind >= 0, f"operation {kind}, which is not one of LiteRT's")
    lengths = [containers.tflite_buffer(flat, table)[1] for table in flat.tables(model, 4)]
    counts = [_graph(flat, graph, len(codes), lengths) for graph in flat.tables(model, 2)]
    for signature in flat.tables(model, 7):
        index = flat.number(signature, 4, "I")
        _need(index < len(counts), "a signature of a graph that is not there")
        for name in (*flat.tables(signature, 0), *flat.tables(signature, 1)):
            _need(flat.number(name, 1, "I") < counts[index], "a signature of what is no tensor")


def _graph(flat: Flatbuffer, graph: int, codes: int, lengths: list[int]) -> int:
    """How many tensors it has. SubGraph: tensors 0, inputs 1, outputs 2, operators 3. Operator: opcode_index 0,
    inputs 1 (-1 where an optional one is left out), outputs 2."""
    tensors = list(flat.tables(graph, 0))
    for tensor in tensors:
        _tensor(flat, tensor, lengths)
    found = [*flat.numbers(graph, 1, "i"), *flat.numbers(graph, 2, "i")]
    for operator in flat.tables(graph, 3):
        _need(flat.number(operator, 0, "I") < codes, "an operation without a kind")
        found += [index for index in flat.numbers(operator, 1, "i") if index != -1]
        found += flat.numbers(operator, 2, "i")
    _need(all(0 <= index < len(tensors) for index in found), "an operation on what is no tensor")
    return len(tensors)


def _tensor(flat: Flatbuffer, tensor: int, lengths: list[int]) -> None:
    """Tensor: shape 0, type 1, buffer 2, quantization 4, sparsity 6, external_buffer 10."""
    shape = flat.numbers(tensor, 0, "i")
    _need(len(shape) <= HIGHEST_RANK and all(side >= 0 for side in shape), f"a tensor of shape {shape[:9]}")
    _need(math.prod(shape) <= MOST_ELEMENTS, f"a tensor of absurd size, {shape}")
    kind, buffer = flat.number(tensor, 1, "b"), flat.number(tensor, 2, "I")
    _need(buffer < len(lengths), f"a tensor in buffer {buffer} of {len(lengths)}")
    _need(not flat.field(tensor, 10), "weights in another file")
    size = 0 if flat.field(tensor, 6) else SIZES.get(kind, 0) * math.prod(shape)
    _need(not size or lengths[buffer] in (0, size), f"a tensor of {size} bytes in a buffer of {lengths[buffer]}")
    _scales(flat, flat.table(tensor, 4), shape)


def _scales(flat: Flatbuffer, quantization: int, shape: tuple[int, ...]) -> None:
    """QuantizationParameters: scale 2, zero_point 3, quantized_dimension 6: one for all, or one for each slice of the
    tensor along that dimension; kernels read as many without counting."""
    if not quantization:
        return
    scales, zeros = flat.numbers(quantization, 2, "f"), flat.numbers(quantization, 3, "q")
    axis = flat.number(quantization, 6, "i")
    _need(0 <= axis < max(1, len(shape)), f"a quantized dimension {axis} of {len(shape)}")
    allowed = {0, 1} | ({shape[axis]} if shape else set())
    _need(len(scales) in allowed and len(zeros) in {1, len(scales)}, f"{len(scales)} scales, {len(zeros)} zero points")
    _need(all(0 <= scale < math.inf for scale in scales), "a scale that is no positive number")
