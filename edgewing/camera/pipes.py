"""Cameras that another program reads: its motion JPEG, one picture after the other, out of a pipe.

That is what reaches the cameras of boards: those on a ribbon (CSI) come through GStreamer or libcamera, and pip's
OpenCV has neither. A picture that is broken is left out; the next one begins at the next start mark.
"""

from __future__ import annotations

import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from edgewing import children, images
from edgewing.errors import InputError
from edgewing.words import counted

STDIN = "-"
PROGRAMS = ("rpicam-vid", "libcamera-vid")  # Raspberry Pi's, under its new name and its old
ITS_OPTIONS = {"-t": "0", "--codec": "mjpeg", "-n": "", "-v": "0", "-o": "-"}  # for ever, no preview, no log
GSTREAMER = "gst-launch-1.0"
NEEDED = "apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good"
BLOCK = 1 << 16  # bytes, what a pipe holds
PATIENCE_AT_END = 2.0  # s that a program gets to end by itself
START, END, SCAN = b"\xff\xd8\xff", b"\xff\xd9", 0xDA
ALONE = (0x00, 0xFF, *range(0xD0, 0xDA))  # marks that begin no segment


def is_pipe(what: str) -> bool:
    """Whether a source is standard input, a GStreamer pipeline or one of PROGRAMS with its options, and no file."""
    named = " ! " in what or Path(what.split(" ")[0]).name in PROGRAMS
    return what == STDIN or (named and not os.path.isfile(what.strip()))


def command(what: str) -> list[str]:
    """The program that writes motion JPEG to its standard output."""
    try:
        words = shlex.split(what)
    except ValueError as error:
        raise InputError(f"{what}: {error}") from None
    if " ! " in what:
        coded = "image/jpeg" in what.rpartition(" ! ")[2] or "jpegenc" in what.rpartition(" ! ")[2]
        encoder = [] if coded else ["!", "videoconvert", "!", "video/x-raw,format=RGB", "!", "jpegenc", "quality=95"]
        return [GSTREAMER, "-q", *words, *encoder, "!", "fdsink", "fd=1"]
    return [
        *words,
        *(word for name, value in ITS_OPTIONS.items() if name not in words for word in (name, value) if word),
    ]


class Pipe:
    """Frames of a program that is started here, or of standard input."""

    def __init__(self, what: str):
        self.name = "standard input" if what == STDIN else what
        self.process, self.said = None, None
        if what == STDIN:
            self.file = sys.stdin.fileno()
            return
        words = command(what)
        self.said = tempfile.TemporaryFile()
        try:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.said, preexec_fn=children.bound(),
                start_new_session=True,  # Ctrl-C is ours: what is written is finished first
            )  # fmt: skip
        except OSError as error:
            hint = NEEDED if words[0] == GSTREAMER else "check it"
            raise InputError(f"{words[0]}: {error.strerror}; {hint}") from None
        self.file = self.process.stdout.fileno()

    def pictures(self) -> Iterator:
        """(H, W, 3) uint8 RGB and how many before it were broken, until there are no more. InputError: not one, or the
        program ended with a fault."""
        given = broken = 0
        for data in jpegs(self._blocks()):
            try:
                image = images.decode(data, self.name)
            except InputError:
                broken += 1
                continue
            given += 1
            yield image, broken
        if broken:
            print(f"note: {self.name}: {broken} broken frames are left out", file=sys.stderr)
        code = self.process.wait() if self.process else 0
        if code and self.process:
            raise InputError(f"{self.name}: ended with code {code} after {counted(given, 'frames')}{self._last_line()}")
        if not given:
            raise InputError(f"{self.name}: gives no motion JPEG{self._last_line()}")

    def _blocks(self) -> Iterator[bytes]:
        while block := self._read():
            yield block

    def _read(self) -> bytes:
        if os.name == "posix":
            while not select.select([self.file], [], [], 0.2)[0]:  # so that who closes us is not waited for
                if self.process and self.process.poll() is not None:
                    break
        return os.read(self.file, BLOCK)

    def _last_line(self) -> str:
        if self.said is None:
            return ""
        self.said.seek(0)
        lines = self.said.read(BLOCK).decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "error" in line.lower()] or lines
        return f": {errors[0]}" if errors else ""

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            begun = time.monotonic()
            while self.process.poll() is None and time.monotonic() < begun + PATIENCE_AT_END:
                time.sleep(0.01)
            self.process.kill()
            self.process.wait()


def jpegs(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """JPEG files out of a stream of them, cut anywhere; what is between them is passed over."""
    data = b""
    for block in blocks:
        data += block
        while (place := _whole(data)) is not None:
            yield data[place.start : place.stop]
            data = data[place.stop :]
        if len(data) > images.LARGEST_FILE:
            data = b""


def _whole(data: bytes) -> slice | None:
    """Where the first JPEG file is that is whole, or that another one cuts off. Segments are stepped over: a small
    picture in one has marks of its own."""
    start = data.find(START)
    at = start + 2
    while start >= 0 and at + 4 <= len(data):
        if data[at] != 0xFF or data[at + 1] in ALONE:  # no segment: broken, so the next one's start is looked for
            start = data.find(START, start + 2)
            at = start + 2
        elif data[at + 1] == SCAN:
            end, following = data.find(END, at), data.find(START, at)
            if following >= 0 and (end < 0 or following < end):  # cut off: it ends where the next one begins
                return slice(start, following)
            return slice(start, end + 2) if end >= 0 else None
        else:
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
