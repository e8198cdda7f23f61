"""A folder that is one model: its files in the order of their paths, as one stream, and back in a folder."""

from __future__ import annotations

import io
import itertools
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgewing import files
from edgewing.errors import InputError

CONTRACT = "contract.json"  # in a package of ours
MOST_FILES = 1000


def parts(root: Path) -> list[Path]:
    """All files below ``root``. InputError where they are too many."""
    # .DS_Store and its like are no part of the package
    found = (p for p in root.rglob("*") if p.is_file() and not p.name.startswith("."))
    ordered = sorted(itertools.islice(found, MOST_FILES + 1), key=lambda p: p.relative_to(root).as_posix())
    if len(ordered) > MOST_FILES:
        raise InputError(f"{root}: more than {MOST_FILES} files; copy the package again")
    return ordered


@contextmanager
def stream(path: str | Path, most: int) -> Iterator[tuple[BinaryIO, int]]:
    """A file as it is, open, and its size; a package as one file that is the same wherever it is made."""
    root = Path(path)
    if not root.is_dir():
        with files.reading(root, most) as opened:
            yield opened
        return
    with tempfile.TemporaryFile() as whole:
        with zipfile.ZipFile(whole, "w") as archive:
            for part in parts(root):
                name = zipfile.ZipInfo(part.relative_to(root).as_posix())
                name.create_system = 3  # whatever this one is
                with files.reading(part, most) as (file, size), archive.open(name, "w") as into:
                    shutil.copyfileobj(file, into)
                most -= size
        size = whole.tell()
        whole.seek(0)
        yield whole, size


@contextmanager
def unpacked(data: bytes) -> Iterator[Path]:
    """The package that ``stream`` has made one file of, in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
        yield Path(folder)
