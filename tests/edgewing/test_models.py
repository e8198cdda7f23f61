"""The shipped models, on a copy of the package that has tiny ones: names, the default, what commands do with them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import edgewing
from edgewing import containers, images, models, notices
from edgewing.errors import InputError
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_landmarker import frame

ROOT = Path(__file__).parents[2]
PLACE = ((70.0, 90.0), (110.0, 100.0))
BOX = "40,50,140,140"


@pytest.fixture
def package(tmp_path, tflite_file):
    """A folder with a copy of the package in which edgewing-s and edgewing-m are tiny models; -98 is not there."""
    home = tmp_path / "home"
    shutil.copytree(
        Path(edgewing.__file__).parent,
        home / "edgewing",
        ignore=shutil.ignore_patterns("__pycache__", "*.tflite", "*.onnx"),
    )
    for name in ("edgewing-s", "edgewing-m"):
        write_onnx(home / "edgewing/models" / f"{name}.onnx", tiny_contract())
    shutil.copy(tflite_file, home / "edgewing/models/edgewing-m.tflite")
    images.write(home / "face.png", frame([PLACE]))
    return home


def call(package, *words, code="from edgewing import cli; cli.main()"):
    environment = os.environ | {"PYTHONPATH": str(package)}
    command = [sys.executable, "-c", code, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=package, env=environment, timeout=120)


def test_run_takes_the_default_and_says_its_terms_on_stderr(package):
    done = call(package, "run", "face.png", "--box", BOX, "--json", "out.json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("notice: edgewing-m: ") and "; drawn for tests, free" in done.stderr
    value = json.loads((package / "out.json").read_text())
    assert value["model"] == "edgewing-m" and "litert" in value["runtime"]["library"]
    assert np.abs(np.array(value["faces"][0]["landmarks"]) - PLACE).max() < 0.25
    assert "free" not in (package / "out.json").read_text()
    assert done.stdout.splitlines()[-1] == "next: edgewing info edgewing-m"


def test_without_litert_the_onnx_file_is_taken(package):
    code = "import sys; sys.modules['ai_edge_litert'] = None\nfrom edgewing import cli; cli.main()"
    done = call(package, "run", "face.png", "--box", BOX, "--json", "out.json", code=code)
    assert done.returncode == 0, done.stderr
    assert json.loads((package / "out.json").read_text())["runtime"]["library"] == "onnxruntime"


def test_without_litert_the_default_is_one_that_has_an_onnx_file(package):
    (package / "edgewing/models/edgewing-m.onnx").unlink()
    code = "import sys; sys.modules['ai_edge_litert'] = None\nfrom edgewing import models; print(models.default())"
    assert call(package, code=code).stdout == "edgewing-s\n"
    assert call(package, code=code.split("\n")[1]).stdout == "edgewing-m\n"


def test_the_default_may_be_used_by_everybody():
    assert notices.free(containers.read_contract(models.path(models.default())))


def test_a_name_stands_for_its_file(package):
    done = call(package, "run", "face.png", "--box", BOX, "--model", "edgewing-s")
    assert done.returncode == 0 and "onnxruntime" in done.stdout  # there is no edgewing-s.tflite here
    assert "layout     tiny-2, 2 points" in call(package, "info", "edgewing-s").stdout
    code = "from edgewing.landmarker import Landmarker; print(Landmarker('edgewing-m').contract.layout.name)"
    assert call(package, code=code).stdout == "tiny-2\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "edgewing-x"], "unknown model 'edgewing-x'; did you mean 'edgewing-"),
        (["--model", "edgewing-98"], "edgewing-98 is not in this installation"),
        (["--model", "edgewing-m.tflite"], "edgewing-m.tflite: no such file"),
    ],
)
def test_names_that_are_none(package, words, said):
    done = call(package, "run", "face.png", "--box", BOX, *words)
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and said in done.stderr, done.stderr


def test_a_line_for_each_model_that_is_here(package):
    figures = {"edgewing-m": {"faces": "mine/test", "nme": 0.0314, "time": 0.5, "cpu_ms": 1.25}}
    for about in figures.values():
        about |= {"reference": "other.tflite", "processor": "Tiny 3000"}
    (package / "edgewing/models" / models.FIGURES).write_text(json.dumps(figures))
    done = call(package, "models")
    (first, second), words = done.stdout.splitlines()[1:3], done.stdout
    assert first.split()[:3] == ["edgewing-m", "2", "research"] and "3.14 %, mine/test" in first and " 1.25 " in first
    assert first.endswith("tflite, onnx (default)") and second.endswith("onnx") and "not measured" in second
    assert "other.tflite = 1" in words and "Tiny 3000" in words and not done.stderr
    about = json.loads(call(package, "models", "--json").stdout)
    assert [(a["name"], a["format"], a["size"]) for a in about][-1] == ("edgewing-s", "onnx", 32)
    assert about[0]["bytes"] == (package / "edgewing/models/edgewing-m.tflite").stat().st_size
    assert about[0]["figures"]["nme"] == 0.0314 and about[-1]["figures"] is None


def test_nothing_shipped_is_said(package):
    for file in (package / "edgewing/models").glob("*.[to]*"):
        file.unlink()
    assert "no model came with this installation" in call(package, "models").stdout
    done = call(package, "run", "face.png", "--box", BOX)
    assert done.returncode == 2 and "no model came with this installation" in done.stderr


def test_paths_are_left_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for text in ("a.tflite", "runs/a", "/x/edgewing-s", "folder"):
        assert models.find(text) == Path(text)
    with pytest.raises(InputError, match="unknown model"):
        models.find("elsewhere")


def test_formats_by_name():
    with pytest.raises(InputError, match="did you mean 'tflite'"):
        models.path("edgewing-s", "tflit")
    assert {m.layout for m in models.SHIPPED.values()} == {"300w-68", "wflw-98"}


@pytest.mark.parametrize("name", [name for name in models.SHIPPED if name.startswith("edgewing-free")])
def test_a_free_model_has_learnt_from_drawn_heads_alone_and_has_no_terms_to_tell(name):
    for path in models.SHIPPED[name].present.values():
        contract = containers.read_contract(path)
        assert contract.training.trained_on == ["drawn heads"] and not contract.training.teachers
        assert "under Apache-2.0" in contract.training.data_terms and notices.free(contract)
        assert contract.radius is None  # it would be measured on photographs
    done = subprocess.run(
        [sys.executable, "-m", "edgewing", "run", "docs/portrait.jpg", "--model", name, "--json", "-"],
        capture_output=True, text=True, cwd=ROOT, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0 and "notice" not in done.stderr, done.stderr
    assert name in (ROOT / "NOTICE").read_text()
