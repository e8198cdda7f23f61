"""TFLite files through LiteRT, or an older runtime under its former names."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.notices import quiet
from edgewing.runtimes import PICTURE_CAST, Description, On, Tensor, compiled, tflite_check, tried

# module with Interpreter, distribution whose version counts; the first that is installed is taken
_LIBRARIES = [
    ("ai_edge_litert.interpreter", "ai-edge-litert"),
    ("tflite_runtime.interpreter", "tflite-runtime"),  # still what many boards have
    ("tensorflow.lite", "tensorflow"),
]


class Interpreter:
    """A graph in LiteRT. Names are those of its one signature; calls go past the signature's own runner, which sizes
    and allocates all tensors anew every time."""

    def __init__(self, interpreter, description: Description):
        self.interpreter, self.description = interpreter, description
        signatures = list(interpreter.get_signature_list())
        if len(signatures) != 1:
            raise ValueError(f"{len(signatures)} signatures where 1 is expected")
        runner = interpreter.get_signature_runner(signatures[0])
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
        self.inputs, self.outputs = _tensors(inputs), _tensors(outputs)
        self._into = [d["index"] for d in inputs.values()]
        self._from = {name: d["index"] for name, d in outputs.items()}
        if set(self._into) != {d["index"] for d in interpreter.get_input_details()}:
            raise ValueError("a signature that is not of the main graph")

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self.interpreter.set_tensor(self._into[0], tensor)
        self.interpreter.invoke()
        return {name: self.interpreter.get_tensor(index) for name, index in self._from.items()}


def offered() -> tuple[str, ...]:
    """Kinds of processors beside the CPU; whether they are here shows when they are started."""
    return compiled.KINDS if library()[1] == "ai-edge-litert" else ()


def load(path: Path, contract: Contract, threads: int, on: On | None = None) -> Interpreter | compiled.Compiled:
    """Raises InputError where no LiteRT is installed, or it or tflite_check refuses the file, or it fails its trial,
    or there is no such processor. on: one of compiled.KINDS, and no options."""
    vet(path)
    if on:
        return compiled.load(path, threads, on[0])
    interpreter, description = interpret(path, threads)
    try:
        return Interpreter(interpreter, description)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: LiteRT refuses it ({reason(error)}); export it again") from None


def vet(path: Path) -> None:
    """Raises InputError where a file of others is not to be given to ``interpret``."""
    tflite_check.check(path)
    tried(path, "tflite", library)


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it."""
    module, name, version = library()

    def load(data: bytes):
        try:
            interpreter = module.Interpreter(model_content=data, num_threads=1)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise InputError(f"{name} {version} refuses it ({reason(error)})") from None
        return lambda shape: interpreter.invoke()

    return load


def interpret(path: Path, threads: int):
    """An allocated interpreter of the library's own kind, and what it is; also for files without a contract.

    Those that are not one's own are given to ``vet`` before. Raises InputError where LiteRT is missing or refuses it.
    """
    try:
        module, name, version = library()
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    try:
        with quiet():  # of "INFO: Created TensorFlow Lite XNNPACK delegate"
            interpreter = module.Interpreter(model_path=str(path), num_threads=threads)
            interpreter.allocate_tensors()
        # a private call, but every version since 2.3 has it
        nodes, left = _taken(interpreter._get_ops_details(), {d["index"] for d in interpreter.get_input_details()})
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: LiteRT refuses it ({reason(error)}); export it again") from None
    delegate = "XNNPACK" if len(left) < nodes else "no delegate"
    return interpreter, Description(name, version, delegate, threads, nodes, left)


def library() -> tuple[ModuleType, str, str]:
    """The module with Interpreter that is installed, its distribution and version; InputError where there is none."""
    for module, distribution in _LIBRARIES:
        try:
            return importlib.import_module(module), distribution, metadata.version(distribution)
        except (ImportError, metadata.PackageNotFoundError):
            continue
    raise InputError("needs LiteRT; pip install ai-edge-litert")


def _taken(operations: list[dict], inputs: set[int]) -> tuple[int, tuple[str, ...]]:
    """How many nodes the file has, and the kinds of those that no delegate took.

    A delegate leaves its mark as nodes of its own, DELEGATE, behind those of the file, which stay in the list. Those
    that it took are what lies between its outputs and its inputs.
    """
    nodes = {op["index"]: op for op in operations if op["op_name"] != "DELEGATE"}
    made_by = {int(tensor): index for index, op in nodes.items() for tensor in op["outputs"]}
    left = dict(nodes)
    for delegate in (op for op in operations if op["op_name"] == "DELEGATE"):
        inside, edge = [int(tensor) for tensor in delegate["outputs"]], {int(tensor) for tensor in delegate["inputs"]}
        while inside:
            tensor = inside.pop()
            if tensor not in edge and made_by.get(tensor) in left:
                inside += map(int, left.pop(made_by[tensor])["inputs"])
    kinds = [
        PICTURE_CAST if op["op_name"] == "CAST" and int(op["inputs"][0]) in inputs else op["op_name"]
        for op in left.values()
    ]
    return len(nodes), tuple(kinds)


def _tensors(details: dict) -> list[Tensor]:
    return [Tensor(name, tuple(d["shape"].tolist()), np.dtype(d["dtype"]).name) for name, d in details.items()]
