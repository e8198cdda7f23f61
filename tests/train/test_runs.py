"""What a user types for a run: a folder, a .safetensors file, the name of a run or of shipped weights."""

import shutil

import numpy as np
import pytest

from edgewing import models
from edgewing.errors import InputError
from train import recipes, runs
from train.checkpoint import load_model, save_model
from train.credits import Credits
from train.data import drawn
from train.evaluate import CALIBRATION, VALIDATION, Faces
from train.float_contract import float_contract
from train.model import build

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.25, layout="aflw-19")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "DRAWN", 4)


def saved(path, recipe=RECIPE):
    network = build(recipe)
    save_model(path, network, recipe, float_contract(network, recipe, "tiny", Credits(trained_on=("drawn",))))
    return path


@pytest.mark.parametrize("name", models.SHIPPED)
def test_every_shipped_name_has_its_weights(name):
    for typed in (name, f"{name}.safetensors"):
        assert runs.weights(typed) == runs.SHIPPED / f"{name}.safetensors"
    assert load_model(name).contract.layout.name == models.SHIPPED[name].layout


def test_a_folder_called_as_a_model_does_not_hide_it(tmp_path):
    (tmp_path / "edgewing-m").mkdir()
    assert runs.weights("edgewing-m") == runs.SHIPPED / "edgewing-m.safetensors"
    assert runs.weights(tmp_path / "edgewing-m") == tmp_path / "edgewing-m" / runs.MODEL


def test_a_run_is_found_by_folder_file_and_name(tmp_path):
    saved(tmp_path / "runs/first/model.safetensors")
    for typed in ("runs/first", "first", "runs/first/model.safetensors", tmp_path / "runs/first"):
        assert runs.find(typed).resolve() == tmp_path / "runs/first"
    assert not list((tmp_path / "runs/first").glob("faces"))  # a run keeps its own faces, or has none


def test_a_run_whose_training_has_not_ended_is_said_to_be_one(tmp_path):
    (tmp_path / "runs/first").mkdir(parents=True)
    (tmp_path / "runs/first/recipe.json").write_text("{}")
    for typed in ("runs/first", "first"):
        with pytest.raises(InputError, match="^runs/first: its training has not ended; type its command again"):
            load_model(typed)


def test_weights_alone_get_a_folder_with_drawn_faces(tmp_path):
    path, said = saved(tmp_path / "elsewhere/tiny.safetensors"), []
    folder = runs.find(path, said.append)
    assert folder == runs.Path("runs/tiny") and said == [f"runs/tiny: made of {path}, drawing 8 faces"]
    assert (folder / runs.MODEL).read_bytes() == path.read_bytes() and recipes.load(folder) == RECIPE
    kept = [Faces.load(folder / name) for name in (VALIDATION, CALIBRATION)]
    for faces in kept:
        assert faces.crops.shape == (4, 64, 64, 3) and faces.landmarks.shape == (4, 19, 2)
        assert (faces.landmarks.min() > 0) and (faces.landmarks.max() < 63)
        number = int(faces.names[1].removeprefix("drawn_"))
        assert faces.names[1] == drawn.draw(number, "aflw-19").name
    assert not set(kept[0].names) & set(kept[1].names)
    assert runs.find(path, said.append) == folder == runs.find("tiny", said.append) and len(said) == 1


def test_what_is_missing_is_made_again(tmp_path):
    folder = runs.find(saved(tmp_path / "tiny.safetensors"))
    crops = Faces.load(folder / VALIDATION).crops
    (folder / VALIDATION).unlink()
    (folder / runs.MODEL).unlink()
    assert runs.find("tiny.safetensors") == folder
    assert np.array_equal(Faces.load(folder / VALIDATION).crops, crops) and (folder / runs.MODEL).is_file()


def test_a_layout_that_cannot_be_drawn_has_no_faces(tmp_path):
    recipe = recipes.replace(RECIPE, layout="lsp-14")
    folder = runs.find(saved(tmp_path / "pose.safetensors", recipe))
    assert sorted(path.name for path in folder.iterdir()) == ["model.safetensors", "recipe.json"]


def test_other_weights_of_one_name_are_refused(tmp_path):
    own = saved(tmp_path / "runs/edgewing-s/model.safetensors")
    with pytest.raises(InputError, match="edgewing-s.*are other weights; give the path"):
        runs.weights("edgewing-s")
    assert runs.weights("runs/edgewing-s").resolve() == own
    shutil.copy(runs.SHIPPED / "edgewing-s.safetensors", own)
    assert runs.weights("edgewing-s") == runs.SHIPPED / "edgewing-s.safetensors"
    folder, before = runs.find(saved(tmp_path / "tiny.safetensors")), load_model("runs/tiny").contract
    other = saved(tmp_path / "other/tiny.safetensors", recipes.replace(RECIPE, width=0.5))
    with pytest.raises(InputError, match="runs/tiny: holds other weights than"):
        runs.find(other)
    assert load_model(folder).contract == before


@pytest.mark.parametrize(
    "typed, said",
    [
        ("edgewing-n", "did you mean edgewing-"),
        ("frist", "did you mean first"),
        ("zzz", "give a run's folder, a .safetensors file, or a name"),
        ("runs/none", "no such run"),
        ("none.safetensors", "no such run"),
    ],
)
def test_no_such_run(tmp_path, typed, said):
    saved(tmp_path / "runs/first/model.safetensors")
    for function in (runs.weights, runs.find, load_model):
        with pytest.raises(InputError, match=said):
            function(typed)


def test_a_file_that_is_no_run_leaves_no_folder(tmp_path):
    (tmp_path / "noise.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(InputError, match="not a whole safetensors file"):
        runs.find("noise.safetensors")
    assert not (tmp_path / "runs").exists()
