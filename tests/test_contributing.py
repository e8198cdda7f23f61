"""What CONTRIBUTING.md shows works, in a copy of the repository; versions, links and workflows are what they say."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import edgewing
from tests.targets.conftest import network, run  # noqa: F401  fixtures

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
EXAMPLES = re.findall(r"```(\w+)\n# (\S+)\n(.*?)```", TEXT, re.S)

READER = """
import pathlib
from edgewing import layouts
from train import data
folder = pathlib.Path("cats")
folder.mkdir()
(folder / "points.tsv").write_text("a.png\\t1\\t2\\t30\\t4\\t15.5\\t40\\n")
listing = data.read_samples(folder, "cat-3")
assert not listing.problems and "tsv" in listing.summary[0], listing
assert listing.samples[0].landmarks.tolist() == [[1, 2], [30, 4], [15.5, 40]]
assert layouts.get("cat-3").flip_pairs == ((0, 1),)
"""
LOSS = """
import torch
from train import loss, recipes
recipe = recipes.replace(recipes.get("demo"), loss="huber")
output, target = torch.tensor([[[[0.0, 1.0]]]]), torch.tensor([[[[0.05, 0.0]]]])
value = loss.heatmap_loss([output], target, None, recipe.loss, 1.0).item()
assert abs(value - (0.05**2 / 2 + 0.1 * (1 - 0.05)) / 2) < 1e-6, value
"""
DEVICE = """
from bench import devices
assert devices.open("docker://box").check("echo $((6 * 7))") == b"42\\n"
"""
TARGET = """
import sys
from targets.__main__ import main
main([sys.argv[1], "--to", "onnx-float"])
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The repository's Python, with all that CONTRIBUTING.md adds to it."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__", "results", "page", "*.tflite", "*.onnx")
    for room in ("edgewing", "train", "targets", "compress", "bench"):
        shutil.copytree(ROOT / room, folder / room, ignore=ignored)
    for kind, name, body in EXAMPLES:
        path = folder / name
        assert path.exists() == (kind == "diff"), name
        path.write_text(changed(path.read_text(), body) if kind == "diff" else body)
    return folder


def changed(text: str, hunk: str) -> str:
    """The text with lines put in and taken out: each is looked for below the last; what is new stands below it, or
    above the first."""
    lines, at, ahead = text.splitlines(), 0, []
    for mark, line in ((row[:1], row[1:]) for row in hunk.splitlines()):
        if mark == "+" and at:
            lines.insert(at, line)
            at += 1
        elif mark == "+":
            ahead.append(line)
        else:
            found = next(i for i in range(at, len(lines)) if lines[i].startswith(line.removesuffix("...")))
            if mark == "-":
                del lines[found]
            lines[found:found] = ahead
            at, ahead = found + len(ahead) + (mark != "-"), []
    return "\n".join(lines) + "\n"


def python(copy, code, *words, **environment):
    where = os.environ | {"PYTHONPATH": str(copy)} | environment
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=copy, env=where, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_reader_and_a_layout(copy):
    python(copy, READER)


def test_a_loss(copy):
    python(copy, LOSS)


def test_a_device(copy, tmp_path):
    program = tmp_path / "docker"  # as docker runs a line, but here
    program.write_text('#!/bin/sh\n[ "$1 $2 $3" = "exec -i box" ] && shift 3 && exec "$@"\n')
    program.chmod(0o755)
    python(copy, DEVICE, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}")


def test_a_target(copy, run, tmp_path):  # noqa: F811
    place = shutil.copytree(run, tmp_path / "tiny")
    said = python(copy, TARGET, place)
    assert f"next: edgewing run IMAGE --model {place}/export/tiny-float-fp32.onnx" in said


def test_each_is_small():
    longest = {name: sum(line[:1] not in " -" for line in body.splitlines() if line) for _, name, body in EXAMPLES}
    assert len(EXAMPLES) == 10 and max(longest.values()) <= 20, longest


def test_the_copy_is_in_the_house_style(copy):
    """But for the order of the import that was put in, which `ruff check --fix` mends."""
    words = [sys.executable, "-m", "ruff", "check", "--config", str(ROOT / "pyproject.toml"), "--ignore", "I001"]
    done = subprocess.run([*words, "train", "targets", "bench", "edgewing"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_versions_agree():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)[1]
    assert cited == newest == edgewing.__version__


def test_files_that_others_read_are_there():
    for path in [*(ROOT / ".github").rglob("*.yml"), ROOT / ".pre-commit-config.yaml"]:
        assert yaml.safe_load(path.read_text()), path
    for source in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "README.md"):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / source).read_text()):
            assert (ROOT / link).exists(), f"{source}: {link}"
    for name in re.findall(r"make ((?:[a-z-]+ )*[a-z-]+)`", TEXT):
        for target in name.split():
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M), target
