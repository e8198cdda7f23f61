"""Runs a saved .mlpackage on Linux, operation by operation, so that its parity is measured as any other's.

    evaluate = Evaluator(path)
    points = evaluate(crops)

The program is read back from the package, weights included. What it checks is the graph, its constants and their
rounding; not Apple's kernels and not the Neural Engine. A value that the program declares fp16 is rounded to fp16
after every operation, and computed in float32 before that, as hardware does which accumulates wide. Weights that a
package keeps in 8 bits or as a palette are unpacked once.

Operations come from torch where they are heavy or coremltools cannot, and else from coremltools' own
``value_inference``; one that neither knows is an error, never a guess. On a Mac the package itself is run: Predictor.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing import containers, runtimes
from edgewing.errors import InputError
from targets.graph import Interface
from targets.job import needs

UNITS = ("CPU_ONLY", "CPU_AND_GPU", "CPU_AND_NE")  # of a Mac


def opened(path: Path) -> list[runtimes.Runtime]:
    """On a Mac the package on every kind of its compute units, elsewhere its Evaluator."""
    return [Predictor(path, units) for units in UNITS] if sys.platform == "darwin" else [Evaluator(path)]


class Evaluator(runtimes.Runtime):
    """A saved package, ready to run; ``graph`` is its Program. InputError where its contract contradicts it."""

    def __init__(self, path: Path):
        with needs("coreml", "coremltools"):
            import coremltools as ct
        about = containers.read_contract(path)
        super().__init__(Program(ct.models.MLModel(str(path), skip_model_load=True)), about)
        if problems := runtimes.contradictions(about, self.graph.inputs, self.graph.outputs):
            raise InputError(f"{path}: the contract contradicts the program: {'; '.join(problems)}; export it again")

    def input(self, crops: np.ndarray) -> Tensor:
        """(B, S, S, 3) uint8 RGB -> the tensor that the program's first operation sees."""
        part = self.contract.input
        return Interface(part.axes, part.dtype).tensor(crops)


class Predictor(runtimes.Runtime):
    """A saved package as CoreML runs it on a Mac, on one of UNITS. Not run yet: there was no Mac."""

    def __init__(self, path: Path, units: str):
        import coremltools as ct

        description = f"CoreML on macOS {platform.mac_ver()[0]}, coremltools {ct.__version__}, {units}"
        model = ct.models.MLModel(str(path), compute_units=ct.ComputeUnit[units])
        about = containers.read_contract(path)
        graph = SimpleNamespace(run=lambda image: model.predict({about.input.name: image}), description=description)
        super().__init__(graph, about)

    def input(self, crops: np.ndarray):
        """(B, S, S, 3) uint8 RGB -> an image where the contract has one (B is 1 then), else the tensor."""
        if self.contract.input.dtype != "image":
            return super().input(crops)
        from PIL import Image

        return Image.fromarray(crops[0])


class Program:
    """The one function of a coremltools MLModel. operations: what is left to do, constants being known."""

    def __init__(self, model):
        import coremltools as ct
        from coremltools.converters.mil.frontend.milproto import load

        spec = model.get_spec()
        program = load.load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
        (function,) = program.functions.values()
        self.description = f"coremltools {ct.__version__} program, evaluated on the processor"
        self._arguments = function.inputs
        images = {part.name for part in spec.description.input if part.type.WhichOneof("Type") == "imageType"}
        self.inputs = [_tensor(var, name, "image" if name in images else None) for name, var in function.inputs.items()]
        self.outputs = [_tensor(var, var.name) for var in function.outputs]
        constant = {op: op.op_type == "const" or op.op_type.startswith("constexpr_") for op in function.operations}
        self.operations = [op for op, known in constant.items() if not known]
        self.constants = {
            op.outputs[0].name: _rounded(op.outputs[0], _constant(op)) for op, known in constant.items() if known
        }

    def run(self, image: Tensor) -> dict[str, np.ndarray]:
        """The program's outputs by name."""
        values = self.values(image)
        return {output.name: np.asarray(values[output.name], np.float32) for output in self.outputs}

    def values(self, image: Tensor) -> dict:
        """Every value of the program by name, constants too."""
        ((name, var),) = self._arguments.items()
        values = {**self.constants, name: _rounded(var, image)}
        with torch.inference_mode():
            for op in self.operations:
                results = _one(op, values)
                values |= {var.name: _rounded(var, result) for var, result in zip(op.outputs, results)}
        return values


def _tensor(var, name: str, dtype: str | None = None) -> runtimes.Tensor:
    from coremltools.converters.mil.mil import types

    return runtimes.Tensor(name, tuple(var.shape), dtype or np.dtype(types.nptype_from_builtin(var.dtype)).name)


def _constant(op):
    """The value of a constant, unpacked: constexpr_affine_dequantize, constexpr_lut_to_dense and their like."""
    if op.op_type == "const":
        return op.outputs[0].val
    if not hasattr(op, "materialized_val_inference"):
        raise _unknown(op)
    return op.materialized_val_inference()


def _unknown(op) -> InputError:
    return InputError(f"the evaluator does not know CoreML's {op.op_type}; add it to targets/coreml_evaluator.py")


def _one(op, values: dict) -> list:
    def value(var):
        if isinstance(var, (list, tuple)):
            return [value(v) for v in var]
        return None if var is None else values[var.name]

    if op.op_type in OPERATIONS:
        result = OPERATIONS[op.op_type](**{name: value(var) for name, var in op.inputs.items()})
    else:
        result = _inferred(op, values)
    return list(result) if isinstance(result, (list, tuple)) else [result]


def _rounded(var, value):
    """The value as its variable holds it: fp16 is rounded, and kept as float32 so that arithmetic is quick."""
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" or isinstance(value, np.floating):
        value = torch.from_numpy(np.asarray(value, np.float32).copy())
    if isinstance(value, Tensor) and value.is_floating_point():
        return value.half().float() if is_half(var) else value
    return value


def is_half(var) -> bool:
    """Whether the program keeps this value in fp16."""
    from coremltools.converters.mil.mil import types

    dtype = var.dtype if not types.is_tensor(var.sym_type) else var.sym_type.get_primitive()
    return dtype is types.fp16


def _inferred(op, values: dict):
    """What coremltools itself says of an operation whose inputs are known: its ``value_inference``."""
    unknown = [var for given in op.inputs.values() for var in (given if isinstance(given, (list, tuple)) else [given])]
    unknown = [var for var in unknown if var is not None and var.val is None]
    kept = [var._sym_val for var in unknown]
    try:
        for var in unknown:
            var._sym_val = SimpleNamespace(val=np.asarray(values[var.name]))
        result = op.value_inference()
    except NotImplementedError:
        result = None
    finally:
        for var, before in zip(unknown, kept):
            var._sym_val = before
    if result is None:
        raise _unknown(op)
    return result


def _pads(pad_type: str, pad) -> list[int]:
    if pad_type == "valid":
        return [0] * 4
    if pad_type != "custom":
        raise InputError(f"the evaluator does not know CoreML's pad_type {pad_type!r}")
    return [int(p) for p in pad]


def _conv(x, weight, bias=None, strides=(1, 1), pad_type="valid", pad=None, dilations=(1, 1), groups=1) -> Tensor:
    top, bottom, left, right = _pads(pad_type, pad)
    stride, dilation = ([int(v) for v in values] for values in (strides, dilations))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, dilation, int(groups))


def _avg_pool(
    x, kernel_sizes, strides, pad_type, pad=None, exclude_padding_from_average=False, ceil_mode=False
) -> Tensor:
    if any(_pads(pad_type, pad)) or ceil_mode:
        raise InputError("the evaluator does not know CoreML's avg_pool with padding")
    return F.avg_pool2d(x, [int(k) for k in kernel_sizes], [int(s) for s in strides])


def _max_pool(x, kernel_sizes, strides, pad_type, pad=None, ceil_mode=False) -> Tensor:
    if any(_pads(pad_type, pad)) or ceil_mode:
        raise InputError("the evaluator does not know CoreML's max_pool with padding")
    return F.max_pool2d(x, [int(k) for k in kernel_sizes], [int(s) for s in strides])


def _bilinear(x, scale_factor_height, scale_factor_width, align_corners=False, half_pixel_centers=True) -> Tensor:
    if align_corners or not half_pixel_centers:
        raise InputError("the evaluator knows CoreML's upsample_bilinear with half_pixel_centers only")
    scale = (float(scale_factor_height), float(scale_factor_width))
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def _nearest(x, scale_factor_height, scale_factor_width) -> Tensor:
    return F.interpolate(x, scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="nearest")


def _batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


def _quantize(input, scale, output_dtype, zero_point=None, axis=None) -> Tensor:
    """To the nearest step, halves to the even one, clipped to the type's ends."""
    kind = {"int8": torch.int8, "uint8": torch.uint8}[str(output_dtype)]
    steps = torch.round(input / _along(scale, input, axis)) + _along(zero_point, input, axis)
    return steps.clamp(torch.iinfo(kind).min, torch.iinfo(kind).max).to(kind)


def _dequantize(input, scale, zero_point=None, axis=None) -> Tensor:
    return (input.float() - _along(zero_point, input, axis)) * _along(scale, input, axis)


def _along(parameter, values: Tensor, axis) -> Tensor:
    """A scale or zero point as it goes with values: a number, one for each place along the axis; none is 0."""
    parameter = torch.as_tensor(np.asarray(0 if parameter is None else parameter, np.float32))
    return parameter if not parameter.ndim else parameter.reshape([-1 if i == axis else 1 for i in range(values.ndim)])


# CoreML's operation -> the same in torch, by the names of its inputs (coremltools' MIL operation set)
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "conv": _conv,
    "avg_pool": _avg_pool,
    "max_pool": _max_pool,
    "batch_norm": _batch_norm,
    "upsample_bilinear": _bilinear,
    "upsample_nearest_neighbor": _nearest,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clamp(0, 6),
    "clip": lambda x, alpha, beta: x.clamp(float(alpha), float(beta)),
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "maximum": lambda x, y: torch.maximum(x, y),
    "reduce_sum": lambda x, axes, keep_dims: x.sum([int(a) for a in axes], keepdim=bool(keep_dims)),
    "reduce_max": lambda x, axes, keep_dims: x.amax([int(a) for a in axes], keepdim=bool(keep_dims)),
    "concat": lambda values, axis, interleave: torch.cat(values, int(axis)),
    "stack": lambda values, axis: torch.stack(values, int(axis)),
}
