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


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """With an ONNX file, for what is measured."""
    recipe = recipes.replace(RECIPE, layout=LAYOUT)
    torch.manual_seed(0)
    run = write_run(tmp_path_factory.mktemp("runs") / "tiny", fit(models.build(recipe), 150, LAYOUT), recipe)
    words = [sys.executable, "-m", "targets", str(run), "--to", "onnx"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    return run


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("kills", "module", "words"), [
    (20, "targets.__main__", "RUN --to onnx tflite coreml tensorrt"),
    (20, "compress.__main__", "quantize RUN --to tflite"),
    (10, "bench.__main__", "measure RUN"),
])  # fmt: skip
def test_killed_at_50_random_moments(run, tmp_path, kills, module, words):
    copy = tmp_path / "tiny"
    shutil.copytree(run, copy)
    arguments = [str(copy), str(kills), module, *words.replace("RUN", str(copy)).split()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.killed", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["killed"] == kills and set(said["codes"]) <= {0, 1}
