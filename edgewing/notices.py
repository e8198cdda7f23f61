"""What a user must know of a model file before its results are used: one short line on stderr, once in a process."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from edgewing.contract import Contract
from edgewing.errors import printable

_FREE = "no terms of others apply"  # what train.credits writes of faces that edgewing draws
_told: set[str] = set()
_alone, _depth, _kept = threading.Lock(), Counter[int](), dict[int, int]()  # of `quiet`, by stream


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
    for stream in streams:
        _silence(stream)
    try:
        yield
    finally:
        for stream in streams:
            _sound(stream)


def _silence(stream: int) -> None:
    """The streams are the process's: the first thread that wants quiet makes it, the last one ends it."""
    with _alone:
        if not _depth[stream] and _is_open(stream):
            _flush(stream)
            _kept[stream] = _copy(stream)
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), stream)
        _depth[stream] += 1


def _sound(stream: int) -> None:
    with _alone:
        _depth[stream] -= 1
        if not _depth[stream] and stream in _kept:
            _flush(stream)
            copy = _kept.pop(stream)
            os.dup2(copy, stream)
            os.close(copy)


def _copy(stream: int) -> int:
    """Not under the number of a stream that is closed: somebody would write there."""
    copies = [os.dup(stream)]
    while copies[-1] <= 2:
        copies.append(os.dup(stream))
    for copy in copies[:-1]:
        os.close(copy)
    return copies[-1]


def _is_open(stream: int) -> bool:
    """A service may have none."""
    try:
        os.fstat(stream)
    except OSError:
        return False
    return True


def _flush(stream: int) -> None:
    file = {1: sys.stdout, 2: sys.stderr}[stream]
    if file is not None:
        file.flush()
