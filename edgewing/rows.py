"""One row is one measurement. Rows are JSON lines, appended and never edited.

Every row says what was measured (artefact, by sha256), on what (machine), with what (versions, commit) and how
(protocol, command); `header` collects that, the measurement adds its figures at the top level. Numbers that do not
exist (the error of a face without prediction) are null.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Sequence
from pathlib import Path

from edgewing import errors, measure, outputs, repository
from edgewing.errors import InputError
from edgewing.row_fields import FIELDS, wrong

KINDS = tuple(FIELDS)
LIMIT = 256 << 20  # bytes of one rows file
LIBRARIES = ("numpy", "opencv-python-headless", "onnxruntime", "ai-edge-litert", "openvino", "MNN", "ncnn")


def header(kind: str, artefact: dict, protocol: dict, command: str) -> dict:
    """Everything a row must carry, of this machine, now. artefact: what edgewing.measure.artefact gives."""
    return {
        "kind": kind,
        "date": measure.now(),
        "command": command,
        **repository.commit(),
        "versions": versions(),
        "machine": measure.machine(),
        "artefact": artefact,
        "protocol": protocol,
    }


def versions() -> dict:
    """Versions of Python and of the libraries that a measurement can depend on, those that are installed."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # an optional runtime: a row lists what was there
    return found


def finite(value):
    """The same value for JSON: numbers that are not finite become None, tuples become lists."""
    if isinstance(value, dict):
        return {key: finite(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def printable(value):
    """The same value with texts that a terminal can show: a name of a file may be anything."""
    if isinstance(value, dict):
        return {errors.printable(str(key)): printable(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [printable(v) for v in value]
    return errors.printable(value) if isinstance(value, str) else value


def check(row: dict) -> dict:
    """The row, if it has what every row of its kind has (edgewing.row_fields). Raises InputError where it has not."""
    kind = row.get("kind")
    if isinstance(kind, str) and kind not in KINDS:
        raise InputError(f"a row of kind {kind!r}; known: {', '.join(KINDS)}")
    field = wrong(row)
    if field is not None:
        raise InputError(f"a row without {field}, or with another than belongs there; measure it again")
    return row


def parse(line: bytes) -> dict:
    """The object in a line of JSON. ValueError, RecursionError where it is none, or has what JSON calls no number."""

    def no_number(name: str):
        raise ValueError(f"{name} is not a number")

    row = json.loads(line, parse_constant=no_number)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    return row


def append(path: str | Path, row: dict) -> None:
    """Add one row. A single write to a file opened for appending, so that rows of two processes never mix.
    Raises InputError for a row that is none, or a file that cannot be written."""
    line = json.dumps(check(printable(row)), allow_nan=False, separators=(",", ":"), ensure_ascii=False) + "\n"
    if path == outputs.STDOUT:
        outputs.to_stdout(line)
        return
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            size = os.fstat(handle).st_size
            # A writer that was killed may have left half a line: ours must not be glued to it.
            cut = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = ("\n" * cut + line).encode()
            if os.write(handle, data) != len(data):
                raise InputError(f"{path}: only part of a row could be written; is the disk full?")
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check the folder") from None


def keep(made: Sequence[dict], to: str | Path | None, json: str | None = None, tell: bool = True) -> None:
    """Rows to where --to says, the first to where --json says, and the lines that tell of it."""
    if json:
        measure.write(json, made[0])
        print(f"wrote {json}")
    if to:
        for row in made:
            append(to, row)
        if tell:
            print(f"wrote {to}")


def read(path: str | Path) -> tuple[list[dict], list[str]]:
    """All rows of a file, oldest first, and the lines that are none: ``file:line: reason``.

    A broken line costs its row and not the others, because a killed run leaves one.
    Raises InputError where there is no file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no rows; make some with: python -m bench measure {path.parent}")
    if path.stat().st_size > LIMIT:
        raise InputError(f"{path}: larger than {LIMIT >> 20} MiB; not a rows file")
    found, problems = [], []
    with open(path, "rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                found.append(check(parse(line)))
            except UnicodeDecodeError:
                problems.append(f"{path}:{number}: not text; name a file of rows, or measure again")
            except (ValueError, RecursionError, InputError) as error:
                problems.append(f"{path}:{number}: {error}")
    return found, problems
