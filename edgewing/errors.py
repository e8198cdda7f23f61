"""The one exception a user may see: what was wrong, where, and what to do about it."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
from collections.abc import Iterable, Iterator


class InputError(Exception):
    """The input was wrong. Its text is one line: what, where, what to do. Commands exit with 2."""


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


@contextlib.contextmanager
def command(debug: bool = False) -> Iterator[None]:
    """Wrap a command: an InputError becomes one line on stderr and exit code 2, Ctrl-C becomes 130.

    With ``debug`` the traceback is shown instead of the line.
    """
    try:
        yield
        # a reader that has gone away (`edgewing info x | head -1`) is found out here, not at exit
        sys.stdout.flush()
    except InputError as error:
        if debug:
            raise
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
