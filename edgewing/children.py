"""Processes that end with the one that started them: an orphan that measures would disturb the next measurement."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_SET_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG, linux/prctl.h


def bound(number: int | None = None) -> Callable[[], None] | None:
    """For ``preexec_fn``: the child gets this signal when the thread that started it ends. number: None for SIGKILL.
    Gives None on other systems than Linux."""
    if not sys.platform.startswith("linux"):
        return None
    number = signal.SIGKILL if number is None else number  # not a default: Windows has none
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()

    def begin() -> None:
        prctl(_SET_DEATH_SIGNAL, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it ended in between
            os.kill(os.getpid(), number)

    return begin
