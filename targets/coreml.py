"""CoreML: an ML Program for iOS 16 or 18, an image as input. Through coremltools, on Linux too.

| precision | weights | arithmetic |
|---|---|---|
| fp32, fp16 | as it says | as it says |
| weight8 | 8 bits, linear, a scale for each output channel | fp16 |
| palette6 | 6 bits, indices into a palette of 64 values for each tensor | fp16 |
| int8 | as weight8 | 8 bits between convolutions, additions and pools; needs iOS 17, so is made for 18 |

The decode stays float32 in all of them, because a coordinate above 128 has a resolution of 0.125 px in half precision.
Only weights of convolutions are compressed: constants of coordinates stay as they are. For weight8 and palette6 the
smallest convolutions stay in fp16, 3 % of all weights: narrow and depthwise ones, which lose most and save least.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgewing import contract, files
from targets import table
from targets.graph import Deployable, Interface
from targets.job import Job, needs

FORMAT, INTERFACE = "coreml", Interface("NCHW", "image")
BATCHED = Interface("NCHW", "float32")  # an image input of CoreML is one image
LIBRARIES = ("coremltools",)
COMPRESSED = 0.97  # share of the weights, the largest convolutions first
# What is quantized, and the inputs of it that are activations: what coremltools itself chooses, and Apple's compiler
# fuses with the pairs around it (linear_quantize_activations, which measures ranges on a Mac only).
QUANTIZED = {"conv": ("x",), "avg_pool": ("x",), "add": ("x", "y")}


def export(job: Job, precision: str, path: Path) -> None:
    """Write the package of that precision, contract inside, parity not yet measured."""
    interface = INTERFACE if job.options.batch == 1 else BATCHED
    ios, half = table.deployment(precision, job.options.ios), precision != "fp32"
    model = job.once(f"{FORMAT} {ios} {half}", lambda: convert(job.graph(interface), half, ios))
    if precision == "weight8":
        model = weight8(model, large(model))
    elif precision == "palette6":
        model = palette6(model, large(model))
    elif precision == "int8":
        model = int8(model, job)
    write(path, model, job.contract(FORMAT, interface, precision, LIBRARIES))


def convert(graph: Deployable, half: bool, ios: int = 16):
    """The graph as a coremltools MLModel that is not loaded (Linux cannot)."""
    with needs(FORMAT, "coremltools"):
        import coremltools as ct
    interface = graph.interface
    shape = tuple(interface.shape(graph.size))
    traced = torch.jit.trace(graph, interface.image(graph.size), check_trace=False)
    if interface.dtype == "image":
        given = ct.ImageType(interface.name, shape=shape, color_layout=ct.colorlayout.RGB)
    else:
        given = ct.TensorType(interface.name, shape=shape, dtype=np.float32)
    return ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[given],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in interface.outputs],
        compute_precision=ct.transform.FP16ComputePrecision(_in_network(ct)) if half else ct.precision.FLOAT32,
        minimum_deployment_target=ct.target[f"iOS{ios}"],
        skip_model_load=True,
    )


def _in_network(ct):
    """Whether an operation is the network's, by the module it was traced from."""
    scope = ct.converters.mil.mil.scope.ScopeSource.TORCHSCRIPT_MODULE_NAME

    def chosen(op) -> bool:
        return "decode" not in op.scopes.get(scope, [])

    return chosen


def weight8(model, convolutions: Collection[str]):
    """A copy with 8-bit weights in the ``convolutions``, which are names of operations."""
    from coremltools.optimize import coreml as optimize

    config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
    named = optimize.OptimizationConfig(op_name_configs=dict.fromkeys(convolutions, config))
    return optimize.linear_quantize_weights(model, named)


def palette6(model, convolutions: Collection[str]):
    """The same with weights of 6 bits, places in a palette of 64."""
    from coremltools.optimize import coreml as optimize

    config = optimize.OpPalettizerConfig(mode="custom", lut_function=_palette, weight_threshold=0)
    named = optimize.OptimizationConfig(op_name_configs=dict.fromkeys(convolutions, config))
    return optimize.palettize_weights(model, named)


def large(model) -> list[str]:
    """Names of the largest convolutions, which have COMPRESSED of the weights of all between them."""
    from targets.coreml_evaluator import Program

    sizes = {op.name: op.weight.val.size for op in Program(model).operations if op.op_type == "conv"}
    chosen, seen = [], 0
    for name in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if seen < COMPRESSED * sum(sizes.values()):
            chosen.append(name)
        seen += sizes[name]
    return chosen


def _palette(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """64 values, and for each weight the place of its own: k-means in one dimension, which has an exact solution.

    coremltools' own mode "kmeans" takes this only above 10,000 weights, and scikit-learn's approximation below.
    """
    from coremltools._deps import kmeans1d

    values, places, counts = np.unique(weights, return_inverse=True, return_counts=True)
    clusters, centres = kmeans1d.cluster(values.astype(np.float64), min(len(values), 64), weights=counts)
    palette = np.zeros(64, weights.dtype)
    palette[: len(centres)] = centres
    return palette, np.asarray(clusters, np.uint8)[places.ravel()]


def int8(model, job: Job):
    """A copy that computes in 8 bits, within ranges measured on the job's crops.

    Symmetric, as coremltools quantizes activations: int8 around 0, or uint8 from 0 where nothing is below.
    """
    from targets.coreml_evaluator import Program

    program = Program(model)
    chosen = _chosen(program, _float_weights(job))
    watched = {op.inputs[key].name for op in _chosen(program, ()) for key in QUANTIZED[op.op_type]}
    measured = job.measured(FORMAT, partial(activations, program, watched))
    # Pixels k / 255 are exact in 8 bits if the range is exactly this, and not that of some crops.
    measured = measured | {op.outputs[0].name: (0.0, 1.0) for op in program.operations if _is_picture(op)}
    ranges = {op.name: {key: measured[op.inputs[key].name] for key in QUANTIZED[op.op_type]} for op in chosen}
    return _with_pairs(weight8(model, [op.name for op in chosen if op.op_type == "conv"]), ranges)


def activations(program, names: Collection[str], crops: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
    """For each crop the values of those names, as the evaluator computes them."""
    batch = program.inputs[0].shape[0]
    for crop in crops:  # each counts for itself, also where the program takes several
        values = program.values(BATCHED.tensor(np.repeat(crop[None], batch, axis=0)))
        yield {name: values[name].numpy() for name in names}


def _chosen(program, float_weights: Collection[str]) -> list:
    """The operations to quantize: those of QUANTIZED in the network (the decode is float32, which tells it), but for
    convolutions with ``float_weights`` and the additions behind them."""
    from targets.coreml_evaluator import is_half

    def is_float(op) -> bool:
        return op is not None and op.op_type == "conv" and op.weight.name.removesuffix("_to_fp16") in float_weights

    def quantized(op) -> bool:
        inputs = [op.inputs[key] for key in QUANTIZED.get(op.op_type, ())]
        if not inputs or not is_half(op.outputs[0]) or any(var.name in program.constants for var in inputs):
            return False
        return not is_float(op) and not (op.op_type == "add" and any(is_float(var.op) for var in inputs))

    return [op for op in program.operations if quantized(op)]


def _float_weights(job: Job) -> set[str]:
    """CoreML's names of the weights that ``job.float_layers`` keep in float."""
    return {
        f"network_{name.replace('.', '_')}_weight"
        for name, module in job.model.named_modules()
        if isinstance(module, nn.Conv2d) and any(re.search(pattern, name) for pattern in job.float_layers)
    }


def _is_picture(op) -> bool:
    """Whether this is the division of the picture by 255."""
    return op.op_type == "mul" and (op.x.op is None or op.x.op.op_type == "cast" and op.x.op.x.op is None)


def _with_pairs(model, ranges: dict[str, dict[str, tuple[float, float]]]):
    """A copy with a quantize and a dequantize before inputs: name of the operation -> its input -> (low, high).

    A tensor has one pair, however many operations read it.
    """
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
    from coremltools.models import utils

    def pair(var, low: float, high: float):
        dtype, scale = ("int8", max(-low, high) / 127) if low < 0 else ("uint8", high / 255)
        scale = np.float16(max(scale, np.finfo(np.float16).tiny))
        return mb.dequantize(input=mb.quantize(input=var, scale=scale, output_dtype=dtype), scale=scale)

    class Pairs(AbstractGraphPass):
        def apply(self, prog) -> None:
            (function,) = prog.functions.values()
            made = {}
            with function:
                for op in [op for op in function.operations if op.name in ranges]:
                    for key, (low, high) in ranges[op.name].items():
                        var = op.inputs[key]
                        if var not in made:
                            with mb.set_before_op(op):
                                made[var] = pair(var, low, high)
                        op.set_inputs(**{key: made[var]})

    return utils._apply_graph_pass(model, Pairs(), skip_model_load=True)


def write(path: Path, model, about: contract.Contract) -> None:
    """The package with its contract inside, under its name whole or not at all."""
    model.user_defined_metadata[contract.KEY] = contract.dumps(about)
    model.short_description = (
        f"{about.layout.points} {about.layout.object} landmarks ({about.layout.name}) of a {about.crop.size} px crop"
    )
    with files.workshop(path) as beside:
        model.save(str(beside))
        if path.exists():
            shutil.rmtree(path)
        beside.rename(path)


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of a package."""
    import coremltools as ct

    write(path, ct.models.MLModel(str(path), skip_model_load=True), about)
