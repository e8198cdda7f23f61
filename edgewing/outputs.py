"""What a command writes is looked at before its work begins: that it can be written, and is none of what it reads.

Give an option ``type=Output`` (or ``Rows``) and edgewing.errors.command does the rest.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from edgewing.errors import InputError

STDOUT = "-"
_stdout = None  # where results go that were asked for there


class Output(str):
    """The name of a file that is written, or ``-``."""


class Rows(Output):
    """A file of rows, which are appended; its folder is made."""


class Place(Output):
    """A file, or a folder for several."""


def to_stdout(text: str) -> None:
    """Results for whoever reads standard output, at once."""
    stream = _stdout or sys.stdout
    stream.write(text)
    stream.flush()


@contextlib.contextmanager
def checked(options: argparse.Namespace) -> Iterator[None]:
    """InputError for an output that cannot be written, is an input too, or is named twice.

    Inside, where one of them is ``-``, everything else that a command says goes to stderr.
    """
    global _stdout
    named = list(_texts(options))
    outputs = [(option, text) for option, text in named if isinstance(text, Output)]
    for option, text in outputs:
        if text != STDOUT:
            _may_write(option, text)
        for other, given in named:
            if given is not text and _same(text, given):
                raise InputError(f"--{option} {text}: is what {other} names too; choose another name")
    if all(text != STDOUT for _, text in outputs):
        yield
        return
    _stdout = sys.stdout
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _stdout = None


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
    if not text.strip() or path.is_dir():
        raise InputError(f"--{option} {text or repr(text)}: is {'a folder' if text else 'empty'}; name a file")
    if path.exists() and not path.is_file():  # a device, such as /dev/null
        return
    folder = path.parent
    if isinstance(text, Rows) and path.exists():
        with open(path, "rb") as file:
            if file.read(1) not in (b"", b"{"):
                raise InputError(f"{path}: is not a file of rows, which would be appended to it; choose another name")
    elif not isinstance(text, Rows) and not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}; make it first")
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path}: {folder} cannot be written; check its permissions, or choose another place")


def _same(output: str, given: str | Path) -> bool:
    """Whether both are one file, by whatever names; the names of shipped models are their files'."""
    if isinstance(output, Rows) or STDOUT in (output, given):  # appending takes nothing away
        return isinstance(given, Output) and output == given == STDOUT
    from edgewing import models

    shipped = models.SHIPPED.get(str(given))
    files = [Path(given)] if shipped is None else list(shipped.present.values())
    try:
        if os.path.exists(output):
            return any(file.is_file() and os.path.samefile(output, file) for file in files)
        return isinstance(given, Output) and os.path.abspath(output) == os.path.abspath(given)
    except (OSError, ValueError):
        return False  # no name of a file
