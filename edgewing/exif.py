"""Which way up a picture is stored: EXIF's orientation, and how pixels and points of the stored picture are turned.

    1 as stored   2 mirrored   3 half a turn   4 upside down   5 to 8 the same four, rows and columns exchanged

Read here and not by OpenCV, whose versions differ in the formats they look into. CIPA DC-008 (EXIF), RFC 9649 (WebP).
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

TAG, _SHORT = 0x0112, 3
_MOST_BLOCKS, _MOST_BYTES = 10_000, 1 << 16  # of a file that are looked at; of EXIF data, which a JPEG bounds so
_EXIF = b"Exif\0\0"
MIRRORED = (2, 4, 5, 7)


def orientation(file: BinaryIO) -> int:
    """1 to 8 of an open JPEG, PNG or WebP; 1 where nothing is said that can be read. It reads little."""
    start = file.read(12)
    try:
        if start[:2] == b"\xff\xd8":
            return _of_jpeg(file)
        if start[:8] == b"\x89PNG\r\n\x1a\n":
            return _of_blocks(file, 8, ">I4s", False, b"eXIf", 4)
        if start[:4] == b"RIFF" and start[8:] == b"WEBP":
            return _of_blocks(file, 12, "<4sI", True, b"EXIF", 0)
    except struct.error:
        pass  # cut off: the decoder says so
    return 1


def upright(image: np.ndarray, orientation: int | None) -> np.ndarray:
    """The stored picture (H, W, ...) as a viewer shows it, contiguous; as it is where that is none of the eight."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def upright_points(points: np.ndarray, orientation: int, width: int, height: int) -> np.ndarray:
    """(..., 2) pixels of the stored picture, ``width`` x ``height``, in the upright one. Mirrored ones keep order."""
    x, y = points[..., 0], points[..., 1]
    if orientation >= 5:
        x, y, width, height = y, x, height, width
    if orientation in (2, 3, 6, 7):
        x = width - 1 - x
    if orientation in (3, 4, 7, 8):
        y = height - 1 - y
    return np.stack([x, y], axis=-1)


def _of_jpeg(file: BinaryIO) -> int:
    at = 2
    for _ in range(_MOST_BLOCKS):
        file.seek(at)
        mark, kind, length = struct.unpack(">BBH", file.read(4))
        if mark != 0xFF or kind == 0xDA:
            return 1
        if kind == 0xFF:  # fill
            at += 1
            continue
        if kind == 0xE1 and file.read(6) == _EXIF:
            return _of_exif(file.read(length - 8 if length >= 8 else 0))
        at += 2 + length
    return 1


def _of_blocks(file: BinaryIO, at: int, head: str, even: bool, wanted: bytes, after: int) -> int:
    """The chunks of PNG (each followed by ``after`` bytes) and WebP (padded to an even length)."""
    for _ in range(_MOST_BLOCKS):
        file.seek(at)
        data = file.read(8)
        if not data:
            return 1
        first, second = struct.unpack(head, data)
        name, length = (second, first) if isinstance(first, int) else (first, second)
        if name == wanted:
            return _of_exif(file.read(min(length, _MOST_BYTES)).removeprefix(_EXIF))
        at += 8 + length + (length & 1 if even else 0) + after
    return 1


def _of_exif(data: bytes) -> int:
    """From the TIFF data: the first directory's entry."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None:
        return 1
    (at,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, at)
    for entry in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", data, entry)
        if (tag, kind) == (TAG, _SHORT):
            return value if 1 <= value <= 8 else 1
    return 1
