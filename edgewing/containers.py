"""A contract out of .onnx, .tflite, .mlpackage, .engine and .safetensors, without running or loading the model.

Readers of our own, bounded and without a format's package: ``edgewing info`` works from the bare wheel. Anything wrong
with a file is an InputError of one line. What writes contracts into .onnx, .tflite and .mlpackage needs their packages
and lives with the exporters.
"""

from __future__ import annotations

import itertools
import json
import struct
from pathlib import Path
from typing import BinaryIO

from edgewing import contract as contracts
from edgewing import files
from edgewing.contract import KEY, Contract
from edgewing.errors import InputError
from edgewing.protobuf import Message, WireError

LARGEST_FILE = 512 * files.MIB
LARGEST_HEADER = 16 * files.MIB  # of a safetensors file
LARGEST_MANIFEST = files.MIB
ENGINE_MAGIC = b"EDGEWING"  # + uint32 length + contract + the engine as TensorRT serialised it; little-endian


class _Broken(Exception):
    """Why these bytes are not what their name says."""


def format_of(path: str | Path) -> str:
    """The format a file's suffix stands for: onnx, tflite, coreml, tensorrt or safetensors."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise InputError(f"{path}: not a model file; expected a name that ends in {', '.join(_FORMATS)}")
    return _FORMATS[suffix][0]


def read(path: str | Path) -> Contract:
    """The validated contract of a model file. InputError: no file, cut off, no contract, a broken contract."""
    contract = carried(path)
    if contract is None:
        raise InputError(f"{path}: has no {KEY} inside; export it with `python -m targets`")
    return contract


def carried(path: str | Path) -> Contract | None:
    """As ``read``, and None for a whole file that has no contract inside: a model of others."""
    format_of(path)
    _, text_of = _FORMATS[Path(path).suffix.lower()]
    inner = _mlmodel(Path(path)) if text_of is _coreml else Path(path)
    with files.reading(inner, LARGEST_FILE) as (file, size):
        try:
            text = text_of(file, size)
        except (_Broken, WireError, struct.error) as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None
    return None if text is None else contracts.loads(text, str(path))


def with_engine_header(contract: Contract, engine: bytes) -> bytes:
    """The bytes of an .engine file: header, contract, serialised engine."""
    text = contracts.dumps(contract).encode()
    return ENGINE_MAGIC + struct.pack("<I", len(text)) + text + engine


def engine_of(path: str | Path) -> bytes:
    """The serialised engine of an .engine file, behind its header."""
    read(path)
    data = files.read(path, LARGEST_FILE)
    return data[_engine_start(data[:12]) :]


def _mlmodel(package: Path) -> Path:
    """The specification inside an .mlpackage folder, as its manifest names it."""
    if not package.is_dir():
        what = "is a file, not a folder" if package.exists() else "no such folder"
        raise InputError(f"{package}: {what}; check the path")
    manifest = package / "Manifest.json"
    try:
        value = json.loads(files.read(manifest, LARGEST_MANIFEST))
        inside = value["itemInfoEntries"][value["rootModelIdentifier"]]["path"]
        model = (package / "Data" / inside).resolve()
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        raise InputError(f"{manifest}: cut off or damaged; export or copy the package again") from None
    if not model.is_relative_to(package.resolve()):
        raise InputError(f"{manifest}: names a file outside the package: {inside}")
    return model


def _onnx(file: BinaryIO, size: int) -> str | None:
    """ModelProto.metadata_props is field 14 (onnx.proto3)."""
    return Message(file, 0, size).whole().entry(14, KEY, contracts.LIMIT)


def _coreml(file: BinaryIO, size: int) -> str | None:
    """Model.description 2, .metadata 100, .userDefined 100 (coremltools, Model.proto)."""
    for description in Message(file, 0, size).whole().messages(2):
        for metadata in description.messages(100):
            return metadata.entry(100, KEY, contracts.LIMIT)
    return None


def _engine(file: BinaryIO, size: int) -> str | None:
    start = file.read(12)
    end = _engine_start(start)
    if end > size:
        raise _Broken("the header ends after the file")
    return _text(file.read(end - 12))


def _engine_start(header: bytes) -> int:
    if header[:8] != ENGINE_MAGIC or len(header) < 12:
        raise _Broken("no EDGEWING header; build it with `python -m targets`")
    (length,) = struct.unpack("<I", header[8:])
    if length > contracts.LIMIT:
        raise _Broken(f"a contract of {length} bytes; the limit is {contracts.LIMIT}")
    return 12 + length


def _safetensors(file: BinaryIO, size: int) -> str | None:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(size - 8, LARGEST_HEADER):
        raise _Broken(f"a header of {length} bytes in a file of {size}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise _Broken("its header is not JSON") from None
    tensors = [v for k, v in header.items() if k != "__metadata__"] if isinstance(header, dict) else [None]
    try:
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
        text = header.get("__metadata__", {}).get(KEY)
    except (TypeError, KeyError, IndexError, ValueError, AttributeError, OverflowError):
        raise _Broken("its header is not that of a safetensors file") from None
    if 8 + length + end != size:
        raise _Broken(f"{size} bytes where its header says {8 + length + end}")
    return text if text is None or isinstance(text, str) else _refuse("its contract is not a text")


def _tflite(file: BinaryIO, size: int) -> str | None:
    """Model: operator_codes 1, subgraphs 2, buffers 4, metadata 6; SubGraph: tensors 0, operators 3; Metadata: name 0,
    buffer 1; Buffer: data 0, offset 1, size 2 (schema.fbs)."""
    flat = _Flatbuffer(file, size)
    if flat.bytes(4, 4) != b"TFL3":
        raise _Broken("no TFL3 identifier")
    model = flat.integer(0, "I")
    # All of the file is looked at: when it is cut in half the contract is often still there, and the weights are not.
    spans = [flat.buffer(table) for table in flat.tables(model, 4)]
    parts = [flat.tables(model, 1)]
    for subgraph in flat.tables(model, 2):
        parts += [flat.tables(subgraph, 0), flat.tables(subgraph, 3)]
    for table in itertools.chain(*parts):
        flat.field(table, 0)
    for entry in flat.tables(model, 6):
        if flat.text(entry, 0) == KEY:
            at = flat.field(entry, 1)
            index = flat.integer(at, "I") if at else 0
            if not index < len(spans):
                raise _Broken(f"its contract is in buffer {index} of {len(spans)}")
            return _text(flat.bytes(*spans[index]))
    return None


class _Flatbuffer:
    """Positions in a flatbuffer (https://flatbuffers.dev/internals), each read checked against the file's size."""

    MOST_ENTRIES = 100_000

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.size = file, size

    def bytes(self, at: int, count: int) -> bytes:
        if not (0 <= at <= self.size - count and count <= contracts.LIMIT):
            raise _Broken(f"{count} bytes at {at} of {self.size}")
        self.file.seek(at)
        return self.file.read(count)

    def integer(self, at: int, kind: str) -> int:
        return struct.unpack("<" + kind, self.bytes(at, struct.calcsize("<" + kind)))[0]

    def field(self, table: int, index: int) -> int:
        """Where the field of a table lies; 0 where it is absent."""
        vtable = table - self.integer(table, "i")
        inside = self.integer(vtable, "H") > 4 + 2 * index
        offset = self.integer(vtable + 4 + 2 * index, "H") if inside else 0
        return table + offset if offset else 0

    def tables(self, table: int, index: int):
        """The tables of a vector field."""
        at = self.field(table, index)
        if not at:
            return
        start = at + self.integer(at, "I")
        count = self.integer(start, "I")
        if count > self.MOST_ENTRIES:
            raise _Broken(f"a list of {count}")
        for i in range(count):
            entry = start + 4 + 4 * i
            yield entry + self.integer(entry, "I")

    def buffer(self, table: int) -> tuple[int, int]:
        """Start and length of a Buffer's bytes, which lie in the flatbuffer or, in large files, behind it."""
        data, offset, length = (self.field(table, i) for i in range(3))
        if data:
            start = data + self.integer(data, "I")
            span = start + 4, self.integer(start, "I")
        elif offset and length:
            span = self.integer(offset, "Q"), self.integer(length, "Q")
        else:
            return 0, 0
        if sum(span) > self.size:
            raise _Broken(f"a buffer ends at {sum(span)} of {self.size}")
        return span

    def text(self, table: int, index: int) -> str:
        at = self.field(table, index)
        if not at:
            return ""
        start = at + self.integer(at, "I")
        return _text(self.bytes(start + 4, self.integer(start, "I")))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _Broken("a text that is not UTF-8") from None


def _refuse(why: str):
    raise _Broken(why)


# suffix -> format, reader of the contract's text (None where there is none)
_FORMATS = {
    ".onnx": ("onnx", _onnx),
    ".tflite": ("tflite", _tflite),
    ".mlpackage": ("coreml", _coreml),
    ".engine": ("tensorrt", _engine),
    ".safetensors": ("safetensors", _safetensors),
}
SUFFIXES = tuple(_FORMATS)
