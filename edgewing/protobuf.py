"""A walk over protobuf's wire format in a file, without a schema and without loading what is passed over.

Enough to read metadata out of ONNX and CoreML files of any size: fields are visited in place, tensors are seeked over.
Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

MOST_FIELDS = 100_000


class WireError(Exception):
    """The bytes are no message: cut off, or never were one."""


@dataclass(frozen=True)
class Message:
    """Bytes start .. end of a file, read as a message (or as text, where the schema says so)."""

    file: BinaryIO
    start: int
    end: int

    def fields(self) -> Iterator[tuple[int, int | Message]]:
        """Each field's number and value: an int for a varint, a Message for anything length-delimited.

        Fixed 32 and 64 bit fields are passed over. WireError where the walk leaves the message.
        """
        at, seen = self.start, 0
        while at < self.end:
            tag, at = self._varint(at)
            number, wire, seen = tag >> 3, tag & 7, seen + 1
            if number == 0 or seen > MOST_FIELDS:
                raise WireError("field 0" if number == 0 else "too many fields")
            if wire == 0:
                value, at = self._varint(at)
                yield number, value
            elif wire == 2:
                length, at = self._varint(at)
                if at + length > self.end:
                    raise WireError("a field ends after its message")
                yield number, Message(self.file, at, at + length)
                at += length
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                raise WireError(f"wire type {wire}")
        if at != self.end:
            raise WireError("a field ends after its message")

    def whole(self) -> Message:
        """Itself, walked to its end; WireError where it is cut off."""
        for _ in self.fields():
            pass
        return self

    def messages(self, number: int) -> Iterator[Message]:
        """The length-delimited fields of that number."""
        return (value for found, value in self.fields() if found == number and isinstance(value, Message))

    def text(self, limit: int) -> str:
        """The bytes as UTF-8; WireError where they are longer than the limit or no UTF-8."""
        if self.end - self.start > limit:
            raise WireError(f"a text of {self.end - self.start} bytes; the limit is {limit}")
        self.file.seek(self.start)
        try:
            return self.file.read(self.end - self.start).decode()
        except UnicodeDecodeError:
            raise WireError("a text that is not UTF-8") from None

    def entry(self, number: int, key: str, limit: int) -> str | None:
        """The value of ``key`` in a map<string, string> (or a list of key-value pairs) kept in that field."""
        for pair in self.messages(number):
            parts = dict(pair.fields())
            name, value = parts.get(1), parts.get(2)
            if isinstance(name, Message) and name.end - name.start == len(key.encode()) and name.text(limit) == key:
                if not isinstance(value, Message):
                    raise WireError(f"{key} has no value")
                return value.text(limit)
        return None

    def _varint(self, at: int) -> tuple[int, int]:
        self.file.seek(at)
        value = 0
        for i, byte in enumerate(self.file.read(min(10, self.end - at))):
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                return value, at + i + 1
        raise WireError("a number ends after its message")
