"""Tables that are looked up by the names of pictures: who is on them, which of them are one photograph.

Names are found as people and Excel write them: with a folder (from the table's own) or without, with the picture's
suffix or without, in any capitals, accents composed or not. A table that names no picture at all is an error.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from edgewing import files, images
from edgewing.errors import InputError
from edgewing.words import counted
from train.data.walk import OF_PICTURES, OF_POINTS

_LARGEST = 64 << 20
_DELIMITERS = ",;\t"


class Table:
    """Name of a picture -> value. asked, matched: how many pictures were looked up, and found."""

    def __init__(self, path: Path):
        self.path = path
        self.asked = self.matched = 0
        self.values: set[str] = set()
        self._first = ""
        self._whole: dict[str, str] = {}
        self._bare: dict[str, str | None] = {}  # None: pictures of several folders, which a bare name cannot tell

    def __len__(self) -> int:
        return len(self._whole)

    def add(self, name: str, value: str, number: int) -> None:
        """A row. InputError where the same name has another value."""
        key = _key(name)
        if self._whole.setdefault(key, value) != value:
            raise InputError(
                f"{self.path}:{number}: {name[:100]!r} a second time, as {value[:60]!r} and not "
                f"{self._whole[key][:60]!r}; pictures of one name in several folders need the folder too (folder/name)"
            )
        self._first = self._first or name
        self.values.add(value)
        bare = key.rsplit("/", 1)[-1]
        if self._bare.setdefault(bare, value) != value:
            self._bare[bare] = None

    def find(self, folder: Path, stem: str) -> str | None:
        """folder: of the picture, absolute, as the table's path is."""
        below = folder.relative_to(self.path.parent).as_posix() if folder.is_relative_to(self.path.parent) else "."
        whole, bare = _key(f"{below}/{stem}"), _key(stem)
        found = self._whole.get(whole, self._whole.get(bare))
        # a folder that the table writes and the picture is not in: only where it says nothing against
        return self._bare.get(bare) if found is None and whole == bare else found

    def get(self, folder: Path, stem: str) -> str | None:
        """``find``, counted."""
        found = self.find(folder, stem)
        self.asked += 1
        self.matched += found is not None
        return found

    def note(self, example: str) -> str:
        """How many pictures it named. InputError: none. example: a picture that was looked up."""
        if self.asked and not self.matched:
            has = f"it has {self._first[:60]!r}, a picture is {example[:60]!r}" if len(self) else "it has no names"
            raise InputError(
                f"{self.path}: names none of {counted(self.asked, 'pictures')} ({has}); mend it, or move it elsewhere"
            )
        asked, has = counted(self.asked, "pictures"), counted(len(self), "names")
        return f"{self.path.name} names {self.matched} of {asked} ({has} in it)"


class Rows:
    """The rows of a CSV as any spreadsheet saves it: cells between commas, semicolons or tabs. csv.Error while they
    are read. number: the line of the last one. head: the first line."""

    def __init__(self, text: str):
        lines = text.splitlines()
        hint = re.fullmatch(r'"?sep=(.)"?', lines[0].strip()) if lines else None  # Excel's
        self._before = bool(hint)
        self.head = lines[self._before] if len(lines) > self._before else ""
        self.delimiter = hint[1] if hint else delimiter_of(self.head)
        self._rows = csv.reader(lines[self._before :], delimiter=self.delimiter)

    def __iter__(self) -> Iterator[list[str]]:
        return self

    def __next__(self) -> list[str]:
        return next(self._rows)

    @property
    def number(self) -> int:
        return self._rows.line_num + self._before


def delimiter_of(head: str) -> str:
    """What stands between cells; a comma last, because where it is not that it stands in decimals."""
    bare = re.sub(r'"[^"]*"', "", head)
    return next((delimiter for delimiter in "\t;" if delimiter in bare), ",")


def persons(path: Path) -> Table:
    """A CSV with columns name and person, as any spreadsheet saves it. InputError ``file:line: reason``."""
    rows = Rows(text_of(path))
    table = Table(path)
    try:
        columns = [column.strip().casefold() for column in next(rows, [])]
        if not {"name", "person"} <= set(columns):
            raise InputError(
                f"{path}:1: columns {rows.head[:80]!r}, expected name and person; mend it, or move it elsewhere"
            )
        name, person = columns.index("name"), columns.index("person")
        for row in rows:
            if len(row) > max(name, person) and row[name].strip() and row[person].strip():
                table.add(row[name].strip(), row[person].strip(), rows.number)
    except csv.Error as error:
        raise InputError(f"{path}:{rows.number}: {error}; mend or remove this file") from None
    return table


def one_photograph(path: Path) -> Table:
    """Lines of names (between them spaces, or commas, semicolons, tabs) that are one photograph: name -> first name.
    Lines that share a name are one."""
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while first.setdefault(name, name) != name:
            name = first[name]
        return name

    lines = list(_lines_of_names(path))
    for _, names in lines:
        for name in names[1:]:
            first[root(name)] = root(names[0])
    table = Table(path)
    for number, names in lines:
        for name in names:
            table.add(name, root(name), number)
    return table


def _lines_of_names(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text_of(path).splitlines(), 1):
        between = r"[,;\t]+" if any(delimiter in line for delimiter in _DELIMITERS) else r"\s+"
        if names := [_key(name.strip()) for name in re.split(between, line) if name.strip()]:
            yield number, names


def text_of(path: Path, limit: int = _LARGEST) -> str:
    """A file's text in whichever of its encodings a spreadsheet chose. InputError over the limit in bytes."""
    return decoded(files.read(path, limit))


def decoded(data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:  # what spreadsheets call CSV on a western Windows
        return data.decode("cp1252", "replace")


def _without_suffix(name: str) -> str:
    end = name.lower().rfind(".")
    return name[:end] if end > 0 and name[end:].lower() in (*images.SUFFIXES, ".pts") else name


def _key(name: str) -> str:
    """What the spellings of a name have in common; without folders that hold pictures or points alone."""
    *folders, name = _without_suffix(unicodedata.normalize("NFC", name).replace("\\", "/")).casefold().split("/")
    return "/".join([*(part for part in folders if part not in ("", ".", *OF_POINTS, *OF_PICTURES)), name])
