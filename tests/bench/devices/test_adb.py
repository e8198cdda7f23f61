"""`bench devices` through the real adb client, which speaks to a server that is ours (adb_server.py)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.devices import benchmark_model
from edgewing import measure, models
from edgewing.errors import InputError
from tests.bench.conftest import artefact, template  # noqa: F401
from tests.bench.devices.adb_server import Server
from tests.bench.devices.conftest import rows_of_command
from tests.bench.devices.test_ssh import ARM_PROGRAM

# What benchmark_model of LiteRT prints, as in its reports on GitHub (tensorflow/tensorflow issue 61946; the median and
# the delegate's line are of newer versions).
SUMMARY = """INFO: STARTING!
INFO: Loaded model /data/local/tmp/a.tflite
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
VERBOSE: Replacing 95 out of 96 node(s) with delegate (TfLiteXNNPackDelegate) node, yielding 2 partitions for the graph.
INFO: Initialized session in 3.337ms.
INFO: count=9 first=81913 curr=55502 min=55502 max=81913 avg=58984.7 std=8115
INFO: count=1061 first=56576 curr=56299 min=54669 max=60236 avg=56265.8 std=982 p5=54700 median=56100 p95=58000
INFO: Inference timings in us: Init: 3337, First inference: 81913, Warmup (avg): 58984.7, Inference (avg): 56265.8
INFO: Overall peak memory footprint (MB) via periodic monitoring: 93.2383
"""


@pytest.fixture
def phone(tmp_path, monkeypatch):
    if shutil.which("adb") is None:
        pytest.skip("needs adb: apt-get install adb")
    root = tmp_path / "phone"
    (root / "data/local/tmp").mkdir(parents=True)
    server = Server(root)
    bin = root / "bin"
    bin.mkdir()
    tools = {"getprop": 'case $1 in *model) echo "Pixel 8";; *) echo 14;; esac'}
    for name, text in tools.items():
        (bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (bin / name).chmod(0o755)
    server.environment = {"PATH": f"{bin}:{os.environ['PATH']}"}
    server.bin = bin
    monkeypatch.setenv("ADB_SERVER_SOCKET", server.socket_name)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def tflite_file(tmp_path):
    return Path(shutil.copy(models.path("edgewing-s", "tflite"), tmp_path / "a.tflite"))


@pytest.fixture
def visit(phone, tmp_path):
    """visit(*models, more options) runs the command and gives the rows so far."""
    log = tmp_path / "rows.jsonl"

    def run(*models, **more):
        words = ["--on", f"adb://{phone.serial}", "--model", *models]
        for name, value in more.items():
            words += [f"--{name.replace('_', '-')}", value]
        return rows_of_command(*words, log=log)

    return run


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A program for this machine that says what benchmark_model says, if its graph is there; and how it was called."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt install gcc")
    folder = tmp_path_factory.mktemp("program")
    text = SUMMARY.replace("\n", "\\n")
    (folder / "a.c").write_text(
        "#include <stdio.h>\n#include <string.h>\n"
        "int main(int n, char **a) { FILE *f = 0; for (int i = 1; i < n; i++) {\n"
        '  if (!strncmp(a[i], "--graph=", 8)) f = fopen(a[i] + 8, "rb"); puts(a[i]); }\n'
        f'  if (!f) {{ puts("ERROR: Failed to load model"); return 1; }} printf("%s", "{text}"); return 0; }}\n'
    )
    subprocess.run(["cc", "-o", folder / "benchmark_model", folder / "a.c"], check=True)
    return folder / "benchmark_model"


def test_by_benchmark_model(visit, phone, program, tflite_file, capsys):
    (row,) = visit(tflite_file, benchmark_model=program, mode="full")
    assert (row["p50_ms"], row["max_ms"], row["p90_ms"]) == (56.1, 60.236, None)
    assert row["runtime"] == "LiteRT benchmark_model, XNNPack 95/96 nodes" and row["runs"] == 1061
    assert row["load_ms"] == 3.337 and row["first_ms"] == 81.913 and row["peak_bytes"] == 93238300
    assert row["device"]["name"] == "Pixel 8" and row["device"]["address"] == f"adb://{phone.serial}"
    assert row["machine"]["cores"] >= 1 and row["machine"]["load"] >= 0 and row["machine"]["cpu"] == "Pixel 8"
    assert row["protocol"]["least_runs"] == 1024 and row["protocol"]["least_seconds"] == 60
    assert row["artefact"]["sha256"] == measure.artefact(tflite_file)["sha256"]
    assert any("--num_runs=1024" in line and "--min_secs=60" in line for line in phone.lines)
    pushed = phone.root / "data/local/tmp/edgewing-bench" / row["artefact"]["sha256"][:12] / tflite_file.name
    assert pushed.read_bytes() == tflite_file.read_bytes()
    visit(tflite_file, benchmark_model=program, mode="full")
    assert "0 to measure, 1 measured before" in capsys.readouterr().out


@pytest.mark.full
def test_by_the_python_of_termux(visit, phone, artefact, tmp_path):  # noqa: F811
    """Termux is a folder here, and run-as a script that runs the rest of its words."""
    usr = phone.root / "data/data/com.termux/files/usr/bin"
    usr.mkdir(parents=True)
    (phone.root / "data/data/com.termux/files/home").mkdir()
    (phone.bin / "run-as").write_text('#!/bin/sh\n[ "$1" = com.termux ] && shift && exec "$@"\n')
    (usr / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    for script in (phone.bin / "run-as", usr / "python"):
        script.chmod(0o755)
    (row,) = visit(artefact(tmp_path / "a.onnx", template()))
    assert "not_run" not in row, row["not_run"]
    assert row["runs"] >= 128 and "onnxruntime" in row["runtime"] and row["device"]["name"].endswith("Pixel 8")
    assert not list((phone.root / "data/local/tmp").iterdir()), "what was passed on is still there"


def test_what_can_go_wrong(visit, phone, program, tflite_file, artefact, tmp_path):  # noqa: F811
    def reason(*models, **more):
        return visit(*models, **more)[-1]["not_run"].removeprefix("unsupported: ")

    wrong = tmp_path / "benchmark_model"
    wrong.write_bytes(ARM_PROGRAM)
    here = os.uname().machine
    assert reason(tflite_file, benchmark_model=wrong) == (
        f"benchmark_model is for aarch64, the device is {here}; get the one for {here}"
    )
    assert "runs .tflite files alone" in reason(artefact(tmp_path / "a.onnx", template()), benchmark_model=program)
    phone.full = True
    assert "No space left on device" in reason(tflite_file, benchmark_model=program)
    phone.full, phone.present = False, False
    assert f"the device is gone: error: device '{phone.serial}' not found" in reason(
        tflite_file, benchmark_model=program
    )


def test_unplugged_half_way(visit, phone, tflite_file, tmp_path):
    """The program there unplugs the phone: the first file is lost with it, the second is not tried."""
    source = tmp_path / "a.c"
    source.write_text("#include <unistd.h>\nint main() { sleep(1); return 0; }\n")
    subprocess.run(["cc", "-o", tmp_path / "benchmark_model", source], check=True)
    serve = phone.RequestHandlerClass.shell

    class Unplugged(phone.RequestHandlerClass):
        def shell(self, line):
            if "--graph=" in line:
                phone.present = False
            serve(self, line)

    phone.RequestHandlerClass = Unplugged
    second = tmp_path / "second.tflite"
    shutil.copy(tflite_file, second)
    made = visit(tflite_file, second, benchmark_model=tmp_path / "benchmark_model")
    assert [row["not_run"][:33] for row in made] == ["unsupported: the device is gone: "] * 2
    asked = len([line for line in phone.lines if "--graph=" in line])
    assert asked == 1


def test_a_summary_without_its_end():
    with pytest.raises(InputError, match="without its summary"):
        benchmark_model.parse(SUMMARY.split("INFO: Inference")[0])
    old = benchmark_model.parse(SUMMARY.replace(" p5=54700 median=56100 p95=58000", "").replace("VERBOSE: Rep", ""))
    assert old["p50_ms"] is None and old["delegation"] is None and old["mean_ms"] == pytest.approx(56.2658)
