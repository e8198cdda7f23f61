"""What a user must know of a model file before its results are used: one short line on stderr, once in a process."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from edgewing.contract import Contract
from edgewing.errors import printable

_FREE = "no terms of others apply"  # what train.credits writes of faces that edgewing draws
_told: set[str] = set()


def tell(path: str | Path, contract: Contract) -> None:
    """Whether its parity was not accepted, and the first words of its terms; `edgewing info` has all of both."""
    path = Path(path)
    said = [text for text in (_parity(path, contract), _terms(contract)) if text]
    if said and str(path) not in _told:
        _told.add(str(path))
        print(f"notice: {printable(path.stem)}: {'; '.join(said)} (edgewing info)", file=sys.stderr)


def free(contract: Contract) -> bool:
    """Whether it says that it learnt from what nobody has terms on; a contract that says nothing is not free."""
    return _FREE in contract.training.data_terms


def _parity(path: Path, contract: Contract) -> str:
    if contract.parity is None:
        return "nobody compared this file with its float model"
    if not contract.parity.accepted or ".rejected" in path.suffixes:
        return "REJECTED by its parity gate: not the same network any more"
    return ""


def _terms(contract: Contract) -> str:
    """The first clause; nothing where nobody has terms."""
    if free(contract) or contract.training.data_terms in ("", "none"):
        return ""
    first = re.split(r"[;.]\s", contract.training.data_terms.strip(), maxsplit=1)[0].rstrip(".")
    return textwrap.shorten(printable(first), 80, placeholder=" ...")


@contextlib.contextmanager
def quiet(*streams: int) -> Iterator[None]:
    """What libraries in C print on stderr (or on these, 1 and 2) and have no switch for goes nowhere inside."""
    streams = streams or (2,)
    _flush(streams)
    kept = [os.dup(stream) for stream in streams]
    with open(os.devnull, "wb") as nothing:
        for stream in streams:
            os.dup2(nothing.fileno(), stream)
    try:
        yield
    finally:
        _flush(streams)
        for stream, copy in zip(streams, kept):
            os.dup2(copy, stream)
            os.close(copy)


def _flush(streams: tuple[int, ...]) -> None:
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        if number in streams and stream is not None:
            stream.flush()
