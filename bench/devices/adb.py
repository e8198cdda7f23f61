"""An Android device, through Google's adb.

Two things can run there: LiteRT's own benchmark_model, in the folder that adb may write
(bench.devices.benchmark_model); and the Python of Termux, whose files only Termux itself may touch, so every line goes
through ``run-as``, which a Termux that may be debugged allows. With Termux's sshd a phone is an ssh:// device like any
other, and needs none of that.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from pathlib import Path

from bench.devices import SECONDS, TAIL, Device, run_client, said
from edgewing.errors import InputError

FOLDER = "/data/local/tmp/edgewing-bench"
TERMUX = "com.termux"
PREFIX = f"/data/data/{TERMUX}/files/usr"
HOME = f"/data/data/{TERMUX}/files/home"


class Adb(Device):
    """By the serial of ``adb devices``. Plain shell; ``termux`` gives the same device seen from inside Termux."""

    def __init__(self, address: str, folder: str = "", python: str = "", ssh_config: str = ""):
        super().__init__(address, folder or FOLDER, python)

    def command(self, line: str) -> list[str]:
        return ["adb", "-s", self.name, "shell", "-T", line]

    def termux(self) -> Termux | None:
        """The device seen from inside Termux; None where it has none, or one that may not be debugged."""
        inside = Termux(self.address, python=self.python if self.python != "python3" else "")
        return inside if inside.shell("true").code == 0 else None

    def push(self, data: bytes, name: str) -> None:
        self.check(f"mkdir -p {shlex.quote(str(Path(self.folder, name).parent))}")
        self._send(data, f"{self.folder}/{name}.part")
        self.check(f"mv {self.place(name + '.part')} {self.place(name)}")

    def _send(self, data: bytes, there: str) -> None:
        """adb push. InputError with what adb says where it fails."""
        with tempfile.TemporaryDirectory() as folder:
            here = Path(folder, os.path.basename(there))
            here.write_bytes(data)
            words = ["adb", "-s", self.name, "push", str(here), there]
            try:
                code, out, err = run_client(words, b"", SECONDS)
            except OSError as error:
                raise InputError(f"{self.address}: {error.filename} cannot be run here; install it") from None
        if code:
            self.shell(f"rm -f {shlex.quote(there)}")  # Gone, where that was the reason
            text = (err + out).decode(errors="replace")
            lines = [line for line in text.splitlines() if "error:" in line] or ["no word"]
            raise InputError(f"adb push failed: {said(lines[-1].split('error: ')[-1])}")


class Termux(Adb):
    """Its shell lines run as Termux's user, in its home and with its programs."""

    def __init__(self, address: str, folder: str = "", python: str = ""):
        super().__init__(address, folder or f"{HOME}/.cache/edgewing-bench", python or "python")

    def command(self, line: str) -> list[str]:
        inside = (
            f"export PREFIX={PREFIX} HOME={HOME} PATH={PREFIX}/bin:$PATH LD_LIBRARY_PATH={PREFIX}/lib "
            f"TMPDIR={PREFIX}/tmp; cd {HOME} || exit; {line.removesuffix(TAIL)}"
        )
        return super().command(f"run-as {TERMUX} sh -c {shlex.quote(inside)}{TAIL}")

    def push(self, data: bytes, name: str) -> None:
        """By way of adb's folder: the pipe's left side runs as adb's user, its right side as Termux's."""
        passing = f"/data/local/tmp/edgewing-{os.getpid()}"
        self._send(data, passing)
        part, there = self.place(f"{name}.part"), self.place(name)
        parent = shlex.quote(str(Path(self.folder, name).parent))
        inside = f"mkdir -p {parent} && cat > {part} && mv {part} {there}"
        line = f"cat {passing} | run-as {TERMUX} sh -c {shlex.quote(inside)}; code=$?; rm -f {passing}; exit $code"
        done = Adb(self.address).shell(line)
        if done.code:
            raise InputError(done.reason)
