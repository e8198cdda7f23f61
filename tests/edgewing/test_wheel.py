"""The wheel as a user gets it: built from a copy of the tree with tiny models in it, installed, run without torch."""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edgewing import images
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_landmarker import frame

ROOT = Path(__file__).parents[2]
FORBIDDEN = (
    "torch",
    "train",
    "targets",
    "compress",
    "bench",
    "onnx",
    "litert_torch",
    "safetensors",
    "tensorflow",
    "rich",
)
FACE = ROOT / "docs/portrait.jpg"


def pip(*words):
    done = subprocess.run([sys.executable, "-m", "pip", *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory, tflite_file):
    """Built without a network: setuptools is here."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "edgewing-*.tflite", "*.onnx", "*.wasm")  # large
    shutil.copytree(ROOT / "edgewing", tree / "edgewing", ignore=ignored)
    shutil.copytree(ROOT / "bench", tree / "bench", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, tree)
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
    data = {"py.typed", "layout_files/300w-68.json", "detection.json", "tracking.json", "models/__init__.py"}
    data |= {f"detectors/{name}" for name in ("blazeface_back.tflite", "blazeface_short.tflite", "ORIGIN.md")}
    assert {f"edgewing/{name}" for name in data} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"edgewing"}
    assert not any(name.endswith(".safetensors") for name in names)
    page = {p.relative_to(ROOT).as_posix() for p in (ROOT / "edgewing/page").rglob("*") if p.is_file()}
    assert {name for name in page if not name.endswith(".wasm")} <= names  # where `make web` has built it
    assert "License-Expression: Apache-2.0" in requires and any(name.endswith("/NOTICE") for name in names)
    needed = [line for line in requires.splitlines() if line.startswith("Requires-Dist") and "extra" not in line]
    wanted = {_name(line): Requirement(line.removeprefix("Requires-Dist: ")) for line in needed}
    assert sorted(wanted) == ["ai-edge-litert", "numpy", "onnxruntime", "opencv-python-headless"]
    for system, machine, runtime in RUNTIMES:
        where = {"sys_platform": system, "platform_machine": machine}
        brought = [name for name in ("ai-edge-litert", "onnxruntime") if wanted[name].marker.evaluate(where)]
        assert brought == runtime.split(), where


# those that PyPI has wheels for, and one that has none
RUNTIMES = (
    ("linux", "x86_64", "ai-edge-litert"),
    ("linux", "aarch64", "ai-edge-litert"),
    ("darwin", "arm64", "ai-edge-litert"),
    ("win32", "AMD64", "ai-edge-litert"),
    ("darwin", "x86_64", "onnxruntime"),
    ("win32", "ARM64", "onnxruntime"),
    ("linux", "armv7l", ""),
)


def _name(line: str) -> str:
    return re.split("[<>=; ]", line.removeprefix("Requires-Dist: "))[0]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel in it and nothing else, and a picture beside it."""
    folder = tmp_path_factory.mktemp("installed")
    pip("install", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", folder / "site", wheel)
    images.write(folder / "face.png", frame([((70.0, 90.0), (110.0, 100.0))]))
    return folder


def python(folder, code, *words, without=()):
    """Run code that sees the wheel and none of the libraries that it must not need."""
    hidden = f"import sys\nsys.modules.update({{name: None for name in {(*FORBIDDEN, *without)}}})\n"
    environment = os.environ | {"PYTHONPATH": str(folder / "site")}
    command = [sys.executable, "-c", hidden + code, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


CLI = "import edgewing\nfrom edgewing import cli\ncli.main(sys.argv[1:])\nprint(edgewing.__file__)"


def test_an_installed_wheel_runs_its_model_without_torch(installed):
    said = python(installed, CLI, "run", "face.png", "--box", "40,50,140,140", "--json", "out.json")
    assert Path(said[-1]).is_relative_to(installed / "site")
    assert json.loads((installed / "out.json").read_text())["model"] == "edgewing-s"


def test_an_installed_wheel_runs_its_camera_without_torch(installed):
    words = ["camera", "--source", "face.png", "--detector", "blazeface-short", "--no-window", "--json", "out.jsonl"]
    said = python(installed, CLI, *words, "--save", "points.png")
    assert Path(said[-1]).is_relative_to(installed / "site")
    (line,) = map(json.loads, (installed / "out.jsonl").read_text().splitlines())
    assert line["image"] == "face.png" and line["searched"] and (installed / "points.png").is_file()


@pytest.mark.parametrize("without", [(), ("ai_edge_litert", "ai_edge_litert.interpreter", "tflite_runtime")])
def test_an_installed_wheel_finds_faces(installed, without):
    """With LiteRT, and without: then OpenCV runs the detector, and ONNX Runtime the model."""
    words = ["run", str(FACE), "--model", str(ROOT / f"edgewing/models/edgewing-s.{'onnx' if without else 'tflite'}")]
    python(installed, CLI, *words, "--json", "found.jsonl", without=without)
    (line,) = map(json.loads, (installed / "found.jsonl").read_text().splitlines())
    (face,) = line["faces"]
    assert line["detector"] == "blazeface-back" and face["trusted"] and len(face["landmarks"]) == 68
    assert line["runtime"]["library"] == ("onnxruntime" if without else "ai-edge-litert")


@pytest.mark.full
def test_one_line_in_a_fresh_environment(wheel, tmp_path):
    """Downloads what the wheel asks for, as a newcomer does."""
    venv.create(tmp_path / "fresh", with_pip=True)
    program = tmp_path / "fresh" / "bin"
    subprocess.run([program / "pip", "install", "-q", wheel], check=True, timeout=600)
    command = [program / "edgewing", "run", FACE, "--model", ROOT / "edgewing/models/edgewing-s.tflite", "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["faces"]) == 1


def test_the_package_itself_gives_what_the_app_uses(installed):
    code = (
        "import edgewing\n"
        "frame = edgewing.read_image('face.png')\n"
        "(face,) = edgewing.Landmarker('edgewing-s')(frame, [(40, 50, 140, 140)])\n"
        "print(*face.landmarks.round().astype(int).ravel(), edgewing.Tracker.__name__)\n"
        "print('cv2' in sys.modules)"
    )
    assert python(installed, code) == ["70 90 110 100 Tracker", "True"]
    assert python(installed, "import edgewing\nprint('cv2' in sys.modules, 'numpy' in sys.modules)") == ["False False"]


def test_lower_bounds_are_versions_that_were_tested():
    """`make test-lowest` runs on those of requirements/lowest.txt; executorch is that of `make test`."""
    bounds = dict(re.findall(r'"([\w-]+)>=([\d.]+)[",;]', (ROOT / "pyproject.toml").read_text()))
    bounds.pop("setuptools"), bounds.pop("opencv-python")
    assert set(bounds) == {"numpy", "opencv-python-headless", "onnxruntime", "ai-edge-litert", "executorch"}
    pins = (ROOT / "requirements/lowest.txt").read_text() + (ROOT / "requirements/constraints.txt").read_text()
    for name, bound in bounds.items():
        tested = re.search(rf"^{name}==([\d.]+)$", pins, re.MULTILINE)[1]
        assert f"{tested}.".startswith(f"{bound}."), name
