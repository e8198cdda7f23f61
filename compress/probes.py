"""What one operation costs on this machine: small int8 TFLite files of it, timed in turn.

    milliseconds, _ = measure([Operation("conv", 40, 32, 64, kernel=1), Operation("add", 40, 32, 32)])

Files are written with LiteRT's schema and no converter, so that hundreds of them take seconds. Each holds the operation
COPIES times beside one another, all reading the same input, as in a network its reader follows the writer: what a call
costs by itself is shared by them, and taken off by the time of a file that does next to nothing.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.runtimes import tflite as runtime
from targets.job import needs

KINDS = ("conv", "depthwise", "add", "resize")
COPIES = 4
ROUNDS, CALLS = 7, 3  # calls of a file in a round, after one that is not counted
AT_ONCE = 64  # files open together, hence in turn
PROTOCOL = (
    f"processor time, median of {ROUNDS} rounds of {CALLS} calls in turn, {COPIES} copies of an operation in a file"
)


@dataclass(frozen=True, order=True)
class Operation:
    """kind: one of KINDS. map: side of its input in cells. read, written: channels. kernel, stride: of convolutions.

    add: of two maps; resize: bilinear, to twice the side.
    """

    kind: str
    map: int
    read: int
    written: int
    kernel: int = 1
    stride: int = 1

    def __str__(self) -> str:
        window = f" {self.kernel}x{self.kernel}/{self.stride}" if self.kind in ("conv", "depthwise") else ""
        return f"{self.kind}{window} on {self.map}x{self.map}, {self.read} -> {self.written} channels"


YARDSTICK = Operation("conv", 40, 32, 64)  # timed with every part of a table


def measure(
    operations: Iterable[Operation], files: Sequence[bytes] = (), say: Callable[[str], None] = lambda text: None
) -> tuple[dict[Operation, float], list[float]]:
    """Milliseconds of processor time on one thread: of each operation, and of a call of each of the files.

    The median over ROUNDS x CALLS calls, taking turns.
    """
    wanted = sorted(set(operations))
    parts = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    found: dict[Operation, float] = {}
    yardsticks = []
    for i, part in enumerate([[], *parts]):
        say(f"timing {(i - 1) * AT_ONCE} of {len(wanted)} operations" if i else "timing whole networks")
        # The smallest sum there is stands for the call itself.
        first = [build(Operation("add", 1, 8, 8), 1), build(YARDSTICK, COPIES)]
        rest = [build(operation, COPIES) for operation in part] if i else files
        empty, yardstick, *times = interleaved([_opened(flat) for flat in [*first, *rest]], ROUNDS if i else 4 * ROUNDS)
        yardsticks.append(yardstick - empty)
        # Other work slows some parts more than others: all are told in yardsticks first.
        if i:
            found |= {op: max(t - empty, 0.0) / COPIES / yardsticks[-1] for op, t in zip(part, times)}
        else:
            whole = [t / yardsticks[-1] for t in times]
        gc.collect()  # interpreters hold each other's buffers until then
    usual = float(np.median(yardsticks))
    return {op: t * usual for op, t in found.items()}, [t * usual for t in whole]


def int8(network: nn.Module, contract: Contract) -> bytes:
    """The network's int8 file, its ranges from noise: good for its time and nothing else."""
    from targets import graph, ranges, tflite

    size = contract.crop.size
    crops = np.random.default_rng(0).integers(0, 256, (4, size, size, 3), np.uint8)
    flat = tflite.convert(graph.build(network, contract, tflite.INTERFACE))
    return tflite.quantize(flat, ranges.measure("min-max", tflite.activations(flat, crops)))


def interleaved(calls: list[Callable[[], object]], rounds: int = ROUNDS, recorded: int = CALLS) -> np.ndarray:
    """(calls,) median milliseconds of processor time; every round has each call once unrecorded, then ``recorded``."""
    taken = np.empty((len(calls), rounds, recorded))
    for call in calls:
        call()
    for round_ in range(rounds):
        for i, call in enumerate(calls):
            call()
            for k in range(recorded):
                before = time.process_time_ns()
                call()
                taken[i, round_, k] = (time.process_time_ns() - before) / 1e6
    return np.median(taken.reshape(len(calls), -1), axis=1)


def _opened(flat: bytes) -> Callable[[], object]:
    """Runs the file once on what its input tensor holds. InputError where LiteRT lacks or XNNPACK leaves it."""
    module, _, _ = runtime.library()
    interpreter = module.Interpreter(model_content=flat, num_threads=1)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        low, high = (-128, 128) if detail["dtype"] is np.int8 else (0, 256)
        random = np.random.default_rng(0).integers(low, high, detail["shape"], detail["dtype"])
        interpreter.set_tensor(detail["index"], random)
    return interpreter.invoke


def library() -> str:
    """The runtime that times: name and version."""
    _, name, version = runtime.library()
    return f"{name} {version}, int8, 1 thread"


def build(operation: Operation, copies: int) -> bytes:
    """The .tflite file: one int8 input, ``copies`` outputs. Strided windows are padded by an operation of their own, as
    in the files of targets.tflite: torch pads both sides, TFLite's SAME only one."""
    with needs("a latency table", "ai-edge-litert"):
        import flatbuffers
        from ai_edge_litert import schema_py_generated as schema
    if operation.kind not in KINDS:
        raise InputError(f"operation {operation.kind!r}: known are {', '.join(KINDS)}")
    file = _File(schema, operation)
    outputs = [file.copy() for _ in range(copies)]
    model = file.model(outputs)
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


class _File:
    """The flatbuffer as it grows."""

    def __init__(self, schema, operation: Operation):
        self.schema, self.operation = schema, operation
        self.random = np.random.default_rng(0)
        self.codes: dict[int, int] = {}
        self.tensors, self.operators = [], []
        self.buffers = [schema.BufferT()]  # the first is empty by convention
        self.input = self.activation(operation.map, operation.read)

    def copy(self) -> int:
        """One more of the operation; its output tensor."""
        op, schema = self.operation, self.schema
        if op.kind == "add":
            return self.add([self.input, self.input], op.map, op.written, "ADD", schema.AddOptionsT())
        if op.kind == "resize":
            sizes = self.constant(np.int32([2 * op.map] * 2), schema.TensorType.INT32)
            options = schema.ResizeBilinearOptionsT()
            options.halfPixelCenters = True
            return self.add([self.input, sizes], 2 * op.map, op.written, "RESIZE_BILINEAR", options)
        return self.convolution()

    def convolution(self) -> int:
        op, schema, source = self.operation, self.schema, self.input
        depthwise, border = op.kind == "depthwise", op.kernel // 2
        shape = (1, op.kernel, op.kernel, op.written) if depthwise else (op.written, op.kernel, op.kernel, op.read)
        weight = self.constant(self.random.integers(-127, 128, shape, np.int8), schema.TensorType.INT8, channels=True)
        bias = self.constant(np.zeros(op.written, np.int32), schema.TensorType.INT32, channels=True)
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.strideH = options.strideW = op.stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.padding = schema.Padding.SAME
        if depthwise:
            options.depthMultiplier = 1
        if op.stride > 1 and border:
            options.padding = schema.Padding.VALID
            margins = self.constant(np.int32([[0, 0], [border] * 2, [border] * 2, [0, 0]]), schema.TensorType.INT32)
            side = op.map + 2 * border
            source = self.add([source, margins], side, op.read, "PAD", schema.PadOptionsT())
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.add([source, weight, bias], -(-op.map // op.stride), op.written, name, options)

    def add(self, inputs: list[int], side: int, width: int, name: str, options) -> int:
        output = self.activation(side, width)
        operator = self.schema.OperatorT()
        code = getattr(self.schema.BuiltinOperator, name)
        operator.opcodeIndex = self.codes.setdefault(code, len(self.codes))
        operator.inputs, operator.outputs = inputs, [output]
        operator.builtinOptions = options
        operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        self.operators.append(operator)
        return output

    def activation(self, side: int, width: int) -> int:
        return self.tensor((1, side, side, width), self.schema.TensorType.INT8, 0, [0.05], 3)

    def constant(self, values: np.ndarray, dtype: int, channels: bool = False) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.buffers.append(buffer)
        count = self.operation.written
        # A bias counts in steps of the input's scale times the weight's.
        scale = 0.01 * (0.05 if dtype == self.schema.TensorType.INT32 else 1.0)
        axis = len(values.shape) - 1 if self.operation.kind == "depthwise" else 0
        return self.tensor(values.shape, dtype, len(self.buffers) - 1, [scale] * count if channels else [], 0, axis)

    def tensor(self, shape, dtype: int, buffer: int, scales: list[float], zero: int, axis: int = 0) -> int:
        tensor = self.schema.TensorT()
        tensor.shape, tensor.type, tensor.buffer = list(shape), dtype, buffer
        tensor.name = f"t{len(self.tensors)}"
        if scales:
            tensor.quantization = self.schema.QuantizationParametersT()
            tensor.quantization.scale = np.float32(scales)
            tensor.quantization.zeroPoint = np.full(len(scales), zero, np.int64)
            tensor.quantization.quantizedDimension = axis
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def model(self, outputs: list[int]):
        schema = self.schema
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs, graph.name = [self.input], outputs, "main"
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [graph], self.buffers
        model.operatorCodes = []
        for code in self.codes:
            entry = schema.OperatorCodeT()
            entry.builtinCode, entry.deprecatedBuiltinCode = code, min(code, 127)
            entry.version = (
                3 if code in (schema.BuiltinOperator.CONV_2D, schema.BuiltinOperator.DEPTHWISE_CONV_2D) else 2
            )
            model.operatorCodes.append(entry)
        return model
