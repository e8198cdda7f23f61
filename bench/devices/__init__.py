"""Devices to measure on, three ways to reach one: ``local``, ``ssh://USER@HOST:PORT``, ``adb://SERIAL``.

All three do the same few things: a line for the device's shell, a file there, a file back. What is measured is always
`python -m edgewing.measure`, out of the wheel that is pushed, on the device's own Python (bench.devices.campaign); only
an Android phone may run LiteRT's own benchmark_model in its place (bench.devices.benchmark_model).
"""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgewing.errors import InputError

FOLDER = ".cache/edgewing-bench"  # on the device, below the home folder
END = "edgewing-end"  # the last line that every command prints, with its exit code: without it the device is gone
TAIL = f"; code=$?; echo; echo {END} $code"
SECONDS = 120  # for anything but a measurement


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
        text = lines[-1].removeprefix("error: ").strip() if lines else f"ended with code {self.code} and no word"
        return f"{text} (killed by the system; too little memory?)" if self.code == 137 else text


class Device:
    """A shell on a device. address: as the user named it. folder: where everything of ours lies there.

    python: the command that is Python there. A way to reach devices gives ``command``, and may have its own ``push``.
    """

    def __init__(self, address: str, folder: str = FOLDER, python: str = "python3"):
        self.address, self.folder, self.python = address, folder, python

    def command(self, line: str) -> list[str]:
        """The command, run here, that runs a line in a POSIX shell there, with our stdin and stdout."""
        raise NotImplementedError

    def shell(self, line: str, stdin: bytes = b"", seconds: float = SECONDS) -> Done:
        """Run a line there, in the home folder. Gone where no end of it comes back in time."""
        whole = f"( {line} ){TAIL}"
        try:
            done = subprocess.run(self.command(whole), input=stdin, capture_output=True, timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Gone(f"no answer within {seconds:.0f} s") from None
        except OSError as error:
            raise InputError(f"{self.address}: {error.filename or error} cannot be run here; install it") from None
        out, found, code = done.stdout.rpartition(b"\n" + END.encode())
        err = done.stderr.decode(errors="replace")
        if not found or not code.strip().isdigit():
            said = err.strip().splitlines() or [f"the client ended with code {done.returncode} and no word"]
            raise Gone(said[-1])
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


def open(address: str, ssh_config: str = "", **options) -> Device:
    """The device behind an address. ssh_config: for ssh -F. options: folder, python. InputError: it is no address."""
    from bench.devices import adb, local, ssh

    parts = urlsplit(address)
    if address == "local":
        return local.Local(address, **options)
    try:
        port = parts.port
    except ValueError:
        port = -1
    if (
        parts.scheme == "ssh"
        and parts.hostname
        and not parts.hostname.startswith("-")
        and not parts.path
        and port != -1
    ):
        return ssh.Ssh(address, parts.username or "", parts.hostname, port, ssh_config, **options)
    if parts.scheme == "adb" and address.removeprefix("adb://"):
        return adb.Adb(address, address.removeprefix("adb://"), **options)
    raise InputError(f"{address!r} is no device; give local, ssh://USER@HOST, ssh://USER@HOST:PORT or adb://SERIAL")
