"""TensorRT: an ONNX file made for its builder, which runs on the board: ``python -m edgewing.build FILE.onnx``.

fp32 and fp16 are the plain graph; the builder chooses the kernels. int8 carries its scales in the file (explicit QDQ),
as TensorRT asks for them: symmetric, so all zero points are 0; weights per output channel, activations per tensor; a
pair on both inputs of an addition, so that it runs in int8 and fuses with the convolution; biases stay float32 (the
parser refuses int32); no uint8 anywhere, which is why the image is float32 NCHW, 0 to 255. Weights are float with a
pair behind them, which every version of TensorRT since 8 folds.

All are of opset 17, the newest that the parser of TensorRT 8.5 and 8.6 (JetPack 5) reads: from 18 on the axes of a
ReduceMax are an input, which it does not look for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgewing.errors import InputError
from targets import onnx as plain
from targets.graph import Interface
from targets.job import Job

FORMAT, INTERFACE = "tensorrt", Interface("NCHW", "float32")
LIBRARIES = plain.LIBRARIES
OPSET = 17
# The stem stays out of int8, and the builder takes fp16 for it: symmetric 8 bits are 7 for a picture, whose values are
# all above 0. On the demo, p99 falls from 2.11 to 1.68 px of 256. (Of the paper's stem: its first convolution.)
STEM = r"^stem\.(\d|conv)"
# What runs in int8, and how many of its inputs are activations. A pair before a Resize keeps the maps around it small.
QUANTIZED = {"Conv": 1, "ConvTranspose": 1, "Add": 2, "Concat": None, "Resize": 1, "AveragePool": 1}


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    plain.write(path, converted(job, precision), job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def converted(job: Job, precision: str):
    """The onnx.ModelProto that this file is, and that those of other builders are made from: made once for all."""
    model = job.once(FORMAT, lambda: older(plain.convert(job.graph(INTERFACE))))
    if precision == "int8":
        return quantize(model, job.measured(FORMAT, partial(activations, model)), job.float_layers)
    return model


embed = plain.embed


def older(model):
    """A copy in the opset that TensorRT 8.5 reads; torch's exporter itself writes 18 at least."""
    import onnx.version_converter

    converted = onnx.version_converter.convert_version(model, OPSET)
    converted.ir_version = plain.IR
    return converted


def quantize(model, measured: dict[str, tuple[float, float]], float_layers: Sequence[str] = ()):
    """A copy with explicit quantize and dequantize pairs; stem, decode and ``float_layers`` stay without.

    model: what ``older`` made of the graph with this file's INTERFACE. measured: tensor name -> (low, high),
    by targets.ranges from ``activations``. float_layers: regular expressions, searched in the names of the network's
    modules (``stacks.0.head``).
    """
    import onnx

    out = onnx.ModelProto()
    out.CopyFrom(model)
    weights = {i.name: onnx.numpy_helper.to_array(i) for i in out.graph.initializer}
    chosen = [node for node in out.graph.node if _chosen(node, float_layers)]
    pairs = Pairs(onnx)
    for node in chosen:
        for i, name in enumerate(node.input[: QUANTIZED[node.op_type]]):
            if name in measured:
                node.input[i] = pairs.activation(name, *measured[name])
            elif name in weights:  # the constant map of a CoordConv
                node.input[i] = pairs.activation(name, weights[name].min(), weights[name].max())
        if node.op_type in ("Conv", "ConvTranspose"):
            node.input[1] = pairs.weight(
                node.input[1], weights[node.input[1]], axis=int(node.op_type == "ConvTranspose")
            )
    nodes = list(out.graph.node)
    del out.graph.node[:]
    out.graph.node.extend(_in_order(pairs.nodes, nodes))
    out.graph.initializer.extend(pairs.initializers)
    if refused := problems(out):
        raise InputError(f"TensorRT would refuse the int8 file: {'; '.join(refused[:3])}")
    return out


def _chosen(node, float_layers: Sequence[str]) -> bool:
    layer = node.name.split(":")[0]
    if node.op_type not in QUANTIZED or layer in ("graph", "decode"):
        return False
    return not any(re.search(pattern, layer) for pattern in (STEM, *float_layers))


def _activation_inputs(node, constant: set[str]) -> list[str]:
    return [name for name in node.input[: QUANTIZED[node.op_type]] if name and name not in constant]


class Pairs:
    """Quantize and dequantize pairs, one for each tensor however many read it."""

    def __init__(self, onnx):
        self.onnx, self.nodes, self.initializers, self._made = onnx, [], [], {}

    def activation(self, name: str, low: float, high: float) -> str:
        """Symmetric around 0, over the larger side; the name of the dequantized tensor."""
        return self._pair(name, np.float32(max(-low, high, 1e-6) / 127), np.int8(0), {})

    def weight(self, name: str, values: np.ndarray, axis: int) -> str:
        """The same, a scale for each output channel."""
        largest = np.abs(values).max(axis=tuple(a for a in range(values.ndim) if a != axis))
        scale = np.maximum(largest / 127, 1e-9).astype(np.float32)
        return self._pair(name, scale, np.zeros(len(scale), np.int8), {"axis": axis})

    def _pair(self, name: str, scale: np.ndarray, zero: np.ndarray, how: dict) -> str:
        if name not in self._made:
            helper, to_tensor = self.onnx.helper, self.onnx.numpy_helper.from_array
            names = [f"{name}.scale", f"{name}.zero"]
            self.initializers += [to_tensor(np.asarray(v), n) for v, n in zip((scale, zero), names)]
            q, dq = f"{name}.int8", f"{name}.dequantized"
            self.nodes.append(helper.make_node("QuantizeLinear", [name, *names], [q], f"{name}:quantize", **how))
            self.nodes.append(helper.make_node("DequantizeLinear", [q, *names], [dq], f"{name}:dequantize", **how))
            self._made[name] = dq
        return self._made[name]


def _in_order(pairs: list, nodes: list) -> list:
    """Each pair right behind what makes its tensor; those of weights and inputs first."""
    behind: dict[str, list] = {}
    made = {name for node in nodes for name in node.output}
    ordered = []
    for q, dq in zip(pairs[::2], pairs[1::2]):
        target = behind.setdefault(q.input[0], []) if q.input[0] in made else ordered
        target += [q, dq]
    for node in nodes:
        ordered.append(node)
        for name in node.output:
            ordered += behind.get(name, [])
    return ordered


def activations(model, crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each crop every tensor that int8 could need a range of, by name, as ONNX Runtime computes them."""
    import onnx

    constant = {i.name for i in model.graph.initializer}
    names = sorted({n for node in model.graph.node if _chosen(node, ()) for n in _activation_inputs(node, constant)})
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    there = {output.name for output in watched.graph.output}
    watched.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in there
    )
    session = plain.session(watched)
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
    for crop in crops:
        image = INTERFACE.tensor(np.repeat(crop[None], batch, axis=0)).numpy()  # each crop counts for itself
        yield dict(zip(names, session.run(names, {INTERFACE.name: image})))


def problems(model) -> list[str]:
    """What TensorRT's parser would refuse in an explicit QDQ file, or run in float, a line each; empty if nothing."""
    import onnx

    values = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    opset = next(o.version for o in model.opset_import if not o.domain)
    found = [f"opset {opset}, and JetPack 5 reads up to {OPSET}"] if opset > OPSET else []
    found += [f"{i.name} is uint8" for i in model.graph.initializer if i.data_type == onnx.TensorProto.UINT8]
    tensors = (*model.graph.input, *model.graph.output)
    found += [f"{t.name} is uint8" for t in tensors if t.type.tensor_type.elem_type == onnx.TensorProto.UINT8]

    def paired(name: str) -> bool:
        return name in made_by and made_by[name].op_type == "DequantizeLinear"

    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            if len(node.input) < 3:
                found.append(f"{node.name} has no zero point, and is uint8 without one")
            elif np.any(values[node.input[2]] != 0):
                found.append(f"{node.name} has a zero point that is not 0")
        if node.op_type in ("Conv", "ConvTranspose"):
            if paired(node.input[0]) != paired(node.input[1]):
                found.append(f"{node.name} has a pair on its image or its weights only")
            if paired(node.input[1]):
                found += _scales(node, made_by[node.input[1]], made_by, values)
            bias = node.input[2] if len(node.input) > 2 else ""
            if bias and (bias not in values or values[bias].dtype != np.float32):
                found.append(f"{node.name} has a bias that is not float32")
        if node.op_type == "Add" and paired(node.input[0]) != paired(node.input[1]):
            found.append(f"{node.name} has a pair on one input only")
    return found


def _scales(node, dequantize, made_by: dict, values: dict) -> list[str]:
    """Whether the weights of a convolution have a scale for each output channel, along that axis."""
    weights = made_by[dequantize.input[0]].input[0]
    wanted = int(node.op_type == "ConvTranspose")
    channels = values[weights].shape[wanted]
    axis = next((a.i for a in dequantize.attribute if a.name == "axis"), 1)
    scales = values[dequantize.input[1]].size
    # one channel may have its scale as a scalar
    if scales == channels and (channels == 1 or axis == wanted):
        return []
    return [f"{node.name} has {scales} scales for the {channels} channels of its weights, along axis {axis}"]
