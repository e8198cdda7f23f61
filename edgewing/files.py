"""Files from outside are read up to a limit; files of ours appear under their final name whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from edgewing import outputs
from edgewing.errors import InputError

MIB = 1 << 20
LARGEST_MODEL = 512 * MIB


@contextlib.contextmanager
def reading(path: str | Path, limit: int) -> Iterator[tuple[BinaryIO, int]]:
    """An open file and its size in bytes; InputError where it is missing, a folder, unreadable or over the limit."""
    try:
        file = open(path, "rb")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL byte in the name
        raise InputError(f"{path}: cannot be read ({error}); check the path and its permissions") from None
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise InputError(f"{path}: {size / MIB:.1f} MiB; the limit is {limit / MIB:g} MiB")
        yield file, size


def read(path: str | Path, limit: int) -> bytes:
    """The whole file, at most ``limit`` bytes; InputError as for ``reading``, and for an empty file."""
    with reading(path, limit) as (file, _):
        data = file.read(limit + 1)  # a pipe has size 0 and may hold more
    if not data or len(data) > limit:
        raise InputError(f"{path}: is empty; copy it again" if not data else f"{path}: larger than {limit / MIB:g} MiB")
    return data


def arrays(path: str | Path, limit: int) -> dict:
    """name -> array of an .npz, of which no more than ``limit`` bytes are unpacked: 4 MB of a file can hold 4 GB.

    Raises InputError over the limit, and as for ``reading``; one of BROKEN_ARRAYS for a file that is no .npz, or
    damaged.
    """
    import numpy as np

    with reading(path, limit) as (file, _):
        with zipfile.ZipFile(file) as archive:  # nothing is unpacked beyond what its directory says
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > limit:
            raise InputError(f"{path}: unpacks to more than {limit // MIB} MiB; give fewer")
        file.seek(0)
        with np.load(file, allow_pickle=False) as found:
            return {name: np.asarray(found[name]) for name in found.files}  # a member may be no array but its bytes


BROKEN_ARRAYS = (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


class Window:
    """Bytes at positions of an open file, of which some blocks are kept: most small reads need no system call.

    Not a memory map: a file that shrinks under a map ends the process.
    """

    BITS, MOST_BLOCKS = 14, 32

    def __init__(self, file: BinaryIO):
        self.file = file
        self.blocks: dict[int, bytes] = {}

    def at(self, start: int, count: int) -> tuple[bytes, int]:
        """Bytes, and where ``start`` is in them; ``count`` of them follow there, fewer at the end of the file."""
        index = start >> self.BITS
        if (start + count - 1) >> self.BITS != index:
            self.file.seek(start)
            return self.file.read(count), 0
        if index not in self.blocks:
            if len(self.blocks) == self.MOST_BLOCKS:
                self.blocks.clear()
            self.file.seek(index << self.BITS)
            self.blocks[index] = self.file.read(1 << self.BITS)
        return self.blocks[index], start - (index << self.BITS)


class Part:
    """A new, empty file in the same folder and with the same suffix, which gets the final name when it is whole: a
    killed command leaves no partial file under that name, and what it does leave the next one removes.

    Nobody can have prepared it, as a link to something else, because its name is not known before. Where the final name
    is a link, the file that it leads to is replaced, and the link stays. What is no file (a device such as /dev/null)
    keeps its name and is written to. OSError and InputError where it cannot be made.
    """

    def __init__(self, path: str | Path):
        self.final = self.path = Path(path)
        if self.final.is_dir():
            raise InputError(f"{path}: is a folder; name a file")
        if self.final.exists() and not self.final.is_file():
            return
        if self.final.is_symlink():
            self.final = Path(os.path.realpath(self.final))
        sweep(self.final.parent)
        handle, name = tempfile.mkstemp(f".part{self.final.suffix}", tag(self.final), self.final.parent)
        if hasattr(os, "fchmod"):  # Windows has it from Python 3.13 on
            os.fchmod(handle, 0o666 & ~_UMASK)
        os.close(handle)
        self.path = Path(name)

    def finish(self) -> None:
        if self.path != self.final:
            os.replace(self.path, self.final)

    def discard(self) -> None:
        if self.path != self.final:
            with contextlib.suppress(OSError):  # a file system that has become read-only
                self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """A file to write, as ``Part`` has it; removed where the block ends with an error.
    Raises InputError for an OSError."""
    part = None
    try:
        part = Part(path)
        yield part.path
        part.finish()
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error}); check the folder") from None
    finally:
        if part is not None:
            part.discard()


def write(path: str | Path, data: bytes) -> None:
    """A whole file of these bytes; of an option's ``-``, to standard output."""
    if path == outputs.STDOUT:
        outputs.to_stdout(data.decode())
        return
    with beside(path) as part:
        part.write_bytes(data)


def _umask() -> int:
    """What the system takes from the rights of new files; it can be read only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


_UMASK = _umask()


@contextlib.contextmanager
def plain(path: Path) -> Iterator[str]:
    """The file's name as libraries in C++ can open it, inside the block: absolute, because FFmpeg takes what stands
    before a colon for a protocol, and a link where the name is not UTF-8, at which OpenCV ends the process."""
    path = path.absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = Path(folder, f"link{path.suffix.encode('ascii', 'ignore').decode()}")
            link.symlink_to(path)
            yield str(link)
    else:
        yield str(path)


def tag(path: Path) -> str:
    """How the name of what is made for ``path`` begins: hidden, with this machine and this process in it."""
    return f".{path.stem[:50]}.{_MACHINE}-{os.getpid()}."


@contextlib.contextmanager
def workshop(path: Path) -> Iterator[Path]:
    """A hidden folder beside ``path`` to make it in, under its own name. It is gone afterwards, and so is what killed
    processes left."""
    sweep(path.parent)
    with tempfile.TemporaryDirectory(".part", tag(path), path.parent) as folder:
        yield Path(folder, path.name)


def sweep(folder: Path) -> None:
    """Remove what processes of this machine that are dead have left unfinished in the folder."""
    for left in os.scandir(folder) if os.name == "posix" else ():  # elsewhere a process cannot be asked without harm
        found = re.fullmatch(r"\..+\.([0-9a-f]{8})-(\d+)\.(.*\.)?part(\.\w+)?", left.name)
        if found and found[1] == _MACHINE and not alive(int(found[2])):
            with contextlib.suppress(OSError):  # another process may be sweeping too
                shutil.rmtree(left.path) if left.is_dir(follow_symlinks=False) else os.unlink(left.path)


def alive(process: int) -> bool:
    """Whether a process of this machine runs."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


# Not socket.gethostname(): importing socket would make every start slower.
_HOST = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
_MACHINE = hashlib.sha256(_HOST.encode()).hexdigest()[:8]
