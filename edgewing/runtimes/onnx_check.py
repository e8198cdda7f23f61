"""What an .onnx file must be before ONNX Runtime gets its bytes: one plain graph, of the operations that exports are
made of, with tensors of a bounded size that lie in the file or in its folder.

ONNX Runtime parses before it refuses, computes what depends on constants while it loads, and opens any file that is
named as a tensor's place: a small file can ask for all the memory there is, or for somebody else's files.

Field numbers: onnx.proto (https://github.com/onnx/onnx).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgewing import containers, files
from edgewing.errors import InputError
from edgewing.protobuf import Message, WireError

MOST_ELEMENTS = 1 << 27  # of one tensor
NAME = 4096  # bytes of a name

# What the exporters make of this project's networks, and what others of their kind would need.
OPERATIONS = frozenset(
    """Add AveragePool BatchNormalization Cast Clip Concat Constant Conv ConvTranspose DepthToSpace DequantizeLinear Div
    Flatten Gather Gemm GlobalAveragePool HardSigmoid HardSwish Identity LeakyRelu MatMul Max MaxPool Min Mul Neg PRelu
    Pad Pow QuantizeLinear ReduceMax ReduceMean ReduceSum Relu Reshape Resize Sigmoid Slice Softmax Split Sqrt Squeeze
    Sub Tanh Transpose Unsqueeze""".split()
)
# What may be computed of constants alone, while the file is loaded: nothing that is larger than they are.
FOLDED = frozenset("Cast Constant DequantizeLinear Identity QuantizeLinear Reshape Squeeze Transpose Unsqueeze".split())


class _Refused(Exception):
    """Why this graph is not run."""


def check(path: Path) -> None:
    """InputError where the file is damaged, or is not such a graph."""
    folder = path.resolve().parent
    with files.reading(path, containers.LARGEST_FILE) as (file, size):
        try:
            _model(Message(file, 0, size), folder)
        except (WireError, ValueError) as error:  # ValueError: a NUL byte in a file's name
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None
        except _Refused as refused:
            raise InputError(f"{path}: {refused}; refused, as no export needs that") from None


def _model(model: Message, folder: Path) -> None:
    """ModelProto: graph 7, training_info 20, functions 25."""
    graphs = []
    for number, value in model.fields():
        if number in (20, 25):
            raise _Refused("has functions or training steps besides its graph")
        if number == 7:
            graphs.append(_message(value))
    if len(graphs) != 1:
        raise _Refused(f"has {len(graphs)} graphs")
    _graph(graphs[0], folder)


def _graph(graph: Message, folder: Path) -> None:
    """GraphProto: node 1, initializer 5, input 11, output 12, value_info 13, sparse_initializer 15."""
    constants: set[str] = set()
    nodes = []
    for number, value in graph.fields():
        if number == 1:
            nodes.append(_message(value))
        elif number == 5:
            constants.add(_tensor(_message(value), folder))
        elif number in (11, 12, 13):
            _value(_message(value))
        elif number == 15:
            raise _Refused("has sparse weights")
    for node in nodes:
        _node(node, constants, folder)


def _node(node: Message, constants: set[str], folder: Path) -> None:
    """NodeProto: input 1, output 2, op_type 4, attribute 5, domain 7."""
    inputs, outputs, kind, domain = [], [], "", ""
    for number, value in node.fields():
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            kind = _text(value)
        elif number == 5:
            _attribute(_message(value), folder)
        elif number == 7:
            domain = _text(value)
    if kind not in OPERATIONS or domain not in ("", "ai.onnx"):
        raise _Refused(f"uses the operation {'.'.join(filter(None, (domain, kind)))[:100]!r}")
    if all(name in constants or not name for name in inputs):
        if kind not in FOLDED:
            raise _Refused(f"computes {kind} of constants alone")
        constants.update(outputs)


def _attribute(attribute: Message, folder: Path) -> None:
    """AttributeProto: t 5, g 6, tensors 10, graphs 11, type 14 and 15, sparse 22 and 23."""
    for number, value in attribute.fields():
        if number in (5, 10):
            _tensor(_message(value), folder)
        elif number in (6, 11, 14, 15, 22, 23):
            raise _Refused("has a graph inside a node")


def _tensor(tensor: Message, folder: Path) -> str:
    """The name. TensorProto: dims 1, name 8, external_data 13."""
    dims: list[int] = []
    name = ""
    for number, value in tensor.fields():
        if number == 1:
            dims += value.numbers() if isinstance(value, Message) else [value]
        elif number == 8:
            name = _text(value)
        elif number == 13:
            _place(_message(value), folder)
    _size(dims, name)
    return name


def _place(pair: Message, folder: Path) -> None:
    """StringStringEntryProto: key 1, value 2. Every location counts: of several, ONNX Runtime takes the last."""
    parts = {number: _text(value) for number, value in pair.fields()}
    location = parts.get(2, "")
    if parts.get(1) == "location" and not (folder / location).resolve().is_relative_to(folder):
        raise _Refused(f"keeps weights outside its folder, in {location!r}")


def _value(value: Message) -> None:
    """ValueInfoProto: type 2; TypeProto: tensor_type 1; its shape 2; dim 1; dim_value 1."""
    for kind in value.messages(2):
        for number, tensor in kind.fields():
            if number in (4, 5, 7, 8, 9):
                raise _Refused("has a value that is no tensor")
            if number == 1:
                for shape in _message(tensor).messages(2):
                    _size([n for dim in shape.messages(1) for field, n in dim.fields() if field == 1], "a value")


def _size(dims: Sequence[int | Message], name: str) -> None:
    if not all(isinstance(side, int) for side in dims):
        raise WireError("a message where a number is expected")
    if not math.prod(dims) <= MOST_ELEMENTS:
        raise _Refused(f"has a tensor of absurd size, {name[:100]!r}")


def _message(value: int | Message) -> Message:
    if not isinstance(value, Message):
        raise WireError("a number where a message is expected")
    return value


def _text(value: int | Message) -> str:
    return _message(value).text(NAME)
