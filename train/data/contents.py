"""sha256 of files, remembered in ``contents.sqlite`` beside the caches: what nobody touched is not read again.

Touched is a file whose size, times (of its bytes and of its entry) or inode are others. A file that changed a moment
ago could change again within one tick of the clock: it is not remembered until it has settled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import time
from pathlib import Path

INDEX = "contents.sqlite"
SETTLED = 2.0  # seconds; the coarsest clock of a file system in use (FAT's)
_BLOCK = 1 << 20
_PENDING = 500  # rows that are written together
_PATIENCE = 10.0  # seconds for another process that writes


class Contents:
    """Digests of files; a context manager. files_read: how many had to be read.

    root: the folder of the index. Where it cannot be used (None, a read-only disk), every file is read.
    """

    def __init__(self, root: str | Path | None, settled: float = SETTLED, patience: float = _PATIENCE):
        self.files_read, self.settled, self.patience = 0, settled, patience
        self._pending: list[tuple] = []
        self._last: tuple = ()  # of a file of many samples
        self._root, self._index = root, None

    def __enter__(self) -> Contents:
        return self

    def __exit__(self, *_) -> None:
        self._flush()
        if self._index:
            self._index.close()

    def digest(self, path: str | Path) -> bytes:
        """32 bytes; none where the file cannot be read, which whoever opens it says."""
        key = os.fsencode(os.path.abspath(path))
        if self._root is not None:  # opened with the first file
            self._index, self._root = _open(Path(self._root) / INDEX, self.patience), None
        try:
            stamp = _stamp(os.stat(key))
            if self._last[:2] == (key, stamp):
                return self._last[2]
            if (known := self._known(key, stamp)) is not None:
                return known
            digest = hashlib.sha256()
            with open(key, "rb", buffering=0) as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                after = os.fstat(file.fileno())
        except OSError:
            return b""
        self.files_read += 1
        self._last = key, stamp, digest.digest()
        if _stamp(after) == stamp and time.time() - max(after.st_mtime, after.st_ctime) >= self.settled:
            self._pending.append(self._last)
            if len(self._pending) >= _PENDING:
                self._flush()
        return self._last[2]

    def _known(self, key: bytes, stamp: str) -> bytes | None:
        if self._index is None:
            return None
        with contextlib.suppress(sqlite3.Error):
            row = self._index.execute("SELECT sha256 FROM files WHERE path = ? AND stamp = ?", (key, stamp)).fetchone()
            return row[0] if row else None
        return None

    def _flush(self) -> None:
        if self._index is not None and self._pending:
            # another process holds the index, or the disk is full: these files are read again next time
            with contextlib.suppress(sqlite3.Error), self._index:
                self._index.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", self._pending)
        self._pending.clear()


def _stamp(about: os.stat_result) -> str:
    times = about.st_mtime_ns, about.st_ctime_ns
    return " ".join(map(str, (about.st_size, *times, about.st_ino)))


def _open(path: Path, patience: float) -> sqlite3.Connection | None:
    """The index, made anew where it is broken; None where it cannot be."""
    for _ in range(2):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            index = sqlite3.connect(path, timeout=patience)
            index.execute("CREATE TABLE IF NOT EXISTS files (path BLOB PRIMARY KEY, stamp TEXT, sha256 BLOB)")
            index.execute("SELECT path, stamp, sha256 FROM files LIMIT 1").fetchone()
            return index
        except sqlite3.OperationalError:  # locked, read-only, full
            return None
        except sqlite3.DatabaseError:
            index.close()
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        except OSError:
            return None
    return None
