"""What can be wrong, in one line: what, where, what to do. ``edgewing.commands`` ends with it."""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable


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


def reason(error: Exception) -> str:
    """What a library says, on one line; of a long one both ends, as what matters stands last behind paths and types."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:66]} ... {text[-129:]}"


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """An InputError for a name that is not in a table, with 'did you mean' where one is near."""
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return InputError(f"unknown {kind} {name!r}; {hint}")


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
