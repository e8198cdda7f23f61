"""python -m bench sweep and ladder, on tiny runs: exported, scored, timed, drawn; and gone on with."""

import json
import shutil
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from bench import __main__ as command
from edgewing import layouts
from edgewing.face_set import Faces
from edgewing.rows import read
from train import recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.loop import Workers, fit

pytestmark = pytest.mark.full  # trains, exports and races: minutes

RECIPE = recipes.replace(
    recipes.get("mobile"), input_size=64, width=0.25, layout="300w-68", batch=8, steps=4, warmup=1, validation=0.25,
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def cache(folder):
    return caches.build(faces(54, "300w-68", 0), folder / "drawn", layouts.get("300w-68"), caches.dense_enough(64))


@pytest.fixture(scope="module")
def source(folder, cache):
    return trained(folder / "source", cache)


@pytest.fixture(scope="module")
def small(folder, cache):
    return trained(folder / "small", cache, width=0.5, steps=2)


def trained(run, cache, **fields):
    """A run of a few steps."""
    fit(recipes.replace(RECIPE, **fields), cache, run, Workers())
    return run


def typed(*arguments):
    """The exit code of the command."""
    try:
        return command.main([str(a) for a in arguments])
    except SystemExit as end:
        return end.code


@pytest.fixture(scope="module")
def swept(source, small, folder):
    arguments = ("sweep", source, small, "--run", folder / "plane", "--rounds", "2")
    # A network of two steps may fail its gate; it is measured all the same.
    assert typed(*arguments) in (0, 1)
    return arguments


def kinds(path):
    return [json.loads(line)["kind"] for line in path.read_text().splitlines()]


def test_a_sweep_measures_and_draws(folder, swept):
    plane = folder / "plane"
    rows, _ = read(plane / "sweep.jsonl")
    assert [row["kind"] for row in rows] == ["accuracy"] * 4 + ["race"] * 4
    assert {row["model"]["precision"] for row in rows} == {"fp16", "int8"}
    assert len({row["artefact"]["sha256"] for row in rows}) == 4
    assert all(row["command"].startswith("python -m bench sweep ") for row in rows)
    assert len(list(ElementTree.parse(plane / "sweep.svg").iter("{http://www.w3.org/2000/svg}circle"))) >= 1


def test_a_sweep_goes_on(folder, swept, capfd):
    """What was exported and scored is not done again; only times are taken."""
    plane = folder / "plane"
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.tflite")}
    assert typed(*swept) in (0, 1)
    out = capfd.readouterr().out
    assert "exporting" not in out and "scoring" not in out and "timing 4 files" in out
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.tflite")} == before
    assert kinds(plane / "sweep.jsonl") == ["accuracy"] * 4 + ["race"] * 8
    assert "knee: " in out and out.splitlines()[-2] == f"wrote {plane / 'sweep.svg'}"


def test_a_ladder_of_two(source, small, swept, capfd):
    assert typed("ladder", source, small, "--rounds", "2") in (0, 1)
    lines = capfd.readouterr().out.splitlines()
    assert lines[-2] == f"wrote {small / 'ladder.md'}"
    page = (small / "ladder.md").read_text()
    for run in ("source", "small"):
        for precision in ("fp16", "int8"):
            assert f"| {run} (trained) | {precision} |" in page
    assert "recommended: " in page and "int8 against fp16, source" in page
    assert sorted(kinds(small / "ladder.jsonl")) == ["accuracy"] * 4 + ["race"] * 4


def test_other_faces_are_not_compared(source, folder, swept, capfd):
    other = folder / "other"
    shutil.copytree(source, other)
    kept = Faces.load(other / "faces/validation.npz")
    replace(kept, names=np.array([f"other_{name}" for name in kept.names])).save(other / "faces/validation.npz")

    def says(words, *arguments):
        assert typed(*arguments) == 2
        error = capfd.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and words in error

    says("holds out others", "ladder", source, other)
    says("no such run", "ladder", folder / "nothing")
    says("--layout", "ladder", source, "--data", folder)
    says("no such run", "sweep", folder / "nothing", "--run", folder / "x")
    says("no such folder", "ladder", source, "--data", folder / "nothing", "--layout", "300w-68")
    assert not (folder / "x").exists()
