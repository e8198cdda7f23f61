"""COFW (Burgos-Artizzu et al., ICCV 2013): pictures and 29 points with occlusion flags in one MATLAB v7.3 file a split,
and COFW-68 (Ghiasi and Fowlkes, 2015), 68 points for its test pictures.

    COFW_train_color.mat (or COFW_train.mat, grey)    IsTr 1345 cells, bboxesTr (1345, 4), phisTr (1345, 87)
    COFW_test_color.mat (or COFW_test.mat)            IsT   507 cells, bboxesT   (507, 4), phisT   (507, 87)
    .../test_annotations/17_points.mat                Points (68, 2), Occ (68 of 0 or 1): of IsT{17}
    .../cofw68_test_bboxes.mat                        bboxes (507, 4)

A row of ``phis`` is 29 x, 29 y, 29 flags (1: occluded); a box is x, y, width, height. All count pixels from 1. Layout
``cofw-29`` reads the former, ``300w-68`` the latter, which is a test set alone. The train split's first 845 pictures
are LFPW's; no two pictures are known to show one person, so each is a group of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import matlab
from train.data.pts import to_zero_based
from train.data.samples import Sample, fault
from train.data.walk import named

SPLITS = ("train", "test")
EXPECTED = "COFW_*.mat"
LAYOUTS = ("cofw-29", "300w-68")
_FILES = {"train": ("COFW_train_color.mat", "COFW_train.mat"), "test": ("COFW_test_color.mat", "COFW_test.mat")}
_SUFFIX = {"train": "Tr", "test": "T"}
_DEPTH = 3  # COFW.zip has common/xpburgos/...
_POINTS = re.compile(r"(\d{1,4})_points\.mat")


def recognises(folder: Path) -> bool:
    return bool(files_of(folder))


def files_of(folder: Path) -> list[Path]:
    """The train and the test file, as far as they are there."""
    return [path for split in SPLITS if (path := _found(folder, split))]


def files_of_68(folder: Path) -> list[Path]:
    """The same, where COFW-68's points are there too."""
    return files_of(folder) if _annotated(folder) else []


def annotations(folder: Path, split: str) -> Path:
    """The split's file. InputError where the folder has none."""
    path = _found(folder, split)
    if path is None:
        raise InputError(f"{folder}: no {' or '.join(_FILES[split])} in it; fetch it from COFW's page")
    return path


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError]:
    """Every face of the split; InputErrors are yielded for those that must be left out.

    A flagged point has the visibility 1. Its picture is named FILE.mat/IsTr/17 (from 0), which ``load`` opens.
    InputError, raised: another layout, no file of that split, a broken one, or no h5py.
    """
    if layout.name not in LAYOUTS:
        raise InputError(f"{folder}: COFW has {' and '.join(LAYOUTS)}, not {layout.name}")
    path = annotations(folder, split)
    if layout.name == "300w-68":
        yield from _read_68(folder, path, split)
        return
    end = _SUFFIX[split]
    phis, boxes = matlab.numbers(path, f"phis{end}", f"bboxes{end}")
    count = matlab.hdf5(path).count(f"Is{end}")
    if phis.shape != (count, 87) or boxes.shape != (count, 4):
        raise InputError(f"{path}: {count} pictures, phis{end} {phis.shape}, bboxes{end} {boxes.shape}; do not fit")
    for index, (row, box) in enumerate(zip(phis, boxes)):
        yield _sample(path, split, index, row[:58].reshape(2, 29).T, row[58:], box, "cofw")


def box_from_one_based(x: float, y: float, width: float, height: float) -> np.ndarray:
    """MATLAB's x, y, width, height, whose pixels count from 1, to (4,) x0, y0, x1, y1 of ours."""
    return np.array([x - 1, y - 1, x - 1 + width, y - 1 + height], np.float32)


def _sample(path: Path, split: str, index: int, points, flags, box, name: str) -> Sample | InputError:
    where = f"{path}: face {index + 1}"
    landmarks = to_zero_based(points)
    if reason := fault(landmarks):
        return InputError(f"{where}: {reason}")
    if not np.isin(flags, (0, 1)).all():
        return InputError(f"{where}: occlusion flags must be 0 or 1")
    if box is not None:
        box = box_from_one_based(*box)
        if not (np.isfinite(box).all() and (box[2:] > box[:2]).all()):
            return InputError(f"{where}: the box is empty or not made of finite numbers")
    return Sample(
        path / f"Is{_SUFFIX[split]}" / str(index),
        landmarks.astype(np.float32),
        f"cofw:{split}:{index}",
        f"{name}/{split}",
        f"{name}/{split}/{index + 1:04d}",
        box,
        visibility=np.where(flags > 0, 1, 2).astype(np.uint8),
    )


def _read_68(folder: Path, path: Path, split: str) -> Iterator[Sample | InputError]:
    if split != "test":
        raise InputError(f"{folder}: COFW-68 is a test set; train on 300W, or with --layout cofw-29")
    numbered = {int(_POINTS.fullmatch(p.name)[1]): p for p in _annotated(folder)}
    if not numbered:
        raise InputError(f"{folder}: no test_annotations/1_points.mat ...; fetch cofw68-benchmark into this folder")
    boxes = None
    for file in named(folder, "cofw68_test_bboxes.mat", _DEPTH):
        (boxes,) = matlab.numbers(file, "bboxes")
    for number, file in sorted(numbered.items()):
        try:
            points, flags = matlab.numbers(file, "Points", "Occ")
            if points.shape != (68, 2) or flags.size != 68:
                raise InputError(f"{file}: Points {points.shape}, Occ {flags.shape}; expected (68, 2) and 68")
        except InputError as error:
            yield error
            continue
        box = boxes[number - 1] if boxes is not None and number <= len(boxes) and boxes.shape[1] == 4 else None
        yield _sample(path, split, number - 1, points, flags.ravel(), box, "cofw68")


def _found(folder: Path, split: str) -> Path | None:
    return next((path for name in _FILES[split] for path in named(folder, name, _DEPTH)), None)


def _annotated(folder: Path) -> list[Path]:
    return [path for path in named(folder, "*_points.mat", _DEPTH) if _POINTS.fullmatch(path.name)]
