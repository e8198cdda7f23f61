"""TFLite files on a GPU or NPU through LiteRT's CompiledModel; what a GPU does not take, the CPU runs."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import sys
import weakref
from importlib import metadata
from pathlib import Path

import numpy as np

from edgewing import notices
from edgewing.errors import InputError
from edgewing.runtimes import Description, Tensor

KINDS = ("GPU", "NPU", "CPU")  # of ai_edge_litert.hardware_accelerator.HardwareAccelerator


class Compiled:
    """A compiled graph with its one signature."""

    def __init__(self, model, description: Description):
        self.model, self.description = model, description
        (self.signature,) = model.get_signature_list()
        inputs = model.get_input_tensor_details(self.signature)
        outputs = model.get_output_tensor_details(self.signature)
        self.inputs, self.outputs = _tensors(inputs), _tensors(outputs)
        self._into = {name: model.create_input_buffer_by_name(self.signature, name) for name in inputs}
        self._from = {name: model.create_output_buffer_by_name(self.signature, name) for name in outputs}
        # at the end of the process too, where it would talk on stderr
        weakref.finalize(self, _close, model, [*self._into.values(), *self._from.values()])

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self._into[self.inputs[0].name].write(tensor)
        self.model.run_by_name(self.signature, self._into, self._from)
        shapes = {t.name: (t.shape, np.dtype(t.dtype)) for t in self.outputs}
        return {
            name: buffer.read(int(np.prod(shapes[name][0])), shapes[name][1].type).reshape(shapes[name][0])
            for name, buffer in self._from.items()
        }


def load(path: Path, threads: int, kind: str) -> Compiled:
    """kind: one of KINDS. Raises InputError where LiteRT is too old or has no such processor here."""
    try:
        models = importlib.import_module("ai_edge_litert.compiled_model")
        accelerators = importlib.import_module("ai_edge_litert.hardware_accelerator").HardwareAccelerator
        options = importlib.import_module("ai_edge_litert.options").Options(accelerators[kind])
        options.cpu_options.num_threads = threads
    except (ImportError, TypeError, AttributeError):
        raise InputError("needs LiteRT's CompiledModel; pip install --upgrade ai-edge-litert") from None
    if kind == "GPU":  # it fails where there is none; with an NPU's, the CPU would run all of it and nothing say so
        options.hardware_accelerators |= accelerators.CPU
    _quiet_end()
    model = None
    with contextlib.suppress(RuntimeError, ValueError):  # freed at once: it talks on stderr while it is
        model = models.CompiledModel.from_file(os.fspath(path), options=options)
    if model is None:
        raise InputError(f"LiteRT has no {kind} here, or it does not take the whole model")
    shared = kind == "GPU" and not model.is_fully_accelerated()
    version = metadata.version("ai-edge-litert")
    return Compiled(
        model, Description("ai-edge-litert", version, f"CompiledModel {kind}{' and CPU' * shared}", threads)
    )


@functools.cache
def _quiet_end() -> None:
    """LiteRT's environment talks on stderr when the process ends, after all that Python has to say."""

    def end() -> None:
        sys.stderr.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)

    atexit.register(end)


def _close(model, buffers: list) -> None:
    with notices.quiet():
        for buffer in buffers:
            buffer.destroy()
        environments = {id(e): e for part in (model, *buffers) if (e := getattr(part, "environment", None))}
        model.close()
        for environment in environments.values():
            environment.close()


def _tensors(details: dict) -> list[Tensor]:
    return [Tensor(name, tuple(d["shape"]), np.dtype(d["dtype"]).name) for name, d in details.items()]
