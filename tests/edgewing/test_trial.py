"""The first load of a stranger's file, in a process with limits: what dies, what is remembered, what is not tried."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edgewing import containers, models, runtimes, trial
from edgewing import contract as contracts
from edgewing.errors import InputError
from edgewing.trial.__main__ import main
from tests.edgewing.conftest import onnx_model, tiny_contract, write_onnx

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """The user's cache, empty; and nothing known to this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(trial, "_passed", set())
    return tmp_path / "cache" / "edgewing" / "tried"


def remembered(cache: Path) -> list[str]:
    return sorted(path.name.rpartition("-")[2] for path in cache.glob("*"))


def greedy(path: Path, rows: int) -> Path:
    """A file of a few kB that, when it is loaded, is given the sum of a column and a row of so many values."""
    import numpy as np
    from onnx import helper, numpy_helper

    model = onnx_model()
    for name, shape in (("tall", (rows, 1)), ("wide", (1, rows))):
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(shape, np.float32), name))
    model.graph.node.insert(0, helper.make_node("Add", ["tall", "wide"], ["outer"]))
    model.graph.node.append(helper.make_node("ReduceMax", ["outer"], ["peak"]))
    model.graph.output.append(helper.make_tensor_value_info("peak", 1, [1, 1]))
    model.metadata_props.add(key=contracts.KEY, value=contracts.dumps(tiny_contract()))
    path.write_bytes(model.SerializeToString())
    return path


def test_a_file_that_passes_is_tried_once(model_file, cache, monkeypatch):
    started = []
    start = trial._start
    monkeypatch.setattr(trial, "_start", lambda *words: started.append(words) or start(*words))
    for _ in range(2):
        runtimes.open(model_file)
    assert len(started) == 1 and remembered(cache) == [containers.format_of(model_file)]
    trial._passed.clear()  # as in another process
    runtimes.open(model_file)
    assert len(started) == 1


def test_one_that_dies_is_one_line_and_is_not_remembered(cache):
    """A delegate's bytes at which ExecuTorch ends the process."""
    path = ROOT.parent / "shared/cases/hostile/crash.pte"
    if not path.is_file():
        pytest.skip("needs ../shared/cases (a hostile file, not in the repository)")
    with pytest.raises(
        InputError, match="died of signal 6 when it was loaded; if it is your own: .* -m edgewing.trial"
    ):
        runtimes.open(path)
    assert remembered(cache) == []


def test_memory_has_a_limit(tmp_path, cache):
    """2.5 GB of sums out of 80 kB; 40 MB are no trouble."""
    with pytest.raises(InputError) as caught:
        runtimes.open(greedy(tmp_path / "a.onnx", 25_000))
    assert "\n" not in str(caught.value) and str(tmp_path / "a.onnx") in str(caught.value)
    runtimes.open(greedy(tmp_path / "b.onnx", 3_000))


def test_what_came_with_the_package_or_was_made_here_is_not_tried(tmp_path, cache, monkeypatch):
    made = write_onnx(tmp_path / "made.onnx", tiny_contract())
    containers.seal(made)
    assert remembered(cache) == ["own"]
    monkeypatch.setattr(trial, "_start", lambda *words: pytest.fail("was tried"))
    for path in (made, *models.SHIPPED["edgewing-s"].present.values()):
        runtimes.open(path)
    made.write_bytes(made.read_bytes() + field_of_nothing())
    with pytest.raises(InputError, match="its seal does not fit"):
        runtimes.open(made)


def field_of_nothing() -> bytes:
    return b"\x12\x00"  # an empty producer_name


def test_the_owner_may_vouch_for_a_file(tmp_path, cache, monkeypatch, capsys):
    path = write_onnx(tmp_path / "mine.onnx", tiny_contract())
    main([str(path)])
    assert remembered(cache) == ["own"] and str(path) in capsys.readouterr().out
    monkeypatch.setattr(trial, "_start", lambda *words: pytest.fail("was tried"))
    runtimes.open(path)
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path / "none.onnx")])
    assert ended.value.code == 2


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path, onnx_file, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    runtimes.open(onnx_file)
    runtimes.open(onnx_file)


def test_modules_beside_the_file_are_not_imported(tmp_path, onnx_file, cache):
    """Python looks for modules where it is started: there a stranger's numpy.py may lie beside the stranger's model."""
    for name in ("numpy", "onnxruntime", "edgewing", "os"):
        (tmp_path / f"{name}.py").write_text("open('RAN', 'w')")
    code = f"import sys; sys.path[:] = {[place for place in sys.path if place]!r} + [{str(ROOT)!r}]\n"
    code += f"from edgewing import runtimes; runtimes.open({str(onnx_file)!r})"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "RAN").exists() and remembered(cache) == ["onnx"]


def test_the_process_has_no_network():
    listener = socket.create_server(("127.0.0.1", 0))
    code = "import socket, os; from edgewing import trial; before = os.readlink('/proc/self/ns/net')\n"
    code += "trial._leave_the_network(); print(before == os.readlink('/proc/self/ns/net'))\n"
    code += f"socket.create_connection(('127.0.0.1', {listener.getsockname()[1]}), 5)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    if done.stdout.strip() != "False":
        pytest.skip("needs a system that lets this user make a network of its own (Linux, as root or with namespaces)")
    assert done.returncode == 1 and "OSError" in done.stderr
