"""The command to type next: quoted, and with the Python that is running."""

import ast
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from edgewing import hints

ROOT = Path(__file__).parents[2]
BINARIES = Path(sys.executable).parent


def test_in_an_activated_environment_the_short_names_are_right():
    assert hints.next_line("edgewing info", "a.onnx") == "next: edgewing info a.onnx"
    assert hints.next_line("python -m bench report", Path("runs/demo")) == "next: python -m bench report runs/demo"
    assert hints.next_line("git add", "a.md") == "next: git add a.md"


@pytest.mark.parametrize("name", ["my runs/it's.onnx", "a;b", "$HOME", "-x y", "Zoë.onnx"])
def test_a_name_comes_back_from_the_shell_as_it_was(name):
    assert shlex.split(hints.typed("edgewing info", name)) == ["edgewing", "info", name]


@pytest.mark.parametrize("path", ["/usr/bin:/bin", ""])
def test_without_one_the_python_that_runs_is_named_and_the_line_works(monkeypatch, tmp_path, path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    python = shlex.quote(sys.executable)
    assert hints.typed("python -m train fit", "drawn") == f"{python} -m train fit drawn"
    line = hints.typed("edgewing --version")
    assert line == f"{python} -m edgewing --version"
    done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, env={"PATH": os.defpath})
    assert done.returncode == 0 and done.stdout.startswith("edgewing "), done.stderr


def test_below_the_current_folder_it_is_short(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.chdir(BINARIES.parent)
    assert hints.typed("python -m train") == f"{BINARIES.name}/{Path(sys.executable).name} -m train"


def test_every_command_that_is_printed_goes_this_way():
    for room in ("edgewing", "train", "compress", "targets", "bench"):
        for file in sorted((ROOT / room).rglob("*.py")):
            texts = [node.value for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Constant)]
            found = [
                t for t in texts if isinstance(t, str) and t.lstrip().startswith(("next: python", "next: edgewing"))
            ]
            assert not found, f"{file}: print(hints.next_line(...)) in place of {found}"
