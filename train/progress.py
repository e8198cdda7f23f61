"""The one progress line: rich's, on stderr where that is a terminal. Elsewhere its users print lines of their own."""

from __future__ import annotations

import atexit
import contextlib
import sys
from typing import TextIO


class ProgressLine:
    """A line that counts the seconds, with a bar where a ``total`` is known. shown: whether there is one."""

    def __init__(self, text: str, total: int | None = None, stream: TextIO | None = None):
        stream, self.shown = stream or sys.stderr, False
        if not stream.isatty():
            return
        with contextlib.suppress(ImportError):  # a GPU host may have torch, numpy and safetensors alone
            from rich import progress
            from rich.console import Console

            columns = [progress.TextColumn("{task.description}", markup=False), progress.TimeElapsedColumn()]
            if total:
                columns += [progress.BarColumn(), progress.MofNCompleteColumn(), progress.TimeRemainingColumn()]
            console = Console(file=stream)
            if not console.is_interactive:  # a terminal that cannot move its cursor, such as one inside an editor
                return
            ours = stream is sys.stderr  # what is printed meanwhile then stands above the line
            self.line = progress.Progress(
                *columns,
                console=console,
                transient=True,
                redirect_stdout=ours and sys.stdout.isatty(),
                redirect_stderr=ours,
            )
            self.task = self.line.add_task(text, total=total)
            self.line.start()
            atexit.register(self.line.stop)  # after an error too, which leaves the cursor hidden
            self.shown = True

    def tell(self, text: str | None = None, done: int | None = None) -> None:
        if self.shown:
            self.line.update(self.task, description=text, completed=done)

    def close(self) -> None:
        """Give the terminal back, the cursor with it."""
        if self.shown:
            self.line.stop()
            atexit.unregister(self.line.stop)
