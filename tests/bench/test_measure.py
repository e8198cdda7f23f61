"""edgewing.measure: what runs on the device."""

import hashlib
import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from edgewing import geometry, measure, runtimes
from edgewing.errors import InputError
from edgewing.face_set import Faces
from tests.bench.conftest import SIZE, template

CROPS = np.zeros((3, 8, 8, 3), np.uint8)


class Clock:
    """Stands where a runtime would: every call takes the next known time, of a clock that only it moves, and counts."""

    def __init__(self, monkeypatch, ms, working=1.0):
        self.ms, self.working, self.seen = ms, working, []
        self.wall = self.processor = 0
        clock = SimpleNamespace(perf_counter_ns=lambda: self.wall, process_time_ns=lambda: int(self.processor))
        monkeypatch.setattr(measure, "time", clock)

    def __call__(self, crops):
        taken = self.ms[len(self.seen) % len(self.ms)] * 1_000_000
        self.wall, self.processor = self.wall + taken, self.processor + self.working * taken
        self.seen.append(crops.shape)


def test_time_and_counts(monkeypatch):
    runtime = Clock(monkeypatch, [4, 4, 4, 4, 9], working=0.25)
    row = measure.measure(runtime, CROPS, seconds=0.0, runs=20, warmup=5)
    assert row["runs"] == 20 and len(runtime.seen) == 25 and set(runtime.seen) == {(1, 8, 8, 3)}
    assert (row["p50_ms"], row["mean_ms"], row["max_ms"], row["cpu_ms"]) == (4, 5, 9, 1.25)
    assert len(row["percentiles_ms"]) == 101 and row["percentiles_ms"][50] == 4 and row["seconds"] == 0.1


def test_a_device_that_slows_down_shows_in_the_drift(monkeypatch):
    warming = Clock(monkeypatch, [1] * 20 + [3] * 20)
    assert measure.measure(warming, CROPS, seconds=0.0, runs=40, warmup=0)["drift"] == 3
    assert measure.measure(Clock(monkeypatch, [2]), CROPS, seconds=0.0, runs=40, warmup=0)["drift"] == 1


def test_the_clock_can_cover_the_crop(artefact, tmp_path):
    """A model that gives fixed crop points: in the frame they lie in the box that the crop was made from."""
    call = measure.in_frame(runtimes.open(artefact(tmp_path / "a.onnx", template())))
    points = call(np.zeros((2, *measure.FRAME, 3), np.uint8))
    crop = geometry.crop_from_box(measure.BOX, SIZE)
    np.testing.assert_allclose(points, [geometry.apply(crop.to_image, template())] * 2, atol=1e-3)


def test_a_batch_is_timed_whole_and_told_by_the_face(monkeypatch):
    runtime = Clock(monkeypatch, [8])
    row = measure.measure(runtime, CROPS, seconds=0.0, runs=10, warmup=0, batch=4)  # more than there are crops
    assert set(runtime.seen) == {(4, 8, 8, 3)}
    assert (row["p50_ms"], row["max_ms"], row["cpu_ms"], row["call_ms"], row["runs"]) == (2, 2, 2, 8, 10)


@pytest.mark.parametrize("clock", ["model", "crop"])
def test_the_row_of_a_file_that_takes_several_crops(artefact, tmp_path, monkeypatch, clock):
    monkeypatch.setitem(measure.MODES, "quick", measure.Mode(5, 0.0))
    row = measure.latency_row(str(artefact(tmp_path / "a-batch3.onnx", template(), batch=3)), clock=clock)
    assert row["protocol"]["batch"] == 3 and "divided by 3: of one face" in row["protocol"]["clock"]
    assert row["call_ms"] == pytest.approx(3 * row["p50_ms"])
    one = measure.latency_row(str(artefact(tmp_path / "b.onnx", template())), clock=clock)
    assert one["protocol"]["batch"] == 1 and one["protocol"]["clock"].endswith("; batch 1")


def test_both_floors_hold(monkeypatch):
    assert measure.measure(Clock(monkeypatch, [1]), CROPS, seconds=0.2, runs=1, warmup=0)["runs"] == 200
    assert measure.measure(Clock(monkeypatch, [1]), CROPS, seconds=0.0, runs=37, warmup=0)["runs"] == 37


def test_modes():
    assert measure.MODES["quick"] == measure.Mode(128, 10.0) and measure.MODES["full"] == measure.Mode(1024, 60.0)


def test_a_real_runtime(artefact, tmp_path):
    runtime = runtimes.open(artefact(tmp_path / "a.onnx", template()))
    row = measure.measure(runtime, np.zeros((1, SIZE, SIZE, 3), np.uint8), seconds=0.05, runs=10)
    assert 0 < row["p50_ms"] <= row["max_ms"]


def test_artefact_of_a_file_and_of_a_folder(tmp_path):
    (tmp_path / "a.bin").write_bytes(b"abc")
    about = measure.artefact(tmp_path / "a.bin")
    assert about["sha256"] == hashlib.sha256(b"abc").hexdigest() and about["bytes"] == 3
    package = tmp_path / "m.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Data" / "w").write_bytes(b"12345")
    (package / "Manifest.json").write_bytes(b"{}")
    first = measure.artefact(package)
    assert first["bytes"] == 7
    (package / "Data" / "w").rename(package / "Data" / "v")
    assert measure.artefact(package)["sha256"] != first["sha256"]
    with pytest.raises(InputError, match="no such file"):
        measure.artefact(tmp_path / "none.onnx")


def test_peak_memory_is_this_process_alone():
    # 300 MB here must not show in a child, as they would with getrusage on Linux
    held = np.ones(300_000_000, np.uint8)
    code = "from edgewing import measure; print(measure.peak_bytes())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 5e6 < int(child.stdout) < 150e6 < held.nbytes < measure.peak_bytes()


def test_crops_are_checked(run_folder, tmp_path):
    path = run_folder([(0, 0), (1, 1)]) / "faces" / "validation.npz"
    assert Faces.load(path, SIZE).crops.shape == (2, SIZE, SIZE, 3)
    with pytest.raises(InputError, match=r"the model takes uint8 \(F, 32, 32, 3\)"):
        Faces.load(path, 32)
    cut = tmp_path / "cut.npz"
    cut.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match="not a faces file"):
        Faces.load(cut, SIZE)
    hostile = tmp_path / "pickle.npz"
    np.savez(hostile, crops=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="not a faces file"):
        Faces.load(hostile, SIZE)


def test_it_needs_numpy_and_one_runtime_only(artefact, tmp_path):
    """Importing it brings neither torch nor OpenCV nor anything of this repository beside edgewing."""
    code = (
        "import sys, json; from edgewing import geometry, measure, runtimes; runtimes.open(sys.argv[1]);"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    call = [sys.executable, "-c", code, str(artefact(tmp_path / "a.onnx", template()))]
    modules = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
    assert {"numpy", "onnxruntime", "edgewing"} <= set(modules)
    assert not {"torch", "cv2", "bench", "train", "onnx", "rich"} & set(modules)


def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path):
    out = tmp_path / "out.json"
    for words in (["--model", "none.onnx"], ["--model", "none.onnx", "--threads", "0"]):
        call = [sys.executable, "-m", "edgewing.measure", "--json", str(out), *words]
        child = subprocess.run(call, capture_output=True, text=True)
        assert child.returncode == 2 and child.stderr.startswith("error: ") and child.stderr.count("\n") == 1
    assert not out.exists()
