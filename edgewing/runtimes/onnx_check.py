"""What an .onnx file must be before a library gets its bytes: one graph of standard operations, of a bounded number of
parts, whose tensors are of a bounded size and lie in the file. What it then does is seen in its trial (edgewing.trial).

ONNX Runtime and OpenCV parse before they refuse, and open any file that is named as a tensor's place: a small file can
ask for somebody else's.

Field numbers: onnx.proto (https://github.com/onnx/onnx).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from edgewing import files
from edgewing.errors import InputError
from edgewing.protobuf import Message, WireError

MOST_ELEMENTS = 1 << 27  # of one tensor
DEEPEST = 8  # graphs inside nodes inside graphs
NAME = 4096  # bytes of a name
# ONNX's own, and what ONNX Runtime's optimiser and quantiser write; any other would need a library of the file's maker.
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
TRAINING_INFO, FUNCTIONS, EXTERNAL_DATA = 20, 25, 13


class _Refused(Exception):
    """Why this graph is not run."""


def check(path: Path) -> None:
    """Raises InputError where the file is damaged, or is not such a graph."""
    with files.reading(path, files.LARGEST_MODEL) as (file, size):
        try:
            _model(Message(file, 0, size))
        except WireError as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None
        except _Refused as refused:
            raise InputError(f"{path}: {refused}; refused, as no export needs that") from None


def _model(model: Message) -> None:
    """ModelProto: graph 7."""
    graphs = []
    for number, value in model.fields():
        if number in (TRAINING_INFO, FUNCTIONS):
            raise _Refused("has functions or training steps besides its graph")
        if number == 7:
            graphs.append(_message(value))
    if len(graphs) != 1:
        raise _Refused(f"has {len(graphs)} graphs")
    _graph(graphs[0], 0)


def _graph(graph: Message, depth: int) -> None:
    """GraphProto: node 1, initializer 5, input 11, output 12, value_info 13, sparse_initializer 15."""
    if depth > DEEPEST:
        raise _Refused(f"has graphs inside graphs, more than {DEEPEST} deep")
    for number, value in graph.fields():
        if number == 1:
            _node(_message(value), depth)
        elif number == 5:
            _tensor(_message(value))
        elif number in (11, 12, 13):
            _value(_message(value))
        elif number == 15:
            raise _Refused("has sparse weights")


def _node(node: Message, depth: int) -> None:
    """NodeProto: op_type 4, attribute 5, domain 7."""
    kind, domain = "", ""
    for number, value in node.fields():
        if number == 4:
            kind = _text(value)
        elif number == 5:
            _attribute(_message(value), depth)
        elif number == 7:
            domain = _text(value)
    if domain not in DOMAINS:
        raise _Refused(f"uses the operation {f'{domain}.{kind}'[:100]!r}, which is not one of ONNX")


def _attribute(attribute: Message, depth: int) -> None:
    """AttributeProto: t 5, g 6, tensors 10, graphs 11, sparse_tensor 22, sparse_tensors 23."""
    for number, value in attribute.fields():
        if number in (5, 10):
            _tensor(_message(value))
        elif number in (6, 11):
            _graph(_message(value), depth + 1)
        elif number in (22, 23):
            raise _Refused("has sparse weights")


def _tensor(tensor: Message) -> None:
    """TensorProto: dims 1, name 8."""
    dims: list[int | Message] = []
    name = ""
    for number, value in tensor.fields():
        if number == 1:
            dims += value.numbers() if isinstance(value, Message) else [value]
        elif number == 8:
            name = _text(value)
        elif number == EXTERNAL_DATA:
            raise _Refused("keeps weights in another file")
    _size(dims, name)


def _value(value: Message) -> None:
    """ValueInfoProto: type 2; TypeProto: tensor_type 1; its shape 2; dim 1; dim_value 1."""
    for kind in value.messages(2):
        for tensor in kind.messages(1):
            for shape in tensor.messages(2):
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
