"""What a command writes: give an option ``type=Output`` (or ``Rows``) and edgewing.commands does the rest."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

STDOUT = "-"
_STDOUTS = "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"
_stdout = None  # where results go that were asked for there


class Output(str):
    """The name of a file that is written, or ``-``; the system's own names of standard output are that too."""

    def __new__(cls, text: str) -> Output:
        return super().__new__(cls, STDOUT if text in _STDOUTS else text)


class Rows(Output):
    """A file of rows, which are appended; its folder is made."""


class Place(Output):
    """A file, or a folder for several."""


def to_stdout(text: str) -> None:
    """Results for whoever reads standard output, at once."""
    stream = _stdout or sys.stdout
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:  # whoever read it has ended, which is no fault
        raise
    except OSError as error:
        error.filename = "standard output"
        raise


@contextlib.contextmanager
def only_results() -> Iterator[None]:
    """What is written ``to_stdout`` alone goes there; everything else that is said goes to stderr."""
    global _stdout
    _stdout = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout = None
