"""Opening and running a model writes nothing for others: neither into the home nor into the network. Watched by strace,
since what the library says of itself is not what the system sees."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgewing import models

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
    trace = traced(words, home)
    written = [line for line in trace.splitlines() if WRITTEN.search(line) and '"/dev/' not in line]
    assert not written and not OUTSIDE.search(trace) and not list(home.iterdir())


def test_the_trace_would_show_it(home):
    words = ["-c", "import pathlib; pathlib.Path.home().joinpath('deviceid').write_text('1')"]
    assert [line for line in traced(words, home).splitlines() if WRITTEN.search(line) and "deviceid" in line]
