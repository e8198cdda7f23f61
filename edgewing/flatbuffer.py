"""Positions in a flatbuffer in a file, each read checked against the file's size: enough to look into .tflite.

Encoding: https://flatbuffers.dev/internals. Offsets may make tables overlap and lists repeat, so what a small file can
ask for is bounded by the number of entries that are visited in all.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from edgewing.files import Window
from edgewing.protobuf import WireError

MOST_ENTRIES = 100_000
_SCALARS = {kind: struct.Struct("<" + kind) for kind in "bBhHiIqQf"}
MOST_BYTES = 1 << 16  # of one text or list; weights are never read here


class Flatbuffer:
    """A file read as a flatbuffer. A table is where it begins; WireError where a read leaves the file."""

    def __init__(self, file: BinaryIO, size: int):
        self.window, self.size, self.left = Window(file), size, MOST_ENTRIES
        self.places: dict[int, list[int]] = {}

    def bytes(self, at: int, count: int) -> bytes:
        if not (0 <= at <= self.size - count and count <= MOST_BYTES):
            raise WireError(f"{count} bytes at {at} of {self.size}")
        block, offset = self.window.at(at, count)
        return block[offset : offset + count]

    def integer(self, at: int, kind: str) -> int:
        """kind: a letter of struct, such as I for uint32."""
        scalar = _SCALARS[kind]
        if not 0 <= at <= self.size - scalar.size:
            raise WireError(f"{scalar.size} bytes at {at} of {self.size}")
        return scalar.unpack_from(*self.window.at(at, scalar.size))[0]

    def field(self, table: int, index: int) -> int:
        """Where the field of a table lies; 0 where it is absent."""
        places = self.places.get(table)
        if places is None:
            vtable = table - self.integer(table, "i")
            count = max(0, self.integer(vtable, "H") - 4) // 2
            offsets = struct.unpack(f"<{count}H", self.bytes(vtable + 4, 2 * count))
            self.places = {table: [table + offset if offset else 0 for offset in offsets]}  # of the last table alone
            places = self.places[table]
        return places[index] if index < len(places) else 0

    def number(self, table: int, index: int, kind: str, default: int = 0) -> int:
        """A scalar field, or its default where it is absent."""
        at = self.field(table, index)
        return self.integer(at, kind) if at else default

    def table(self, table: int, index: int) -> int:
        """The table that a field points to; 0 where it is absent."""
        at = self.field(table, index)
        return at + self.integer(at, "I") if at else 0

    def numbers(self, table: int, index: int, kind: str) -> tuple[int, ...]:
        """The scalars of a vector field."""
        start, count = self._vector(table, index)
        return struct.unpack(f"<{count}{kind}", self.bytes(start, count * struct.calcsize("<" + kind))) if count else ()

    def tables(self, table: int, index: int) -> Iterator[int]:
        """The tables of a vector field."""
        start, count = self._vector(table, index)
        for entry in range(start, start + 4 * count, 4):
            yield entry + self.integer(entry, "I")

    def span(self, table: int, index: int) -> tuple[int, int]:
        """Start and length of a vector of bytes, which lies in the file; not read."""
        at = self.field(table, index)
        if not at:
            return 0, 0
        start = at + self.integer(at, "I")
        return self.inside(start + 4, self.integer(start, "I"))

    def inside(self, start: int, length: int) -> tuple[int, int]:
        """The same span; WireError where it ends after the file."""
        if start + length > self.size:
            raise WireError(f"a buffer ends at {start + length} of {self.size}")
        return start, length

    def text(self, table: int, index: int) -> str:
        try:
            return self.bytes(*self.span(table, index)).decode()
        except UnicodeDecodeError:
            raise WireError("a text that is not UTF-8") from None

    def _vector(self, table: int, index: int) -> tuple[int, int]:
        """Where the first entry of a vector field lies, and how many there are; they count as visited."""
        at = self.field(table, index)
        if not at:
            return 0, 0
        start = at + self.integer(at, "I")
        count = self.integer(start, "I")
        self.left -= count + 1
        if self.left < 0:
            raise WireError(f"more than {MOST_ENTRIES} entries in lists")
        return start + 4, count
