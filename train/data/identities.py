"""Who is who in a folder of ``.pts`` files: the groups that a validation split must not cut.

The first of these that says something of a picture:
- a ``frames.csv`` with columns name and person, in its folder or above, up to the parent of the folder that was named:
  the person, or for a picture that it does not name, what is before the last underscore;
- one of several subfolders of the folder that was named: each is a person. Not folders that are called as a set, a
  split or a kind of file is (afw, train, images); folders that hold many persons each are named one by one instead;
- a name such as ``100040721_2`` (HELEN, AFW: photo number of Flickr, face): the number, and numbers less than 10,000
  apart together: uploads of one shoot (among HELEN's 783 numbers 73 neighbours are that near, by chance it were 2);
- the name without ``_mirror``.

Where ``FOLDER_near_duplicates.txt`` lies beside a folder (or any ``*near_duplicates.txt`` in it), each of its lines
names one photograph under several names: their groups are one.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from edgewing.words import counted
from train.data import ibug, splits
from train.data.split import group_id
from train.data.tables import Table, one_photograph, persons
from train.data.walk import OF_PICTURES, OF_POINTS

_PERSONS, _NEAR = "frames.csv", "near_duplicates.txt"
_FLICKR = re.compile(r"([1-9]\d{4,17})_\d{1,2}")
_SAME_SHOOT = 10_000


class Identities:
    """The groups of everything below ``folder``. found: (folder, stems of its points) of each folder that has any."""

    def __init__(self, folder: Path, found: Iterable[tuple[Path, Collection[str]]]):
        self.folder, self.top = folder, folder.resolve()
        self.dataset = next((name for name in reversed(self.top.parts) if _may_be_person(name)), "")
        self.by_folder = False
        self._tables: dict[Path, Table] = {}
        self._found: dict[Path, list[str]] = {}
        self._shoots: tuple[Path | None, dict[str, str]] = None, {}
        self._same: dict[str, str] = {}
        self._groups: set[int] = set()
        self._example = ""
        # of a folder, asked for again with each of its pictures
        self._place, self._absolute, self._persons, self._video = map(
            functools.lru_cache(64), (self._place, self._absolute, self._persons, self._video)
        )
        near, places = [], set()
        for here, stems in found:
            places.add(self._place(here))
            if tables := self._near(self._absolute(here)):
                near.append((here, stems, tables))
        self._common = len(os.path.commonprefix(sorted(places - {()})))
        for here, stems, tables in near:
            for stem in map(_plain, stems):
                self._example = stem
                for name in filter(None, [table.get(self._absolute(here), stem) for table in tables]):
                    self._same[self._root(self._alone(here, stem, stems, Table.find))] = self._root(name)

    def group(self, here: Path, stem: str, stems: Collection[str]) -> str:
        """Of a picture of the folder ``here``, in which there are points of ``stems``. A person may be in trainset and
        testset, so the group is named after the set, not the folder."""
        video = self._video(here)
        self._example = stem
        alone = f"300vw:{video}" if video is not None else self._alone(here, _plain(stem), stems, Table.get)
        group = alone if video is not None else f"{self.dataset}:{self._root(alone)}"
        self._groups.add(group_id(group))
        return group

    def person(self, here: Path, stem: str) -> str | None:
        """Whom the nearest frames.csv names, for readers whose pictures have groups of their own otherwise."""
        self._example = stem
        table = self._persons(self._absolute(here))
        found = table.get(self._absolute(here), stem) if table is not None else None
        return found and f"{self.dataset}:{found}"

    def named(self) -> list[str]:
        """What each table named: a line each. InputError: one that named nothing."""
        return [table.note(self._example) for table in self._tables.values() if table.asked]

    def notes(self) -> list[str]:
        """How many groups, and why: a line each. InputError as ``named``."""
        notes = [f"{counted(len(self._groups), 'groups')}; a validation split takes whole ones", *self.named()]
        if self.by_folder:
            notes.append("each subfolder is one person; where they hold many, name the subfolders themselves")
        return notes

    def _alone(self, here: Path, stem: str, stems: Collection[str], look: Callable) -> str:
        """A picture's group without lists of near duplicates."""
        table = self._persons(self._absolute(here))
        if table is not None and (person := look(table, self._absolute(here), stem)):
            return person
        if place := self._place(here)[self._common :]:
            self.by_folder = True
            return place[0]
        if table is not None:
            person = stem.rsplit("_", 1)[0]
            table.matched += look is Table.get and person in table.values
            return person
        if self._shoots[0] != here:
            self._shoots = here, _shoots(stems)
        return self._shoots[1].get(stem, stem)

    def _place(self, here: Path) -> tuple[str, ...]:
        """The folders down to here that may be persons."""
        below = here.relative_to(self.folder).parts
        if ibug.collection(below) or self._video(here) is not None or ibug.is_menpo(self.top.parts + below):
            return ()
        return tuple(name for name in below if _may_be_person(name))

    def _video(self, here: Path) -> int | None:
        return ibug.video(self.top.parts + here.relative_to(self.folder).parts)

    def _absolute(self, here: Path) -> Path:
        return self.top / here.relative_to(self.folder)

    def _persons(self, here: Path) -> Table | None:
        """The nearest frames.csv."""
        for place in [here, *here.parents]:
            if found := [name for name in self._names(place) if name.lower() == _PERSONS]:
                return self._table(place / found[0], persons)
            if place == self.top.parent:
                break
        return None

    def _near(self, here: Path) -> list[Table]:
        beside = f"{here.name}_{_NEAR}".lower()
        paths = [here / name for name in self._names(here) if name.lower().endswith(_NEAR)]
        paths += [here.parent / name for name in self._names(here.parent) if name.lower() == beside]
        return [self._table(path, one_photograph) for path in paths]

    def _names(self, place: Path) -> list[str]:
        """The tables in a folder, in any capitals."""
        if place not in self._found:
            try:
                names = sorted(os.listdir(place))
            except OSError:  # what is above the folder that was named may be nobody's to read, or not be there
                names = []
            self._found[place] = [name for name in names if name.lower().endswith((_PERSONS, _NEAR)) and name[0] != "."]
        return self._found[place]

    def _table(self, path: Path, read: Callable[[Path], Table]) -> Table:
        if path not in self._tables:
            self._tables[path] = read(path)
        return self._tables[path]

    def _root(self, name: str) -> str:
        while self._same.get(name, name) != name:
            name = self._same[name]
        return name


def _may_be_person(folder: str) -> bool:
    return folder.lower() not in (*OF_POINTS, *OF_PICTURES) and not splits.called(folder)


def _plain(stem: str) -> str:
    return stem.removesuffix("_mirror")


def _shoots(stems: Iterable[str]) -> dict[str, str]:
    """stem -> the first number of its shoot, for names that have numbers."""
    numbers = {_plain(stem): int(match[1]) for stem in stems if (match := _FLICKR.fullmatch(_plain(stem)))}
    first, last, shoot = "", -_SAME_SHOOT, {}
    for number in sorted(set(numbers.values())):
        if number - last >= _SAME_SHOOT:
            first = str(number)
        shoot[number], last = first, number
    return {stem: shoot[number] for stem, number in numbers.items()}
