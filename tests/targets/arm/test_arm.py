"""TFLite and ONNX files on emulated ARM cores, against the same files on this processor: `make arm`."""

from pathlib import Path

import numpy as np
import pytest

from edgewing import runtimes
from targets import __main__ as command
from targets import table
from tests import debian
from tests.targets.arm import emulated
from tests.targets.discs import SIZE, discs

FLOAT = 1e-5  # of the range: heatmaps and scores of 1, landmarks of the crop's side
FILES = [("tflite", "int8"), ("tflite", "fp32"), ("onnx", "fp32")]


@pytest.fixture(scope="session")
def emulator() -> None:
    try:
        emulated.install()
    except debian.Unavailable as reason:
        pytest.skip(f"no ARM core here: {reason}")


@pytest.fixture(scope="session")
def files(run) -> dict[tuple[str, str, str], Path]:
    """(target, precision, output) -> a file of the tiny network."""
    made = {}
    for output in table.OUTPUTS:
        with pytest.raises(SystemExit) as end:
            command.main([str(run), "--to", "tflite", "onnx", "--precision", "fp32", "int8", "--output", output])
        assert end.value.code == 0
        options = table.Options(output)
        for key, precision in FILES:
            path = table.TABLE[key].path(run / "export", run.name, precision, options)
            made[key, precision, output] = path
    return made


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("cpu", emulated.CPUS)
@pytest.mark.parametrize("output", table.OUTPUTS)
@pytest.mark.parametrize("key, precision", FILES)
def test_the_same_as_here(emulator, files, key, precision, output, cpu):
    path, crops = files[key, precision, output], discs(2, 31)[0]
    runtime = runtimes.open(path)
    here = runtime.raw(crops)
    there, described = emulated.run(path, crops, cpu)
    assert described == str(runtime.description)  # the same library, and its delegate took as many nodes
    assert set(there) == set(here)
    for name, expected in here.items():
        off = np.abs(there[name].astype(np.float64) - expected).max()
        if precision == "int8" and name != "landmarks":
            assert np.array_equal(there[name], expected), (name, off)
        else:  # the decode is float in every file
            assert off <= FLOAT * (SIZE if name == "landmarks" else 1), (name, off)
        assert np.ptp(expected) > 0.1


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_two_threads(emulator, files):
    path, crops = files["tflite", "int8", "heatmaps"], discs(1, 32)[0]
    runtime = runtimes.open(path, threads=2)
    there, described = emulated.run(path, crops, "cortex-a76", threads=2)
    assert described == str(runtime.description) and described.endswith("2 threads")
    assert np.array_equal(there["heatmaps"], runtime.raw(crops)["heatmaps"])


def test_a_machine_that_cannot_emulate_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(emulated, "ROOT", tmp_path / "arm")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(debian.Unavailable, match="needs apt-get|another system"):
        emulated.install()
    with pytest.raises(debian.Unavailable, match=r"^sh: no network$"):
        debian.output("/bin/sh", "-c", "echo trying >&2; echo no network >&2; exit 100")
    assert not (tmp_path / "arm").exists()
