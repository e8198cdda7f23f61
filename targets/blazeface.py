"""The face detector that comes with edgewing as a CoreML package: for iOS, where no LiteRT runs .tflite.

    python -m targets.blazeface        # writes apps/ios/Detector.mlpackage

Its graph has eight kinds of operations. They are read out of the .tflite, run in torch, and converted by coremltools.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn
from torch.nn import functional

from edgewing import detection, files
from edgewing.commands import Parser, command
from targets.job import needs

PACKAGE = Path(__file__).parents[1] / "apps/ios/Detector.mlpackage"
OUTPUTS = ("regressors", "classificators")
KINDS = {number: name for name, number in vars(schema.BuiltinOperator).items() if isinstance(number, int)}


class BlazeFace(nn.Module):
    """(1, S, S, 3) in [-1, 1] -> regressors (1, A, 16), classificators (1, A, 1), as the .tflite has them."""

    def __init__(self, path: Path):
        super().__init__()
        model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
        (self.graph,), self.data = model.subgraphs, [buffer.data for buffer in model.buffers]
        codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
        self.operations = [(KINDS[codes[op.opcodeIndex]], op) for op in self.graph.operators]
        self.side = int(self.graph.tensors[self.graph.inputs[0]].shape[1])

    def constant(self, index: int) -> torch.Tensor | None:
        """A tensor that the file holds."""
        tensor = self.graph.tensors[index]
        data = self.data[tensor.buffer]
        if data is None:
            return None
        kind = {schema.TensorType.FLOAT16: np.float16, schema.TensorType.FLOAT32: np.float32}.get(tensor.type, np.int32)
        return torch.from_numpy(np.frombuffer(bytes(data), kind).reshape(tensor.shape).copy())

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, ...]:
        known = {int(self.graph.inputs[0]): picture.permute(0, 3, 1, 2)}
        for kind, op in self.operations:
            given = [known[i] if i in known else self.constant(i) for i in map(int, op.inputs)]
            shapes = [self.graph.tensors[i].shape.tolist() for i in (*op.inputs, op.outputs[0])]
            known[int(op.outputs[0])] = run(kind, given, op.builtinOptions, shapes)
        return tuple(known[int(i)] for i in self.graph.outputs)


def run(kind: str, given: list, options, shapes: list[list[int]]) -> torch.Tensor:
    """One operation, of pictures NCHW in place of NHWC. shapes: of inputs and output, in the file."""
    x = given[0]
    if kind == "DEQUANTIZE":
        return x.float()
    if kind == "CONV_2D":
        x = padded(x, shapes, options)
        return functional.conv2d(x, given[1].permute(0, 3, 1, 2), given[2], options.strideW)
    if kind == "DEPTHWISE_CONV_2D":
        x = padded(x, shapes, options)
        return functional.conv2d(x, given[1].permute(3, 0, 1, 2), given[2], options.strideW, groups=shapes[0][3])
    if kind == "MAX_POOL_2D":
        return functional.max_pool2d(x, options.filterWidth, options.strideW)
    if kind == "PAD":  # of channels, behind
        return functional.pad(x, (0, 0, 0, 0, 0, shapes[-1][3] - shapes[0][3]))
    if kind == "RESHAPE":
        return x.permute(0, 2, 3, 1).reshape(shapes[-1])
    if kind == "CONCATENATION":
        return torch.cat(given, dim=options.axis)
    return {"RELU": torch.relu, "ADD": torch.add}[kind](*given)


def padded(x: torch.Tensor, shapes: list[list[int]], options) -> torch.Tensor:
    """As TensorFlow pads for SAME: what cannot be shared evenly goes below and to the right."""
    if options.padding == schema.Padding.VALID:
        return x
    (_, side, *_), (_, kernel, *_), (_, after, *_) = shapes[0], shapes[1], shapes[-1]
    total = max((after - 1) * options.strideW + kernel - side, 0)
    return functional.pad(x, (total // 2, total - total // 2) * 2)


def convert(network: BlazeFace):
    """A coremltools MLModel in fp16, not loaded (Linux cannot)."""
    with needs("coreml", "coremltools"):
        import coremltools as ct
    shape = (1, network.side, network.side, 3)
    traced = torch.jit.trace(network.eval(), torch.zeros(shape), check_trace=False)
    return ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[ct.TensorType("input", shape=shape, dtype=np.float32)],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in OUTPUTS],
        compute_precision=ct.precision.FLOAT16,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )


def main(argv: list[str] | None = None) -> None:
    parser = Parser("python -m targets.blazeface", description=__doc__.partition("\n")[0])
    with command(parser, argv):
        model = convert(BlazeFace(detection.BLAZEFACE["blazeface-short"].path))
        model.short_description = "BlazeFace, short range (MediaPipe, Apache-2.0): edgewing/detectors/ORIGIN.md"
        with files.workshop(PACKAGE) as beside:
            model.save(str(beside))
            shutil.rmtree(PACKAGE, ignore_errors=True)
            beside.rename(PACKAGE)
        print(f"wrote {PACKAGE}")


if __name__ == "__main__":
    main()
