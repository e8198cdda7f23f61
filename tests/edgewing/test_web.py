"""`edgewing web`: what is served and written, and to whom. The page itself is tested in tests/apps/web."""

import http.client
import json
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from edgewing import cli, containers, detection, layouts, models, repository, web
from edgewing.camera import tracking
from edgewing.errors import InputError

BUILT = web.PAGE


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A page of few bytes in place of the built one: what the server does with files does not depend on them."""
    page = tmp_path_factory.mktemp("built") / "page"
    (page / "wasm").mkdir(parents=True)
    names = ("index.html", "app.js", "edgewing.js", "style.css", "manifest.webmanifest", "icon.svg", "wasm/litert.wasm")
    for name in names:
        (page / name).write_text(f"this is {name} of edgewing")
    (page / "index.html").write_text('<meta name="generator" content="edgewing web">')  # as the built one says
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web, "PAGE", page)
        yield page


@pytest.fixture(scope="module")
def served(small):
    with web.server(web.site("edgewing-s"), "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(port, path, method="GET", headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/index.html?source=pwa", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/wasm/litert.wasm", "application/wasm"),
        ("/model.tflite", "application/octet-stream"),
    ],
)
def test_files_have_their_type_and_the_page_is_isolated(served, path, kind):
    response, body = ask(served, path)
    assert response.status == 200 and body
    assert response.headers["Content-Type"] == kind
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
    assert int(response.headers["Content-Length"]) == len(body)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/wasm",
        "/wasm/",
        "//etc/passwd",
        "/../cli.py",
        "/%2e%2e/cli.py",
        "/wasm/..%2f..%2fcli.py",
        "/cli.py",
    ],
)
def test_nothing_else_is_to_be_had(served, path):
    response, body = ask(served, path)
    assert response.status == 404 and body == b"no such file\n"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8000", 200),
        ("evil.test:8000", 403),
        ("localhost.evil.test", 403),
        ("localhost@evil.test", 403),
        ("192.168.1.9", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
def test_on_this_machine_alone_a_page_of_another_name_gets_nothing(served, host, status):
    response, body = ask(served, "/model.tflite", headers={"Host": host})
    assert response.status == status
    assert (body == b"this page is for localhost alone\n") == (status == 403)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET http://[::1 HTTP/1.1", "Host: localhost\r\n", 400),
        ("GET http://localhost/app.js HTTP/1.1", "Host: localhost\r\n", 200),
        ("GET / HTTP/1.1", "", 403),
        ("GET / HTTP/1.1", "Host: localhost\r\nHost: evil.test\r\n", 403),
        ("GET", "", 400),
    ],
)
def test_requests_that_no_browser_makes(served, capfd, request_line, headers, status):
    with socket.create_connection(("127.0.0.1", served), timeout=20) as connection:
        connection.sendall(f"{request_line}\r\n{headers}Connection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(connection)
        if request_line == "GET":  # HTTP 0.9 has no headers in its answer
            assert f"Error code: {status}".encode() in connection.recv(1 << 16)
        else:
            answer.begin()
            assert answer.status == status
    assert "Traceback" not in capfd.readouterr().err


def started(server):
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    return thread


def test_a_crowd_that_says_nothing_keeps_nobody_out(monkeypatch):
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 8)
    monkeypatch.setattr(web, "SILENCE", 0.01)
    with web.server({"index.html": b"here"}, "127.0.0.1", 0) as server:
        thread = started(server)
        crowd = [socket.create_connection(server.server_address, timeout=20) for _ in range(40)]
        response, body = ask(server.server_port, "/")
        assert (response.status, body) == (200, b"here")
        assert len(server.connections) <= 8
        assert [one.recv(1) for one in crowd[:30]] == [b""] * 30, "the oldest are closed"
        for one in crowd:
            one.close()
        server.shutdown()
        thread.join()


def test_who_is_being_answered_is_not_closed_for_another(monkeypatch):
    monkeypatch.setattr(web, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(web, "SILENCE", 0.0)
    large = bytes(64 << 20)  # more than lies between the two, so it is sent only while it is read
    with web.server({"index.html": b"here", "model.tflite": large}, "127.0.0.1", 0) as server:
        thread = started(server)
        first = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        first.request("GET", "/model.tflite")
        answer = first.getresponse()
        second = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        second.request("GET", "/")  # waits
        assert len(answer.read()) == len(large)
        assert second.getresponse().read() == b"here"
        first.close()
        second.close()
        server.shutdown()
        thread.join()


def test_small_answers_are_sent_at_once():
    with web.server({"index.html": b"here"}, "127.0.0.1", 0) as server:
        thread = started(server)
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"here"
        (its,) = server.connections
        assert its.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
        server.shutdown()
        thread.join()


def test_an_address_of_the_newer_kind():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("needs a machine with IPv6")
    with web.server({"index.html": b"here"}, "::1", 0) as server:
        thread = started(server)
        connection = http.client.HTTPConnection("::1", server.server_port, timeout=20)
        connection.request("GET", "/")
        assert connection.getresponse().read() == b"here"
        connection.close()
        server.shutdown()
        thread.join()
    assert web.advice("::1", 8000, False)[0] == "this machine: http://[::1]:8000"
    assert web.advice("fe80::1", 8000, False)[0] == "phone: http://[fe80::1]:8000"


def test_what_a_browser_has_is_not_sent_again(served):
    first, body = ask(served, "/model.tflite")
    again, nothing = ask(served, "/model.tflite", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, nothing) == (304, b"")
    assert body == models.path("edgewing-s", "tflite").read_bytes()
    head, nothing = ask(served, "/model.tflite", "HEAD")
    assert (head.status, nothing, int(head.headers["Content-Length"])) == (200, b"", len(body))
    assert ask(served, "/model.tflite", "POST")[0].status == 501


def test_constants_are_pythons():
    found = json.loads(json.dumps(web.constants(layouts.get("300w-68"))))
    for key, name in (("detector", web.DETECTOR), ("stills", web.STILLS)):
        anchors, fit = detection.BLAZEFACE[name], detection.fits()[name]
        assert found[key]["side"] == anchors.side and found[key]["least"] == anchors.least
        assert found[key]["fit"] == {"shift": list(fit.shift), "scale": list(fit.scale)}
    assert found["tracking"]["filter"]["least_cutoff"] == tracking.settings().filter.least_cutoff


def test_files_for_a_host(small, tmp_path, capsys):
    cli.main(["web", "--model", "edgewing-s", "--build", str(tmp_path / "out")])
    out = capsys.readouterr()
    written = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    expected = {path.relative_to(small).as_posix() for path in small.rglob("*") if path.is_file()}
    assert written == expected | {"model.tflite", "detector.tflite", "stills.tflite", "LICENSE", "NOTICE"}
    assert out.out.splitlines()[-1] == f"next: copy {tmp_path / 'out'} to a host with https, and open it on a phone"
    assert containers.read_contract(tmp_path / "out/model.tflite").training.data_terms.split(";")[0] in out.err
    cli.main(["web", "--model", "edgewing-free-s", "--build", str(tmp_path / "out")])  # its own page it writes anew
    assert containers.read_contract(tmp_path / "out/model.tflite").model.name == "edgewing-free-s"


def test_a_page_of_ones_own_is_not_written_over(small, tmp_path, capsys):
    before = (repository.ROOT / "apps/web/example.html").read_bytes()  # what `edgewing app web` writes
    (tmp_path / "own").mkdir()
    (tmp_path / "own/index.html").write_bytes(before)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["web", "--build", str(tmp_path / "own")])
    assert "holds other files, which could be lost" in capsys.readouterr().err
    assert (tmp_path / "own/index.html").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "edgewing-x"], "unknown model 'edgewing-x'"),
        (["--model", "model.onnx"], "a browser runs .tflite files"),
        (["--model", "none.tflite"], "no such file"),
        (["--port", "99999"], "cannot serve on 127.0.0.1:99999"),
        (["--host", "no.such.host.invalid"], "cannot serve on no.such.host.invalid"),
        (["--host", ""], "--host: the name is empty"),
        (["--host", "x" * 70], "cannot serve on xxx"),
        (["--cert", "none.pem", "--port", "0"], "make one: openssl req"),
        (["--build", "FILE/below"], "FILE"),
        (["--build", "site"], "site: holds other files, which could be lost; name a new folder"),
    ],
)
def test_a_users_mistake_is_one_line(small, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/detector.tflite").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        cli.main(["web", *words])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith("error: ") and said in line
    assert (tmp_path / "site/detector.tflite").read_text() == "mine" and len([*tmp_path.rglob("*")]) == 3


def test_without_the_page_it_says_what_to_type(tmp_path, monkeypatch):
    monkeypatch.setattr(web, "PAGE", tmp_path)
    with pytest.raises(InputError, match="in the repository type: make web"):
        web.site("edgewing-s")


def test_a_phone_is_told_how_to_get_here():
    here, open_, secure = (
        web.advice("127.0.0.1", 8000, False),
        web.advice("0.0.0.0", 8000, False),
        web.advice("0.0.0.0", 8000, True),
    )
    assert "http://localhost:8000" in here[0] and "adb reverse tcp:8000 tcp:8000" in "".join(here)
    assert "without https the camera stays off" in "".join(open_) and "--cert edgewing.pem" in open_[-1]
    assert any(line.startswith("phone: https://") for line in secure)
    assert "then https://localhost:8000 there" in web.advice("127.0.0.1", 8000, True)[1]


def test_https_with_a_certificate_of_ones_own(small, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl (Debian package of that name)")
    subprocess.run(web.SELF_SIGNED.split(), cwd=tmp_path, check=True, capture_output=True)
    with web.server(web.site("edgewing-s"), "127.0.0.1", 0, str(tmp_path / "edgewing.pem")) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            # a client that never shakes hands must not keep others waiting
            silent = http.client.HTTPConnection("127.0.0.1", server.server_port)
            silent.connect()
            trusting = ssl._create_unverified_context()
            connection = http.client.HTTPSConnection("127.0.0.1", server.server_port, timeout=20, context=trusting)
            connection.request("GET", "/app.js")
            assert connection.getresponse().read() == b"this is app.js of edgewing"
            connection.close()
            silent.close()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(not web.is_built(), reason="needs the built page: make web")
def test_the_built_page_has_all_it_names(monkeypatch):
    """What index.html and the manifest point to is there, and of a known type; no other host is named."""
    monkeypatch.setattr(web, "PAGE", BUILT)
    site = web.site("edgewing-s")
    html = site["index.html"].decode()
    named = [part.split('"')[0] for mark in ('href="', 'src="') for part in html.split(mark)[1:]]
    named += [icon["src"] for icon in json.loads(site["manifest.webmanifest"])["icons"]]
    assert named and set(named) <= set(site)
    assert {Path(name).suffix for name in site} <= set(web.TYPES)
    assert "//" not in html.replace("<!--", "").replace("-->", "")
    assert sum(name.endswith(".wasm") for name in site) == 3
