"""WFLW's lists: one face a line, 207 fields.

98 points x y (196 numbers, 0-based as OpenCV counts), the rectangle x0 y0 x1 y1, six attributes, the picture's name
below ``WFLW_images``. Format: README of the official WFLW_annotations.

In a folder the list whose name ends in ``_train.txt`` or ``_test.txt`` is read, by the split; the test set's six
subsets (``pose`` ... ``blur``) are the faces of the test list with that attribute. A list may be named instead of the
folder, also one of list_98pt_test, whose lines have the points and the picture alone. All faces of a picture are one
group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edgewing import files, layouts
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data.samples import Sample, fault, unset

ATTRIBUTES = ("pose", "expression", "illumination", "make-up", "occlusion", "blur")
SPLITS = ("train", "test", *ATTRIBUTES)
EXPECTED = "WFLW's list_98pt_*.txt"
FIELDS, FIELDS_OF_SUBSETS = 207, 197
_LAYOUT = "wflw-98"
_LONGEST_LINE = 1 << 16
_LARGEST_FILE = 1 << 30
_PATTERN = "list_98pt_rect_attr_*.txt"


def recognises(folder: Path) -> bool:
    if folder.is_file():
        return folder.name.startswith("list_98pt") and folder.suffix == ".txt"
    return bool(lists(folder))


def annotations(folder: Path, split: str) -> Path:
    """The list file. InputError where the folder has none for that split, or several."""
    if folder.is_file():
        return folder
    end = "test" if split in ATTRIBUTES else split
    found = [path for path in lists(folder) if path.stem.endswith(f"_{end}")]
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(folder)) for path in lists(folder))
        raise InputError(f"{folder}: {len(found)} lists end in _{end}.txt, expected one; name the file (of {names})")
    return found[0]


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError]:
    """Every face of the list; InputErrors ``file:line: reason`` are yielded for lines that must be left out.

    Any layout that ``wflw-98`` has a map to can be asked for. InputError where it has none, or where no folder
    ``WFLW_images`` is found beside the list or above it.
    """
    points = layouts.get(_LAYOUT).map_to(layout.name)
    path = annotations(folder, split)
    pictures = _pictures(path)
    source = f"{pictures.resolve().parent.name}/{path.stem.rsplit('_', 1)[-1]}"
    with files.reading(path, _LARGEST_FILE) as (file, _):
        number = 0
        while line := file.readline(_LONGEST_LINE):
            number += 1
            if line.isspace():
                continue
            try:
                sample = _sample(line, pictures, points, source, number)
            except InputError as error:
                yield InputError(f"{path}:{number}: {error}")
                continue
            if split not in ATTRIBUTES or sample.attributes.get(split):
                yield sample


def _sample(line: bytes, pictures: Path, points: np.ndarray, source: str, number: int) -> Sample:
    fields = line.decode("utf-8", "replace").split()
    if len(fields) not in (FIELDS, FIELDS_OF_SUBSETS):
        raise InputError(f"{len(fields)} fields, expected {FIELDS}")
    try:
        values = np.array([float(field) for field in fields[:-1]])
    except ValueError as error:
        raise InputError(f"{str(error)[:80]}") from None
    landmarks, absent = values[:196].reshape(98, 2)[points], unset(values[:196].reshape(98, 2))[points]
    landmarks[absent] = np.nan
    if reason := fault(landmarks, visibility=~absent):
        raise InputError(reason)
    box, attributes = values[196:200], values[200:206]
    if not np.isfinite(box).all():
        raise InputError("the rectangle is not made of finite numbers")
    if not np.isin(attributes, (0, 1)).all():
        raise InputError(f"attributes must be 0 or 1, found {' '.join(fields[200:206])[:60]}")
    name = PurePosixPath(fields[-1])
    if name.is_absolute() or ".." in name.parts:
        raise InputError(f"the picture {fields[-1][:200]!r} is outside {pictures.name}")
    image = pictures / name
    if not image.is_file():
        raise InputError(f"no picture {image}")
    return Sample(
        image,
        landmarks.astype(np.float32),
        f"{source.split('/')[0]}:{name}",
        source,
        f"{source}/{name}:{number}",
        box.astype(np.float32) if len(box) else None,
        dict(zip(ATTRIBUTES, attributes.astype(int).tolist())),
    )


def lists(folder: Path) -> list[Path]:
    """Beside the pictures, or two folders down as in the official archive."""
    return sorted({path for depth in ("", "*/", "*/*/") for path in folder.glob(depth + _PATTERN) if path.is_file()})


def _pictures(path: Path) -> Path:
    for parent in list(path.resolve().parents)[:4]:
        if (parent / "WFLW_images").is_dir():
            return parent / "WFLW_images"
    raise InputError(f"{path}: no folder WFLW_images beside this list or above it; put the pictures there")
