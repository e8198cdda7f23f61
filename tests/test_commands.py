"""Every command of every room, where it cannot write: one line, exit code 2, nothing left behind."""

import ast
import importlib
import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewing import images, verbs
from tests.bench.conftest import artefact, photographs, run_folder, template  # noqa: F401  fixtures

ROOT = Path(__file__).parent.parent
ROOMS = ("edgewing", "train", "compress", "targets", "bench")
ISOLATED = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


def mains() -> list[Path]:
    """Files of the rooms that can be started as a command."""
    files = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]
    return [file for file in files if re.search(r"^def main\((argv|room)", file.read_text(), re.M)]


@pytest.mark.parametrize("file", mains(), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_command_ends_in_the_one_place(file):
    main = next(n for n in ast.parse(file.read_text()).body if isinstance(n, ast.FunctionDef) and n.name == "main")
    calls = [ast.unparse(n.func) for n in ast.walk(main) if isinstance(n, ast.Call)]
    assert {"command", "commands.command", "verbs.main"} & set(calls)
    assert "parse_args" not in ast.unparse(main)  # done inside, where what it says cannot fail


@pytest.fixture
def things(tmp_path, artefact, run_folder, photographs):  # noqa: F811
    """What commands read: a picture, a file, a run that can be exported, faces."""
    from tests.targets.discs import RECIPE, write_run
    from tests.train import test_layout_new as cats
    from train import model as models

    write_run(tmp_path / "runs/tiny", models.build(RECIPE).eval(), RECIPE)
    images.write(tmp_path / "p.png", np.full((64, 64, 3), 90, np.uint8))
    artefact(tmp_path / "m.onnx", template())
    artefact(tmp_path / "runs/fixed/export/tiny-fp32.onnx", template())
    (tmp_path / "runs/fixed/recipe.json").write_text('{"layout": "300w-68"}')
    cats.written(tmp_path / "cats", count=1)
    return tmp_path, photographs(2)


def commands(place: Path, here: Path, faces: Path) -> list[tuple[str, list[str]]]:
    """Each command that leaves something, with everything it leaves asked for in ``place``; runs are in there too."""
    run, box = ["edgewing.cli", "run", here / "p.png", "--model", here / "m.onnx", "--box", "9,9,50,50"], "--no-window"
    camera = ["edgewing.cli", "camera", "--source", here / "p.png", "--model", here / "m.onnx", box]
    score = ["bench.__main__", "accuracy", "--model", here / "m.onnx", "--data", faces, "--layout", "300w-68"]
    fit = ["train.__main__", "fit", faces, "--layout", "300w-68", "--input-size", 64, "--width", 0.25, "--steps", 1]
    lists = [
        [*run, "--json", place / "o.json"],
        [*run, "--save", place / "o.png"],
        [*camera, "--json", place / "o.jsonl"],
        [*camera, "--save", place / "o.mp4"],
        [*camera, "--save", place / "o.png"],
        ["edgewing.cli", "web", "--model", here / "m.onnx", "--build", place / "web"],
        ["edgewing.cli", "app", "android", place / "app"],
        ["edgewing.measure", "--model", here / "m.onnx", "--json", place / "o.json", "--threads", 1],
        [*score, "--json", place / "o.json"],
        [*score, "--to", place / "o.jsonl"],
        [*score, "--plot", place / "o.svg"],
        [*score, "--pictures", place / "o.npz"],
        ["bench.__main__", "report", place / "runs/fixed"],
        ["bench.__main__", "report", here / "runs/fixed", "--html", place / "o.html"],
        ["bench.__main__", "card", "edgewing-s", "--out", place],
        [*fit, "--cache", place / "cache", "--run", here / "new"],
        [*fit, "--cache", here / "cache", "--run", place / "new"],
        ["train.__main__", "pack", here / "runs/tiny", "--out", place / "o.safetensors"],
        ["train.__main__", "layout", "new", here / "cats", "--out", place / "o.json"],
        ["train.data.drawn.__main__", "sheet", place / "o.png", "--layout", "aflw-19"],
        ["compress.__main__", "quantize", place / "runs/tiny"],
        ["targets.__main__", place / "runs/tiny", "--to", "onnx"],
        ["targets.engine", place / "runs/tiny"],
        ["edgewing.build", here / "m.onnx", "--timing-cache", place / "cache"],
    ]
    return [(words[0], [str(word) for word in words[1:]]) for words in lists]


def endings(asked, *before: str) -> list:
    call = [sys.executable, "-m", "tests.endings"]
    if before:
        call = [*ISOLATED, f'{"; ".join(before)}; exec "$@"', "sh", *call]
    done = subprocess.run(call, input=json.dumps(asked), capture_output=True, text=True, cwd=ROOT, timeout=280)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def check(asked, found) -> None:
    assert len(found) == len(asked)
    for (module, words), (code, _, said) in zip(asked, found):
        lines = [line for line in said.splitlines() if not line.startswith(("notice: ", "note: "))]
        assert code == 2 and "Traceback" not in said, (module, words, code, said)
        assert lines and lines[-1].startswith("error: ") and "unexpected" not in lines[-1], (module, words, said)


def may_mount() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*ISOLATED, "true"], capture_output=True).returncode


def test_a_folder_that_is_not_there_or_is_a_file(things):
    here, faces = things
    (here / "file").write_text("")
    asked = commands(here / "file", here, faces)
    check(asked, endings(asked))


@pytest.mark.skipif(not may_mount(), reason="no user namespaces, so nothing can be mounted here")
@pytest.mark.parametrize("full", [False, True], ids=["read-only", "full"])
def test_a_file_system_that_takes_nothing(things, full):
    here, faces = things
    place = here / "mounted"
    place.mkdir()
    asked = commands(place, here, faces)
    # left out: what works for a minute before it writes
    slow = ["quantize", *(["--model"] if full else [])]
    asked = [words for words in asked if words[1][0] not in slow]
    end = f"cat /dev/zero > {place}/filler 2> /dev/null || true" if full else f"mount -o remount,ro {place}"
    mount = f"mount -t tmpfs -o size=4m tmpfs {place}", f"cp -r {here}/runs {place}"
    check(asked, endings(asked, *mount, end))
    assert os.listdir(place) == []


@pytest.mark.parametrize("room", ["train", "targets", "compress", "bench"])
def test_help_waits_for_no_library(room):
    """It is there at once, as what takes long to import is imported by the verb that is typed."""
    code = """if True:
        import runpy, sys
        room = sys.argv.pop(1)
        try:
            runpy.run_module(room, run_name="__main__", alter_sys=True)
        except SystemExit as end:
            assert end.code == 0
        print(*sorted({"torch", "scipy", "numpy", "cv2", "rich"} & set(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run([sys.executable, "-c", code, room, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m {room}"), done.stderr
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("room", ["train", "compress", "bench"])
def test_every_verb_has_the_options_that_its_main_names(room):
    table = importlib.import_module(f"{room}.__main__").VERBS
    for verb, (place, _) in table.items():
        one = verbs.parser(room, "", table, [verb])._subparsers._group_actions[0].choices[verb]
        parsers = [one, *(one._subparsers._group_actions[0].choices.values() if one._subparsers else ())]
        options = {action.dest for parser in parsers for action in parser._actions} | {"command", "debug"}
        kinds = inspect.signature(importlib.import_module(place).main).parameters.values()
        assert {kind.name for kind in kinds if kind.kind is not kind.VAR_KEYWORD} <= options, verb


@pytest.mark.parametrize("words", [("bench", "accuracy"), ("bench", "report"), ("bench", "race"), ("train", "data")])
def test_verbs_that_train_nothing_need_no_torch(words):
    code = f"""if True:
        import sys, {words[0]}.__main__ as room
        from edgewing import verbs
        verbs.parser("", "", room.VERBS, [{words[1]!r}])
        sys.exit(bool({{"torch", "scipy"}} & set(sys.modules)))
    """
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
