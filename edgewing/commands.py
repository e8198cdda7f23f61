"""How every command begins and ends.

What it writes is looked at before its work begins: that it can be written, and is none of what it reads. It ends with
one line that says what was wrong, where and what to do about it, and an exit code.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgewing.errors import InputError, Stopped, in_words, printable
from edgewing.outputs import STDOUT, Output, Place, Rows, only_results

DONE, INPUT, UNEXPECTED, INTERRUPTED, UNREAD = 0, 2, 70, 130, 141  # exit codes; 1 is a gate's
ENDED_BY = signal.SIGTERM, *filter(None, [getattr(signal, "SIGHUP", None)])  # a service is stopped, a terminal closed


class _Missing(InputError):
    """Of an argument that has to be there."""


class Parser(argparse.ArgumentParser):
    """argparse's, but that wrong usage is an InputError, one line as all others; and a value may begin with a minus."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._negative_number_matcher = re.compile(r"-\.?\d[\d.,e+-]*$")  # for argparse: `--box -9,0,80,90`

    def parse_known_args(self, args=None, namespace=None):
        try:
            found, left = super().parse_known_args(args, namespace)
        except _Missing as error:  # what is missing may be there, misspelt
            for word in args or ():
                option = word.partition("=")[0]
                if option[:2] == "--" and not any(known.startswith(option) for known in self._option_string_actions):
                    self.error(self._about(word))
            raise InputError(str(error)) from None
        if left:  # of a verb's parser too, which would else leave them to one that does not know its options
            self.error(self._about(left[0]))
        return found, left

    def error(self, message: str):
        kind = _Missing if message.startswith("the following arguments are required") else InputError
        raise kind(f"{message}; {self.prog} --help tells what it takes")

    def _about(self, word: str) -> str:
        option = word.partition("=")[0]
        if not option.startswith("-"):
            return f"{word!r} is one argument too many"
        near = difflib.get_close_matches(option, self._option_string_actions, n=1, cutoff=0.7)
        return f"there is no option {option}" + (f", did you mean {near[0]}?" if near else "")


@contextlib.contextmanager
def command(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> Iterator[argparse.Namespace]:
    """Around the work of a command, so that all of them end alike. Gives the parsed options.

    Exit codes: 2 for an InputError and for a fault of the machine (OSError, memory, a package that is missing), 70 for
    what nobody expected, 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP, 141 where the reader of stdout went away
    before the end; but for the last three with one line each.
    Where the parser has ``--debug`` it shows the traceback too.
    """
    _open_streams()
    for number in ENDED_BY if threading.current_thread() is threading.main_thread() else ():
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, _end)  # so that half-written files go away
    options, error = argparse.Namespace(debug=False), None
    try:
        argv = sys.argv[1:] if argv is None else argv
        _none_empty(argv)
        parser.parse_args(argv, options)
        with _checked(options):
            yield options
    except (Exception, KeyboardInterrupt, SystemExit) as raised:
        error = raised
    fault = _flush()
    if isinstance(error, BrokenPipeError) and not error.filename:  # print's, as files have names
        sys.exit(UNREAD)
    if isinstance(fault, BrokenPipeError):
        fault = None
    if fault is not None and (error is None or isinstance(error, (SystemExit, OSError))):
        error = fault
    if error is None:
        return
    if isinstance(error, SystemExit):
        raise error
    code, line = ending(error)
    with contextlib.suppress(OSError):  # what filled stdout's disk may have filled stderr's
        if options.debug:
            traceback.print_exception(error)
        print(printable(" ".join(line.split())), file=sys.stderr)
    sys.exit(code)


def stopped(number: int) -> BaseException:
    """What a signal that asked for the end raises, so that the exit code tells which it was."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)


def heard(number: int) -> bool:
    """Whether a signal does something: nohup has it ignored."""
    return signal.getsignal(number) != signal.SIG_IGN


def _end(number: int, _) -> None:
    raise stopped(number)


def _open_streams() -> None:
    """What the shell has closed (``<&-``) is as if it were /dev/null: libraries write to 2 without a look."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, open(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that this terminal cannot show must not end the work
            stream.reconfigure(errors="backslashreplace")


def _none_empty(argv: Sequence[str]) -> None:
    """``--run "$NAME"`` where NAME was never set would name the folder of all runs."""
    for before, text in zip(["", *argv], argv):
        option, equals, value = text.partition("=")
        if not text.strip() or (equals and option.startswith("--") and not value.strip()):
            where = option if equals else before if before.startswith("-") else "an argument"
            raise InputError(f"{where}: the name is empty; is a variable not set?")


def _flush() -> OSError | None:
    """A full disk, or a reader that has gone away (`edgewing info x | head -1`), is found out here, not at exit."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        return None
    except OSError as error:
        with contextlib.suppress(OSError, ValueError):  # Python would try the same again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return type(error)(error.errno, error.strerror, "standard output")


def ending(error: BaseException) -> tuple[int, str]:
    """Exit code, and the line."""
    if isinstance(error, Stopped):
        return 128 + error.signal, str(error)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, "interrupted"
    if isinstance(error, InputError):
        return INPUT, f"error: {error}"
    if isinstance(error, OSError):
        return INPUT, f"error: {in_words(error)}"
    if isinstance(error, MemoryError):
        return INPUT, "error: not enough memory; end other programs, or give it less at a time"
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return INPUT, "error: the machine starts no more threads; end other programs, or see ulimit -u"
    if isinstance(error, ModuleNotFoundError):
        return INPUT, _not_installed(error)
    text = f"unexpected {type(error).__name__}: {str(error)[:300]}"
    return UNEXPECTED, f"error: {text}; this is a fault of edgewing: please report what --debug shows"


def _not_installed(error: ModuleNotFoundError) -> str:
    package = str(error.name).partition(".")[0]
    return f"error: the package {package} is not installed; in the repository type: make install"


@contextlib.contextmanager
def _checked(options: argparse.Namespace) -> Iterator[None]:
    """Raises InputError for an output that cannot be written, is an input too, or is named twice.

    Inside, where one of them is ``-``, everything else that a command says goes to stderr.
    """
    named = list(_texts(options))
    outputs = [(option, text) for option, text in named if isinstance(text, Output)]
    for option, text in outputs:
        if text != STDOUT:
            _may_write(option, text)
        for other, given in named:
            if _lies_in(text, given):
                raise InputError(f"--{option} {text}: is there, in what {other} names; choose another name")
            if given is not text and _same(text, given):
                raise InputError(f"--{option} {text}: is what {other} names too; choose another name")
    with only_results() if any(text == STDOUT for _, text in outputs) else contextlib.nullcontext():
        yield


def _texts(options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Every text and path among the options, those in lists too, with the option's name."""
    for option, value in vars(options).items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(text, (str, Path)):
                yield option.replace("_", "-"), text


def _may_write(option: str, text: str) -> None:
    path = Path(text)
    if path.is_dir() and isinstance(text, Place) and os.access(path, os.W_OK):
        return
    if path.is_dir():
        raise InputError(f"--{option} {text}: is a folder; name a file")
    if path.exists() and not path.is_file():  # a device, such as /dev/null
        return
    folder = path.parent
    if isinstance(text, Rows) and path.exists():
        with open(path, "rb") as file:
            first = file.readline(1 << 16)
            if first.strip() and b'"kind"' not in first:
                raise InputError(f"{path}: is not a file of rows, which would be appended to it; choose another name")
    elif not isinstance(text, Rows) and not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path}: {folder} cannot be written; check its permissions, or choose another place")


def _lies_in(output: str, given: str | Path) -> bool:
    """Whether it is a file of a folder, or of numbered pictures, that are read. A run's folder also takes results,
    which may be written anew; what the run itself left is read."""
    if isinstance(given, Output) or isinstance(output, Rows) or not os.path.isfile(output):
        return False
    if output.endswith((".html", ".md", ".svg")):  # which nothing reads
        return False
    folder = Path(given).parent if "%" in str(given) else Path(given)
    # os.path's isdir, because among the options are texts that are no names, and may be too long for one
    if not os.path.isdir(folder) or folder.resolve() not in Path(output).resolve().parents:
        return False
    of_run = output.endswith((".safetensors", ".jsonl", "recipe.json", "data.json"))
    if not (folder / "recipe.json").exists():
        return not output.endswith(".jsonl")  # which only a run has
    return of_run


def _same(output: str, given: str | Path) -> bool:
    """Whether both are one file, by whatever names; the names of shipped models are their files'."""
    if isinstance(output, Rows) or STDOUT in (output, given):  # appending takes nothing away
        return isinstance(given, Output) and output == given == STDOUT
    from edgewing import models  # imported where it is needed: most commands write nothing

    shipped = models.SHIPPED.get(str(given))
    files = [Path(given)] if shipped is None else list(shipped.present.values())
    try:
        if os.path.exists(output):
            return any(file.is_file() and os.path.samefile(output, file) for file in files)
        return isinstance(given, Output) and os.path.abspath(output) == os.path.abspath(given)
    except (OSError, ValueError):
        return False  # no name of a file
