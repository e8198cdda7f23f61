"""What is fuzzed: the readers of contracts and of the files they lie in. Each takes bytes; an InputError is an answer,
anything else that is raised is a fault."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

from edgewing import containers
from edgewing import contract as contracts
from edgewing.errors import InputError
from edgewing.runtimes import executorch, onnx_check, tflite_check

CORPUS = Path(__file__).with_name("corpus")
MANIFEST = '{"itemInfoEntries": {"A": {"path": "m"}}, "rootModelIdentifier": "A"}'


@functools.cache
def folder() -> Path:
    """Written and read again for every input: in memory, where the system has such a place."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="edgewing-fuzz-", dir=memory if memory.is_dir() else None))


def contract(data: bytes) -> None:
    read = contracts.loads(data)
    assert contracts.loads(contracts.dumps(read)) == read


def file(data: bytes, suffix: str, *checks: Callable[[Path], object]) -> None:
    """The contract out of a file, and what is looked at before a runtime gets it, each whatever the other finds."""
    path = folder() / f"a{suffix}"
    path.write_bytes(data)
    refused = []
    for look in (containers.carried, *checks):
        try:
            look(path)
        except InputError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def package(data: bytes, inside: str) -> None:
    path = folder() / "a.mlpackage"
    (path / "Data").mkdir(parents=True, exist_ok=True)
    (path / "Manifest.json").write_text(MANIFEST)
    (path / "Data" / "m").write_bytes(b"")
    (path / inside).write_bytes(data)
    containers.carried(path)


READERS: dict[str, Callable[[bytes], None]] = {
    "contract": contract,
    "onnx": lambda data: file(data, ".onnx", onnx_check.check),
    "tflite": lambda data: file(data, ".tflite", tflite_check.check),
    "mlmodel": lambda data: package(data, "Data/m"),
    "manifest": lambda data: package(data, "Manifest.json"),
    "engine": lambda data: file(data, ".engine"),
    "pte": lambda data: file(data, ".pte", executorch.calls),
    "safetensors": lambda data: file(data, ".safetensors"),
}


def accepts(name: str, data: bytes) -> bool:
    """Whether the reader takes these bytes; raises what must not be raised."""
    try:
        READERS[name](data)
    except InputError as error:
        assert len(str(error)) < 1000 and "\n" not in str(error), error
        return False
    return True
