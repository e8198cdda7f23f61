"""An adb server with one device, as far as `bench devices` speaks to it: device list, shell, push.

The real adb client speaks to it over loopback. Protocols as in AOSP's packages/modules/adb: SERVICES.TXT (host),
SYNC.TXT (push), shell_protocol.h (a byte of kind, four of length, then the data). The "device" is a folder of this
machine: every path that starts with /data lies below it, and lines run in this machine's sh.
"""

from __future__ import annotations

import contextlib
import os
import socketserver
import struct
import subprocess
import threading
from pathlib import Path

VERSION = 41  # of the client; another makes it start a server of its own
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)


class Server(socketserver.ThreadingTCPServer):
    """serial, state: of the one device. root: the folder that its /data lies in. full: its disk."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, root: Path, serial: str = "R58M123"):
        super().__init__(("127.0.0.1", 0), Connection)
        self.root, self.serial, self.present, self.full, self.environment = root, serial, True, False, {}
        self.lines: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def socket_name(self) -> str:
        """For ADB_SERVER_SOCKET."""
        return f"tcp:127.0.0.1:{self.server_address[1]}"


class Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with contextlib.suppress(ConnectionError, EOFError):
            while self.serve(self.read(int(self.read(4), 16)).decode()):
                pass

    def serve(self, service: str) -> bool:
        """One service; whether another follows on this connection, which then speaks to the device."""
        server: Server = self.server
        name = service.removeprefix("host:")
        if name.startswith("host-serial:"):
            _, serial, name = name.split(":", 2)
            if not server.present or serial != server.serial:
                return self.fail(f"device '{serial}' not found")
        if name == "version":
            self.okay(f"{VERSION:04x}")
        elif name in ("devices", "devices-l"):
            self.okay(f"{server.serial}\tdevice\n" if server.present else "")
        elif name in ("features", "host-features"):
            self.okay("shell_v2,cmd")
        elif name.startswith(("transport:", "tport:serial:")):
            if not server.present or name.rpartition(":")[2] != server.serial:
                return self.fail(f"device '{name.rpartition(':')[2]}' not found")
            self.request.sendall(b"OKAY" + (struct.pack("<Q", 1) if name.startswith("tport") else b""))
            return True
        elif service.startswith("shell,"):
            self.request.sendall(b"OKAY")
            self.shell(service.partition(":")[2])
        elif service == "sync:":
            self.request.sendall(b"OKAY")
            self.sync()
        else:
            return self.fail(f"unknown service {service}")
        return False

    def shell(self, line: str) -> None:
        server: Server = self.server
        server.lines.append(line)
        call = ["sh", "-c", line.replace("/data/", f"{server.root}/data/")]
        environment = os.environ | {"HOME": str(server.root)} | server.environment
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen(call, cwd=server.root, env=environment, **pipes)
        threading.Thread(target=self.feed, args=(process.stdin,), daemon=True).start()
        out, err = process.stdout.read(), process.stderr.read()
        code = process.wait()
        if not server.present:
            return  # it was unplugged meanwhile: the connection ends without a word
        for kind, data in ((STDOUT, out), (STDERR, err), (EXIT, bytes([code & 255]))):
            for start in range(0, len(data), 4096):
                part = data[start : start + 4096]
                self.request.sendall(struct.pack("<BI", kind, len(part)) + part)

    def feed(self, stdin) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError):
            while True:
                kind, size = struct.unpack("<BI", self.read(5))
                data = self.read(size)
                if kind == CLOSE_STDIN:
                    stdin.close()
                elif kind == STDIN:
                    stdin.write(data)
                    stdin.flush()

    def sync(self) -> None:
        """STAT and SEND, the first version of each, for the features above."""
        server: Server = self.server
        while True:
            command, size = struct.unpack("<4sI", self.read(8))
            if command == b"QUIT":
                return
            path = self.read(size).decode()
            there = server.root / path.rpartition(",")[0].lstrip("/") if command == b"SEND" else None
            if command == b"STAT":
                here = server.root / path.lstrip("/")
                mode = here.stat().st_mode if here.exists() else 0
                self.request.sendall(struct.pack("<4sIII", b"STAT", mode, 0, 0))
                continue
            data = b""
            while True:
                kind, size = struct.unpack("<4sI", self.read(8))
                if kind == b"DONE":
                    break
                data += self.read(size)
            if server.full:
                text = b"write failed: No space left on device"
                self.request.sendall(struct.pack("<4sI", b"FAIL", len(text)) + text)
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_bytes(data)
            self.request.sendall(struct.pack("<4sI", b"OKAY", 0))

    def okay(self, text: str) -> None:
        self.request.sendall(b"OKAY" + f"{len(text):04x}{text}".encode())

    def fail(self, text: str) -> bool:
        self.request.sendall(b"FAIL" + f"{len(text):04x}{text}".encode())
        return False

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.request.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data
