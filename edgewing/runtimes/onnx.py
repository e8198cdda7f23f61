"""ONNX files through ONNX Runtime, on the processor or on what else it was built for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.runtimes import Description, On, Tensor, onnx_check, tried

PROVIDER = "CPUExecutionProvider"
_DTYPES = {"tensor(uint8)": "uint8", "tensor(int8)": "int8", "tensor(float16)": "float16", "tensor(float)": "float32"}


class Session:
    """A graph in ONNX Runtime."""

    def __init__(self, session, description: Description):
        self.session, self.description = session, description
        self.inputs = [_tensor(value) for value in session.get_inputs()]
        self.outputs = [_tensor(value) for value in session.get_outputs()]
        self._names = [tensor.name for tensor in self.outputs]

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(self._names, self.session.run(self._names, {self.inputs[0].name: tensor})))


def offered() -> tuple[str, ...]:
    """The providers of this ONNX Runtime; whether their hardware is here shows when they are started."""
    return tuple(library().get_available_providers())


def load(path: Path, contract: Contract | None, threads: int, on: On = (PROVIDER, {})) -> Session:
    """Raises InputError where ONNX Runtime is missing or refuses the file, or onnx_check does, or it fails its trial,
    or the provider does not start or takes no node.

    contract: None for a model of others. on: provider, and its options.
    """
    onnx_check.check(path)
    onnxruntime = tried(path, "onnx", library, contract.input.shape if contract else ())
    try:
        session = _session(onnxruntime, str(path), threads, on)
    except Exception as error:  # its exception types are private
        refused = f"ONNX Runtime {onnxruntime.__version__} refuses it ({reason(error)})"
        raise InputError(f"{path}: {refused}; install a newer one, or export it again") from None
    nodes, left = _assigned(session, on[0])
    # A file of constants alone has no nodes left, and runs all the same.
    if on[0] not in session.get_providers() or (nodes and nodes == len(left)):
        raise InputError(f"{on[0]} does not start here")
    return Session(session, Description("onnxruntime", onnxruntime.__version__, on[0], threads, nodes, left))


def attempt() -> Callable[[bytes], Callable[[Sequence[int]], object]]:
    """As edgewing.trial has it. A size left open is taken as 1, where the contract says none."""
    onnxruntime = library()

    def load(data: bytes):
        try:
            session = _session(onnxruntime, data, 1)
        except Exception as error:
            raise InputError(f"ONNX Runtime {onnxruntime.__version__} refuses it ({reason(error)})") from None
        given = [_tensor(value) for value in session.get_inputs()]

        def run(shape: Sequence[int]) -> None:
            said = [*shape, *[1] * 8]
            sizes = [[side or said[i] for i, side in enumerate(tensor.shape)] for tensor in given]
            if all(tensor.dtype in _DTYPES.values() for tensor in given):  # others are refused, and not run
                session.run(None, {t.name: np.zeros(s, t.dtype) for t, s in zip(given, sizes)})

        return run

    return load


def _session(onnxruntime: ModuleType, model: str | bytes, threads: int, on: On = (PROVIDER, {})):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads sleep
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    options.log_severity_level = 4  # what matters comes as an exception
    name, settings = on[0], dict(on[1])
    if name == "OpenVINOExecutionProvider":  # has threads of its own, as many as there are cores
        settings["num_of_threads"] = str(threads)
    providers = [PROVIDER] if name == PROVIDER else [(name, settings), PROVIDER]
    return onnxruntime.InferenceSession(model, options, providers=providers)


def _assigned(session, name: str) -> tuple[int | None, tuple[str, ...]]:
    """How many nodes there are and the kinds of those that the provider does not run; before 1.24 it does not say."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except AttributeError:
        return None, ()
    kinds = [(part.ep_name, node.op_type) for part in parts for node in part.get_nodes()]
    return len(kinds), tuple(kind for provider, kind in kinds if provider != name)


def library() -> ModuleType:
    """ONNX Runtime; InputError where it is not installed."""
    try:
        return importlib.import_module("onnxruntime")
    except ImportError:
        raise InputError("needs ONNX Runtime; pip install onnxruntime") from None


def _tensor(value) -> Tensor:
    shape = tuple(side if isinstance(side, int) else None for side in value.shape)
    return Tensor(value.name, shape, _DTYPES.get(value.type, value.type))
