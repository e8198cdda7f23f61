"""What every layer of an exported file makes of crops, by the names and the order that exporters keep: for bisect.

ONNX node names and TFLite tensor names begin with the module they come from; CoreML packages keep the order of
operations. Built-in kernels, unoptimised: a delegate keeps its tensors to itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor, nn

from edgewing.contract import Contract
from edgewing.errors import InputError
from targets import onnx as onnx_target
from targets import tflite
from targets.graph import Interface

PICTURE = "picture"  # the pixels behind their normalisation: what exporters call ``graph``
# The modules of the torch network by name, in the order in which they are done.
Order = list[tuple[str, nn.Module]]


@dataclass(frozen=True)
class Value:
    """A tensor of the file, over all crops. layers: the modules it may be the result of; None for any."""

    layers: frozenset[str] | None
    values: np.ndarray


def _onnx(path: Path, about: Contract, crops: np.ndarray, order: Order) -> Iterator[Value]:
    """What each node makes, unoptimised: float tensors of nodes that are named after a module."""
    import onnx

    model = onnx.load(path, load_external_data=False)
    outputs = {output.name for output in model.graph.output}
    layer_of = {
        name: node.name.rpartition(":")[0]
        for node in model.graph.node
        for name in node.output
        if name and node.op_type not in ("QuantizeLinear", "DequantizeLinear", "Cast", "Shape", "Constant")
    }
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in layer_of if name not in outputs)
    session = onnx_target.session(model, optimised=False)
    names = [output.name for output in session.get_outputs() if output.type == "tensor(float)"]
    interface = Interface(about.input.axes, about.input.dtype, about.input.name)
    parts = [session.run(names, {interface.name: interface.tensor(some).numpy()}) for some in _batches(about, crops)]
    for name, values in _joined(names, parts):
        yield Value(None if name in outputs else _named(layer_of[name]), values)


def _tflite(path: Path, about: Contract, crops: np.ndarray, order: Order) -> Iterator[Value]:
    """What each operation makes, by built-in kernels; integers as the real numbers they stand for."""
    interpreter, computed = tflite.with_all_tensors(path.read_bytes())
    image = interpreter.get_input_details()[0]["index"]
    outputs = {detail["index"] for detail in interpreter.get_output_details()}
    wanted = [detail for detail in computed if detail["name"]]
    parts = []
    for some in _batches(about, crops):
        interpreter.set_tensor(image, some)
        interpreter.invoke()
        parts.append([_real(interpreter.get_tensor(d["index"]), d["quantization_parameters"]) for d in wanted])
    for detail, values in _joined(wanted, parts):
        layer = detail["name"].partition(":")[0]
        yield Value(None if detail["index"] in outputs else _named(layer), values)


def _real(values: np.ndarray, quantization: dict) -> np.ndarray:
    if len(quantization["scales"]) != 1 or values.dtype.kind == "f":
        return values.astype(np.float32, copy=False)
    zero, scale = (np.float32(quantization[name][0]) for name in ("zero_points", "scales"))
    return (values.astype(np.float32) - zero) * scale


def _named(layer: str) -> frozenset[str]:
    return frozenset([PICTURE if layer == "graph" else layer])


def _coreml(path: Path, about: Contract, crops: np.ndarray, order: Order) -> Iterator[Value]:
    """What each operation makes, by the evaluator. A package keeps no module names, but the order of its operations:
    its k-th convolution is torch's k-th, and what lies between two convolutions belongs to the modules done there; not
    to the convolution before, of which a sum with it may be nearer to what torch has than its own wrong result."""
    from targets.coreml_evaluator import Evaluator

    evaluate = Evaluator(path)
    convolutions = [i for i, (_, module) in enumerate(order) if isinstance(module, nn.Conv2d)]
    ends = [*convolutions, len(order)]
    starts = [0, *(i + 1 for i in convolutions)]
    done = [frozenset(name for name, _ in order[a:b]) for a, b in zip(starts, ends)]
    operations = [op for op in evaluate.graph.operations if op.op_type != "quantize"]
    if sum(op.op_type == "conv" for op in operations) != len(convolutions):
        raise InputError(f"{path}: not the convolutions of the run; was it exported from another?")
    outputs = {output.name for output in evaluate.graph.outputs}
    layers, seen = {}, 0
    for op in operations:
        seen += op.op_type == "conv"
        layer = frozenset([order[convolutions[seen - 1]][0]]) if op.op_type == "conv" else done[seen]
        layers |= {var.name: None if var.name in outputs else layer for var in op.outputs}
    values = [evaluate.graph.values(evaluate.input(some)) for some in _batches(about, crops)]
    names = [name for name in layers if isinstance(values[0][name], Tensor) and values[0][name].is_floating_point()]
    units = _units(evaluate.graph.operations)
    for name, joined in _joined(names, [[part[name].numpy() for name in names] for part in values]):
        yield Value(layers[name], joined / np.float32(units.get(name, 1.0)))


def _units(operations: list) -> dict[str, float]:
    """How many times too large values are. Between a dequantize and a quantize coremltools divides both inputs of an
    addition by the scale of one, which saves hardware a multiplication, and makes up for it behind."""
    units: dict[str, float] = {}
    steps: dict[str, float] = {}  # what 1 in 8 bits stands for
    for op in operations:
        name = op.outputs[0].name
        if op.op_type == "quantize":
            steps[name] = float(np.ravel(op.inputs["scale"].val)[0]) / units.get(op.inputs["input"].name, 1.0)
        elif op.op_type == "dequantize":
            units[name] = float(np.ravel(op.inputs["scale"].val)[0]) / steps[op.inputs["input"].name]
        elif op.op_type == "add":
            units[name] = units.get(op.inputs["x"].name, 1.0)
    return units


def _batches(about: Contract, crops: np.ndarray) -> Iterator[np.ndarray]:
    batch = about.input.shape[0]
    return (crops[i : i + batch] for i in range(0, len(crops), batch))


def _joined(names: list, parts: list[list[np.ndarray]]) -> Iterator[tuple]:
    """Each name with its values of all batches, where they have a batch."""
    for name, values in zip(names, zip(*parts)):
        if values[0].ndim:
            yield name, np.concatenate(values)


# format -> the tensors of a file: (path, contract, crops, order) -> values in the order of execution
READERS = {"onnx": _onnx, "tflite": _tflite, "coreml": _coreml}
