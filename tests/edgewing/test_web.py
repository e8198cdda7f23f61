"""`edgewing web`: what is served and written, and to whom. The page itself is tested in tests/apps/web."""

import http.client
import json
import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from edgewing import cli, containers, detection, models, tracking, web
from edgewing.errors import InputError

BUILT = web.PAGE


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A page of few bytes in place of the built one: what the server does with files does not depend on them."""
    page = tmp_path_factory.mktemp("built") / "page"
    (page / "wasm").mkdir(parents=True)
    for name in ("index.html", "app.js", "style.css", "manifest.webmanifest", "icon.svg", "wasm/litert.wasm"):
        (page / name).write_text(f"this is {name}")
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
        ("/page.json", "application/json"),
    ],
)
def test_files_have_their_type_and_the_page_is_isolated(served, path, kind):
    response, body = ask(served, path)
    assert response.status == 200 and body
    assert response.headers["Content-Type"] == kind
    assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
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


def test_what_a_browser_has_is_not_sent_again(served):
    first, body = ask(served, "/model.tflite")
    again, nothing = ask(served, "/model.tflite", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, nothing) == (304, b"")
    assert body == models.path("edgewing-s", "tflite").read_bytes()
    head, nothing = ask(served, "/model.tflite", "HEAD")
    assert (head.status, nothing, int(head.headers["Content-Length"])) == (200, b"", len(body))
    assert ask(served, "/model.tflite", "POST")[0].status == 501


def test_constants_are_pythons(small):
    found = json.loads(web.site("edgewing-s")["page.json"])
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
    assert written == expected | {"model.tflite", "detector.tflite", "stills.tflite", "page.json"}
    assert out.out.splitlines()[-1] == f"next: copy {tmp_path / 'out'} to a host with https, and open it on a phone"
    assert containers.read(tmp_path / "out/model.tflite").training.data_terms in out.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "edgewing-x"], "unknown model 'edgewing-x'"),
        (["--model", "model.onnx"], "a browser runs .tflite files"),
        (["--model", "none.tflite"], "no such file"),
        (["--port", "99999"], "cannot serve on 127.0.0.1:99999"),
        (["--host", "no.such.host.invalid"], "cannot serve on no.such.host.invalid"),
        (["--cert", "none.pem", "--port", "0"], "make one: openssl req"),
        (["--build", "FILE/below"], "cannot be made"),
    ],
)
def test_a_users_mistake_is_one_line(small, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    with pytest.raises(SystemExit) as ended:
        cli.main(["web", *words])
    last = capsys.readouterr().err.splitlines()[-1]
    assert ended.value.code == 2 and last.startswith("error: ") and said in last


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
            assert connection.getresponse().read() == b"this is app.js"
            connection.close()
            silent.close()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.skipif(not (BUILT / "index.html").is_file(), reason="needs the built page: make web")
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
