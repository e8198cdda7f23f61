"""What a .tflite file must be before LiteRT gets its bytes: one graph of the operations that exports are made of, whose
indices, shapes, buffers and scales fit one another.

LiteRT verifies offsets itself; beyond them it believes the file, and where the file is wrong the process may end.

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
MOST_BYTES = 1 << 30  # of all tensors that are computed
HIGHEST_RANK = 8

# TensorType -> bytes of an element
SIZES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}
# BuiltinOperator -> name: what the exporters make of this project's networks, and what others of their kind would need.
OPERATIONS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 2: "CONCATENATION", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE",
    9: "FULLY_CONNECTED", 14: "LOGISTIC", 17: "MAX_POOL_2D", 18: "MUL", 19: "RELU", 21: "RELU6", 22: "RESHAPE",
    23: "RESIZE_BILINEAR", 25: "SOFTMAX", 28: "TANH", 34: "PAD", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV",
    43: "SQUEEZE", 45: "STRIDED_SLICE", 49: "SPLIT", 53: "CAST", 54: "PRELU", 55: "MAXIMUM", 57: "MINIMUM", 59: "NEG",
    65: "SLICE", 67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS", 74: "SUM", 75: "SQRT", 78: "POW", 82: "REDUCE_MAX",
    95: "DEPTH_TO_SPACE", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU", 114: "QUANTIZE", 117: "HARD_SWISH",
    152: "RELU_0_TO_1",
}  # fmt: skip


def check(path: Path) -> None:
    """InputError where the file is damaged, or is not such a graph."""
    with files.reading(path, containers.LARGEST_FILE) as (file, size):
        try:
            _model(Flatbuffer(file, size))
        except WireError as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None


def _need(condition: bool, text: str) -> None:
    if not condition:
        raise WireError(text)


def _model(flat: Flatbuffer) -> None:
    """Model: operator_codes 1, subgraphs 2, buffers 4. OperatorCode: deprecated_builtin_code 0, builtin_code 3."""
    model = flat.integer(0, "I")
    kinds = []
    for code in flat.tables(model, 1):
        kind = max(flat.number(code, 0, "b"), flat.number(code, 3, "i"))
        _need(kind in OPERATIONS, f"operation {kind}, which no export needs")
        kinds.append(kind)
    graphs = list(flat.tables(model, 2))
    _need(len(graphs) == 1, f"{len(graphs)} graphs")
    lengths = [containers.tflite_buffer(flat, table)[1] for table in flat.tables(model, 4)]
    _graph(flat, graphs[0], kinds, lengths)


def _graph(flat: Flatbuffer, graph: int, kinds: list[int], lengths: list[int]) -> None:
    """SubGraph: tensors 0, inputs 1, outputs 2, operators 3. Operator: opcode_index 0, inputs 1, outputs 2."""
    tensors = list(flat.tables(graph, 0))
    computed = sum(_tensor(flat, table, lengths) for table in tensors)
    _need(computed <= MOST_BYTES, f"tensors of {computed} bytes")
    for index in (1, 2):
        ends = flat.numbers(graph, index, "i")
        _need(all(0 <= i < len(tensors) for i in ends), "an input or output that is no tensor")
    for operator in flat.tables(graph, 3):
        _need(flat.number(operator, 0, "I") < len(kinds), "an operation without a kind")
        for index, least in ((1, -1), (2, 0)):  # -1: an input that is left out
            used = flat.numbers(operator, index, "i")
            _need(all(least <= i < len(tensors) for i in used), "an operation on what is no tensor")


def _tensor(flat: Flatbuffer, tensor: int, lengths: list[int]) -> int:
    """Its bytes where they are computed, 0 where they are in the file. Tensor: shape 0, type 1, buffer 2,
    quantization 4, is_variable 5, sparsity 6, shape_signature 7, variant_tensors 9."""
    shape = flat.numbers(tensor, 0, "i")
    _need(len(shape) <= HIGHEST_RANK and all(side > 0 for side in shape), f"a tensor of shape {shape[:9]}")
    _need(math.prod(shape) <= MOST_ELEMENTS, f"a tensor of absurd size, {shape}")
    kind, buffer = flat.number(tensor, 1, "b"), flat.number(tensor, 2, "I")
    _need(kind in SIZES, f"a tensor of type {kind}")
    _need(buffer < len(lengths), f"a tensor in buffer {buffer} of {len(lengths)}")
    extras = (flat.number(tensor, 5, "B"), flat.field(tensor, 6), flat.field(tensor, 9))
    _need(not any(extras), "a sparse or variable tensor")
    signature = flat.numbers(tensor, 7, "i")
    _need(signature in ((), shape), f"a tensor of shape {shape} or {signature[:9]}")
    _scales(flat, flat.table(tensor, 4), shape)
    size = SIZES[kind] * math.prod(shape)
    _need(lengths[buffer] in (0, size), f"a tensor of {size} bytes in a buffer of {lengths[buffer]}")
    return 0 if lengths[buffer] else size


def _scales(flat: Flatbuffer, quantization: int, shape: tuple[int, ...]) -> None:
    """QuantizationParameters: scale 2, zero_point 3, details_type 4, quantized_dimension 6: one for all, or one for
    each slice of the tensor along that dimension."""
    if not quantization:
        return
    _need(flat.number(quantization, 4, "B") == 0, "a quantization of a kind of its own")
    axis = flat.number(quantization, 6, "i")
    _need(0 <= axis < max(1, len(shape)), f"a quantized dimension {axis} of {len(shape)}")
    scales, zeros = flat.numbers(quantization, 2, "f"), flat.numbers(quantization, 3, "q")
    allowed = {0, 1} | ({shape[axis]} if shape else set())
    _need(len(scales) in allowed and len(zeros) in allowed, f"{len(scales)} scales and {len(zeros)} zero points")
    _need(all(0 <= scale < math.inf for scale in scales), "a scale that is no positive number")
