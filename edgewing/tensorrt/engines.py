"""An .engine file: what it was built for, its contract, then the engine as TensorRT serialised it.

An engine belongs to one TensorRT version and one chip, and TensorRT says so late and in many lines, or crashes. So the
versions stand in front, and a file from elsewhere is refused before TensorRT sees it. All integers little-endian:

    8 bytes  EDGEWING
    uint32   version of this header, 1
    uint32   length of the build, JSON, at most 4 KiB
    uint32   length of the contract, JSON, at most 64 KiB
             the build, the contract, the engine
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from edgewing import contract as contracts
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.tensorrt import cuda

MAGIC, VERSION = b"EDGEWING", 1
START = struct.Struct("<8sIII")
LIMIT = 4096  # bytes of the build's JSON


class HeaderError(Exception):
    """Why these bytes are not an .engine file of ours."""


@dataclass(frozen=True)
class Build:
    """What an engine was built for, and from what.

    tensorrt: its version. name, capability: of the chip, as cuda.Chip has them. dla: the DLA core it uses, -1 for none.
    source: name of the ONNX file, '' where torch_tensorrt built it from the run. size: bytes of the engine.
    """

    tensorrt: str
    name: str
    capability: str
    dla: int
    source: str
    size: int

    def __str__(self) -> str:
        return f"TensorRT {self.tensorrt}, {cuda.Chip(self.name, self.capability)}"

    @property
    def where(self) -> str:
        return f"DLA core {self.dla} and the GPU" if self.dla >= 0 else "the GPU"


def pack(contract: Contract, build: Build, engine: bytes) -> bytes:
    """The bytes of an .engine file. Raises InputError for names that are too long."""
    about, text = json.dumps(dataclasses.asdict(build)).encode(), contracts.dumps(contract).encode()
    if len(about) > LIMIT:
        raise InputError(f"{build.source[:60]}...: the names are longer than an engine's header can hold; rename it")
    return START.pack(MAGIC, VERSION, len(about), len(text)) + about + text + engine


def header(file: BinaryIO, size: int) -> tuple[Build, str, int]:
    """The build, the text of the contract, and where the engine starts; the file is read no further.

    size: of the file. Raises HeaderError: another file, another version of the header, cut off, more than it may hold.
    """
    start = file.read(START.size)
    if start[: len(MAGIC)] != MAGIC or len(start) < START.size:
        raise HeaderError("no EDGEWING header; build it with `python -m edgewing.build`")
    _, version, build_length, contract_length = START.unpack(start)
    if version != VERSION:
        raise HeaderError(f"its header is of version {version}, this edgewing reads {VERSION}; build it again")
    for what, length, limit in (("build", build_length, LIMIT), ("contract", contract_length, contracts.LIMIT)):
        if length > limit:
            raise HeaderError(f"a {what} of {length} bytes; the limit is {limit}")
    try:
        build = _build(json.loads(file.read(build_length)))
        text = file.read(contract_length).decode()
    except (ValueError, RecursionError):
        raise HeaderError("its header is not JSON") from None
    at = START.size + build_length + contract_length
    if at + build.size != size:
        raise HeaderError(f"{size} bytes where its header says {at + build.size}")
    return build, text, at


def _build(value: object) -> Build:
    hints = {"str": str, "int": int}
    known = {}
    for field in dataclasses.fields(Build):
        kind = hints[field.type]
        found = value.get(field.name) if isinstance(value, dict) else None
        if type(found) is not kind:
            raise HeaderError(f"{field.name} of its build is not {'a text' if kind is str else 'a whole number'}")
        known[field.name] = found
    if Path(known["source"]).name != known["source"]:
        raise HeaderError("source of its build is not the name of a file")
    return Build(**known)


def rebuild(path: Path, build: Build, precision: str) -> str:
    """The command that builds this engine again, on the board that is to run it."""
    if not build.source:
        return f"python -m targets.engine RUN --precision {precision}"
    words = ["python", "-m", "edgewing.build", str(path.with_name(build.source)), "--precision", precision]
    return shlex.join(words + (["--dla", str(build.dla)] if build.dla >= 0 else []))


def refuse_elsewhere(path: Path, build: Build, precision: str, tensorrt: str, chip: cuda.Chip) -> None:
    """Raises InputError where this TensorRT or this chip is not the one the engine was built for."""
    # The log of trtexec has three numbers, the package may have four (8.5.2.2).
    same = tensorrt.split(".")[:3] == build.tensorrt.split(".")[:3]
    if not same or chip != cuda.Chip(build.name, build.capability):
        raise InputError(
            f"{path}: was built for {build}, and this is TensorRT {tensorrt}, {chip}; "
            f"build it again here: {rebuild(path, build, precision)}"
        )
