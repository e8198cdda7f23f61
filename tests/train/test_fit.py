"""`python -m train fit heads --fresh`: a model that learnt from drawn heads alone, from the command to its terms."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgewing import notices
from train import checkpoint
from train.credits import FREE, OWN
from train.data.catalogue import is_research_only
from train.data.drawn.heads.mesh import FILE

ROOT = Path(__file__).parents[2]
TINY = "--layout 300w-68 --drawn 12 --validation 0.5 --input-size 64 --width 0.25 --batch 4 --warmup 1"
# Python reads this module at the start of every process, those that draw included.
NOTES = """import os, sys
def _note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        os.write(_log, (arguments[0] + "\\n").encode("utf-8", "replace"))
_log = os.open({log!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
sys.addaudithook(_note)
"""


def fit(folder: Path, steps: int, **environment) -> subprocess.Popen:
    command = [sys.executable, "-m", "train", "fit", "heads", "--fresh", *TINY.split(), "--steps", str(steps)]
    paths = os.pathsep.join([*([environment.pop("first")] if "first" in environment else []), str(ROOT)])
    given = os.environ | {"PYTHONPATH": paths} | environment
    return subprocess.Popen(
        [*command, "--evaluate-every", "1000", "--run", "free"], cwd=folder, env=given, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run's folder, and every file that any of its processes opened."""
    folder = tmp_path_factory.mktemp("free")
    (folder / "notes").mkdir()
    (folder / "notes" / "sitecustomize.py").write_text(NOTES.format(log=str(folder / "opened.txt")))
    process = fit(folder, 3, first=str(folder / "notes"))
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0 and "other drawn faces at every step to train on" in said, said
    return folder / "runs/free", (folder / "opened.txt").read_text().splitlines()


def test_nothing_was_opened_that_could_be_a_photograph(trained):
    run, opened = trained
    assert str(FILE) in opened  # by a process that draws, too
    pictures = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tar", ".pts", ".mat", ".csv", ".zip", ".parquet")
    expected = str(run), run.name, sys.prefix, sys.base_prefix  # the run's own sheets, what Python brings
    assert not [path for path in opened if path.lower().endswith(pictures) and not path.startswith(expected)]
    data = [path for path in opened if path.startswith(str(ROOT / "train/data")) and ".py" not in path]
    assert {path for path in data if "__pycache__" not in path} == {str(FILE)}


def test_its_contract_names_drawn_heads_and_nobody_s_terms(trained):
    training = checkpoint.load_model(trained[0]).contract.training
    assert training.trained_on == ["drawn heads"] and training.teachers == [] and training.data_terms == f"{FREE} {OWN}"
    assert not any(map(is_research_only, training.trained_on))
    assert notices._terms(checkpoint.load_model(trained[0]).contract) == ""


def test_a_run_that_is_stopped_goes_on_and_ends_with_the_same_weights(trained, tmp_path):
    process = fit(tmp_path, 3)
    deadline = time.monotonic() + 300
    while not (tmp_path / "runs/free/data.json").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does, to the processes that draw as well
    said, _ = process.communicate(timeout=300)
    assert process.returncode in (0, 130), said
    again = fit(tmp_path, 3)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    ours, expected = (
        checkpoint.load_tensors(folder / "model.safetensors")[0] for folder in (tmp_path / "runs/free", trained[0])
    )
    assert all(ours[key].equal(value) for key, value in expected.items())
