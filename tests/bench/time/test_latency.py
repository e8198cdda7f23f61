"""One quick measurement (10 s) through the command line; what it is made of is tested in test_measure."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.time import latency, race
from edgewing import containers, runtimes
from tests.bench.conftest import parity, template
from tests.bench.devices.test_hostile import alive, waited
from tests.edgewing.runtimes.test_tensorrt import board, engine, library  # noqa: F401


def test_latency_row(artefact, tmp_path, capsys):
    model, out = artefact(tmp_path / "a.onnx", template()), tmp_path / "latency.json"
    assert main(["latency", "--model", str(model), "--json", str(out)]) == 0
    row = json.loads(out.read_text())
    assert row["kind"] == "latency" and row["protocol"]["mode"] == "quick" and row["protocol"]["threads"] == 1
    assert row["runs"] >= 128 and row["seconds"] >= 10
    assert 0 < row["p50_ms"] <= row["p90_ms"] <= row["p99_ms"] <= row["max_ms"]
    assert row["artefact"]["bytes"] == model.stat().st_size
    assert "onnxruntime" in row["runtime"] and row["command"].startswith("python -m bench latency")
    assert "uint8 crop in" in row["protocol"]["clock"]
    # the runtime's process alone: this one holds pytest, onnx and OpenCV as well
    assert 10e6 < row["peak_bytes"] < 200e6
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == f"wrote {out}" and lines[-1].startswith("next: python -m bench accuracy")


def test_formats_of_other_machines_are_not_run(artefact, tmp_path, capsys):
    model = artefact(tmp_path / "a.onnx", template(), precision="int8", form="tensorrt", measured=parity())
    with pytest.raises(SystemExit, match="2"):
        main(["latency", "--model", str(model)])
    assert "not run: needs a GPU" in capsys.readouterr().err


def test_an_engine_is_measured_where_it_can_run(tmp_path, board):  # noqa: F811
    """On a machine with TensorRT and a GPU (both stand-ins here) an engine is not said to need one."""
    path = engine(tmp_path / "tiny.engine")
    assert latency.needs(path, containers.read_contract(path)) == ""
    runtime = runtimes.open(path)
    assert race.enter(path).runtime == str(runtime.description) == "tensorrt 10.3.0, Orin, 1 thread"


def test_an_engine_is_not_measured_elsewhere(tmp_path):
    path = engine(tmp_path / "tiny.engine")
    assert latency.needs(path, containers.read_contract(path)) == "needs a GPU"


def test_a_failing_measurement_tells_the_reason(artefact, tmp_path, capsys):
    model = artefact(tmp_path / "a.onnx", template())
    cut = tmp_path / "cut.onnx"
    shutil.copy(model, cut)
    cut.write_bytes(model.read_bytes()[:-40])
    with pytest.raises(SystemExit, match="2"):
        main(["latency", "--model", str(cut)])
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and len(captured.err.splitlines()) == 1 and "cut.onnx" in captured.err


def test_no_measurement_outlives_its_command(artefact, run_folder, tmp_path):
    """An orphan would go on for a minute and disturb the same command typed again."""
    run = run_folder([(0, 0)])
    artefact(run / "export/tiny-fp32.onnx", template())
    command = subprocess.Popen([sys.executable, "-m", "bench", "measure", str(run), "--mode", "full"])
    children = Path(f"/proc/{command.pid}/task/{command.pid}/children")
    try:
        child = int(waited(lambda: children.read_text().strip()))
    finally:
        command.kill()
        command.wait()
    assert waited(lambda: not alive(child))
