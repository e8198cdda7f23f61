"""Pictures without points: a folder of them, or of tar files that hold them (webdataset shards).

Nothing is unpacked to disk, and names inside a tar are only names.
"""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing import files, images
from edgewing.errors import InputError
from train.data.walk import walk

SHARD = ".tar"
LARGEST_SHARD = 16 << 10  # MiB; read as a stream, so that memory does not depend on it


def read(folder: str | Path, share: tuple[int, int] = (0, 1)) -> Iterator[tuple[str, np.ndarray] | InputError]:
    """(name, (H, W, 3) uint8 RGB) in the order of names; an InputError for a picture that is left out.

    share: (rank, world) of a worker that wants every ``world``-th picture; the others are not decoded.
    InputError, raised: no such folder, or one without pictures and tar files.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; check the path")
    found = files_of(folder)
    if not found:
        raise InputError(f"{folder}: no pictures; expected {', '.join(images.SUFFIXES)} or {SHARD} files of them")
    rank, world = share
    turn = itertools.cycle(place == rank for place in range(world))
    for path in found:
        if path.suffix.lower() == SHARD:
            yield from _shard(path, turn)
        elif next(turn):
            yield _decoded(path.relative_to(folder).as_posix(), lambda path=path: images.read_image(path))


def files_of(folder: Path) -> list[Path]:
    """Every picture and shard below the folder, in the order of names."""
    return sorted(
        here / name
        for here, names in walk(folder)
        for name in names
        if name.lower().endswith((*images.SUFFIXES, SHARD))
    )


def _shard(path: Path, turn: Iterator[bool]) -> Iterator[tuple[str, np.ndarray] | InputError]:
    with files.reading(path, LARGEST_SHARD * files.MIB) as (file, _):
        try:
            with tarfile.open(fileobj=file, mode="r:") as tar:
                for member in tar:
                    name = f"{path.name}/{Path(member.name).name}"
                    if not member.isfile() or Path(name).suffix.lower() not in images.SUFFIXES:
                        continue
                    if not next(turn):
                        continue
                    if member.size > images.LARGEST_FILE:
                        yield InputError(f"{path}: {name} has {member.size} bytes; the limit is {images.LARGEST_FILE}")
                        continue
                    data = tar.extractfile(member).read(member.size)
                    yield _decoded(name, lambda data=data, name=name: images.decode(data, name))
        except (tarfile.TarError, EOFError) as error:
            yield InputError(f"{path}: not a tar file, or cut off ({error}); copy it again")


def _decoded(name: str, read_) -> tuple[str, np.ndarray] | InputError:
    try:
        return name, read_()
    except InputError as error:
        return error
