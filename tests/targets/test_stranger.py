"""The contract keeps its promise: a loader of less than 60 lines, which knows docs/contract.md and nothing of us, gets
the NME of `bench accuracy` to 1e-4, of every file that runs here (CoreML's run on Apple's systems alone)."""

import ast
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from bench.accuracy import scoring
from edgewing import layouts
from targets import __main__ as command
from tests.targets.discs import RECIPE, discs, fit, write_run
from train import checkpoint
from train import model as models
from train.data import drawn

ROOT = Path(__file__).resolve().parents[2]
STRANGER = Path(__file__).with_name("stranger.py")
LAYOUT = "cofw-29"  # the one with few points whose errors are divided by a distance of two of them
PICTURES = ROOT.parent / "shared" / "data" / "lfpw" / "testset"


def test_the_loader_is_short_and_knows_nothing_of_us():
    text = STRANGER.read_text()
    assert len([line for line in text.splitlines() if line.strip()]) < 60
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} | {"edgewing", "tests"}
    assert {"edgewing", "train", "targets", "bench", "compress"} <= rooms
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(text))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else [node.args[0].value]
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "__import__"
            else []
        )
    }
    assert {"cv2", "numpy", "onnxruntime", "ai_edge_litert", "executorch"} <= imported and not imported & rooms


def write_faces(folder: Path, faces) -> Path:
    """(picture RGB, landmarks) as .png and .pts, which counts from 1."""
    folder.mkdir()
    for i, (picture, points) in enumerate(faces):
        cv2.imwrite(str(folder / f"{i:03}.png"), picture[..., ::-1])
        lines = [f"{x:.4f} {y:.4f}" for x, y in points + 1]
        (folder / f"{i:03}.pts").write_text("\n".join(["version: 1", f"n_points: {len(lines)}", "{", *lines, "}\n"]))
    return folder


def discs_in_pictures(count: int):
    """Discs somewhere in larger pictures, some of them so near the border that their crops are partly outside."""
    rng = np.random.default_rng(8)
    for crop, points in zip(*discs(count, 9, 96, LAYOUT)):
        picture = rng.integers(0, 60, (150, 170, 3), np.uint8)
        y, x = rng.integers(0, 54), rng.integers(0, 74)
        picture[y : y + 96, x : x + 96] = crop
        yield picture, points + np.float32([x, y])


def strangers(folder: Path, layout: str, paths: list[Path]) -> dict[str, float]:
    """NME by name, of a process of its own that finds nothing of ours beside it."""
    (left,), (right,) = layouts.get(layout).normalisers[layouts.get(layout).default_normaliser]
    words = [sys.executable, "-P", STRANGER, folder, left, right, *paths]
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return {name: float(nme) for name, nme in (line.split() for line in done.stdout.splitlines())}


def ours(folder: Path, layout: str, path: Path) -> float:
    return scoring.score(path, folder, layout=layout)["nme"]


def compare(folder: Path, layout: str, paths: list[Path]) -> None:
    found = strangers(folder, layout, paths)
    assert set(found) == {path.name for path in paths}
    for path in paths:
        assert found[path.name] == pytest.approx(ours(folder, layout, path), abs=1e-4), path.name


def exported(run: Path, *words: str) -> None:
    """A file that fails its gate is a file all the same."""
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", *words])
    assert end.value.code in (0, 1)


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Path:
    recipe = type(RECIPE)(**(vars(RECIPE) | {"layout": LAYOUT}))
    torch.manual_seed(0)  # or the weights, and how much half a pixel is to them, hang on the tests that ran before
    network = fit(models.build(recipe), steps=40, layout=LAYOUT)
    return write_run(tmp_path_factory.mktemp("strange") / "tiny", network, recipe)


@pytest.fixture(scope="session")
def faces(tmp_path_factory) -> Path:
    return write_faces(tmp_path_factory.mktemp("faces") / "discs", discs_in_pictures(24))


def test_onnx_and_tflite(run, faces, tmp_path):
    exported(run, "onnx", "tflite", "--precision", "fp32")
    paths = [run / "export" / f"{run.name}-fp32{suffix}" for suffix in (".onnx", ".tflite")]
    compare(faces, LAYOUT, paths)
    # it would notice: half a pixel beside, and the figure is another
    moved = write_faces(tmp_path / "moved", ((cv2.blur(p, (2, 2)), q) for p, q in discs_in_pictures(24)))
    nme = strangers(moved, LAYOUT, paths[:1])[paths[0].name]
    assert abs(nme - ours(faces, LAYOUT, paths[0])) > 1e-3


@pytest.mark.full
def test_every_other_file_that_runs_here(run, faces):
    exported(run, "onnx", "tflite", "tensorrt", "--precision", "fp16", "int8")
    exported(run, "onnx", "--precision", "fp32", "--output", "heatmaps", "--batch", "2")
    exported(run, "tflite", "--precision", "fp32", "int8", "--output", "heatmaps")
    compare(faces, LAYOUT, sorted(p for p in (run / "export").iterdir() if p.suffix in (".onnx", ".tflite")))


@pytest.mark.full
def test_executorch(run, faces):
    pytest.importorskip("executorch.runtime", reason="needs executorch (requirements/targets.txt)")
    exported(run, "executorch", "--precision", "fp32", "int8")
    paths = sorted((run / "export").glob("*.pte"))
    assert len(paths) == 2
    compare(faces, LAYOUT, paths)


@pytest.mark.full
@pytest.mark.parametrize("source", ["drawn", "photographs"])
def test_a_real_network(source, tmp_path):
    """Weights of this repository, on drawn faces and on photographs."""
    weights, run = ROOT / "models" / "edgewing-m.safetensors", tmp_path / "m"
    loaded = checkpoint.load_model(weights)
    if source == "photographs":
        folder = PICTURES if PICTURES.is_dir() else pytest.skip(f"needs {PICTURES} (not in the repository)")
    else:
        folder = write_faces(tmp_path / "faces", ((f.image, f.landmarks) for f in drawn.faces(30, "300w-68", 5)))
    write_crops(run, loaded, folder)
    exported(run, "onnx", "tflite", "--precision", "fp32", "int8")
    compare(folder, "300w-68", sorted((run / "export").iterdir()))


def write_crops(run: Path, loaded: checkpoint.Loaded, folder: Path) -> None:
    """A run folder around these weights, whose validation and calibration faces are the folder's."""
    from targets import parity

    network, recipe, about = loaded
    checkpoint.save_model(run / "model.safetensors", network, recipe, about)
    faces = parity.photographs(folder, about.layout, about.crop)
    (run / "faces").mkdir()
    for name in ("validation", "calibration"):
        np.savez(run / "faces" / f"{name}.npz", crops=faces.crops, landmarks=faces.landmarks)
