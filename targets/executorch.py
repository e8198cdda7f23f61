"""ExecuTorch for phones: fp32 and int8 through XNNPACK, uint8 NHWC in. The contract is a constant method of the file.

int8 is PT2E's: weights per channel, activations asymmetric within the job's ranges, decode in float. Convolutions,
additions and concatenations are integer; what ExecuTorch's XNNPACK has in float alone (bilinear upsampling, average
pools) stands between a dequantize and a quantize.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from edgewing import contract, files, pte
from edgewing.errors import InputError
from targets.graph import Deployable, Interface
from targets.job import Job, needs

FORMAT, INTERFACE = "executorch", Interface("NHWC", "uint8")
LIBRARIES = ("executorch", "torchao")
ROOM = 2048  # bytes behind the contract, for its parity
# XNNPACK's graph in a .pte (backends/xnnpack/serialization/schema.fbs): kinds of nodes, and of 8-bit values
CONVOLUTIONS, INTEGERS = (7, 13, 39), (3, 6)  # Conv2d, DepthwiseConv2d, ConvTranspose2d; qint8, qcint8


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    plain = program = job.once(FORMAT, lambda: exported(without_batch_norms(job.graph(INTERFACE))))
    if precision == "int8":
        program = quantize(plain, job.measured(FORMAT, partial(activations, plain)), job.float_layers)
    job.say("lowering")
    with needs(FORMAT, "executorch"):
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    files.write(path, lower(program, XnnpackPartitioner(), job.contract(FORMAT, INTERFACE, precision, LIBRARIES)))
    if precision == "int8":
        expected = sum(not _matches(name, job.float_layers) for name in layers(plain))
        found = convolutions(path).count(True)
        if found != expected:
            raise InputError(f"the int8 file has {found} integer convolutions where {expected} are expected")


def without_batch_norms(graph: Deployable) -> Deployable:
    """The same graph with a 1x1 depthwise convolution for every batch norm that is left in it (the paper's blocks).

    PT2E folds a batch norm into the convolution before it even where something else reads that convolution, as the
    concatenation of a hierarchical block does: the int8 network is another one then, without a word; and XNNPACK
    refuses an hourglass of such blocks when it is run (xnn_status_invalid_parameter). XNNPACK runs a batch norm as
    this convolution anyhow; here it is integer too.
    """
    for name, module in list(graph.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            channels = module.num_features
            same = nn.Conv2d(channels, channels, 1, groups=channels, bias=False).eval()
            nn.init.ones_(same.weight)
            graph.set_submodule(name, fuse_conv_bn_eval(same, module))
    return graph


def exported(graph: Deployable) -> torch.export.ExportedProgram:
    return torch.export.export(graph, (graph.interface.image(graph.size),))


def lower(program: torch.export.ExportedProgram, partitioner, about: contract.Contract) -> bytes:
    """A .pte file: the program with what ``partitioner`` takes compiled, and the contract."""
    with needs(FORMAT, "executorch"):
        from executorch.exir import to_edge_transform_and_lower
    text = contract.dumps(about)
    text = text.ljust(min(len(text) + ROOM, contract.LIMIT))
    edge = to_edge_transform_and_lower(program, partitioner=[partitioner], constant_methods={contract.KEY: text})
    return bytes(edge.to_executorch().buffer)


def quantize(
    program: torch.export.ExportedProgram, measured: dict[str, tuple[float, float]], float_layers: Sequence[str] = ()
) -> torch.export.ExportedProgram:
    """A copy with explicit quantize and dequantize; picture, decode and ``float_layers`` stay without.

    program: what ``exported`` made. measured: name of a node -> (low, high), by targets.ranges from ``activations``.
    float_layers: regular expressions, searched in the names of the network's modules (``stacks.0.head``).
    """
    with needs(FORMAT, "executorch"):
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
        from torchao.quantization.pt2e import MinMaxObserver
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    class Quantizer(XNNPACKQuantizer):
        def annotate(self, model):
            model = super().annotate(model)
            for node in model.graph.nodes:
                if _stays_float(node, float_layers) or _shares_with_float(node):
                    node.meta.pop("quantization_annotation", None)
            return model

    image = program.example_inputs[0]
    prepared = prepare_pt2e(program.module(), Quantizer().set_global(_config()))
    prepared(*image)  # weights are seen here
    ranges: dict[nn.Module, list[tuple[float, float]]] = {}  # an observer may see several tensors, and has one range
    for node in prepared.graph.nodes:
        observer = getattr(prepared, node.target) if node.op == "call_module" else None
        if isinstance(observer, MinMaxObserver):
            tensor = node.args[0]
            if all(user.target is torch.ops.aten.hardtanh.default for user in node.users):
                continue  # it shares its range with what comes out of the clamp: to saturate there is to clamp
            # Pixels k / 255 are exact in 8 bits if the range is exactly this, and not that of some crops.
            picture = tensor.op == "call_function" and layer(tensor) == "graph"
            ranges.setdefault(observer, []).append((0.0, 1.0) if picture else measured[tensor.name])
    for observer, pairs in ranges.items():
        observer.min_val, observer.max_val = (torch.tensor(f(v)) for f, v in zip((min, max), zip(*pairs)))
    return torch.export.export(convert_pt2e(prepared), image)


def _config():
    """XNNPACK's own, per channel, but for its observers of activations: their ranges are set, not observed."""
    from dataclasses import replace

    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config
    from torchao.quantization.pt2e import MinMaxObserver

    config = get_symmetric_quantization_config(is_per_channel=True)
    spec = replace(config.input_activation, observer_or_fake_quant_ctr=MinMaxObserver.with_args(eps=2**-12))
    return replace(config, input_activation=spec, output_activation=spec)


def activations(program: torch.export.ExportedProgram, crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each crop every float tensor of the program, constants too, by the name of its node."""

    class Values(torch.fx.Interpreter):
        def run_node(self, node):
            value = super().run_node(node)
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                self.found[node.name] = value.detach().numpy()
            return value

    values = Values(program.module())
    batch = len(program.example_inputs[0][0])
    with torch.inference_mode():
        for crop in crops:
            values.found = {}
            values.run(INTERFACE.tensor(np.repeat(crop[None], batch, axis=0)))  # each crop counts for itself
            yield values.found


def layer(node: torch.fx.Node) -> str:
    """The module a node comes from, as the network names it: ``stacks.0.head``, ``decode``, ``graph`` for the rest."""
    names = [str(name) for name, _ in (node.meta.get("nn_module_stack") or {"": ("", "")}).values()]
    return names[-1].removeprefix("L['self'].").removeprefix("network.") or "graph"


def layers(program: torch.export.ExportedProgram) -> list[str]:
    """The layer of each convolution."""
    return [layer(node) for node in program.graph.nodes if node.target is torch.ops.aten.conv2d.default]


def _stays_float(node: torch.fx.Node, float_layers: Sequence[str]) -> bool:
    """Picture, decode and ``float_layers``; and the mask of coordinates, a steep ramp: its products need more than 256
    steps."""
    name = layer(node)
    return name in ("graph", "decode") or node.target is torch.ops.aten.mul.Tensor or _matches(name, float_layers)


def _shares_with_float(node: torch.fx.Node) -> bool:
    """Whether its range is that of a node before it which stays float, as a clamp's is its convolution's: then there
    is none to share, and it stays float too."""
    annotation = node.meta.get("quantization_annotation")
    if annotation is None:
        return False
    # A range is shared with a node's output, or with what goes along an edge, which its second node is annotated with.
    specs = (annotation.output_qspec, *annotation.input_qspec_map.values())
    shared = [spec.edge_or_node for spec in specs if hasattr(spec, "edge_or_node")]
    owners = [of[1] if isinstance(of, tuple) else of for of in shared]
    return any("quantization_annotation" not in owner.meta for owner in owners)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, name) for pattern in patterns)


def convolutions(path: Path) -> list[bool]:
    """Of each convolution that XNNPACK runs in a .pte file, whether it is integer: 8-bit weights and an 8-bit input.

    XNNGraph: xnodes 1, xvalues 2. XNode: kind 0, node 1. Convolution: input 15, filter 16. XValue: kind 0, value 1;
    of a quantized value (kind 2) the tensor is 0. Tensor: datatype 0, id 6.
    """
    found = []
    with files.reading(path, files.LARGEST_MODEL) as (file, size):
        for graph in pte.Program(file, size).graphs():
            root, types = graph.integer(0, "I"), {}
            for value in graph.tables(root, 2):
                tensor = graph.table(value, 1)
                tensor = graph.table(tensor, 0) if graph.number(value, 0, "B") == 2 else tensor
                types[graph.number(tensor, 6, "I")] = graph.number(tensor, 0, "h")
            for node in graph.tables(root, 1):
                if graph.number(node, 0, "B") in CONVOLUTIONS:
                    inside = graph.table(node, 1)
                    found.append(all(types[graph.number(inside, i, "I")] in INTEGERS for i in (15, 16)))
    return found


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of an artefact, in its place: the program stays as it is, byte for byte."""
    data = bytearray(files.read(path, files.LARGEST_MODEL))
    start, length = pte.Program(io.BytesIO(data), len(data)).contract()
    text = contract.dumps(about).encode()
    if len(text) > length:
        raise InputError(f"{path}: a contract of {len(text)} bytes where {length} have room; export it again")
    data[start : start + length] = text.ljust(length)
    files.write(path, bytes(data))
