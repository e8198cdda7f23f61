"""AFLW-19 (Zhu et al., CVPR 2016): AFLW's pictures with 19 points each, seen or not, in one MATLAB v5 file.

    AFLWinfo_release.mat     data (24386, 38): 19 x, then 19 y;  bbox (24386, 4): left, right, top, bottom (squares)
                             mask_new (24386, 19): 1 where visible;  nameList: ``0/image00002.jpg``;  ra: an order
    flickr/0/image00002.jpg  or data/flickr/..., images/...

Pixels are counted from 1. The first 20,000 of the order ``ra`` are the train split, the other 4,386 the test split;
``frontal`` are those of the test split with all points visible, 1,314. All faces of a picture are one group.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import matlab
from train.data.pts import to_zero_based
from train.data.samples import Sample, fault
from train.data.walk import named

SPLITS = ("train", "test", "frontal")
EXPECTED = "AFLWinfo_release.mat"
LAYOUTS = ("aflw-19",)
TRAINED_ON = 20_000
_NAME = "AFLWinfo_release.mat"
_PICTURES = ("flickr", "data/flickr", "images", "")
_MOST_FACES = 1 << 20


def recognises(folder: Path) -> bool:
    return bool(files_of(folder))


def files_of(folder: Path) -> list[Path]:
    return named(folder, _NAME)


def annotations(folder: Path, split: str) -> Path:
    return files_of(folder)[0]


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError]:
    """Every face of the split in the order of ``ra``; InputErrors are yielded for those that must be left out.

    ``box`` is the dataset's square, visibility 1 where ``mask_new`` is 0. InputError, raised: another layout, a broken
    file, or one whose parts do not fit together.
    """
    if layout.name not in LAYOUTS:
        raise InputError(f"{folder}: AFLW has {LAYOUTS[0]}, not {layout.name}")
    path = annotations(folder, split)
    data, boxes, mask, order = matlab.numbers(path, "data", "bbox", "mask_new", "ra")
    names = matlab.texts(path, "nameList")
    count, order = len(names), order.ravel()
    shapes = data.shape, boxes.shape, mask.shape, order.shape
    if shapes != ((count, 38), (count, 4), (count, 19), (count,)) or count > _MOST_FACES:
        raise InputError(f"{path}: {count} names, data, bbox, mask_new and ra {shapes}; do not fit together")
    if not np.array_equal(np.sort(order), np.arange(1, count + 1)):
        raise InputError(f"{path}: ra is not an order of 1 to {count}; fetch or copy it again")
    order = order.astype(int) - 1
    chosen = order[:TRAINED_ON] if split == "train" else order[TRAINED_ON:]
    pictures = [path.parent / place for place in _PICTURES if (path.parent / place).is_dir()]
    for index in chosen:
        if split == "frontal" and not (mask[index] == 1).all():
            continue
        try:
            yield _sample(path, index, names[index], data[index], boxes[index], mask[index], split, pictures)
        except InputError as error:
            yield InputError(f"{path}: face {index + 1}: {error}")


def _sample(path: Path, index: int, text: str, row, box, mask, split: str, pictures: list[Path]) -> Sample:
    name = PurePosixPath(text)
    if name.is_absolute() or ".." in name.parts or "\0" in text:
        raise InputError(f"the picture {text[:200]!r} is outside {path.parent}")
    landmarks = to_zero_based(row.reshape(2, 19).T)
    if reason := fault(landmarks):
        raise InputError(reason)
    left, right, top, bottom = box - 1
    if not (np.isfinite(box).all() and left < right and top < bottom):
        raise InputError("the box is empty or not made of finite numbers")
    image = next((folder / name for folder in pictures if (folder / name).is_file()), None)
    if image is None:
        raise InputError(f"no picture {text[:200]}")
    return Sample(
        image,
        landmarks.astype(np.float32),
        f"aflw:{name}",
        f"aflw/{'train' if split == 'train' else 'test'}",
        f"aflw/{name}:{index + 1}",
        np.array([left, top, right, bottom], np.float32),
        visibility=np.where(mask != 1, 1, 2).astype(np.uint8),
    )
