"""TensorRT 11 and later, where a network is computed in the types that its file has and the builder's FP16 flag is
gone: an ONNX file whose network is float16, with a float32 picture and a float32 decode.

int8 needs no file of its own: its scales are in the one for all versions (targets.tensorrt), whose stem and decode are
float32 there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from targets import onnx as plain
from targets import tensorrt
from targets.job import Job
from targets.tensorrt import FORMAT, INTERFACE, LIBRARIES, embed

__all__ = ["FORMAT", "INTERFACE", "embed", "export", "typed"]

FLOAT = ("graph", "decode")  # modules that stay float32: picture, decode


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact, contract inside, parity not yet measured. precision: fp16."""
    plain.write(path, typed(tensorrt.converted(job, "fp32")), job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def typed(model):
    """A copy whose network is float16: its weights as they are, a Cast where its tensors come in and go out."""
    import onnx

    out = onnx.shape_inference.infer_shapes(model)
    graph, half = out.graph, onnx.TensorProto.FLOAT16
    values = {value.name: onnx.numpy_helper.to_array(value) for value in graph.initializer}
    floats = {v.name for v in (*graph.value_info, *graph.input, *graph.output) if v.type.tensor_type.elem_type == 1}
    floats |= {name for name, value in values.items() if value.dtype == np.float32}
    inside = [n.name.split(":")[0] not in FLOAT and n.op_type != "Constant" for n in graph.node]
    made = {name for node, is_in in zip(graph.node, inside) if is_in for name in node.output if name in floats}
    wanted = {name for node, is_in in zip(graph.node, inside) if not is_in for name in node.input}
    wanted |= {output.name for output in graph.output}
    nodes, added = [], {}
    for node, is_in in zip(list(graph.node), inside):
        before, after = [], []
        # a Resize's scales are float32 in every case
        for i, name in enumerate(node.input if is_in else ()):
            if name not in floats or (node.op_type == "Resize" and i):
                continue
            node.input[i] = f"{name}.float16"
            if name not in made and name not in added:
                added[name] = values.get(name)
                if name not in values:
                    before.append(
                        onnx.helper.make_node("Cast", [name], [f"{name}.float16"], f"{node.name}:half", to=half)
                    )
        for i, name in enumerate(node.output if is_in else ()):
            if name in made:
                node.output[i] = f"{name}.float16"
                if name in wanted:
                    after.append(onnx.helper.make_node("Cast", [f"{name}.float16"], [name], f"{node.name}:float", to=1))
        nodes += [*before, node, *after]
    used = {name for node in nodes for name in node.input}
    kept = [value for value in graph.initializer if value.name in used]
    kept += [
        onnx.numpy_helper.from_array(value.astype(np.float16), f"{name}.float16")
        for name, value in added.items()
        if value is not None
    ]
    for field, content in ((graph.node, nodes), (graph.initializer, kept), (graph.value_info, [])):
        del field[:]
        field.extend(content)
    return out
