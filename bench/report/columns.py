"""Tables, on a terminal and as Markdown: columns by name, and lines of as many texts. And the one progress bar."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

WIDTH = 200  # characters, where stdout is no terminal and $COLUMNS says nothing of it


def console() -> Console:
    """A log has no width of its own; on a terminal narrower than a table, rich folds the cells."""
    width = None if sys.stdout.isatty() else max(WIDTH, int(os.environ.get("COLUMNS") or 0))
    return Console(width=width, highlight=False)


Lines = Sequence[Sequence[str]]


def show(columns: Sequence[str], lines: Lines, left: Collection[int], title: str = "", red: Sequence[int] = ()) -> None:
    """Print a table. left: the columns that are text, not figures. red: the lines to mark."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number in left else "right")
    for number, line in enumerate(lines):
        table.add_row(*map(Text, line), style="red" if number in red else None)
    console().print(table)


def markdown(columns: Sequence[str], lines: Lines, left: Collection[int]) -> list[str]:
    """The same in Markdown, line by line."""
    ruled = ["| " + " | ".join(map(cell, line)) + " |" for line in (columns, *lines)]
    return [ruled[0], "|" + "".join("---|" if i in left else "---:|" for i in range(len(columns))), *ruled[1:]]


def percent(fraction: float | None) -> str:
    """A fraction of a row as the percent of a table; an NME over no face at all has none."""
    return "none" if fraction is None else f"{100 * fraction:.2f} %"


def progress(items: Iterable, what: str) -> Iterator:
    """The items, with a bar on a terminal that goes away at the end."""
    return iter(track(items, description=what, transient=True, disable=not sys.stdout.isatty()))


def cell(text: str) -> str:
    """No line break, no column, no HTML: texts of files cannot break out of their cell."""
    return " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
