"""A walk over protobuf's wire format in a file, without a schema and without loading what is passed over.

Enough to read metadata out of ONNX and CoreML files of any size: fields are visited in place, tensors are seeked over.
Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from edgewing.files import Window

MOST_FIELDS = 300_000  # visited in all: two bytes of a file can be one


class WireError(Exception):
    """The bytes are not what their file's name says: cut off, or never were it."""


class _Walk:
    """What a message shares with all messages inside it: the bytes, and how many fields may still be visited."""

    def __init__(self, file: BinaryIO):
        self.window, self.left = Window(file), MOST_FIELDS

    def visit(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise WireError("too many fields")

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """A number and where it ends."""
        if at >= end:
            raise WireError("a number ends after its message")
        block, offset = self.window.at(at, min(10, end - at))
        value = block[offset] if offset < len(block) else 0x80
        if value < 0x80:  # most are one byte
            return value, at + 1
        value = 0
        for i, byte in enumerate(block[offset : offset + min(10, end - at)]):
            value |= (byte & 0x7F) << (7 * i)
            if byte < 0x80:
                return value, at + i + 1
        raise WireError("a number ends after its message")


class Message:
    """Bytes start .. end of a file, read as a message (or as text, where the schema says so)."""

    __slots__ = ("end", "start", "walk")

    def __init__(self, file: BinaryIO | _Walk, start: int, end: int):
        self.walk = file if isinstance(file, _Walk) else _Walk(file)
        self.start, self.end = start, end

    def fields(self) -> Iterator[tuple[int, int | Message]]:
        """Each field's number and value: an int for a varint, a Message for anything length-delimited.

        Fixed 32 and 64 bit fields are passed over. Raises WireError where the walk leaves the message.
        """
        at, end, walk = self.start, self.end, self.walk
        while at < end:
            tag, at = walk.varint(at, end)
            number, wire = tag >> 3, tag & 7
            walk.visit()
            if number == 0:
                raise WireError("field 0")
            if wire == 0:
                value, at = walk.varint(at, end)
                yield number, value
            elif wire == 2:
                length, at = walk.varint(at, end)
                if at + length > end:
                    raise WireError("a field ends after its message")
                yield number, Message(walk, at, at + length)
                at += length
            elif wire in (1, 5):
                at += 8 if wire == 1 else 4
            else:
                raise WireError(f"wire type {wire}")
        if at != end:
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
        block, offset = self.walk.window.at(self.start, self.end - self.start)
        try:
            return block[offset : offset + self.end - self.start].decode()
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

    def numbers(self) -> Iterator[int]:
        """The varints of a packed field."""
        at = self.start
        while at < self.end:
            self.walk.visit()
            value, at = self.walk.varint(at, self.end)
            yield value
