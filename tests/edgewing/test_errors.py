"""What a user sees when something is wrong: one line, and the exit code that architecture promises."""

import subprocess
import sys

import pytest

from edgewing.errors import InputError, command, reason, unknown


def test_an_input_error_is_one_line_and_exit_2(capsys):
    with pytest.raises(SystemExit) as caught, command():
        raise InputError("a.jpg: broken\nin two lines")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: a.jpg: broken in two lines\n"


def test_debug_lets_it_through():
    with pytest.raises(InputError), command(debug=True):
        raise InputError("a")


def test_ctrl_c_is_130(capsys):
    with pytest.raises(SystemExit) as caught, command():
        raise KeyboardInterrupt
    assert caught.value.code == 130 and capsys.readouterr().err == "interrupted\n"


def test_a_reader_that_goes_away_is_no_error():
    code = "from edgewing.errors import command\nwith command():\n  for i in range(100000): print(i)"
    writer = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    writer.stdout.readline()
    writer.stdout.close()
    assert writer.wait(timeout=60) == 0 and writer.stderr.read() == b""


def test_did_you_mean():
    near = unknown("layout", "wflw98", ["wflw-98", "300w-68"])
    assert str(near) == "unknown layout 'wflw98'; did you mean 'wflw-98'?"
    assert str(unknown("layout", "x", ["b", "a"])) == "unknown layout 'x'; known: a, b"


@pytest.mark.parametrize("length", [1, 199, 200, 201, 5000])
def test_of_a_long_reason_both_ends_are_kept(length):
    text = "Load " + "x" * length + " IR 99"
    said = reason(ValueError(f"  {text}\n"))
    assert said == text if len(text) <= 200 else len(said) == 200
    assert said.startswith("Load ") and said.endswith(" IR 99")


def test_an_error_without_words_is_its_kind():
    assert reason(MemoryError()) == "MemoryError"
