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

INT8 = 9
# TensorType -> bytes of an element
SIZES = {0: 4, 1: 2, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1}
# BuiltinOperator -> how many inputs it takes, at least and at most: what the exporters make of this project's networks,
# and what others of their kind would need.
OPERATIONS = {
    0: (2, 2),  # ADD
    1: (1, 1),  # AVERAGE_POOL_2D
    2: (1, 64),  # CONCATENATION
    3: (3, 3),  # CONV_2D
    4: (3, 3),  # DEPTHWISE_CONV_2D
    5: (1, 1),  # DEPTH_TO_SPACE
    6: (1, 1),  # DEQUANTIZE
    9: (3, 3),  # FULLY_CONNECTED
    14: (1, 1),  # LOGISTIC
    17: (1, 1),  # MAX_POOL_2D
    18: (2, 2),  # MUL
    19: (1, 1),  # RELU
    21: (1, 1),  # RELU6
    22: (1, 2),  # RESHAPE
    23: (2, 2),  # RESIZE_BILINEAR
    25: (1, 1),  # SOFTMAX
    28: (1, 1),  # TANH
    34: (2, 2),  # PAD
    39: (2, 2),  # TRANSPOSE
    40: (2, 2),  # MEAN
    41: (2, 2),  # SUB
    42: (2, 2),  # DIV
    43: (1, 1),  # SQUEEZE
    45: (4, 4),  # STRIDED_SLICE
    53: (1, 1),  # CAST
    54: (2, 2),  # PRELU
    55: (2, 2),  # MAXIMUM
    57: (2, 2),  # MINIMUM
    59: (1, 1),  # NEG
    65: (3, 3),  # SLICE
    67: (3, 4),  # TRANSPOSE_CONV
    70: (2, 2),  # EXPAND_DIMS
    74: (2, 2),  # SUM
    75: (1, 1),  # SQRT
    78: (2, 2),  # POW
    82: (2, 2),  # REDUCE_MAX
    95: (2, 2),  # FLOOR_MOD
    97: (2, 2),  # RESIZE_NEAREST_NEIGHBOR
    98: (1, 1),  # LEAKY_RELU
    114: (1, 1),  # QUANTIZE
    117: (1, 1),  # HARD_SWISH
    152: (1, 1),  # RELU_0_TO_1
}


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
    """Model: operator_codes 1, subgraphs 2, buffers 4, signature_defs 7. OperatorCode: deprecated_builtin_code 0,
    builtin_code 3. SignatureDef: inputs 0, outputs 1, subgraph_index 4. TensorMap: tensor_index 1."""
    model = flat.integer(0, "I")
    kinds = []
    for code in flat.tables(model, 1):
        kind = max(flat.number(code, 0, "b"), flat.number(code, 3, "i"))
        _need(kind in OPERATIONS, f"operation {kind}, which no export needs")
        kinds.append(kind)
    graphs = list(flat.tables(model, 2))
    _need(len(graphs) == 1, f"{len(graphs)} graphs")
    lengths = [containers.tflite_buffer(flat, table)[1] for table in flat.tables(model, 4)]
    count = _graph(flat, graphs[0], kinds, lengths)
    for signature in flat.tables(model, 7):
        _need(flat.number(signature, 4, "I") == 0, "a signature of a graph that is not there")
        for name in (*flat.tables(signature, 0), *flat.tables(signature, 1)):
            _need(flat.number(name, 1, "I") < count, "a signature of what is no tensor")


def _graph(flat: Flatbuffer, graph: int, kinds: list[int], lengths: list[int]) -> int:
    """How many tensors it has: each in the file, an input, or computed once and before it is used.

    SubGraph: tensors 0, inputs 1, outputs 2, operators 3. Operator: opcode_index 0, inputs 1, outputs 2."""
    tensors = list(flat.tables(graph, 0))
    sizes = [_tensor(flat, table, lengths) for table in tensors]
    _need(sum(sizes) <= MOST_BYTES, f"tensors of {sum(sizes)} bytes")
    known = {i for i, size in enumerate(sizes) if not size}
    given = flat.numbers(graph, 1, "i")
    _need(all(0 <= i < len(tensors) for i in given), "an input that is no tensor")
    known.update(given)
    for operator in flat.tables(graph, 3):
        index = flat.number(operator, 0, "I")
        _need(index < len(kinds), "an operation without a kind")
        used, made = (flat.numbers(operator, i, "i") for i in (1, 2))
        least, most = OPERATIONS[kinds[index]]
        _need(least <= len(used) <= most and len(made) == 1, f"operation {kinds[index]} with {len(used)} inputs")
        _need(known.issuperset(used), "an operation on what is not computed before it")
        _need(0 <= made[0] < len(tensors) and made[0] not in known, "an operation whose result is computed before it")
        known.update(made)
    _need(known.issuperset(flat.numbers(graph, 2, "i")), "an output that is not computed")
    return len(tensors)


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
    scales = _scales(flat, flat.table(tensor, 4), shape)
    _need(scales > 0 or kind != INT8, "an int8 tensor without a scale")  # the kernels take for granted that it has one
    size = SIZES[kind] * math.prod(shape)
    _need(lengths[buffer] in (0, size), f"a tensor of {size} bytes in a buffer of {lengths[buffer]}")
    return 0 if lengths[buffer] else size


def _scales(flat: Flatbuffer, quantization: int, shape: tuple[int, ...]) -> int:
    """How many. QuantizationParameters: scale 2, zero_point 3, details_type 4, quantized_dimension 6: one for all, or
    one for each slice of the tensor along that dimension."""
    if not quantization:
        return 0
    _need(flat.number(quantization, 4, "B") == 0, "a quantization of a kind of its own")
    axis = flat.number(quantization, 6, "i")
    _need(0 <= axis < max(1, len(shape)), f"a quantized dimension {axis} of {len(shape)}")
    scales, zeros = flat.numbers(quantization, 2, "f"), flat.numbers(quantization, 3, "q")
    allowed = {0, 1} | ({shape[axis]} if shape else set())
    same = len(zeros) == len(scales) or len(zeros) == 1
    _need(len(scales) in allowed and same, f"{len(scales)} scales and {len(zeros)} zero points")
    _need(all(0 < scale < math.inf for scale in scales), "a scale that is no positive number")
    return len(scales)
