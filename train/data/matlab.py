"""MATLAB's two kinds of ``.mat``: v5 (AFLW-19, LSP, COFW-68's points) and v7.3, which is HDF5 (COFW).

Both hand arrays over as MATLAB shows them: (rows, columns), although HDF5 keeps them the other way round.

v5 is read by the few lines below, with numpy alone: SciPy's reader follows cells within cells without an end and takes
the process down with it (a file of 6 MB is enough), and a packed element may grow a thousandfold there. Format:
"MAT-File Format", The MathWorks. v7.3 needs h5py, imported when such a file is opened; links out of the file, virtual
data sets and chunks beyond the limit are refused.
"""

from __future__ import annotations

import functools
import os
import struct
import zlib
from pathlib import Path

import numpy as np

from edgewing import files, images
from edgewing.errors import InputError
from edgewing.words import counted

LARGEST_V5 = 64 * files.MIB  # packed or not
LARGEST_V73 = 4096 * files.MIB
_LARGEST_NUMBERS = 64 * files.MIB
_HDF5 = b"\x89HDF\r\n\x1a\n"
_STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXT = {2: "utf-8", 16: "utf-8", 4: "utf-16", 17: "utf-16", 18: "utf-32"}
_MATRIX, _PACKED = 14, 15
_CELL, _CHARACTERS, _NUMBERS = 1, 4, range(6, 16)


def numbers(path: Path, *names: str) -> list[np.ndarray]:
    """Numeric variables of a ``.mat`` of either kind, float64, each in the shape MATLAB shows.

    InputError: no such file, over the limit, broken, or without one of the variables.
    """
    if _is_hdf5(path):
        opened = hdf5(path)
        return [opened.numbers(name) for name in names]
    found = _v5(path, set(names))
    return [_typed(path, found, name, np.ndarray) for name in names]


def texts(path: Path, name: str) -> list[str]:
    """A v5 variable that is a cell array of texts, one string a cell, in MATLAB's order. InputError as ``numbers``."""
    return _typed(path, _v5(path, {name}), name, list)


def picture(path: Path, name: str, index: int) -> np.ndarray:
    """Number ``index`` (from 0) of the pictures in cell array ``name`` of a v7.3 file: (H, W, 3) uint8 RGB.

    Grey becomes three equal channels. InputError: not uint8, not a picture's shape, over 64 megapixels, or broken.
    """
    return hdf5(path).picture(name, index)


def hdf5(path: Path) -> _File:
    """The open v7.3 file; one handle for each file and process, opened again when the file has changed."""
    with files.reading(path, LARGEST_V73) as (file, size):
        changed = os.fstat(file.fileno()).st_mtime_ns
    if not _is_hdf5(path):
        raise InputError(f"{path}: not a MATLAB v7.3 file; fetch or copy it again")
    return _opened(str(path), size, changed, os.getpid())


@functools.lru_cache(8)
def _opened(path: str, *_) -> _File:
    return _File(path)


class _File:
    """A v7.3 file that pictures and numbers are read from."""

    def __init__(self, path: str):
        try:
            import h5py
        except ImportError:
            raise InputError(f"{path}: MATLAB v7.3 files need h5py; install it with: pip install h5py") from None
        self.path, self._h5py = path, h5py
        self._cells: dict[str, np.ndarray] = {}
        # What a broken file makes of h5py depends on where it is broken.
        self._broken = (OSError, RuntimeError, KeyError, ValueError, TypeError, MemoryError, OverflowError)
        try:
            self.file = h5py.File(path, "r", locking=False)
        except self._broken as error:
            raise InputError(f"{path}: not a whole HDF5 file ({_short(error)}); fetch or copy it again") from None

    def numbers(self, name: str) -> np.ndarray:
        values = self._read(self._dataset(name), name, _LARGEST_NUMBERS)
        if values.dtype.kind not in "fiub":
            raise InputError(f"{self.path}: {name} is not made of numbers")
        return values.T.astype(np.float64)

    def count(self, name: str) -> int:
        """How many cells."""
        return self._references(name).size

    def picture(self, name: str, index: int) -> np.ndarray:
        references, where = self._references(name), f"{name}{{{index + 1}}}"
        if not 0 <= index < references.size:
            raise InputError(f"{self.path}: {where} is not there; {name} has {counted(references.size, 'cells')}")
        try:
            dataset = self.file[references[index]]
        except self._broken as error:
            raise InputError(f"{self.path}: {where} cannot be read ({_short(error)}); fetch or copy it again") from None
        if not isinstance(dataset, self._h5py.Dataset) or dataset.dtype != np.uint8 or dataset.ndim not in (2, 3):
            raise InputError(f"{self.path}: {where} is not a picture of bytes")
        pixels = self._read(dataset, where, 3 * images.LARGEST_PIXELS).T
        if not pixels.size or (pixels.ndim == 3 and pixels.shape[2] != 3):
            raise InputError(f"{self.path}: {where} has shape {pixels.shape}; expected rows x columns (x 3)")
        return np.ascontiguousarray(pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2))

    def _references(self, name: str) -> np.ndarray:
        if name not in self._cells:
            dataset = self._dataset(name)
            if self._h5py.check_ref_dtype(dataset.dtype) is not self._h5py.Reference:
                raise InputError(f"{self.path}: {name} is not a cell array")
            self._cells[name] = self._read(dataset, name, _LARGEST_NUMBERS).ravel()
        return self._cells[name]

    def _dataset(self, name: str):
        try:
            link = self.file.get(name, getlink=True)
            if not isinstance(link, self._h5py.HardLink):
                raise KeyError("no such variable" if link is None else "a link out of the file")
            dataset = self.file[name]
            if not isinstance(dataset, self._h5py.Dataset):
                raise TypeError("not an array")
        except self._broken as error:
            raise InputError(f"{self.path}: no array {name} ({_short(error)}); fetch or copy it again") from None
        return dataset

    def _read(self, dataset, where: str, limit: int) -> np.ndarray:
        try:
            size = max(dataset.nbytes, int(np.prod(dataset.chunks or 0)) * dataset.dtype.itemsize)
            if dataset.is_virtual or dataset.external:
                raise ValueError("its data are in another file")
            if size > limit:
                raise ValueError(f"{size} bytes, the limit is {limit}")
            return dataset[()]
        except self._broken as error:
            raise InputError(f"{self.path}: {where} cannot be read ({_short(error)}); fetch or copy it again") from None


def _is_hdf5(path: Path) -> bool:
    """HDF5 begins at byte 0, 512, 1024 ...; MATLAB leaves 512 bytes for its own header."""
    with files.reading(path, LARGEST_V73) as (file, _):
        start = file.read(520)
    return _HDF5 in (start[:8], start[512:])


def _v5(path: Path, wanted: set[str]) -> dict[str, np.ndarray | list[str]]:
    data = files.read(path, LARGEST_V5)
    found: dict[str, np.ndarray | list[str]] = {}
    try:
        order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
        if order is None:
            raise ValueError("its head is not MATLAB's")
        budget = [LARGEST_V5]
        for kind, body in _elements(data[128:], order):
            if kind == _PACKED:
                kind, body = next(_elements(_unpacked(body, budget), order))
            if kind == _MATRIX:
                name, value = _matrix(body, order, wanted)
                if name in wanted:
                    found[name] = value
    except (KeyError, StopIteration, struct.error, zlib.error, ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a whole MATLAB v5 file ({_short(error)}); fetch or copy it again") from None
    return found


def _elements(data: bytes, order: str):
    """(type, bytes) of the data elements in a row; ValueError where one ends after the file does."""
    place = 0
    while place + 8 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, place)
        start = place + 8
        if kind >> 16:  # up to 4 bytes stand in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, place + 4
            following = place + 8
        else:
            following = start + (size if kind == _PACKED else (size + 7) // 8 * 8)
        if start + size > len(data) or (start == place + 4 and size > 4):
            raise ValueError(f"it ends within an element of {size} bytes")
        yield kind, data[start : start + size]
        place = following


def _unpacked(body: bytes, budget: list[int]) -> bytes:
    machine = zlib.decompressobj()
    data = machine.decompress(body, budget[0])
    if not machine.eof:
        raise ValueError(f"cut off, or more than {LARGEST_V5 // files.MIB} MiB when unpacked")
    budget[0] -= len(data)
    return data


def _matrix(body: bytes, order: str, wanted: set[str]):
    """Name and value of one array: float64, a list of texts for cells of texts, None for what is none of both."""
    parts = _elements(body, order)
    flags, shape = next(parts)[1], np.frombuffer(next(parts)[1], order + "i4")
    name = next(parts)[1].decode("ascii", "replace")
    kind = struct.unpack_from(order + "I", flags)[0] & 0xFF
    if name not in wanted and name:  # a cell has no name
        return name, None
    if kind in _NUMBERS:
        stored, data = next(parts)
        values = np.frombuffer(data, order + _STORED[stored]).astype(np.float64)
        return name, values.reshape(shape, order="F")
    if kind == _CHARACTERS:
        stored, data = next(parts)
        text = _TEXT[stored] if _TEXT[stored] == "utf-8" else _TEXT[stored] + ("-le" if order == "<" else "-be")
        return name, data.decode(text)
    if kind == _CELL and name:  # cells within cells are not followed
        cells = [_matrix(data, order, set())[1] for kind, data in parts if kind == _MATRIX]
        return name, cells if all(isinstance(cell, str) for cell in cells) else None
    return name, None


def _typed(path: Path, found: dict, name: str, kind: type):
    if not isinstance(found.get(name), kind):
        raise InputError(
            f"{path}: no {'array' if kind is np.ndarray else 'list of texts'} {name} in it; is it the right file?"
        )
    return found[name]


def _short(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else type(error).__name__).split())[:120]
