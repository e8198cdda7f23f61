"""Which split a file, a folder, a picture or a row is of: the one rule of all readers that have no official lists."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from edgewing.errors import InputError
from train.data.walk import OF_PICTURES, OF_POINTS

SPLITS = ("train", "val", "test")
_CALLED = {name: {name} for name in SPLITS} | {
    "training": {"train"}, "trainset": {"train"}, "trainval": {"train", "val"}, "valid": {"val"},
    "validation": {"val"}, "valset": {"val"}, "testing": {"test"}, "testset": {"test"},
}  # fmt: skip
_BESIDE = {*OF_PICTURES, *OF_POINTS, "data", "set", "split"}  # words that a split's folder may have beside its own
_BETWEEN = re.compile(r"[\W\d_]+|(?<=[a-z])(?=[A-Z])")


def called(name: str, alone: bool = True) -> set[str]:
    """The splits in a name (``val2017``, ``test_images``, ``trainval``). alone: none where it says other things too: a
    folder ``val_kilmer`` is a person's, but a file ``points_val.json`` is of a split."""
    words = [word.lower() for word in _BETWEEN.split(name) if word]
    if alone and not set(words) <= _CALLED.keys() | _BESIDE:
        return set()
    return set().union(*(_CALLED.get(word, ()) for word in words))


def of_folders(names: Iterable[str]) -> set[str]:
    """The splits that the deepest of the folders says, of those that say one."""
    return next((found for name in reversed([*names]) if (found := called(name))), set())


def stated(text: str) -> set[str]:
    """Of a cell that says the split and nothing else; none where it is empty. InputError: another word, as what is kept
    apart under it would be learnt."""
    found = called(text)
    if text.strip() and not found:
        raise InputError(f"split {text.strip()[:40]!r}: expected {', '.join(SPLITS)} or nothing")
    return found


def file_of_split(folder: Path, every: list[Path], split: str) -> Path:
    """The one file of a split: those that have the name of a split in theirs are of it, or there is one for all.
    InputError for another number of files."""
    named = [path for path in every if called(path.stem, alone=False)]
    found = [path for path in named if split in called(path.stem, alone=False)] if named else every
    if len(found) != 1:
        names = ", ".join(path.name for path in every)
        raise InputError(
            f"{folder}: {len(found)} annotation files for {split}, expected one; name the file (of {names})"
        )
    return found[0]
