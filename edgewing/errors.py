"""How every command ends: one line that says what was wrong, where and what to do about it, and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import errno
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence


class InputError(Exception):
    """The input was wrong. Its text is one line: what, where, what to do. Commands exit with 2."""


class Stopped(Exception):
    """A signal ended the work early, and what was done is kept. Commands exit with 128 + the signal's number."""

    def __init__(self, text: str, signal: int):
        super().__init__(text)
        self.signal = signal


def printable(text: str) -> str:
    """Text out of a file from outside: control characters could rewrite the terminal's screen."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def reason(error: Exception, most: int = 200) -> str:
    """What a library says, on one line; of a long one both ends, as what matters stands last behind paths and types."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else f"{text[: most // 3]} ... {text[-(most - most // 3 - 5) :]}"


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An InputError for a name that is not in a table, with 'did you mean' where one is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")


DONE, INPUT, UNEXPECTED, INTERRUPTED, UNREAD = 0, 2, 70, 130, 141  # exit codes; 1 is a gate's


@contextlib.contextmanager
def command(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> Iterator[argparse.Namespace]:
    """Around the work of a command, so that all of them end alike. Gives the parsed options.

    Exit codes: 2 for an InputError and for a fault of the machine (OSError, memory, a package that is missing), 70 for
    what nobody expected, 130 for Ctrl-C, 141 where the reader of stdout went away before the end; each with one line.
    Where the parser has ``--debug`` it shows the traceback too.
    """
    from edgewing import outputs  # which stands on this module

    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a name that this terminal cannot show must not end the work
            stream.reconfigure(errors="backslashreplace")
    options, error = argparse.Namespace(debug=False), None
    try:
        parser.parse_args(argv, options)
        with outputs.checked(options):
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
    code, line = _ending(error)
    with contextlib.suppress(OSError):  # what filled stdout's disk may have filled stderr's
        if options.debug:
            traceback.print_exception(error)
        print(printable(" ".join(line.split())), file=sys.stderr)
    sys.exit(code)


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


def _ending(error: BaseException) -> tuple[int, str]:
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
    if isinstance(error, ModuleNotFoundError):
        return INPUT, f"error: the package {error.name} is not installed; in the repository type: make install"
    text = f"unexpected {type(error).__name__}: {str(error)[:300]}"
    return UNEXPECTED, f"error: {text}; this is a fault of edgewing: please report what --debug shows"


# What to do about a fault of the system.
_ADVICE = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EROFS: "choose a place that can be written",
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EFBIG: "files may not be that large here; see ulimit -f",
    errno.EMFILE: "see ulimit -n",
    errno.EISDIR: "name a file",
    errno.EEXIST: "choose another name",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def in_words(error: OSError) -> str:
    """Where, what, what to do."""
    name = error.filename2 or error.filename  # the second is the target, where there are two
    where = f"{os.fsdecode(name)}: " if isinstance(name, (str, bytes, os.PathLike)) else ""
    return f"{where}{error.strerror or error}; {_ADVICE.get(error.errno or 0, 'check the path')}"
