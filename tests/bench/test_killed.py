"""Killed at random moments, exporting, quantizing and measuring end as they do undisturbed, and nothing half is ever
found under a final name. Training: tests/train/test_lost.py."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.targets.discs import RECIPE, fit, write_run
from train import model as models
from train import recipes

ROOT = Path(__file__).parents[2]
LAYOUT = "cofw-29"  # measured without the boxes of a dataset
COMMANDS = {
    "targets": ("targets.__main__", "--to", "onnx"),
    "quantize": ("compress.__main__", "quantize", "--to", "tensorrt"),
    "measure": ("bench.__main__", "measure"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """With an ONNX file, for what is measured."""
    recipe = recipes.replace(RECIPE, layout=LAYOUT)
    torch.manual_seed(0)
    run = write_run(tmp_path_factory.mktemp("runs") / "tiny", fit(models.build(recipe), 150, LAYOUT), recipe)
    words = [sys.executable, "-m", "targets", str(run), "--to", "onnx"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return run


def killed(run, tmp_path, kills, name, *more):
    copy = tmp_path / "tiny"
    shutil.copytree(run, copy)
    module, *words = COMMANDS[name]
    verb = [] if name == "targets" else [words.pop(0)]
    arguments = [str(copy), str(kills), module, *verb, str(copy), *(more or words)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.killed", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["killed"] == kills and set(said["codes"]) <= {0, 1}
    return said


SHORT = "measure"  # what the others do is tried in the long run


@pytest.mark.parametrize("name", [n if n == SHORT else pytest.param(n, marks=pytest.mark.full) for n in COMMANDS])
def test_killed_once(run, tmp_path, name):
    killed(run, tmp_path, 1, name)


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("name", "kills", "more"), [
    ("targets", 20, ("--to", "onnx", "tflite", "coreml", "tensorrt")), ("quantize", 20, ("--to", "tflite")),
    ("measure", 10, ()),
])  # fmt: skip
def test_killed_at_50_random_moments(run, tmp_path, name, kills, more):
    killed(run, tmp_path, kills, name, *more)
