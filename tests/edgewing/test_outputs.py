"""No input is overwritten: one check for the outputs of every command."""

import argparse
import os

import pytest

from edgewing import files, measure, models, outputs, rows
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


def test_the_file_of_a_shipped_model_is_an_input_by_its_name(capsys):
    file = models.path("edgewing-s", "tflite")
    assert "is what inputs names too" in refused(capsys, "edgewing-s", "--json", file)


def test_rows_are_appended_to_rows_alone(tmp_path, capsys):
    model, log = tmp_path / "m.tflite", tmp_path / "rows.jsonl"
    model.write_bytes(b"TFL3")
    assert "m.tflite: is not a file of rows" in refused(capsys, "--to", model)
    log.write_text("{}\n")
    with command(parser(), [str(log), "--to", str(log)]):  # a baseline may grow
        pass


def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    assert "no folder" in refused(capsys, "--json", tmp_path / "none/a.json")
    assert "is a folder" in refused(capsys, "--json", tmp_path)
    assert "is empty" in refused(capsys, "--json", "")
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
