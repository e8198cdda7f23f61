"""`bench devices` over a real ssh to a real sshd, and all that can go wrong on the way."""

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.devices import campaign
from edgewing import containers, measure
from edgewing.errors import InputError
from tests.bench.conftest import artefact, template  # noqa: F401
from tests.bench.devices.conftest import free_port, rows_of_command
from tests.bench.devices.test_hostile import waited
from tests.edgewing.conftest import SIDE
from tests.edgewing.runtimes.test_tensorrt import TENSORRT, engine
from tests.edgewing.tensorrt.test_cuda import compiled

ARM_PROGRAM = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xb7\x00" + bytes(44)  # ELF64 of aarch64


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """Our folder on the board, where the wheel stays unpacked from one visit to the next."""
    return tmp_path_factory.mktemp("there")


@pytest.fixture
def visit(host, wheel, there, tmp_path):
    """visit(*models, python) runs the command and gives the rows of this test so far."""
    log = tmp_path / "rows.jsonl"

    def run(*models, python="", **more):
        words = ["--on", host.address, "--ssh-config", host.config, "--folder", there, "--wheel", wheel]
        words += ["--model", *models, "--python", python or sys.executable]
        for name, value in more.items():
            words += [f"--{name}", value]
        return rows_of_command(*words, log=log)

    run.there = there
    return run


def test_a_row_and_what_was_lost_on_the_way(visit, host, artefact, tmp_path, capsys):  # noqa: F811
    """The host is gone as soon as the first file's measurement has begun, which ends there all the same, though nobody
    hears what it says; the same command fetches it, and measures what is left."""
    first = artefact(tmp_path / "first.onnx", template())
    second = artefact(tmp_path / "second.onnx", template() + 1)
    job = campaign.Job(first, measure.artefact(first), containers.read_contract(first), "quick", 1, "model")

    def kill():
        waited(lambda: _measuring(visit.there))
        host.stop()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    made = visit(first, second)
    killer.join()
    assert [row["not_run"].split(": ")[:2] for row in made] == [["unsupported", "the device is gone"]] * 2
    assert all(row["device"] == {"address": host.address} and row["machine"] == {} for row in made)
    finished = visit.there / job.row
    host.start()
    assert waited(finished.exists)
    ended = json.loads(finished.read_text())
    row = visit(first)[-1]
    assert (row["date"], row["percentiles_ms"]) == (ended["date"], ended["percentiles_ms"])
    assert row["artefact"]["sha256"] == job.about["sha256"] and row["artefact"]["path"] == job.about["path"]
    assert row["runs"] >= 128 and row["seconds"] >= 10 and 0 < row["p50_ms"] <= row["p99_ms"]
    assert row["device"]["address"] == host.address and row["device"]["architecture"] == os.uname().machine
    assert row["command"].startswith("python -m bench devices") and row["protocol"]["mode"] == "quick"
    assert "onnxruntime" in row["runtime"] and not finished.exists()
    capsys.readouterr()
    assert len(visit(first)) == 3
    assert "0 to measure, 1 measured before" in capsys.readouterr().out


def _measuring(there: Path) -> bool:
    """Whether a process on this machine measures in that folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"edgewing.measure" in words and Path(os.readlink(process / "cwd")) == there:
                return True
        except OSError:
            continue  # it has ended, or is not ours to look at
    return False


def test_a_full_disk_costs_the_row_of_its_file_alone(visit, artefact, tmp_path):  # noqa: F811
    """Writing to /dev/full fails as on a disk without room."""
    model = artefact(tmp_path / "a.onnx", template() + 2)
    there = visit.there / measure.artefact(model)["sha256"][:12]
    there.mkdir(parents=True)
    (there / "a.onnx.part").symlink_to("/dev/full")
    (row,) = visit(model)
    assert row["not_run"].startswith("unsupported: ") and "No space left on device" in row["not_run"]
    assert not (there / "a.onnx").exists()


def test_a_python_for_another_processor(visit, artefact, tmp_path):  # noqa: F811
    program = tmp_path / "python-aarch64"
    program.write_bytes(ARM_PROGRAM)
    program.chmod(0o755)
    (row,) = visit(artefact(tmp_path / "a.onnx", template()), python=program)
    assert row["not_run"].startswith("unsupported: no Python there (") and "xec format error" in row["not_run"]


def test_what_is_missing_there_is_named(visit, artefact, python_with, tmp_path):  # noqa: F811
    model = artefact(tmp_path / "a.onnx", template())
    assert "no Python there (" in visit(model, python="/none/python")[-1]["not_run"]
    old = tmp_path / "old"
    old.write_text("#!/bin/sh\necho 3 8\n")
    old.chmod(0o755)
    assert "Python there is 3.8; edgewing needs 3.10" in visit(model, python=old)[-1]["not_run"]
    assert "no numpy there" in visit(model, python=python_with())[-1]["not_run"]
    assert "needs ONNX Runtime; pip install onnxruntime" in visit(model, python=python_with("numpy"))[-1]["not_run"]


def test_an_engine_of_another_tensorrt(visit, python_with, tmp_path):
    """TensorRT and the driver there are stand-ins; what refuses the engine is the wheel's own reading of its header."""
    library = compiled(tmp_path)
    python = python_with("numpy", tensorrt=TENSORRT.replace("SIDE", str(SIDE)))
    files = [engine(tmp_path / "new.engine", tensorrt="10.4.0")]
    files.append(engine(tmp_path / "broken.engine", data=b"broken"))
    made = visit(*files, python=f"env LD_LIBRARY_PATH={Path(library).parent} {python}")
    assert "built for TensorRT 10.4.0" in made[0]["not_run"] and "this is TensorRT 10.3.0" in made[0]["not_run"]
    assert "TensorRT 10.3.0 refuses it; build it again here" in made[1]["not_run"]


def test_an_engine_is_built_there(visit, artefact, python_with, tmp_path):  # noqa: F811
    """By a stand-in for trtexec; the package that would run it is not there, and the row says so."""
    bin = tmp_path / "bin"
    bin.mkdir()
    program = bin / "trtexec"
    said = "[I] Device 0: Orin\\n[I] Selected Device: Orin\\n[I] Compute Capability: 8.7\\n[I] TensorRT version: 10.3.0"
    program.write_text(
        f'#!/bin/sh\nfor a in "$@"; do case $a in --saveEngine=*) out=${{a#*=}};; esac; done\n'
        f'printf "{said}\\n"; printf engine > "$out"\n'
    )
    program.chmod(0o755)
    model = artefact(tmp_path / "a-tensorrt-fp16.onnx", template(), precision="fp16", form="tensorrt")
    (row,) = visit(model, python=f"env PATH={bin}:$PATH {python_with('numpy')}")
    assert "needs the tensorrt package" in row["not_run"]
    built = visit.there / measure.artefact(model)["sha256"][:12] / "a-tensorrt-fp16.engine"
    assert built.read_bytes().endswith(b"engine")


def test_nobody_answers(artefact, wheel, tmp_path, capsys):  # noqa: F811
    log, model = tmp_path / "rows.jsonl", artefact(tmp_path / "a.onnx", template())
    words = ["--on", f"ssh://nobody@127.0.0.1:{free_port()}", "--wheel", wheel, "--model", model]
    (row,) = rows_of_command(*words, log=log)
    assert capsys.readouterr().err == f"error: nothing could be measured; the reasons stand above and in {log}\n"
    assert row["not_run"].startswith("unsupported: the device is gone: ") and "refused" in row["not_run"]


@pytest.mark.parametrize(
    "address",
    ["jetson", "ssh", "ssh://", "adb://", "ssh://a:notaport", "http://a", "ssh://a/b", "ssh://-oX", "local://a"],
)
def test_no_address(artefact, tmp_path, capsys, address):  # noqa: F811
    with pytest.raises(SystemExit, match="2"):
        main(["devices", "--on", address, "--model", "edgewing-s", "--to", str(tmp_path / "rows.jsonl")])
    assert "is no device; give local, ssh://" in capsys.readouterr().err


@pytest.mark.parametrize("data", [None, b"", b"[]", b'{"artefact": {}}', b"x" * (campaign.ROW_LIMIT + 1)])
def test_what_comes_back_is_not_trusted(data):
    with pytest.raises(InputError, match="no row"):
        campaign._read(data)
    good = {name: {} for name in ("artefact", "protocol", "device", "machine", "versions")}
    good["artefact"]["sha256"] = "0" * 64
    assert campaign._read(json.dumps(good).encode()) == good
