"""What is being done, on one line that counts the seconds; and the conversion libraries kept quiet meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator

from edgewing import notices

INTERVAL = 0.5  # seconds between two pictures of the line


class Progress:
    """``with Progress("tflite int8") as say: say("converting")``: a counting line on a terminal, plain lines in a log.

    It writes to the stderr of the moment it was made, so that ``silence`` inside does not swallow it.
    """

    def __init__(self, title: str):
        self.title, self.step, self.start = title, "", time.monotonic()
        self.stream = os.fdopen(os.dup(sys.stderr.fileno()), "w")
        self.terminal = self.stream.isatty()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._count, daemon=True)

    def __enter__(self) -> Progress:
        if self.terminal:
            self._thread.start()
        return self

    def __call__(self, step: str) -> None:
        self.step = step
        if not self.terminal:
            print(f"{self.title}: {step}", file=self.stream, flush=True)

    def __exit__(self, *exception) -> None:
        self._done.set()
        if self.terminal:
            self._thread.join()
            print("\r\x1b[K", end="", file=self.stream, flush=True)
        self.stream.close()

    def _count(self) -> None:
        while not self._done.wait(INTERVAL):
            seconds = time.monotonic() - self.start
            print(f"\r\x1b[K{self.title}: {self.step} {seconds:.0f} s", end="", file=self.stream, flush=True)


@contextlib.contextmanager
def silence(debug: bool = False) -> Iterator[None]:
    """Nothing that runs inside writes to stdout or stderr, native code included; everything does with ``debug``."""
    if debug:
        yield
        return
    level = logging.root.manager.disable
    with notices.quiet(1, 2), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)
