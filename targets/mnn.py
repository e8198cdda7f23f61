"""MNN, for Android phones and boards: fp32, fp16 (weights in half), weight8 (weights in 8 bits, arithmetic in float).

From the ONNX that TensorRT is given, by MNN's converter in its C module: the one of its command line installs a package
that reports to its makers. The contract is the file's ``bizCode``, a text that MNN keeps for its users.

No int8: the converter takes the pairs of quantize and dequantize for arithmetic in float, and MNN's own tool measures
ranges of its own.
"""

from __future__ import annotations

import io
import struct
import tempfile
from pathlib import Path

from edgewing import contract, files
from edgewing.errors import InputError
from edgewing.flatbuffer import Flatbuffer
from targets import tensorrt
from targets.job import Job, needs

FORMAT, INTERFACE = "mnn", tensorrt.INTERFACE
LIBRARIES = (*tensorrt.LIBRARIES, "MNN")
OPTIONS = {"fp32": (), "fp16": ("--fp16",), "weight8": ("--weightQuantBits", "8", "--weightQuantAsymmetric")}


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    with needs(FORMAT, "MNN"):
        import _tools
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "model.onnx")
        source.write_bytes(tensorrt.converted(job, "fp32").SerializeToString())
        words = ["--framework", "ONNX", "--modelFile", str(source), "--MNNModel", str(path), "--bizCode", "-"]
        _tools.mnnconvert(["mnnconvert", *words, *OPTIONS[precision]])
    if not path.exists():
        raise InputError("MNN's converter wrote no file; --debug shows what it said")
    embed(path, job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of an artefact: its text is put behind everything else, and pointed to from there."""
    data = bytearray(files.read(path, files.LARGEST_MODEL))
    flat = Flatbuffer(io.BytesIO(data), len(data))
    field = flat.field(flat.integer(0, "I"), 0)
    start, length = flat.span(flat.integer(0, "I"), 0)
    if data[start : start + length].startswith(b"{"):  # the one before, which ends the file
        del data[start - 4 :]
    data += bytes(-len(data) % 4)
    struct.pack_into("<I", data, field, len(data) - field)
    text = contract.dumps(about).encode()
    files.write(path, bytes(data) + struct.pack("<I", len(text)) + text + b"\0")
