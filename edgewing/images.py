"""Pictures in and out: always RGB uint8 (H, W, 3), upright as a viewer shows them.

JPEG, PNG, WebP and BMP. The size is read from the header before anything is decoded, and a file that ends early is
refused: OpenCV's decoder would fill the rest with grey and say nothing.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import sys
import zlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from edgewing import exif, files
from edgewing.errors import InputError, printable, reason, unknown
from edgewing.notices import quiet

COLOURS = ("RGB", "BGR")
LARGEST_FILE = 64 * files.MIB
LARGEST_PIXELS = 64_000_000
LONGEST_SIDE = 32766  # px; OpenCV cuts crops out of nothing longer
LONGEST = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500, ".png": 1_000_000}  # px of a side that can be written
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
OTHERS = (".heic", ".heif", ".avif", ".jxl", ".tif", ".tiff", ".gif")  # pictures that are not read here

_HEADER = 1 << 18  # bytes that say how large a picture is
# Inside a JPEG scan: 0xFF followed by anything but a stuffed zero, a restart marker or fill is a real marker.
_JPEG_END, _NOISE = b"\xff\xd9", b"\xa5\x5a\x3c\x96" * 16
_NUMBERS = re.compile(r"(\D*)(\d*)")
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def read_image(path: str | Path) -> np.ndarray:
    """The picture as (H, W, 3) uint8 RGB, rotated by its EXIF orientation.

    Grey becomes three equal channels, alpha is dropped, 16 bits become 8, CMYK becomes RGB.
    Raises InputError: missing, cut off, not a picture, over 64 MiB, 64 megapixels or LONGEST_SIDE.
    """
    if not isinstance(path, (str, Path)):
        raise InputError(f"a picture of type {type(path).__name__}; expected the path of a file")
    return decode(files.read(path, LARGEST_FILE), str(path))


class Pillow(Protocol):
    """What is asked of a PIL.Image.Image."""

    def convert(self, mode: str) -> Any: ...
    def getexif(self) -> Any: ...


Picture = np.ndarray | str | Path | bytes | Pillow


def given(picture: Picture, colour: str = "RGB") -> np.ndarray:
    """(H, W, 3) uint8 RGB of a path, the bytes of a file, a Pillow image or an array, whose colours come in the order
    of ``colour``; upright, where it says how it is turned. Raises InputError for all else."""
    if colour not in COLOURS:
        raise unknown("colour", str(colour), COLOURS)
    if isinstance(picture, (str, Path)):
        return read_image(picture)
    if isinstance(picture, bytes):
        return decode(picture)
    if not isinstance(picture, np.ndarray):
        if not (hasattr(picture, "convert") and hasattr(picture, "getexif")):
            what = "an array, the path or the bytes of a picture, a Pillow image, or a list of them"
            raise InputError(f"a frame of type {type(picture).__name__}; expected {what}")
        return _of_pillow(picture)
    _fits(*picture.shape[1::-1])
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(f"a frame of {picture.dtype} {picture.shape}; expected uint8 {colour} (H, W, 3)")
    return picture if colour == "RGB" else np.ascontiguousarray(picture[..., ::-1])


def _fits(width: int = 1, height: int = 1, where: str = "a frame") -> None:
    """InputError for the sides of what has no pixel, or is too long."""
    if not (width and height):
        raise InputError(f"{where} without a pixel; give one that has some")
    if max(width, height) > LONGEST_SIDE:
        raise InputError(f"{where}: {width} x {height} pixels; no side may have over {LONGEST_SIDE}; cut it in parts")


def _of_pillow(picture: Any) -> np.ndarray:
    _fits(*picture.size)
    try:
        if picture.mode.startswith("I"):  # grey of 16 bits, of which convert() keeps the last 255 values; or of 8
            grey = np.asarray(picture)
            eight = np.clip(grey if picture.mode == "I" and grey.max() < 256 else grey >> 8, 0, 255).astype(np.uint8)
            rgb = np.repeat(eight[..., None], 3, 2)
        else:
            rgb = np.asarray(picture.convert("RGB"))
        return exif.upright(rgb, picture.getexif().get(exif.TAG))
    except (OSError, ValueError) as error:  # a file that is cut off is found out here; a closed one too
        raise InputError(f"a Pillow image that cannot be read ({reason(error)}); open its file again") from None


def in_folder(folder: Path) -> list[Path]:
    """The pictures of a folder as a person counts: 2.jpg before 10.jpg; those of other kinds are named on stderr.
    Raises InputError where there is none."""
    files_there = [path for path in folder.iterdir() if path.is_file()]
    found = [path for path in files_there if path.suffix.lower() in SUFFIXES]
    others = [path.name for path in files_there if path.suffix.lower() in OTHERS]
    if others:
        some = f"{min(others)} and {len(others) - 1} more" if others[1:] else others[0]
        print(f"passed over: {folder}: {printable(some)}: convert to JPEG or PNG first", file=sys.stderr)
    if not found:
        raise InputError(f"{folder}: no picture in this folder; expected {', '.join(SUFFIXES)}")
    return sorted(
        found, key=lambda path: [(text, int(digits or 0), digits) for text, digits in _NUMBERS.findall(path.name)]
    )


def decode(data: bytes, where: str = "image") -> np.ndarray:
    """As ``read_image``, from the bytes of a file; ``where`` names them. Raises InputError as there."""
    import cv2

    cut = InputError(f"{where}: the picture is cut off or broken; fetch or copy it again")
    endless = False
    try:
        try:
            width, height = _size(data)
        except _Cut as error:
            if not error.mendable:
                raise
            data, endless = data.removesuffix(b"\xff") + _JPEG_END, True
            width, height = _size(data)
    except (struct.error, IndexError, _Cut):
        raise cut from None
    if width * height > LARGEST_PIXELS:
        raise InputError(f"{where}: {width} x {height} pixels; the limit is {LARGEST_PIXELS // 10**6} megapixels")
    if not width:
        raise InputError(
            f"{where}: not a picture that can be read; expected JPEG, PNG, WebP or BMP; convert others first"
        )
    _fits(width, height, where)
    with quiet() if endless else contextlib.nullcontext():  # libjpeg complains of what we know
        image = _pixels(data)
    if image is None or image.shape[:2] != (height, width):
        raise cut
    if endless:
        # where pixels are missing too, the decoder takes them from whatever follows
        with quiet():
            again = _pixels(data[:-2] + _NOISE + _JPEG_END)
            if again is None or not np.array_equal(image, again):
                raise cut
        print(f"note: {where}: has no end marker; its pixels are all there", file=sys.stderr)
    return exif.upright(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), exif.orientation(io.BytesIO(data)))


def _pixels(data: bytes) -> np.ndarray | None:
    """(H, W, 3) BGR as stored: which formats OpenCV turns by EXIF differs between its versions."""
    import cv2

    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def turned(path: str | Path) -> tuple[int, int, int]:
    """EXIF's orientation of a file (edgewing.exif), 1 where it is stored upright, and the stored width and height,
    which are read only where it is not. Raises InputError as for ``read_image``."""
    with files.reading(path, LARGEST_FILE) as (file, _):
        orientation = exif.orientation(file)
        if orientation == 1:
            return 1, 0, 0
        file.seek(0)
        try:
            return orientation, *_size(file.read())
        except (struct.error, IndexError, _Cut):
            raise InputError(f"{path}: the picture is cut off or broken; fetch or copy it again") from None


def header_size(path: str | Path) -> tuple[int, int]:
    """Stored width and height, by the first bytes of a file alone; (0, 0) where they do not say it."""
    try:
        with files.reading(path, LARGEST_FILE) as (file, _):
            return _size(file.read(_HEADER), whole=False)
    except (InputError, struct.error, IndexError, _Cut):
        return 0, 0


def write(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 RGB as the name's suffix says. Raises InputError for a suffix that is not a picture's, and
    for a picture that its format cannot hold."""
    import cv2

    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(f"{path}: a picture's name must end in one of {', '.join(SUFFIXES)}")
    height, width = image.shape[:2]
    written = False
    # asked first, as OpenCV would complain on stderr, which can be made quiet for all threads alone
    if max(height, width) <= LONGEST.get(suffix, max(height, width)):
        with contextlib.suppress(cv2.error):
            written, data = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    if not written:
        raise InputError(f"{path}: {suffix[1:]} cannot hold a picture of {width} x {height} px; name a .png")
    files.write(path, data.tobytes())


class _Cut(Exception):
    """The data end before the picture does, or are damaged. mendable: it may be that only a JPEG's end marker is
    missing, and it can be found out."""

    def __init__(self, mendable: bool = False):
        self.mendable = mendable


def _size(data: bytes, whole: bool = True) -> tuple[int, int]:
    """Width and height in the header's frame, (0, 0) where this is no known format; _Cut where the end is missing.
    whole: whether the end is asked for."""
    if data[:3] == b"\xff\xd8\xff":
        return _jpeg_size(data, whole)
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return _png_size(data) if whole else struct.unpack_from(">II", data, 16)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp_size(data, whole)
    if data[:2] == b"BM":
        return _bmp_size(data, whole)
    return 0, 0


def _jpeg_size(data: bytes, whole: bool) -> tuple[int, int]:
    """Walks the segments to the end of the image (an EXIF thumbnail has an end marker of its own, inside one)."""
    at, size, scans, restarts = 2, (0, 0), 0, False
    while True:
        marker = _MARKER.search(data, at)
        if marker is None:  # of several scans, or of parts between restarts, a whole one may be missing
            raise _Cut(mendable=scans == 1 and not restarts)
        kind, at = data[marker.start() + 1], marker.end()
        if kind == 0xD9 or (any(size) and not whole):
            return size
        if kind == 0x01:
            continue
        if kind == 0xD8:  # another picture begins before this one has ended
            raise _Cut
        (length,) = struct.unpack_from(">H", data, at)
        scans, restarts = scans + (kind == 0xDA), restarts or kind == 0xDD
        # SOF0..SOF15 without DHT, JPG and DAC
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            if any(size):
                raise _Cut  # a second size: which of the two a decoder allocates is its own affair
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = width, height
        at += length


def _png_size(data: bytes) -> tuple[int, int]:
    """Walks the chunks to the last one; those that a decoder cannot do without (capital first letter) are checked."""
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        if (kind == b"IHDR") != (at == 8):
            raise _Cut  # the size is said first, and once
        if kind[:1].isupper() and crc != zlib.crc32(data[at + 4 : at + 8 + length]):
            raise _Cut
        at += 12 + length
    return struct.unpack_from(">II", data, 16)


def _webp_size(data: bytes, whole: bool) -> tuple[int, int]:
    """Container and the three kinds of first chunk: RFC 9649."""
    (riff,) = struct.unpack_from("<I", data, 4)
    if whole and riff + 8 > len(data):
        raise _Cut
    kind = data[12:16]
    if kind == b"VP8X":
        low = struct.unpack_from("<HBHB", data, 24)
        return 1 + low[0] + (low[1] << 16), 1 + low[2] + (low[3] << 16)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _bmp_size(data: bytes, whole: bool) -> tuple[int, int]:
    (end,) = struct.unpack_from("<I", data, 2)
    width, height = struct.unpack_from("<ii", data, 18)
    if whole and end > len(data):
        raise _Cut
    return abs(width), abs(height)
