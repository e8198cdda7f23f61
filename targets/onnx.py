"""ONNX: fp32, and fp16 (weights stored in half, computed in fp32). Through torch.onnx, uint8 NHWC in.

fp16 here is storage: every weight of 64 values or more is kept as float16 behind a Cast, which ONNX Runtime folds
away when it loads the file. Inputs, outputs and arithmetic stay float32, so it is half the size, the same speed, and
exact but for the rounding of weights.
"""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import torch

from edgewing import contract, files
from targets.graph import Deployable, Interface
from targets.job import Job, needs

FORMAT, INTERFACE = "onnx", Interface("NHWC", "uint8")
LIBRARIES = ("onnx", "onnxscript")
OPSET, IR = 18, 8  # the oldest IR that has this opset; a library refuses what is newer than itself
SCOPES = "pkg.torch.onnx.name_scopes"  # where torch's exporter keeps the modules a node comes from
SMALLEST_HALF = 64  # values; below, a Cast costs more bytes than it saves


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    model = job.once(FORMAT, lambda: convert(job.graph(INTERFACE)))
    if precision == "fp16":
        model = half(model)
    write(path, model, job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def convert(graph: Deployable):
    """The graph as an onnx.ModelProto, fp32."""
    with needs(FORMAT, "onnxscript"):
        import onnxscript  # noqa: F401  torch's exporter needs it, and says so in many lines
    program = torch.onnx.export(
        graph,
        (graph.interface.image(graph.size),),
        dynamo=True,
        opset_version=OPSET,
        input_names=[graph.interface.name],
        output_names=list(graph.interface.outputs),
        verbose=False,
    )
    model = program.model_proto
    model.ir_version = IR
    for i, node in enumerate(model.graph.node):
        node.name = f"{_layer(node)}:{i}"
    # The exporter's notes are larger than a small network, and name files of the machine they were made on.
    for noted in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        del noted.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    return model


def half(model):
    """A copy whose large weights are float16 behind a Cast to float32."""
    import onnx

    small = onnx.ModelProto()
    small.CopyFrom(model)
    graph, casts = small.graph, []
    for initializer in graph.initializer:
        values = onnx.numpy_helper.to_array(initializer)
        if values.dtype == np.float32 and values.size >= SMALLEST_HALF:
            name = initializer.name
            initializer.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), name + ".half"))
            casts.append(
                onnx.helper.make_node("Cast", [name + ".half"], [name], name + ".widen", to=onnx.TensorProto.FLOAT)
            )
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + nodes)
    return small


def session(model, optimised: bool = True):
    """ONNX Runtime on one core with a ModelProto; as written, node by node, where it is not ``optimised``."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _layer(node) -> str:
    """The module a node comes from, as the network names it: ``stacks.0.head``, ``decode``, ``graph`` for the rest.

    From the exporter's list of scopes, whose last entry is the operation itself.
    """
    scopes = ast.literal_eval(next((p.value for p in node.metadata_props if p.key == SCOPES), "[]"))
    return (scopes[-2].removeprefix("network.") if len(scopes) > 1 else "") or "graph"


def write(path: Path, model, about: contract.Contract) -> None:
    """The file with its contract inside, under its name whole or not at all."""
    import onnx

    onnx.helper.set_model_props(model, {contract.KEY: contract.dumps(about)})
    onnx.checker.check_model(model, full_check=True)
    files.write(path, model.SerializeToString())
    del model.metadata_props[:]  # other targets convert the same graph, and would carry this file's contract too


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of an artefact."""
    import onnx

    write(path, onnx.load(path, load_external_data=False), about)
