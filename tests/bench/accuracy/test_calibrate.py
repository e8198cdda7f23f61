"""A radius written into a file's contract, on tiny models whose errors are known, and on those that ship."""

import dataclasses
import hashlib

import numpy as np
import pytest

from bench.__main__ import main
from edgewing import containers, measure, models, runtimes
from targets import table
from tests.bench.accuracy.test_radius import SAYING
from tests.bench.conftest import SIZE, parity, template


def calibrate(*words):
    return main(["calibrate", *map(str, words)])


@pytest.fixture
def model(artefact, tmp_path):
    return artefact(tmp_path / "a.onnx", template(), measured=parity())


def test_nine_in_ten_errors_lie_within(model, run_folder, tmp_path, capsys):
    run = run_folder([(i / 10, 0) for i in range(39)])
    assert calibrate("--model", model, "--data", run, "--out", tmp_path / "b.onnx") == 0
    about = containers.read_contract(tmp_path / "b.onnx")
    assert about.radius.faces == 39 and "39 of" in about.radius.protocol
    assert about.radius.of(np.ones(68)) == pytest.approx(np.full(68, 3.5 / SIZE), rel=1e-3)  # 36 of 39, and the next
    assert main(["accuracy", "--model", str(tmp_path / "b.onnx"), "--data", str(run)]) == 0
    said = capsys.readouterr().out
    assert "true points within the radius that is said (90 % are promised): 92.3 %" in said
    assert about.provenance.stamped_on == measure.artefact(model)["sha256"]


def test_the_marks_of_other_folders_lose_their_mean(model, run_folder, tmp_path):
    first = run_folder([(i / 10, 0) for i in range(39)], "first")
    second = run_folder([(20 + i / 10, 0) for i in range(-19, 20)], "second")
    calibrate("--model", model, "--data", first, second, "--out", tmp_path / "b.onnx")
    part = containers.read_contract(tmp_path / "b.onnx").radius
    assert part.faces == 78 and part.of(np.ones(68)).max() < 4 / SIZE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "b.tflite"], "let its name end in .onnx"),
        (["--out", "b.onnx"], "12 faces held out; 30 are needed"),
        (["--out", "b.onnx", "--split", "held-out=2"], "give a share between 0 and 1"),
    ],
)
def test_what_cannot_be(model, run_folder, photographs, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    data = [photographs(3), "--layout", "300w-68"] if "--split" in words else [run_folder([(0, 0)] * 12)]
    with pytest.raises(SystemExit, match="2"):
        calibrate("--model", model, "--data", *data, *words)
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not list(tmp_path.glob("b.*"))


def test_photographs_held_out_are_those_that_training_kept(artefact, photographs, capsys):
    folder = photographs(40)
    model = artefact(folder.parent / "a.onnx", template())
    words = ["accuracy", "--model", str(model), "--data", str(folder), "--layout", "300w-68", "--split"]
    assert main([*words, "held-out=0.2"]) == 0
    assert "held out of training (--seed 0 --validation 0.2)" in capsys.readouterr().out
    assert main([*words, "held-out=0.2:3"]) == 0
    assert "held out of training (--seed 3 --validation 0.2)" in capsys.readouterr().out


@pytest.mark.parametrize("path", [p for name in SAYING for p in models.SHIPPED[name].present.values()], ids=str)
def test_a_file_that_ships_is_the_one_before_but_for_its_contract(path, tmp_path):
    """So rows that were measured of that one hold."""
    about = containers.read_contract(path)
    module = next(row for row in table.TABLE.values() if row.suffix == path.suffix).load()
    before = tmp_path / path.name
    before.write_bytes(path.read_bytes())
    provenance = dataclasses.replace(about.provenance, stamped_on="")
    module.embed(before, about.replace(radius=None, provenance=provenance))
    containers.seal(before)
    assert hashlib.sha256(before.read_bytes()).hexdigest() == about.provenance.stamped_on
    crops = np.random.default_rng(0).integers(0, 256, (2, about.crop.size, about.crop.size, 3), np.uint8)
    now, then = (runtimes.open(file, tell=False)(crops) for file in (path, before))
    assert np.array_equal(now.landmarks, then.landmarks) and np.array_equal(now.scores, then.scores)
