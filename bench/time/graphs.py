"""Graphs of others: .tflite and .onnx files without a contract, run on input that they themselves declare.

What has to be done around them to find landmarks is bench.peers.adapters'. Nothing of theirs is part of this project.
MediaPipe's face_landmark, which `bench race` and `bench peers` take as their reference, comes out of the package's
wheel; the package is never installed:

    pip download --no-deps --dest cache mediapipe==0.10.14
    python -m zipfile -e cache/mediapipe-0.10.14-*.whl cache     # -> cache/mediapipe/modules/face_landmark/*.tflite
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import containers, files
from edgewing.errors import InputError
from edgewing.runtimes import Description, Tensor, onnx, tflite

LARGEST_INPUT = 64 << 20  # values; a graph that wants more is no face-landmark model


@dataclass(frozen=True)
class Graph:
    """A graph that is ready to run. input: as the graph declares it, sizes left open taken as 1. run: an input to the
    outputs by name."""

    input: Tensor
    run: Callable[[np.ndarray], dict[str, np.ndarray]]
    description: Description

    def noise(self, count: int) -> list[np.ndarray]:
        """Seeded input in the graph's own type: uint8 0 to 255, int8 -128 to 127, floats 0 to 1."""
        random, kind = np.random.default_rng(0), np.dtype(self.input.dtype)
        if kind.kind in "iu":
            low, high = np.iinfo(kind).min, np.iinfo(kind).max
            return [random.integers(low, high, self.input.shape, kind, endpoint=True) for _ in range(count)]
        return [random.random(self.input.shape, np.float32).astype(kind) for _ in range(count)]


def open(path: str | Path) -> Graph:
    """Runs on one thread. InputError: not a .tflite or .onnx, more than one input, or one that is no tensor of 8-bit or
    float values."""
    path = Path(path)
    form = containers.format_of(path)
    if form not in ("tflite", "onnx"):
        raise InputError(f"{path}: {form} files without a contract are not run here; give a .tflite or an .onnx")
    inputs, run, description = _tflite(path) if form == "tflite" else _onnx(path)
    if len(inputs) != 1:
        raise InputError(f"{path}: the graph has {len(inputs)} inputs; only models with one can be timed")
    shape = tuple(side or 1 for side in inputs[0].shape)
    known = inputs[0].dtype in ("uint8", "int8", "float16", "float32")
    if not known or min(shape, default=0) < 1 or np.prod(shape, dtype=float) > LARGEST_INPUT:
        raise InputError(f"{path}: input {inputs[0].dtype} {list(shape)}; only 8-bit and float images can be timed")
    return Graph(Tensor(inputs[0].name, shape, inputs[0].dtype), run, description)


def _tflite(path: Path):
    tflite.vet(path)
    interpreter, description = tflite.interpret(path, threads=1)
    inputs = [
        Tensor(d["name"], tuple(d["shape"].tolist()), np.dtype(d["dtype"]).name)
        for d in interpreter.get_input_details()
    ]
    into = interpreter.get_input_details()[0]["index"] if inputs else 0
    outputs = {d["name"]: d["index"] for d in interpreter.get_output_details()}

    def run(tensor: np.ndarray) -> dict[str, np.ndarray]:
        interpreter.set_tensor(into, tensor)
        interpreter.invoke()
        return {name: interpreter.get_tensor(index) for name, index in outputs.items()}

    return inputs, run, description


def _onnx(path: Path):
    session = onnx.load(path, None, threads=1)
    if session.session.get_overridable_initializers():
        session = _folded(path)
    return session.inputs, session.run, session.description


def _folded(path: Path) -> onnx.Session:
    """An old exporter left the weights among the graph's inputs, where ONNX Runtime must not fold them: a copy without
    them there is what its makers would ship today."""
    import onnx as package

    model = package.load(str(path))
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.ir_version = max(model.ir_version, 4)  # before 4 every initializer had to be an input
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / path.name
        files.write(copy, model.SerializeToString())
        return onnx.load(copy, None, threads=1)
