"""TensorFlow Lite for Microcontrollers: a .tflite file of int8, whose input is int8 too: a pixel's value less 128.

It is the int8 file for phones without the picture's cast from uint8, which TFLM has not, and with nothing in float but
the decode. Checked by TFLM's own kernels, those of the PyPI package; the arena is the least that they start in.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np

from edgewing import containers, contract, files, runtimes
from edgewing.errors import InputError
from edgewing.runtimes import Description, Tensor
from targets import flatbuffer, tflite
from targets.graph import Interface
from targets.job import Job, needs
from targets.tflite import embed

__all__ = ["FORMAT", "INTERFACE", "embed", "export", "opened"]

FORMAT, INTERFACE = "tflite", Interface("NHWC", "int8")
LIBRARIES = (*tflite.LIBRARIES, "tflite-micro")
LARGEST_ARENA = 64 * 1024  # KiB
COMMANDS = "CUSTOM"  # what an NPU does, as the one operator that it is in the file
GIVEN = "given-to-vela.tflite"  # beside a file for an NPU while it is checked


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact, contract inside, parity not yet measured. precision: int8."""
    tflite.write(path, converted(job), about(job, precision, LIBRARIES))


def converted(job: Job) -> bytes:
    flat = job.once(FORMAT, lambda: tflite.convert(job.graph(tflite.INTERFACE)))
    return flatbuffer.of_int8(tflite.quantize(flat, job.measured(FORMAT, partial(tflite.activations, flat))))


def about(job: Job, precision: str, libraries: tuple[str, ...]) -> contract.Contract:
    found = job.contract(FORMAT, INTERFACE, precision, libraries)
    inside = "inside the graph: the input's scale and zero point"
    return found.replace(input=dataclasses.replace(found.input, range=[-128.0, 127.0], normalisation=inside))


class Micro:
    """A graph in TFLM, which declares no names: they are those of the file's tensors."""

    def __init__(self, flat: bytes):
        with needs("tflm", "tflite-micro"):
            from tflite_micro.python.tflite_micro import runtime
        self.interpreter = runtime.Interpreter.from_bytes(flat, arena_size=LARGEST_ARENA << 10)
        self.inputs = [_tensor(name, self.interpreter.get_input_details(0)) for name in flatbuffer.ends(flat)[0]]
        names = flatbuffer.ends(flat)[1]
        self.outputs = [_tensor(name, self.interpreter.get_output_details(i)) for i, name in enumerate(names)]
        delegate = f"its own kernels in an arena of {_arena(runtime.Interpreter, flat)} KiB"
        self.description = Description("tflite-micro", metadata.version("tflite-micro"), delegate, 1)

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self.interpreter.set_input(tensor, 0)
        self.interpreter.invoke()
        return {part.name: self.interpreter.get_output(i) for i, part in enumerate(self.outputs)}


def opened(path: Path) -> list[runtimes.Runtime]:
    """TFLM for a file whose input is int8; none for others, which are for LiteRT.

    Of a file that an NPU takes part in, what Vela was given runs in its place.
    """
    known = containers.read_contract(path)
    if known.input.dtype != "int8":
        return []
    flat = files.read(path, files.LARGEST_MODEL)
    if all(operation.kind != COMMANDS for operation in flatbuffer.operations(flat)):
        return [runtimes.Runtime(Micro(flat), known)]
    if not (given := path.with_name(GIVEN)).exists():
        raise InputError(f"{path}: needs an Ethos-U, and is not run here; make it again to have it checked")
    micro = Micro(given.read_bytes())
    delegate = f"{micro.description.delegate}, on what Vela was given; the NPU was not run"
    micro.description = dataclasses.replace(micro.description, delegate=delegate)
    return [runtimes.Runtime(micro, known)]


def _arena(interpreter, flat: bytes) -> int:
    """KiB of the smallest arena that the file's tensors can be laid out in."""
    low, high = 0, LARGEST_ARENA
    while high - low > 1:
        middle = (low + high) // 2
        try:
            interpreter.from_bytes(flat, arena_size=middle << 10)
            high = middle
        except RuntimeError:
            low = middle
    if high == LARGEST_ARENA:
        raise InputError(f"TFLM refuses it, or needs an arena of more than {LARGEST_ARENA >> 10} MiB")
    return high


def _tensor(name: str, details: dict) -> Tensor:
    return Tensor(name, tuple(details["shape"].tolist()), np.dtype(details["dtype"]).name)
