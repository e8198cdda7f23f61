"""A contract out of every kind of model file and package (edgewing.formats), without running or loading the model.

Readers of our own, bounded and without a format's package: ``edgewing info`` works from the bare wheel. Anything wrong
with a file is an InputError of one line. What writes contracts into files lives with the exporters.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import itertools
import json
import re
import struct
from pathlib import Path
from typing import BinaryIO

from edgewing import contract as contracts
from edgewing import files, formats, packages, pte, trial
from edgewing.contract import KEY, UNSEALED, Contract
from edgewing.errors import InputError
from edgewing.flatbuffer import Flatbuffer
from edgewing.protobuf import Message, WireError
from edgewing.tensorrt import engines
from edgewing.tensorrt.engines import HeaderError

LARGEST_HEADER = 2 * files.MIB  # of a safetensors file; as JSON it takes 30 times that
LARGEST_MANIFEST = files.MIB
SUFFIXES = tuple(formats.BY_SUFFIX)
PACKAGE = "edgewing.containers:package"
SEAL = re.compile(rb'"seal\\?":\\?"([0-9a-f]{64})')  # JSON, or JSON inside a JSON text


def format_of(path: str | Path) -> str:
    """The format a file's suffix stands for, such as onnx or coreml. Raises InputError for another suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in formats.BY_SUFFIX:
        raise InputError(f"{path}: not a model file; expected a name that ends in {', '.join(formats.BY_SUFFIX)}")
    return formats.BY_SUFFIX[suffix]


def is_package(path: Path) -> bool:
    """Whether it is a folder that is one model, such as an .mlpackage, and none of a run."""
    return path.suffix in SUFFIXES and formats.TABLE[format_of(path)].package


def read_contract(path: str | Path) -> Contract:
    """The validated contract of a model file.

    Raises InputError: no file, cut off, no contract, a broken contract, a seal that does not fit the bytes.
    """
    contract = carried(path)
    if contract is None:
        raise InputError(f"{path}: has no {KEY} inside; export it with `python -m targets`")
    return contract


def carried(path: str | Path) -> Contract | None:
    """As ``read_contract``; None for a whole file that has no contract inside: a model of others."""
    form = formats.TABLE[format_of(path)]
    module, _, function = form.reader.partition(":")
    text_of = getattr(importlib.import_module(module), function)
    inner = _inner(Path(path))
    _refuse_pipe(inner)
    with files.reading(inner, files.LARGEST_MODEL) as (file, size):
        try:
            text = text_of(file, size)
        except (WireError, HeaderError, struct.error) as error:
            raise InputError(f"{path}: cut off or damaged ({error}); export or copy it again") from None
    if text is None:
        return None
    contract = contracts.loads(text, str(path))
    if contract.seal != UNSEALED and contract.seal != _digest(path, contract.seal):
        raise InputError(f"{path}: damaged, or changed since it was exported (its seal does not fit); copy it again")
    return contract


def seal(path: str | Path) -> None:
    """Write into a whole file's contract the sha256 of its bytes, so that any damage is found when it is read.

    A package's is over all its files, an .mlpackage's over those under its ``Data``. Raises InputError where there is
    not one contract to be sealed.
    """
    inner = _inner(Path(path))
    data = bytearray(files.read(inner, files.LARGEST_MODEL))
    places = [match.start(1) for match in SEAL.finditer(data)]
    if len(places) != 1:
        raise InputError(f"{path}: {len(places)} places for a seal where one is expected; export it again")
    for text in (UNSEALED, None):
        data[places[0] : places[0] + 64] = (text or _digest(path, UNSEALED)).encode()
        files.write(inner, bytes(data))
    trial.remember(path)  # it was made here


def _digest(path: str | Path, seal: str) -> str:
    """sha256 of a file, or of a package's files one after the other by name, with ``seal`` in them as zeros."""
    path = Path(path)
    parts = [path]
    if path.is_dir():
        parts = packages.parts(path if _inner(path).name == packages.CONTRACT else path / "Data")
    mark, whole, most = seal.encode(), hashlib.sha256(), files.LARGEST_MODEL
    for part in parts:
        with files.reading(part, most) as (file, size):
            kept, most = b"", most - size
            while block := file.read(files.MIB):
                kept = (kept + block).replace(mark, UNSEALED.encode())
                whole.update(kept[:-63])
                kept = kept[-63:]  # where a mark may begin that ends in the next block
            whole.update(kept)
    return whole.hexdigest()


def built(path: str | Path) -> tuple[Contract, engines.Build, bytes]:
    """Of an .engine file: its contract, what it was built for, the engine as TensorRT serialised it."""
    contract = read_contract(path)
    data = files.read(path, files.LARGEST_MODEL)
    build, _, at = engines.header(io.BytesIO(data), len(data))
    return contract, build, data[at:]


def _inner(path: Path) -> Path:
    """The file that the contract is in: the file itself, or the one inside a package."""
    form = formats.TABLE[format_of(path)]
    if form.reader == PACKAGE and not path.is_dir():
        raise _no_folder(path)
    return path / packages.CONTRACT if form.reader == PACKAGE else _mlmodel(path) if form.package else path


def _no_folder(package: Path) -> InputError:
    what = "is a file, not a folder" if package.exists() else "no such folder"
    return InputError(f"{package}: {what}; check the path")


def _mlmodel(package: Path) -> Path:
    """The specification inside an .mlpackage folder, as its manifest names it."""
    if not package.is_dir():
        raise _no_folder(package)
    manifest = package / "Manifest.json"
    _refuse_pipe(manifest)
    try:
        value = json.loads(files.read(manifest, LARGEST_MANIFEST))
        inside = value["itemInfoEntries"][value["rootModelIdentifier"]]["path"]
        model = (package / "Data" / inside).resolve()
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        raise InputError(f"{manifest}: cut off or damaged; export or copy the package again") from None
    if not model.is_relative_to(package.resolve()):
        raise InputError(f"{manifest}: names a file outside the package: {inside}")
    return model


def _refuse_pipe(path: Path) -> None:
    """Opening a pipe waits for somebody to write into it."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is a pipe or a device; copy it to a file")


def onnx(file: BinaryIO, size: int) -> str | None:
    """ModelProto.metadata_props is field 14 (onnx.proto3)."""
    return Message(file, 0, size).whole().entry(14, KEY, contracts.LIMIT)


def coreml(file: BinaryIO, size: int) -> str | None:
    """Model.description 2, .metadata 100, .userDefined 100 (coremltools, Model.proto)."""
    for description in Message(file, 0, size).whole().messages(2):
        for metadata in description.messages(100):
            return metadata.entry(100, KEY, contracts.LIMIT)
    return None


def engine(file: BinaryIO, size: int) -> str | None:
    return engines.header(file, size)[1]


def safetensors(file: BinaryIO, size: int) -> str | None:
    (length,) = struct.unpack("<Q", file.read(8))
    if length > min(size - 8, LARGEST_HEADER):
        raise WireError(f"a header of {length} bytes in a file of {size}")
    try:
        header = json.loads(file.read(length))
    except (ValueError, RecursionError):
        raise WireError("its header is not JSON") from None
    tensors = [v for k, v in header.items() if k != "__metadata__"] if isinstance(header, dict) else [None]
    try:
        end = max((int(tensor["data_offsets"][1]) for tensor in tensors), default=0)
        text = header.get("__metadata__", {}).get(KEY)
    except (TypeError, KeyError, IndexError, ValueError, AttributeError, OverflowError):
        raise WireError("its header is not that of a safetensors file") from None
    if 8 + length + end != size:
        raise WireError(f"{size} bytes where its header says {8 + length + end}")
    if not isinstance(text, str | None):
        raise WireError("its contract is not a text")
    return text


def tflite(file: BinaryIO, size: int) -> str | None:
    """Model: operator_codes 1, subgraphs 2, buffers 4, metadata 6; SubGraph: tensors 0, operators 3; Metadata: name 0,
    buffer 1; Buffer: data 0, offset 1, size 2 (schema.fbs)."""
    flat = Flatbuffer(file, size)
    if flat.bytes(4, 4) != b"TFL3":
        raise WireError("no TFL3 identifier")
    model = flat.integer(0, "I")
    # All of the file is looked at: when it is cut in half the contract is often still there, and the weights are not.
    spans = [tflite_buffer(flat, table) for table in flat.tables(model, 4)]
    parts = [flat.tables(model, 1)]
    for subgraph in flat.tables(model, 2):
        parts += [flat.tables(subgraph, 0), flat.tables(subgraph, 3)]
    for table in itertools.chain(*parts):
        flat.field(table, 0)
    for entry in flat.tables(model, 6):
        if flat.text(entry, 0) == KEY:
            index = flat.number(entry, 1, "I")
            if not index < len(spans):
                raise WireError(f"its contract is in buffer {index} of {len(spans)}")
            return _text(flat.bytes(*spans[index]))
    return None


def tflite_buffer(flat: Flatbuffer, table: int) -> tuple[int, int]:
    """Start and length of a Buffer's bytes, which lie in the flatbuffer or, in large files, behind it."""
    if flat.field(table, 0):
        return flat.span(table, 0)
    offset, length = (flat.number(table, i, "Q") for i in (1, 2))
    return flat.inside(offset, length) if offset and length else (0, 0)


def package(file: BinaryIO, size: int) -> str | None:
    """A file of its own in the folder."""
    if size > contracts.LIMIT:
        raise WireError(f"a contract of {size} bytes; the limit is {contracts.LIMIT}")
    return _text(file.read(size))


def mnn(file: BinaryIO, size: int) -> str | None:
    """Net.bizCode is field 0, .oplists 3, .tensorName 6 (MNN.fbs); the text of ours is the last thing in the file."""
    flat = Flatbuffer(file, size)
    net = flat.integer(0, "I")
    for table in flat.tables(net, 3):  # where they lie is looked at too: a file that is cut off has lost some
        flat.field(table, 0)
    start, length = flat.span(net, 0)
    text = flat.bytes(start, length) if 0 < length <= contracts.LIMIT else b""
    return _text(text) if text.startswith(b"{") else None


def executorch(file: BinaryIO, size: int) -> str | None:
    program = pte.Program(file, size)
    program.delegates()  # where they lie is looked at too: a file that is cut off has lost them
    span = program.contract()
    return None if span is None else _text(program.flat.bytes(*span))


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise WireError("a text that is not UTF-8") from None
