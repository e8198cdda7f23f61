"""The wheel as a user gets it: built from a copy of the tree with tiny models in it, installed, run without torch."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from edgewing import images
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_landmarker import frame

ROOT = Path(__file__).parents[2]
FORBIDDEN = ("torch", "train", "targets", "compress", "bench", "onnx", "litert_torch", "safetensors", "tensorflow")


def pip(*words):
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, tflite_file):
    """Built without a network: setuptools is here."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.tflite", "*.onnx")
    shutil.copytree(ROOT / "edgewing", tree / "edgewing", ignore=ignored)
    shutil.copytree(ROOT / "bench", tree / "bench", ignore=ignored)
    shutil.copy(ROOT / "pyproject.toml", tree)
    (tree / "models").mkdir()
    (tree / "models/edgewing-s.safetensors").write_bytes(b"float weights stay in the repository")
    write_onnx(tree / "edgewing/models/edgewing-s.onnx", tiny_contract())
    shutil.copy(tflite_file, tree / "edgewing/models/edgewing-s.tflite")
    pip("wheel", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "-w", tree / "dist", tree)
    (built,) = (tree / "dist").glob("*.whl")
    return built


def test_models_are_in_and_the_other_rooms_are_not(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        requires = next(archive.read(n).decode() for n in names if n.endswith("/METADATA"))
    assert {"edgewing/models/edgewing-s.onnx", "edgewing/models/edgewing-s.tflite"} <= names
    assert {"edgewing/layouts.json", "edgewing/detection.json", "edgewing/models/__init__.py"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"edgewing"}
    assert not any(name.endswith(".safetensors") for name in names)
    needed = [line for line in requires.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    assert sorted(re.split("[<>= ]", line.removeprefix("Requires-Dist: "))[0] for line in needed) == [
        "numpy",
        "opencv-python-headless",
    ]


def test_an_installed_wheel_runs_its_model_without_torch(wheel, tmp_path):
    site = tmp_path / "site"
    pip("install", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", site, wheel)
    images.write(tmp_path / "face.png", frame([((70.0, 90.0), (110.0, 100.0))]))
    code = (
        f"import sys\nsys.modules.update({{name: None for name in {FORBIDDEN}}})\n"
        "import edgewing\nfrom edgewing import cli\ncli.main(sys.argv[1:])\nprint(edgewing.__file__)"
    )
    words = ["run", "face.png", "--box", "40,50,140,140", "--json", "out.json"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    command = [sys.executable, "-c", code, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.splitlines()[-1]).is_relative_to(site)
    assert json.loads((tmp_path / "out.json").read_text())["model"] == "edgewing-s"
