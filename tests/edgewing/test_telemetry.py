"""Opening and running a model writes nothing for others: neither into the home nor into the network. Watched by strace,
since what the library says of itself is not what the system sees."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import pytest

from edgewing import models, web

ROOT = Path(__file__).resolve().parents[2]
CALLS = "open,openat,openat2,creat,mkdir,mkdirat,rename,renameat,renameat2,link,symlink,connect,sendto"
# a file that is opened to be written, a folder that is made, an address outside of this machine
WRITTEN = re.compile(r"(open\w*|creat)\(.*(O_WRONLY|O_RDWR|O_CREAT)|(mkdir|rename|\w*link)\w*\(")
OUTSIDE = re.compile(r"connect\(.*AF_INET")
WORDS = {
    "the library alone": ["-c", "from edgewing.runtimes import onnx; onnx.library()"],
    "edgewing run": [
        "-m", "edgewing", "run", "docs/faces.jpg", "--model", str(models.path("edgewing-s", "onnx")),
        "--detector", "blazeface-short",
    ],
    "edgewing camera": ["-m", "edgewing", "camera", "--source", "docs/portrait.jpg", "--no-window", "--json", "-"],
    "OpenVINO": ["-c", "from edgewing.runtimes import openvino; openvino.library()"],
    "edgewing doctor": ["-m", "edgewing", "doctor"],
}  # fmt: skip


def traced(words: list[str], home: Path) -> str:
    """What the system was asked for by a fresh Python whose home is empty."""
    trace = home.with_suffix(".trace")
    known = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY" and not k.startswith("XDG_")}
    environment = {**known, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    strace = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(trace), sys.executable, *words]
    done = subprocess.run(strace, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return trace.read_text()


@pytest.fixture
def home(tmp_path) -> Path:
    if shutil.which("strace") is None:
        pytest.skip("needs strace; apt-get install strace")
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)
def test_nothing_is_written_for_others(home, words):
    if "openvino" in words[-1] and importlib.util.find_spec("openvino") is None:
        pytest.skip("needs OpenVINO (requirements/targets.txt)")
    trace = traced(words, home)
    written = [line for line in trace.splitlines() if WRITTEN.search(line) and '"/dev/' not in line]
    # doctor writes videos, to see that it can, into a folder that it takes away
    assert not [line for line in written if f'"{tempfile.gettempdir()}/' not in line or "doctor" not in words]
    assert not OUTSIDE.search(trace) and not list(home.iterdir())


@pytest.mark.skipif(not web.is_built(), reason="the page is not built; make web")
def test_the_page_has_its_own_socket_and_no_other(home):
    """The server is asked for its page, and ends: it listened on its address, and called nobody."""
    trace = home.with_suffix(".trace")
    words = [sys.executable, "-u", "-m", "edgewing", "web", "--port", "0"]
    strace = ["strace", "-f", "-qq", "-e", "trace=%network", "-o", str(trace), *words]
    environment = {**os.environ, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    served = subprocess.Popen(
        strace,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's `&` has it ignored
    )
    try:
        address = next(line for line in served.stdout if "http://" in line).split()[-1]
        with urllib.request.urlopen(f"{address}/model.tflite", timeout=60) as answer:
            assert answer.status == 200
    finally:
        os.killpg(served.pid, signal.SIGINT)  # strace itself does not hear it
        served.wait(60)
        served.stdout.close()
    lines = trace.read_text().splitlines()
    assert not [line for line in lines if OUTSIDE.search(line) or "sendto(" in line and "AF_INET" in line]
    bound = [line for line in lines if "bind(" in line and "AF_INET" in line]
    assert len(bound) == 1 and "127.0.0.1" in bound[0]


@pytest.mark.parametrize("name", ["edgewing run", "edgewing camera"])
def test_it_works_without_a_network(name, tmp_path):
    """In a namespace of its own that has no network at all, not even this machine's own address."""
    alone = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"], capture_output=True).returncode:
        pytest.skip("this system gives no namespace to a user; try it as root")
    done = subprocess.run([*alone, sys.executable, *WORDS[name]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_trace_would_show_it(home):
    words = ["-c", "import pathlib; pathlib.Path.home().joinpath('deviceid').write_text('1')"]
    assert [line for line in traced(words, home).splitlines() if WRITTEN.search(line) and "deviceid" in line]
