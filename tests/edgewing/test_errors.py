"""What a user sees when something is wrong: one line, and the exit code that --help promises."""

import argparse
import os
import subprocess
import sys

import pytest

from edgewing.commands import Parser, command
from edgewing.errors import InputError, reason, unknown


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("--debug", action="store_true")
    return made


def ending(capsys, error, *words):
    """Exit code and stderr of a command that ends with this error."""
    with pytest.raises(SystemExit) as caught, command(parser(), words):
        raise error
    return caught.value.code, capsys.readouterr().err


ENDINGS = [
    (InputError("a.jpg: broken\nin two lines"), 2, "error: a.jpg: broken in two lines"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (PermissionError(13, "Permission denied", "a.json"), 2, "error: a.json: Permission denied; check its permissions"),
    (OSError(30, "Read-only file system", "a", None, "b"), 2, "error: b: Read-only file system; choose a place"),
    (OSError(28, "No space left on device"), 2, "error: No space left on device; make room there"),
    (MemoryError(), 2, "error: not enough memory"),
    (RuntimeError("can't start new thread"), 2, "error: the machine starts no more threads; end other programs"),
    (ModuleNotFoundError("no", name="torch"), 2, "error: the package torch is not installed"),
    (ZeroDivisionError("division\nby zero"), 70, "error: unexpected ZeroDivisionError: division by zero; this is a"),
]


@pytest.mark.parametrize("error, code, said", ENDINGS, ids=lambda value: type(value).__name__)
def test_every_error_is_one_line_and_a_code(capsys, error, code, said):
    ended, text = ending(capsys, error)
    assert ended == code and text.startswith(said) and text.count("\n") == 1


@pytest.mark.parametrize("error, code, said", ENDINGS, ids=lambda value: type(value).__name__)
def test_debug_shows_the_traceback_before_it_and_keeps_the_code(capsys, error, code, said):
    ended, text = ending(capsys, error, "--debug")
    assert ended == code and text.startswith("Traceback") and text.splitlines()[-1].startswith(said)


@pytest.mark.parametrize(
    "words, said",
    [
        ("", "required: file"),
        ("a b", "'b' is one argument too many"),
        ("a --bxo 1", "no option --bxo, did you mean --box?"),
        ("--bxo=1", "no option --bxo, did you mean --box?"),  # not: the file is missing
        ("a --zzz", "no option --zzz; "),
        ("a --count x", "argument --count: invalid int value: 'x'"),
        ("a --box", "argument --box: expected one argument"),
    ],
)
@pytest.mark.parametrize("verb", [False, True])
def test_wrong_usage_is_one_line_that_names_the_nearest_option(capsys, words, said, verb):
    made = one = Parser("ours")
    if verb:
        one = made.add_subparsers(required=True, metavar="VERB").add_parser("verb")
    one.add_argument("file")
    one.add_argument("--box")
    one.add_argument("--count", type=int)
    with pytest.raises(SystemExit) as caught, command(made, ["verb"] * verb + words.split()):
        pass
    text = capsys.readouterr().err
    assert caught.value.code == 2 and text.startswith("error: ") and text.count("\n") == 1
    assert said in text and f"ours{' verb' * verb} --help" in text


def test_a_value_may_begin_with_a_minus():
    made = Parser()
    made.add_argument("--box")
    with command(made, ["--box", "-9,0,80.5,-1e3"]) as options:
        assert options.box == "-9,0,80.5,-1e3"


def test_an_exit_code_of_the_command_itself_stays():
    with pytest.raises(SystemExit) as caught, command(parser(), []):
        sys.exit(1)
    assert caught.value.code == 1
    with command(parser(), []) as options:
        assert not options.debug


def started(work, **how):
    code = f"import argparse\nfrom edgewing.commands import command\nwith command(argparse.ArgumentParser()):\n  {work}"
    environment = how.pop("env", os.environ) | {"PYTHONUNBUFFERED": ""}  # some shells set it; users do not
    return subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, env=environment, **how)


@pytest.mark.parametrize("lines, code", [(5, 0), (100000, 141)])
def test_a_reader_that_goes_away_is_no_error_but_an_end_before_the_end(lines, code):
    """As with any other program under `| head`; what was done is done."""
    reader, writer = os.pipe()
    os.close(reader)
    process = started(f"for i in range({lines}): print(i)", stdout=writer)
    os.close(writer)
    assert process.wait(timeout=60) == code and process.stderr.read() == b""


@pytest.mark.parametrize("work", ["print(1)", "print('x' * 100000)", "raise SystemExit(print(1))"])
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_under_stdout_is_one_line(work):
    with open("/dev/full", "w") as full:
        process = started(work, stdout=full)
        said = process.stderr.read()
    assert process.wait(timeout=60) == 2
    assert said.startswith(b"error: ") and said.endswith(b"No space left on device; make room there\n")
    assert said.count(b"\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_text_that_cannot_be_shown_does_not_end_the_work(encoding):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    process = started(r"print('\u6e2c \udceb')", stdout=subprocess.PIPE, env=environment)
    assert process.stdout.read().startswith(b"\xe6" if encoding == "utf-8" else rb"\u6e2c")
    assert process.wait(timeout=60) == 0


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
