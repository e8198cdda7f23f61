"""Devices to measure on, three ways to reach one: ``local``, ``ssh://USER@HOST:PORT``, ``adb://SERIAL``.

All three do the same few things: a line for the device's shell, a file there, a file back. What is measured is always
`python -m edgewing.measure`, out of the wheel that is pushed, on the device's own Python (bench.devices.campaign); only
an Android phone may run LiteRT's own benchmark_model in its place (bench.devices.benchmark_model).
"""

from __future__ import annotations

import contextlib
import importlib
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from edgewing import children
from edgewing.errors import InputError, printable

FOLDER = ".cache/edgewing-bench"  # on the device, below the home folder
END = "edgewing-end"  # the last line that every command prints, with its exit code: without it the device is gone
TAIL = f"; code=$?; echo; echo {END} $code"
SECONDS, GRACE = 120, 15  # for anything but a measurement; until what should be ended there must have been
MOST_SAID = 4 << 20  # bytes of an answer
CLIP = 300  # characters of a device's words in a row or on a terminal
# How an address begins: the class that reaches such devices, and how the address looks. A new way is its file and row.
WAYS = {
    "local": ("bench.devices.local:Local", "local"),
    "ssh": ("bench.devices.ssh:Ssh", "ssh://USER@HOST, ssh://USER@HOST:PORT"),
    "adb": ("bench.devices.adb:Adb", "adb://SERIAL"),
}


class Gone(Exception):
    """The device does not answer any more; its text says what the client said."""


@dataclass(frozen=True)
class Done:
    """What a line has left: its exit code, stdout, and stderr as text."""

    code: int
    out: bytes
    err: str

    @property
    def reason(self) -> str:
        """The last line that it said, for a row."""
        lines = self.err.strip().splitlines() or self.out.decode(errors="replace").strip().splitlines()
        text = said(lines[-1].removeprefix("error: ")) if lines else f"ended with code {self.code} and no word"
        return f"{text} (killed by the system; too little memory?)" if self.code == 137 else text


def said(text: str) -> str:
    """A device's words on one line that a terminal can show, and not more of them than help."""
    text = printable(" ".join(text.split()))
    return text if len(text) <= CLIP else f"{text[:CLIP]}..."


def run_client(words: list[str], stdin: bytes, seconds: float) -> tuple[int, bytes, bytes]:
    """Exit code, stdout and stderr of a client here. Gone: it does not end, or says more than anybody would read."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=children.bound(signal.SIGTERM),
    )
    kept, too_much = (bytearray(), bytearray()), threading.Event()

    def read(stream, into: bytearray) -> None:
        while block := stream.read1(1 << 16):  # to the end: who writes would wait
            if len(into) <= MOST_SAID:
                into.extend(block)
            if len(into) > MOST_SAID and not too_much.is_set():
                too_much.set()
                process.terminate()

    def write() -> None:
        with contextlib.suppress(OSError):  # who does not read to the end says why
            process.stdin.write(stdin)
            process.stdin.close()

    work = [(read, (process.stdout, kept[0])), (read, (process.stderr, kept[1])), (write, ())]
    threads = [threading.Thread(target=what, args=on, daemon=True) for what, on in work]
    for thread in threads:
        thread.start()
    try:
        code = process.wait(seconds)
    except subprocess.TimeoutExpired:
        raise Gone(f"no answer within {seconds:.0f} s") from None
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        process.kill()
    for thread in threads:
        thread.join(GRACE)
    if too_much.is_set():
        raise Gone(f"it says more than {MOST_SAID >> 20} MiB")
    return code, bytes(kept[0]), bytes(kept[1])


def guarded(line: str, seconds: float) -> str:
    """A line for a POSIX shell that ends with all it has started after so many seconds, or when its shell is ended.

    It runs in a session of its own, so that it can be killed as one and goes on where only the connection is lost.
    """
    own = 's="perl -e setpgrp(0,0);exec@ARGV"'  # a Mac has no setsid
    return (
        "p=; w=; trap 'kill -9 -${p:-$!} ${w:+-$w}; exit 143' TERM INT; "
        f"exec 3<&0; s=setsid; command -v setsid >/dev/null || {own}; $s sh -c {shlex.quote(line)} <&3 & p=$!; "
        f"exec 3<&-; $s sh -c 'sleep {max(1, round(seconds))}; kill -9 -'$p </dev/null >/dev/null 2>&1 & w=$!; "
        "wait $p; code=$?; kill -9 -$w 2>/dev/null; (exit $code)"
    )


class Device:
    """A shell on a device. address: as the user named it, with a ``name`` behind its ://; ValueError for one that is no
    address. folder: where everything of ours lies there. python: the command that is Python there.

    A way to reach devices gives ``command``, and may have its own ``push``.
    """

    def __init__(self, address: str, folder: str = "", python: str = "", ssh_config: str = ""):
        self.address, self.name = address, address.partition("://")[2]
        self.folder, self.python = folder or FOLDER, python or "python3"

    def command(self, line: str) -> list[str]:
        """The command, run here, that runs a line in a POSIX shell there, with our stdin and stdout."""
        raise NotImplementedError

    def shell(self, line: str, stdin: bytes = b"", seconds: float = 0) -> Done:
        """Run a line there, in the home folder. seconds: until it is ended there, SECONDS if none are given.

        Gone where no end of it comes back; InputError where it had to be ended."""
        seconds, begun = seconds or SECONDS, time.monotonic()
        try:
            client, out, err = run_client(self.command(guarded(line, seconds) + TAIL), stdin, seconds + GRACE)
        except OSError as error:
            raise InputError(f"{self.address}: {error.filename or error} cannot be run here; install it") from None
        out, found, code = out.rpartition(b"\n" + END.encode())
        err = err.decode(errors="replace")
        if not found or not code.strip().isdigit():
            lines = err.strip().splitlines() or [f"the client ended with code {client} and no word"]
            raise Gone(said(lines[-1]))
        if int(code) == 137 and time.monotonic() - begun >= seconds:
            raise InputError(f"did not end within {seconds:.0f} s, and was ended there")
        return Done(int(code), out, err)

    def check(self, line: str, stdin: bytes = b"") -> bytes:
        """The stdout of a line that must succeed; InputError with its last word where it does not."""
        done = self.shell(line, stdin)
        if done.code:
            raise InputError(done.reason)
        return done.out

    def push(self, data: bytes, name: str) -> None:
        """Write a file in the folder, whole or not at all. InputError: the disk there is full, or not ours to write."""
        there = self.place(name)
        parent = shlex.quote(str(Path(self.folder, name).parent))
        part = self.place(f"{name}.part")
        self.check(f"mkdir -p {parent} && cat > {part} && mv {part} {there} || {{ rm -f {part}; exit 1; }}", data)

    def fetch(self, name: str) -> bytes | None:
        """A file of the folder; None where there is none."""
        done = self.shell(f"cat {self.place(name)}")
        return done.out if done.code == 0 else None

    def place(self, name: str) -> str:
        """The path of a file of the folder, quoted for the shell there."""
        return shlex.quote(f"{self.folder}/{name}")


def open(address: str, **options: str) -> Device:
    """The device behind an address. options: folder, python; ssh_config, for ssh -F. InputError: it is no address."""
    way, slashes, name = address.partition("://")
    if way in WAYS and bool(slashes) == bool(name) == ("://" in WAYS[way][1]):
        module, kind = WAYS[way][0].split(":")
        with contextlib.suppress(ValueError):
            return getattr(importlib.import_module(module), kind)(address, **options)
    raise InputError(f"{address!r} is no device; give {', '.join(form for _, form in WAYS.values())}")
