"""No input is overwritten: one check for the outputs of every command."""

import argparse
import os
import shlex
import subprocess
import sys

import numpy as np
import pytest

from edgewing import files, images, measure, models, outputs, rows
from edgewing.commands import command
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from tests.edgewing.test_rows import a_row


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("inputs", nargs="*")
    made.add_argument("--save", type=Output)
    made.add_argument("--json", type=Output)
    made.add_argument("--to", type=Rows)
    return made


def refused(capsys, *words):
    with pytest.raises(SystemExit) as caught, command(parser(), [str(word) for word in words]):
        raise AssertionError("the work began")
    assert caught.value.code == 2
    return capsys.readouterr().err


def test_an_input_by_any_name_is_not_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.jpg").write_bytes(b"photograph")
    (tmp_path / "link.jpg").symlink_to("p.jpg")
    os.link("p.jpg", "hard.jpg")
    for name in ("p.jpg", "./p.jpg", tmp_path / "p.jpg", "link.jpg", "hard.jpg"):
        assert "is what inputs names too" in refused(capsys, "other", "p.jpg", "--save", name)
    assert "is what json names too" in refused(capsys, "--save", "new.png", "--json", "./new.png")


def test_files_of_a_folder_that_is_read_stay(tmp_path, capsys):
    (tmp_path / "0001.jpg").write_bytes(b"photograph")
    for folder in (tmp_path, tmp_path / "%04d.jpg"):
        assert "is there, in what inputs names" in refused(capsys, folder, "--json", tmp_path / "0001.jpg")
    (tmp_path / "report.html").write_bytes(b"of before")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/old.json").write_text("{}")
    for folder, name in ((tmp_path, "new.json"), (tmp_path, "report.html"), ("x" * 5000, "elsewhere/old.json")):
        with command(parser(), [str(folder), "--json", str(tmp_path / name)]):
            pass


def test_what_a_run_left_stays_and_its_results_are_written_anew(tmp_path, capsys):
    for name in ("recipe.json", "model.safetensors", "rows.jsonl", "report.html"):
        (tmp_path / name).write_bytes(b"{}")
    for name in ("recipe.json", "model.safetensors", "rows.jsonl"):
        assert "is there, in what inputs names" in refused(capsys, tmp_path, "--save", tmp_path / name)
    with command(parser(), [str(tmp_path), "--save", str(tmp_path / "report.html")]):
        pass


@pytest.mark.parametrize("words", [["--json", ""], ["--json="], [""], ["a", "  "]])
def test_a_name_that_a_shell_left_empty(words, capsys):
    assert "the name is empty; is a variable not set?" in refused(capsys, *words)


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_streams_that_the_shell_has_closed(closed, tmp_path):
    images.write(tmp_path / "a.png", np.zeros((64, 64, 3), np.uint8))
    words = sys.executable, "-m", "edgewing", "run", tmp_path / "a.png", "--json", tmp_path / "a.json"
    done = subprocess.run(f"{shlex.join(map(str, words))} {closed}", shell=True, capture_output=True)
    assert done.returncode == 0 and (tmp_path / "a.json").stat().st_size > 100


def test_a_closed_standard_input_is_one_line():
    done = subprocess.run(f"{shlex.quote(sys.executable)} -m edgewing run - <&-", shell=True, capture_output=True)
    assert done.returncode == 2 and done.stderr.startswith(b"error: standard input: ") and done.stderr.count(b"\n") == 1


def test_the_file_of_a_shipped_model_is_an_input_by_its_name(capsys):
    file = models.path("edgewing-s", "tflite")
    assert "is what inputs names too" in refused(capsys, "edgewing-s", "--json", file)


def test_rows_are_appended_to_rows_alone(tmp_path, capsys):
    model, log = tmp_path / "m.tflite", tmp_path / "rows.jsonl"
    model.write_bytes(b"TFL3")
    assert "m.tflite: is not a file of rows" in refused(capsys, "--to", model)
    labels = tmp_path / "keypoints.json"
    for text in ('{"images": []}', '{\n "images": []\n}\n'):
        labels.write_text(text)
        assert "keypoints.json: is not a file of rows" in refused(capsys, "--to", labels)
    rows.append(log, a_row())
    with command(parser(), [str(log), "--to", str(log)]):  # a baseline may grow
        pass


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    assert "no folder" in refused(capsys, "--json", tmp_path / "none/a.json")
    assert "is a folder" in refused(capsys, "--json", tmp_path)
    with command(parser(), ["--json", "/dev/null", "--to", str(tmp_path / "made/rows.jsonl")]):
        pass


def test_standard_output_has_the_results_alone(capsys):
    with command(parser(), ["--json", "-"]) as options:
        print("for the reader")
        measure.write(options.json, {"a": [1, 2]})
    assert capsys.readouterr() == ('{"a": [1, 2]}\n', "for the reader\n")
    with command(parser(), ["--to", "-"]) as options:
        rows.append(options.to, a_row())
    assert capsys.readouterr().out.startswith('{"kind":"accuracy"')
    assert "is what to names too" in refused(capsys, "--json", "-", "--to", "-")
    outputs.to_stdout("after\n")
    assert capsys.readouterr().out == "after\n"


def test_a_device_is_written_to_and_stays_one():
    files.write("/dev/null", b"gone")
    assert not os.path.isfile("/dev/null")
    with pytest.raises(InputError, match="/dev/full: cannot be written"):
        files.write("/dev/full", b"x")


def test_a_full_disk_behind_stdout_is_named():
    code = "from edgewing import outputs; from edgewing.commands import ending\n"
    code += "import sys\ntry: outputs.to_stdout('x')\nexcept OSError as error: print(*ending(error), file=sys.stderr)"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert "2 error: standard output: No space left on device; make room there" in done.stderr
