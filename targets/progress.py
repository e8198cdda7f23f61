"""What is being done, on one line that counts the seconds; and the conversion libraries kept quiet meanwhile."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import warnings
from collections.abc import Iterator

from edgewing import notices
from train.progress import ProgressLine


class Progress:
    """``with Progress("tflite int8") as say: say("converting")``: a counting line on a terminal, plain lines in a log.

    It writes to the stderr of the moment it was made, so that ``silence`` inside does not swallow it.
    """

    def __init__(self, title: str):
        self.title = title
        self.stream = os.fdopen(os.dup(sys.stderr.fileno()), "w")

    def __enter__(self) -> Progress:
        self.line = ProgressLine(self.title, stream=self.stream)
        return self

    def __call__(self, step: str) -> None:
        self.line.tell(f"{self.title}: {step}")
        if not self.line.shown:
            print(f"{self.title}: {step}", file=self.stream, flush=True)

    def __exit__(self, *exception) -> None:
        self.line.close()
        self.stream.close()


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
