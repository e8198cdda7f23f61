"""The proof of the gate: a few runs here, all of them where tests may take long."""

import time
from pathlib import Path

import numpy as np
import pytest

from bench.__main__ import main
from bench.accuracy.scored_faces import VALIDATION
from bench.gate import proof
from bench.time import race
from edgewing import geometry, models, rows
from train.data import drawn

RESULTS = Path(proof.__file__).parents[1] / "results" / "gate.jsonl"


@pytest.fixture(scope="module")
def drawn_run(tmp_path_factory):
    """A run folder's validation faces, drawn, at edgewing-s's size."""
    run = tmp_path_factory.mktemp("drawn")
    crops, landmarks, names = [], [], []
    for face in drawn.faces(60, "300w-68", seed=5):
        crop = geometry.crop_from_landmarks(face.landmarks, 128)
        crops.append(geometry.warp(face.image, crop.to_image, 128))
        landmarks.append(geometry.apply(crop.to_crop, face.landmarks))
        names.append(face.name)
    (run / "faces").mkdir()
    np.savez(run / VALIDATION, crops=np.array(crops), landmarks=np.array(landmarks), names=np.array(names))
    (run / "recipe.json").write_text('{"layout": "300w-68"}')
    return run


def test_a_disturbed_file_is_caught(drawn_run):
    worse = proof.Worse(models.path("edgewing-s", "onnx"), str(drawn_run), "")
    found = worse.prove(0)
    assert 0.05 <= found["accuracy"]["change"] <= 0.054 and 0 < found["accuracy"]["noise"] < 1
    assert found["alarm"] and found["accuracy"]["low"] > 0.01


@pytest.mark.parametrize(
    ("case", "alarms", "good"),
    [("unchanged", 1, True), ("unchanged", 2, False), ("slowed", 95, True), ("slowed", 94, False)]
    + [("worse", 100, True), ("worse", 99, False)],
)
def test_what_holds(case, alarms, good):
    assert proof.holds(case, alarms, 100) == good


def test_the_committed_rows_hold():
    """Of the file that ships, in the numbers that the issue asks for."""
    made = [row for row in rows.read(RESULTS)[0] if row["kind"] == "gate-proof"]
    for case, least in (("unchanged", 100), ("slowed", 100), ("worse", 20)):
        alarms = [row["alarm"] for row in made if row["case"] == case]
        assert len(alarms) >= least and proof.holds(case, sum(alarms), len(alarms)), case


def test_a_file_against_itself_and_slowed_and_no_run_twice(drawn_run, tmp_path, capsys):
    words = [
        "gate-proof",
        "edgewing-s",
        "--data",
        str(drawn_run),
        "--runs",
        "1",
        "--models",
        "0",
        "--to",
        str(tmp_path / "r.jsonl"),
    ]
    first = main(words)  # how often it must be right is for the whole proof
    assert main(words) == first
    made = rows.read(tmp_path / "r.jsonl")[0]  # and none again
    assert [row["case"] for row in made] == ["unchanged", "slowed"]
    assert all(row["alarm"] == (row["time"]["low"] > 0.05) for row in made)
    assert f"slowed: {int(made[1]['alarm'])} alarms in 1 runs" in capsys.readouterr().out


def test_a_slowed_file_works_a_tenth_longer(monkeypatch):
    """Its calls take 2 ms of processor time here, whatever the processor is."""

    def spin(tensor):
        end = time.process_time_ns() + 2_000_000
        while time.process_time_ns() < end:
            pass

    monkeypatch.setattr(race, "enter", lambda path: race.Entrant({}, {}, "", [], spin))
    start = time.process_time_ns()
    proof.slowed(Path("any")).call(None)
    assert time.process_time_ns() - start >= 2_200_000


@pytest.mark.full
@pytest.mark.timeout(7200)
def test_the_whole_proof(drawn_run, tmp_path):
    words = ["gate-proof", "edgewing-s", "--data", str(drawn_run), "--runs", "100", "--models", "5", "--to"]
    assert main([*words, str(tmp_path / "r.jsonl")]) == 0
