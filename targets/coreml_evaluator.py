"""Runs a saved .mlpackage on Linux, operation by operation, so that its parity is measured as any other's.

    evaluate = Evaluator(path)
    points = evaluate(crops)

The program is read back from the package, weights included. What it checks is the graph, its constants and their
rounding; not Apple's kernels and not the Neural Engine. A value that the program declares fp16 is rounded to fp16
after every operation, and computed in float32 before that, as hardware does which accumulates wide.

Operations come from torch where they are heavy or coremltools cannot, and else from coremltools' own
``value_inference``; one that neither knows is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing import containers
from edgewing.errors import InputError
from edgewing.runtimes import Points
from targets.graph import Interface
from targets.job import needs


class Evaluator:
    """A saved package, ready to run. ``contract``: what it carries."""

    def __init__(self, path: Path):
        with needs("coreml", "coremltools"):
            import coremltools as ct
            from coremltools.converters.mil.frontend.milproto import load
        self.contract = containers.read(path)
        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = model.get_spec()
        program = load.load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
        (function,) = program.functions.values()
        self.inputs, self.operations = function.inputs, list(function.operations)
        self.outputs = [var.name for var in function.outputs]
        self.description = f"coremltools {ct.__version__} program, evaluated on the processor"
        self.constants = {
            op.outputs[0].name: _rounded(op.outputs[0], op.outputs[0].val)
            for op in self.operations
            if op.op_type == "const"
        }

    def __call__(self, crops: np.ndarray) -> Points:
        """(B, S, S, 3) uint8 RGB -> landmarks (B, N, 2) crop px, scores (B, N)."""
        c = self.contract
        names = [c.output("landmarks").name, c.output("scores").name]
        with torch.inference_mode():
            rows = [self.run(crop) for crop in crops]
        landmarks, scores = (np.concatenate([row[name] for row in rows]) for name in names)
        return Points(landmarks, scores)

    def run(self, crop: np.ndarray) -> dict[str, np.ndarray]:
        """One (S, S, 3) uint8 RGB crop -> the program's outputs by name."""
        part = self.contract.input
        image = Interface(part.axes, part.dtype).tensor(crop[None])
        values = {**self.constants, part.name: _rounded(self.inputs[part.name], image)}
        for op in self.operations:
            if op.op_type == "const":
                continue
            results = self._one(op, values)
            values |= {var.name: _rounded(var, result) for var, result in zip(op.outputs, results)}
        return {name: np.asarray(values[name], np.float32) for name in self.outputs}

    def _one(self, op, values: dict) -> list:
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
        return value.half().float() if _is_half(var) else value
    return value


def _is_half(var) -> bool:
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
        raise InputError(f"the evaluator does not know CoreML's {op.op_type}; add it to targets/coreml_evaluator.py")
    return result


def _pads(pad_type: str, pad, spatial: int) -> list[int]:
    if pad_type == "valid":
        return [0] * 2 * spatial
    if pad_type != "custom":
        raise InputError(f"the evaluator does not know CoreML's pad_type {pad_type!r}")
    return [int(p) for p in pad]


def _conv(x, weight, bias=None, strides=(1, 1), pad_type="valid", pad=None, dilations=(1, 1), groups=1) -> Tensor:
    top, bottom, left, right = _pads(pad_type, pad, 2)
    stride, dilation = ([int(v) for v in values] for values in (strides, dilations))
    return F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride, 0, dilation, int(groups))


def _avg_pool(
    x, kernel_sizes, strides, pad_type, pad=None, exclude_padding_from_average=False, ceil_mode=False
) -> Tensor:
    if any(_pads(pad_type, pad, 2)) or ceil_mode:
        raise InputError("the evaluator does not know CoreML's avg_pool with padding")
    return F.avg_pool2d(x, [int(k) for k in kernel_sizes], [int(s) for s in strides])


def _bilinear(x, scale_factor_height, scale_factor_width, align_corners=False, half_pixel_centers=True) -> Tensor:
    if align_corners or not half_pixel_centers:
        raise InputError("the evaluator knows CoreML's upsample_bilinear with half_pixel_centers only")
    scale = (float(scale_factor_height), float(scale_factor_width))
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def _nearest(x, scale_factor_height, scale_factor_width) -> Tensor:
    return F.interpolate(x, scale_factor=(float(scale_factor_height), float(scale_factor_width)), mode="nearest")


def _batch_norm(x, mean, variance, gamma=None, beta=None, epsilon=1e-5) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


# CoreML's operation -> the same in torch, by the names of its inputs (coremltools' MIL operation set)
OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "conv": _conv,
    "avg_pool": _avg_pool,
    "batch_norm": _batch_norm,
    "upsample_bilinear": _bilinear,
    "upsample_nearest_neighbor": _nearest,
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
