"""TFLite for phones: fp32, fp16 (weights; computes in fp32), full int8 with a float decode. Through litert-torch and
ai-edge-quantizer, both imported only here and only when asked for.

    flat = convert(graph)                        # 15 s, once
    measured = ranges.measure("min-max", activations(flat, crops))
    int8 = quantize(flat, measured)              # a second, as often as one likes
    write(path, int8, contract)

uint8 NHWC in; signature ``detect`` with outputs ``landmarks`` and ``scores``; the contract in a metadata buffer.
"""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from edgewing import contract, files
from edgewing.errors import InputError
from targets.graph import HEATMAPS, LANDMARKS, SCORES, Deployable, Interface
from targets.job import Job, needs

FORMAT, INTERFACE = "tflite", Interface("NHWC", "uint8")
LIBRARIES = ("litert-torch", "ai-edge-quantizer", "ai-edge-litert")
SIGNATURE = "detect"
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    flat = job.once(FORMAT, lambda: convert(job.graph(INTERFACE)))
    if precision == "fp16":
        flat = half(flat)
    elif precision == "int8":
        flat = quantize(flat, job.measured(FORMAT, partial(activations, flat)), job.float_layers)
    write(path, flat, job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def convert(graph: Deployable) -> bytes:
    """The graph as an fp32 .tflite file."""
    with needs(FORMAT, "litert-torch"):
        import litert_torch
    from targets import flatbuffer

    image = {graph.interface.name: graph.interface.image(graph.size)}
    model = litert_torch.signature(SIGNATURE, _with_layer_names(graph), sample_kwargs=image).convert()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fp32.tflite")
        model.export(str(path))
        flat = path.read_bytes()
    return flatbuffer.renamed(flat, graph.interface.outputs, _layer)


def half(flat: bytes) -> bytes:
    """Weights stored as fp16; a runtime widens them when it loads and computes in fp32, or in fp16 where it can."""
    with needs(FORMAT, "ai-edge-quantizer"):
        from ai_edge_quantizer import quantizer
        from ai_edge_quantizer.algorithm_manager import AlgorithmName
        from ai_edge_quantizer.qtyping import TFLOperationName
    q = quantizer.Quantizer(flat)
    q.add_weight_only_config(".*", TFLOperationName.ALL_SUPPORTED, 16, algorithm_key=AlgorithmName.FLOAT_CASTING)
    return bytes(q.quantize(enable_progress_report=False).quantized_model)


def quantize(flat: bytes, measured: dict[str, tuple[float, float]], float_layers: Sequence[str] = ()) -> bytes:
    """Full int8: weights per channel, activations within measured ranges, decode in float.

    flat: what ``convert`` made. measured: tensor name -> (low, high), by targets.ranges from ``activations``.
    float_layers: regular expressions, searched in the names of the network's
    modules (``stacks.0.head``); what they find stays in float.
    """
    with needs(FORMAT, "ai-edge-quantizer"):
        from ai_edge_quantizer import quantizer
        from ai_edge_quantizer.algorithm_manager import AlgorithmName
        from ai_edge_quantizer.qtyping import TFLOperationName
    from targets import flatbuffer

    operations = flatbuffer.operations(flat)
    outputs = [tensor for operation in operations for tensor in operation.outputs]
    everything, untouched = TFLOperationName.ALL_SUPPORTED, AlgorithmName.NO_QUANTIZE
    q = quantizer.Quantizer(flat)
    q.add_static_config(".*", everything, activation_num_bits=8, weight_num_bits=8)
    q.update_quantization_recipe(".*", TFLOperationName.OUTPUT, algorithm_key=untouched)
    for tensor in (t for t in outputs if _stays_float(t.name, float_layers)):
        q.update_quantization_recipe(f"^{re.escape(tensor.name)};?$", everything, algorithm_key=untouched)
    # Pixels k / 255 are exact in 8 bits if the range is exactly this, and not that of some crops.
    measured = measured | {
        o.outputs[0].name: (0.0, 1.0) for o in operations if o.kind == "MUL" and _reads_cast(o, operations)
    }
    statistics = {
        tensor.name: {
            key: np.full((1,) * len(tensor.shape), value, np.float32)
            for key, value in zip(("min", "max"), measured[tensor.name])
        }
        for tensor in outputs
        if tensor.name in measured
    }
    result = bytes(q.quantize(statistics, enable_progress_report=False).quantized_model)
    unexpected = [name for name in float_convolutions(result) if not _stays_float(name, float_layers)]
    if unexpected:
        raise InputError(f"the int8 file has {len(unexpected)} float convolutions, the first is {unexpected[0]}")
    return result


def float_convolutions(flat: bytes) -> list[str]:
    """Names of the convolutions (output tensors) whose weights or activations are float."""
    from targets import flatbuffer

    return [
        operation.outputs[0].name
        for operation in flatbuffer.operations(flat)
        if operation.kind in CONVOLUTIONS and any(t.dtype.startswith("FLOAT") for t in operation.inputs[:2])
    ]


def activations(flat: bytes, crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each crop every float tensor that the fp32 file computes, by name."""
    interpreter, computed = with_all_tensors(flat)
    image, (batch, *_) = (interpreter.get_input_details()[0][key] for key in ("index", "shape"))
    wanted = [detail for detail in computed if detail["dtype"] is np.float32]
    for crop in crops:
        interpreter.set_tensor(image, np.repeat(crop[None], batch, axis=0))  # each crop counts for itself
        interpreter.invoke()
        yield {d["name"]: interpreter.get_tensor(d["index"]) for d in wanted}


def with_all_tensors(flat: bytes):
    """An interpreter of the file that keeps what every operation computes, and the details of these tensors: built-in
    kernels alone, because a delegate such as XNNPACK keeps its tensors to itself."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=flat,
        num_threads=1,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    computed = {i for operation in interpreter._get_ops_details() for i in operation["outputs"]}
    return interpreter, [detail for detail in interpreter.get_tensor_details() if detail["index"] in computed]


def write(path: Path, flat: bytes, about: contract.Contract) -> None:
    """The file with its contract inside, under its name whole or not at all."""
    from targets import flatbuffer

    files.write(path, flatbuffer.with_metadata(flat, contract.KEY, contract.dumps(about)))


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of an artefact."""
    write(path, path.read_bytes(), about)


def _with_layer_names(graph: Deployable) -> Deployable:
    """A copy in which every module has a class of its own, named like the module.

    litert-torch writes into a tensor's name the classes on the way to its module, and of their names only the last
    part: two stacks' heads would have the same. The class is all it takes over whole.
    """
    graph = copy.deepcopy(graph)
    for name, module in graph.named_modules():
        layer = name.removeprefix("network.") or "graph"
        module.__class__ = type(type(module).__name__, (type(module),), {"__qualname__": f"<{layer}>"})
    return graph


def _layer(tensor: str) -> str:
    """litert-torch's name of a tensor -> its module: ``stacks.0.head``; ``decode``; ``graph`` for what is in neither.

    Names of fused operations are joined by ``;;``, the convolution's last, with names of other layers in between.
    """
    return re.findall("<(.*?)>|$", tensor.split(";;")[-1].rpartition("/")[2])[0] or "graph"


def _stays_float(tensor: str, float_layers: Sequence[str]) -> bool:
    """Whether the operation with this output tensor stays in float: picture, decode, outputs, and ``float_layers``."""
    layer = tensor.split(":")[0]
    return layer in ("graph", "decode", LANDMARKS, SCORES, HEATMAPS) or any(re.search(p, layer) for p in float_layers)


def _reads_cast(operation, operations) -> bool:
    made_by = {o.outputs[0].name: o.kind for o in operations}
    return any(made_by.get(t.name) == "CAST" for t in operation.inputs)
