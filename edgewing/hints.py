"""The command to type next, so that it can be pasted into the shell that the last one was typed in."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def next_line(command: str, *words: object) -> str:
    """``next: `` and the command. command: as the shell takes it; words: file names and the like, quoted if need be."""
    return f"next: {typed(command, *words)}"


def typed(command: str, *words: object) -> str:
    """A command with the Python that is running: where no environment was activated, ``python`` and ``edgewing`` would
    be those of the system, or none."""
    program, _, rest = command.partition(" ")
    if program in ("python", "edgewing"):
        program = _program(program)
    return " ".join([program, *filter(None, [rest]), *(shlex.quote(str(word)) for word in words)])


def _program(name: str) -> str:
    if not sys.executable:  # embedded in another program
        return name
    running, found = Path(sys.executable), shutil.which(name)
    if found and Path(found).absolute().parent == running.parent:
        return name
    if name == "edgewing":
        return f"{_program('python')} -m edgewing"
    return shlex.quote(str(running.relative_to(Path.cwd()) if running.is_relative_to(Path.cwd()) else running))
