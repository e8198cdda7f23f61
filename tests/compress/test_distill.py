"""python -m compress distill: what the student learns from, what it is checked on, and what its contract says."""

import json
import os
import shutil
import subprocess
import sys
import tarfile

import numpy as np
import pytest

from compress import conventions
from compress import distill as labelling
from edgewing import images, layouts
from edgewing.errors import InputError
from tests.compress.conftest import typed
from tests.train.data.folders import wflw_line, write_faces, write_picture, write_pts
from train import checkpoint, recipes
from train.__main__ import main as train
from train.data.cache import Cache
from train.data.drawn import faces
from train.evaluate import VALIDATION, Faces

SMALL = ["--input-size", "64", "--width", "0.25", "--batch", "8", "--evaluate-every", "100", "--validation", "0.25"]


def write(folder, count, seed):
    folder.mkdir(parents=True)
    for i, face in enumerate(faces(count, "300w-68", seed)):
        images.write(folder / f"{i}.png", face.image)
        write_pts(folder / f"{i}.pts", face.landmarks)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two labelled folders, a shard of pictures, and a run that has learnt a little from the first."""
    place = tmp_path_factory.mktemp("distill")
    write(place / "data/one", 16, 1)
    write(place / "data/two", 8, 2)
    write(place / "loose", 6, 3)
    (place / "data/wild").mkdir()
    with tarfile.open(place / "data/wild/0.tar", "w") as tar:
        for path in sorted((place / "loose").glob("*.png")):
            tar.add(path, arcname=path.name)
    train(["fit", str(place / "data/one"), "--run", str(place / "teacher"), "--cache", str(place / "cache"),
           "--steps", "20", "--learning-rate", "5e-3", *SMALL])  # fmt: skip
    return place


def distill(place, run, *more, teacher="teacher"):
    data = [place / "data/one", place / "data/two"]
    return typed(
        "distill", place / teacher, *data, "--run", run, "--cache", place / "cache", "--steps", 3, *SMALL, *more
    )


ALL = ["--unlabelled", "{place}/data/wild", "--correct", "data/two", "--consistency", "1"]


def everything(place):
    return [a.format(place=place) for a in ALL]


@pytest.fixture(scope="module")
def student(place):
    assert distill(place, place / "student", *everything(place)) == 0
    return place / "student"


def test_the_student_is_an_ordinary_run_that_names_its_teacher_and_all_data(place, student):
    loaded, teacher = checkpoint.load_model(student), checkpoint.load_model(place / "teacher")
    about = loaded.contract.training
    assert about.teachers == [f"teacher (weights {teacher.contract.provenance.weights_sha256[:12]})"]
    assert about.trained_on == ["data/one", "data/two", "data/wild"]
    assert "Terms of data/one" in about.data_terms
    assert loaded.recipe.unlabelled == (f"{place}/data/wild",) and loaded.recipe.corrected == ("data/two",)
    assert recipes.load(student) == loaded.recipe


def test_it_is_never_checked_on_labels_that_a_teacher_made(student):
    names = Faces.load(student / VALIDATION).names
    assert len(names) and all("one" in name for name in names)
    meta = json.loads((student / "data.json").read_text())
    assert {s["name"]: s["count"] for s in meta["sources"]} == {"data/one": 16, "data/two": 8, "data/wild": 6}


def test_corrected_labels_are_the_teachers_and_the_others_are_not_touched(place, student):
    def landmarks(cache, source):
        number = [s["name"] for s in cache.meta["sources"]].index(source)
        return cache.landmarks(np.flatnonzero(cache.sources == number))

    meta = json.loads((student / "data.json").read_text())
    found = [Cache.open(p.parent) for p in (place / "cache").glob("*/meta.json")]
    ours = next(c for c in found if c.meta["fingerprint"] == meta["fingerprint"])
    plain = place / "plain"
    assert distill(place, plain) == 0
    meta = json.loads((plain / "data.json").read_text())
    found = [Cache.open(p.parent) for p in (place / "cache").glob("*/meta.json")]
    original = next(c for c in found if c.meta["fingerprint"] == meta["fingerprint"])
    assert np.array_equal(landmarks(ours, "data/one"), landmarks(original, "data/one"))
    moved = np.abs(landmarks(ours, "data/two") - landmarks(original, "data/two")).mean()
    assert moved > 0.5  # a teacher of twenty steps sees things its own way


def test_labels_are_kept_for_the_same_teacher_and_made_anew_for_another(place, student, capsys):
    before = {p.name for p in (place / "cache").glob("labels-*.npz")}
    assert len(before) == 2
    shutil.copytree(student, place / "again")
    assert distill(place, place / "again", *everything(place)) == 0  # a finished run: nothing is labelled, nothing lost
    assert "labels by" not in capsys.readouterr().out
    assert {p.name for p in (place / "cache").glob("labels-*.npz")} == before
    assert distill(place, place / "next", *everything(place), teacher="student") == 0
    assert "data/wild: labels by student (weights" in capsys.readouterr().out
    assert len(list((place / "cache").glob("labels-*.npz"))) == 4
    assert [t.split()[0] for t in checkpoint.load_model(place / "next").contract.training.teachers] == [
        "student",
        "teacher",  # the student's own, who is not forgotten
    ]


def test_faces_whose_views_disagree_are_left_out_and_counted(place, capsys):
    assert distill(place, place / "strict", *everything(place)[:-1], "0.0000001") == 0
    assert "data/wild: 0.0% of 6 faces kept" in capsys.readouterr().out
    assert [s["name"] for s in json.loads((place / "strict/data.json").read_text())["sources"]] == ["data/one"]


def test_points_of_any_layout_say_where_the_face_of_a_picture_is(place):
    """The first folder as if it had no labels: its faces are found by its points, and labelled by the teacher."""
    run = place / "boxes"
    words = ("--unlabelled", place / "data/one", "--consistency", 1, "--cache", place / "cache", "--steps", 1, *SMALL)
    assert typed("distill", place / "teacher", place / "data/two", "--run", run, *words) == 0
    sources = json.loads((run / "data.json").read_text())["sources"]
    assert {s["name"]: s["count"] for s in sources} == {"data/two": 8, "data/one": 16}


def test_points_of_another_layout_correct_what_the_teacher_says(place, capsys):
    """WFLW's 98 points for a network of 68: its labels go to the marks, all its faces are kept."""
    drawn = list(faces(conventions.LEAST, "wflw-98", 4))
    folder = place / "data/wflw"
    lines = [wflw_line(face.landmarks, f"{i}.png") for i, face in enumerate(drawn)]
    for i, face in enumerate(drawn):
        write_picture(folder / f"WFLW_images/{i}.png", face.image)
    lists = folder / "WFLW_annotations/list_98pt_rect_attr_train_test"
    lists.mkdir(parents=True)
    (lists / "list_98pt_rect_attr_train.txt").write_text("\n".join(lines) + "\n")
    run = place / "hinted"
    words = ("--unlabelled", folder, "--consistency", 1e-9, "--cache", place / "cache", "--steps", 1, *SMALL)
    assert typed("distill", place / "teacher", place / "data/two", "--run", run, *words) == 0
    assert "labels moved to its points of wflw-98" in capsys.readouterr().out
    meta = json.loads((run / "data.json").read_text())
    cache = next(c for c in (Cache.open(p.parent) for p in (place / "cache").glob("*/meta.json"))
                 if c.meta["fingerprint"] == meta["fingerprint"])  # fmt: skip
    members = np.flatnonzero(cache.sources == 1)
    assert len(members) == len(drawn)
    index = layouts.get("wflw-98").map_to("300w-68")
    true = np.stack([face.landmarks[index] for face in drawn])
    # The cut-out of a face is around its labels: shapes are compared without place and size.
    found = cache.landmarks(members)
    shape = [p - p.mean(axis=1, keepdims=True) for p in (found, true)]
    shape = [p / np.linalg.norm(p, axis=(1, 2), keepdims=True) for p in shape]
    residual = shape[0] - shape[1]
    # A teacher of twenty steps has a mean error of its own, which passes for a convention; what differs from face to
    # face is the truth's.
    assert np.abs(residual - np.median(residual, axis=0)).mean() < 0.3 * np.abs(residual).mean()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["nowhere", "data/one"], "no teacher"),
        (["{place}/teacher"], "no labelled pictures"),
        (["{place}/teacher", "{place}/data/one", "--correct", "data/three"], "the data are data/one"),
        (["{place}/teacher", "{place}/data/one", "--layout", "wflw-98"], "98"),
        (
            ["{place}/teacher", "{place}/data/one", "--unlabelled", "{place}/data/wild", "--crop", "provided"],
            "have no boxes of a dataset",
        ),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(place, capsys, arguments, message):
    assert typed("distill", *(a.format(place=place) for a in arguments), "--run", place / "wrong", *SMALL) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and message in lines[0]
    assert not (place / "wrong").exists()


@pytest.mark.full
def test_two_workers_label_as_one_does(place, student):
    """Each a share, no picture twice; the student then learns from all of them."""
    shutil.rmtree(place / "shared", ignore_errors=True)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29541", "-m", "--",
        "compress", "distill", place / "teacher", place / "data/one", place / "data/two", "--run", place / "pair",
        "--cache", place / "shared", "--steps", 3, *SMALL, *everything(place),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(map(str, command), env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr[-2000:]
    alone = {p.name: np.load(p) for p in (place / "cache").glob("labels-*.npz")}
    together = {p.name: np.load(p) for p in (place / "shared").glob("labels-*.npz")}
    assert together and together.keys() <= alone.keys()  # the same names, and no worker's part is left
    for name, made in together.items():
        order = [made["names"].tolist().index(n) for n in alone[name]["names"].tolist()]
        assert sorted(order) == list(range(len(made["names"])))
        np.testing.assert_allclose(made["landmarks"][order], alone[name]["landmarks"], atol=1e-2)
    assert (place / "pair/model.safetensors").is_file()


def test_what_is_wrong_with_unlabelled_pictures_is_said(tmp_path):
    """Two pictures of one name are wrong whatever the layout; points of an unknown layout are only no hint."""
    write_faces(tmp_path / "wild", ["a", "b"], points=39)
    assert labelling._labelled(str(tmp_path / "wild"), "upright", layouts.get("300w-68")) is None
    (tmp_path / "wild/a.jpg").write_bytes((tmp_path / "wild/a.png").read_bytes())
    with pytest.raises(InputError, match="a.jpg and .*a.png: two pictures, one a.pts"):
        labelling._labelled(str(tmp_path / "wild"), "upright", layouts.get("300w-68"))
