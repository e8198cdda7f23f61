"""Folders below a folder, for all readers: nothing is left out without a word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from edgewing.errors import InputError

# What folders are called that hold points or pictures alone, side by side; they say nothing of what is in them.
OF_POINTS = ("annot", "annotations", "labels", "landmarks", "points", "pts")
OF_PICTURES = ("frames", "images", "imgs", "pictures", "photos")


def walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names of its files) of it and all below, in the order of names; links are followed, each folder once.

    Nothing of what is no folder. InputError: a folder that may not be read, or a link to nothing.
    """
    if not os.path.isdir(folder):
        return
    seen = set()
    for here, subfolders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        about = os.stat(here)
        if (about.st_dev, about.st_ino) in seen:  # a link to a folder above, or to one that was there
            subfolders.clear()
            continue
        seen.add((about.st_dev, about.st_ino))
        subfolders.sort()
        for name in names:
            path = os.path.join(here, name)
            if "." not in name and os.path.islink(path) and not os.path.exists(path):
                raise InputError(f"{path}: a link to something that is not there; mend or remove it")
        yield Path(here), sorted(names)


def named(folder: Path, name: str, deep: int = 2) -> list[Path]:
    """Files of that name, or pattern, in the folder or up to ``deep`` below, in order. Of what is no folder none."""
    found = (path for depth in range(deep + 1) for path in folder.glob("*/" * depth + name) if path.is_file())
    return sorted(found) if folder.is_dir() else []


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be read ({error.strerror}); check its permissions")
