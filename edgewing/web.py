"""The camera page for browsers: served from here, or written as files for any https host.

The page itself is built from ``apps/web`` (`make web`) into the folder ``page`` beside this file. The model and the
weights of the detectors are added here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import http.server
import importlib.metadata
import ipaddress
import socket
import socketserver
import ssl
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

from edgewing import anatomy, containers, detection, files, landmarker, models, repository
from edgewing.camera import tracking
from edgewing.errors import InputError
from edgewing.layouts import Layout

PAGE = Path(__file__).parent / "page"
# A phone looks at one close face; `back`, the default elsewhere, takes many times longer and would halt the picture.
DETECTOR = "blazeface-short"
STILLS = "blazeface-back"  # a picture from disk may show a group, whose faces `short` does not see
DETECTORS = {"detector": DETECTOR, "stills": STILLS}
LARGEST_FILE = 64 * files.MIB

# Python's own table differs between systems, and a browser refuses wasm or modules of another type
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".tflite": "application/octet-stream",
}
# Isolated, a page may have threads; the rest keeps other pages from framing this one and from reading its files, and
# the browser from guessing types.
HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
PLAIN = {"Content-Type": "text/plain"}
SELF_SIGNED = (
    "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=edgewing -keyout edgewing.pem -out edgewing.pem"
)

MOST_CONNECTIONS = 256  # a browser opens six
WAITING = 1024  # connections that the system keeps meanwhile; of more it drops some, and they try again seconds later
SILENCE, ANSWERING = (
    1.0,
    30.0,
)  # s after which a connection that asks nothing, or takes its answer, is closed for others

Site = dict[str, bytes]


def site(model: str | Path) -> Site:
    """Every file of the page by its path, such as ``wasm/litert_wasm_internal.wasm``; around 30 MB.

    model: a .tflite file, or the name of a shipped model.
    Raises InputError: no page built, a model of another format or
    without a contract.
    """
    if not is_built():
        said = f"the page is not in this installation ({PAGE})"
        raise InputError(f"{said}; in the repository type: make web, and install it again if pip did")
    path = model_file(model)
    if containers.format_of(path) != "tflite":
        raise InputError(f"{path}: a browser runs .tflite files; name the .tflite of the same export")
    layout = containers.read_contract(path).layout
    found = {
        file.relative_to(PAGE).as_posix(): files.read(file, LARGEST_FILE)
        for file in sorted(PAGE.rglob("*"))
        if file.is_file()
    }
    found |= {f"{use}.tflite": _weights(name) for use, name in DETECTORS.items() if layout.is_face}
    return found | {"model.tflite": files.read(path, LARGEST_FILE)}


def is_built() -> bool:
    """Whether the page is here, and none that was built before it stood on the package."""
    return all((PAGE / name).is_file() for name in ("index.html", "edgewing.js"))


def model_file(model: str | Path) -> Path:
    """The file behind a model's name or path."""
    return models.path(str(model), "tflite") if str(model) in models.SHIPPED else models.find(model)


def constants(layout: Layout) -> dict:
    """What an app must know beside the model's contract: what it looks for, of the detectors, which are for faces
    alone, and of the tracking. The page makes the same of apps/web/src/constants.json."""
    found = {use: _detector(name) for use, name in DETECTORS.items() if layout.is_face}
    found |= {"unsure": landmarker.UNSURE} if layout.is_face else {}
    found |= {"turns": turns} if (turns := _turns(layout)) else {}
    return found | {"object": layout.object, "tracking": dataclasses.asdict(tracking.settings(layout.is_face))}


def _turns(layout: Layout) -> dict | None:
    """What tells how a face is turned; None where the layout does not tell."""
    with contextlib.suppress(InputError):
        points = [[int(n) for n in several] for several in anatomy.five_places(layout)]
        return {"points": points, "places": anatomy.ARCFACE.tolist()}
    return None


def _detector(name: str) -> dict:
    anchors, fit = detection.BLAZEFACE[name], detection.fits()[name]
    found = {"name": name, "side": anchors.side, "cells": anchors.cells, "least": anchors.least}
    return found | {"same": detection.SAME_FACE, "close": detection.CLOSE, "fit": dataclasses.asdict(fit)}


def _weights(name: str) -> bytes:
    return files.read(detection.BLAZEFACE[name].path, LARGEST_FILE)


def build(files_of_page: Site, folder: str | Path) -> None:
    """Write the page into a new folder, or over an earlier page, index.html last; with LICENSE and NOTICE.
    Raises InputError where the folder has other things in it, or cannot be written: then nothing was."""
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not _is_page(folder / "index.html"):
        raise InputError(f"{folder}: holds other files, which could be lost; name a new folder")
    made = terms() | files_of_page
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with files.workshop(folder) as beside:
            for name, data in made.items():
                (beside / name).parent.mkdir(parents=True, exist_ok=True)
                files.write(beside / name, data)
            for name in sorted(made, key=lambda name: name == "index.html"):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (beside / name).replace(folder / name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another folder") from None


def terms() -> dict[str, bytes]:
    """LICENSE and NOTICE, which whoever hands the page or an app on has to hand on too."""
    installed = {file.name: file.locate() for file in importlib.metadata.files("edgewing") or ()}
    ours = {name: repository.ROOT / name for name in ("LICENSE", "NOTICE")}
    return {name: Path(path if path.is_file() else installed[name]).read_bytes() for name, path in ours.items()}


def _is_page(first: Path) -> bool:
    """Not one of the user's that has edgewing in it: only the camera page says what wrote it."""
    return first.is_file() and b'<meta name="generator" content="edgewing web">' in first.read_bytes()


def server(files_of_page: Site, host: str, port: int, certificate: str | None = None) -> http.server.HTTPServer:
    """A server of these files and nothing else; ``serve_forever()`` starts it. Port 0 takes a free one.

    certificate: a PEM file with certificate and key, for https.
    Raises InputError: port taken, no such host, no certificate.
    """
    handler = functools.partial(_Handler, files_of_page, {k: _etag(v) for k, v in files_of_page.items()})
    try:
        made = _Server(host, port, handler)
    except (OSError, OverflowError, UnicodeError) as error:  # UnicodeError: a name with a label of 64 letters
        raise InputError(f"cannot serve on {host}:{port} ({error}); choose another with --host and --port") from None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(certificate)
        except (OSError, ssl.SSLError) as error:
            made.server_close()
            raise InputError(f"{certificate}: no certificate with its key ({error}); make one: {SELF_SIGNED}") from None
        # The handshake is done by the connection's own thread: a client that never begins one must not block others.
        made.socket = context.wrap_socket(made.socket, server_side=True, do_handshake_on_connect=False)
    return made


def advice(host: str, port: int, secure: bool) -> list[str]:
    """Lines that say where the page is and how a phone gets there: browsers give a camera to https and localhost."""
    scheme = "https" if secure else "http"
    here, everywhere = _is_loopback(host), host in ("0.0.0.0", "::")
    local = "[::1]" if host == "::1" else "localhost"
    lines = [f"this machine: {scheme}://{local}:{port}"] if here or everywhere else []
    if not here:
        address = _address() if everywhere else host
        lines.append(f"phone: {scheme}://{f'[{address}]' if ':' in address else address}:{port}")
        if secure:
            lines.append("       a certificate of your own is warned of once: go on in spite of it")
        else:
            lines.append("       without https the camera stays off there, pictures and videos work; for https:")
            lines.append(f"       {SELF_SIGNED}")
            lines.append(f"       edgewing web --host {host} --port {port} --cert edgewing.pem")
    else:
        lines.append(
            f"Android phone on a cable: adb reverse tcp:{port} tcp:{port}, then {scheme}://localhost:{port} there"
        )
        lines.append("any phone: edgewing web --build DIR, and put DIR on a host with https")
        lines.append("       or in this network: edgewing web --host 0.0.0.0, which says how")
    return lines


def _is_loopback(name: str) -> bool:
    """Whether a host's name or address is this machine's own, and never another's."""
    try:
        address = ipaddress.ip_address(name)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def _address() -> str:
    """This machine's address in its network. Connecting a datagram socket sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


def _etag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:32]}"'


class _Server(http.server.ThreadingHTTPServer):
    """A thread for each connection, and no more than MOST_CONNECTIONS: one more waits until one ends, or until one may
    be closed for it, so that a crowd of silent ones keeps nobody out for long."""

    request_queue_size = WAITING

    def __init__(self, host: str, port: int, handler):
        families = [found[0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        self.address_family = socket.AF_INET if socket.AF_INET in families else families[0]
        self.connections: dict[socket.socket, float] = {}  # the time from which each may be closed for another one
        self.changed = threading.Condition()
        super().__init__((host, port), handler)
        self.loopback = _is_loopback(self.server_address[0])

    def server_bind(self) -> None:
        """Without asking a name server what this machine is called, which can take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]

    def process_request(self, request, client_address) -> None:
        with self.changed:
            while len(self.connections) >= MOST_CONNECTIONS:
                first = min(self.connections, key=self.connections.get)
                rest = self.connections[first] - time.monotonic()
                if rest > 0:
                    self.changed.wait(rest)
                    continue
                del self.connections[first]
                with contextlib.suppress(OSError):  # it may have gone already; else its thread finds out and closes it
                    socket.socket.shutdown(first, socket.SHUT_RDWR)  # not that of TLS, which is not for two threads
            self.connections[request] = time.monotonic() + SILENCE
        super().process_request(request, client_address)

    @contextlib.contextmanager
    def answering(self, request: socket.socket) -> Iterator[None]:
        """While a connection is given what it asked for."""
        try:
            self._may_close(request, ANSWERING)
            yield
        finally:
            self._may_close(request, SILENCE)

    def _may_close(self, request: socket.socket, seconds: float) -> None:
        with self.changed:
            if request in self.connections:
                self.connections[request] = time.monotonic() + seconds
                self.changed.notify()

    def shutdown_request(self, request) -> None:
        with self.changed:
            self.connections.pop(request, None)
            self.changed.notify()
        super().shutdown_request(request)

    def handle_error(self, request, client_address) -> None:
        """A browser that goes away, or does not like the certificate, is no error of ours."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    """Looks a path up in a table: there is no way to any other file, and no listing."""

    protocol_version = "HTTP/1.1"
    timeout = 30  # s without a byte, after which a connection is closed
    disable_nagle_algorithm = True  # else the body waits 40 ms until the header is acknowledged

    def __init__(self, files_of_page: Site, etags: dict[str, str], *arguments):
        self.files_of_page, self.etags = files_of_page, etags
        super().__init__(*arguments)

    def do_GET(self) -> None:
        with self.server.answering(self.connection):
            self._answer(*self._looked_up())

    do_HEAD = do_GET

    def _looked_up(self) -> tuple[HTTPStatus, bytes, dict[str, str]]:
        """Status, body and headers of the answer."""
        if not self._is_asked_by_name():
            return HTTPStatus.FORBIDDEN, b"this page is for localhost alone\n", PLAIN
        try:
            path = urllib.parse.urlsplit(self.path).path
        except ValueError:  # such as http://[::1
            return HTTPStatus.BAD_REQUEST, b"no such address\n", PLAIN
        name = urllib.parse.unquote(path).removeprefix("/") or "index.html"
        data = self.files_of_page.get(name)
        if data is None:
            return HTTPStatus.NOT_FOUND, b"no such file\n", PLAIN
        if self.headers.get("If-None-Match") == self.etags[name]:
            return HTTPStatus.NOT_MODIFIED, b"", {"ETag": self.etags[name]}
        return HTTPStatus.OK, data, {"Content-Type": TYPES[Path(name).suffix], "ETag": self.etags[name]}

    def _is_asked_by_name(self) -> bool:
        """Whether the browser means this server. A page from elsewhere whose name was made to point to 127.0.0.1 (DNS
        rebinding) would have its own name here, and could read the model."""
        hosts = self.headers.get_all("Host", [])
        if not self.server.loopback:
            return True
        try:
            return len(hosts) == 1 and _is_loopback(urllib.parse.urlsplit(f"//{hosts[0].strip()}").hostname or "")
        except ValueError:
            return False

    def _answer(self, status: HTTPStatus, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        length = {} if status == HTTPStatus.NOT_MODIFIED else {"Content-Length": str(len(data))}
        for name, value in (HEADERS | headers | length).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments) -> None:
        """Requests are no news."""
