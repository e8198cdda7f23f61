"""Leeds Sports Pose (Johnson and Everingham, BMVC 2010) and its extended training set (CVPR 2011): 14 joints.

    lsp_dataset/joints.mat      joints (3, 14, 2000): x, y, a flag;   lsp_dataset/images/im0001.jpg ... im2000.jpg
    lspet_dataset/joints.mat    joints (14, 3, 10000): x, y, 1 where labelled;   lspet_dataset/images/im00001.jpg ...

MATLAB v5, pixels counted from 1. LSP's first 1,000 pictures are the train split, the others the test split; the
extended set is a train split alone. LSP labels every joint, whatever its flag; a person of the extended set with one
that is not labelled is left out. Each picture is a group of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing import images
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import matlab
from train.data.pts import to_zero_based
from train.data.samples import Sample, Unlabelled, fault
from train.data.walk import named

SPLITS = ("train", "test")
EXPECTED = "LSP's joints.mat"
LAYOUTS = ("lsp-14",)
TRAINED_ON = 1000
_NAME = "joints.mat"


def recognises(folder: Path) -> bool:
    return bool(files_of(folder))


def files_of(folder: Path) -> list[Path]:
    return named(folder, _NAME)


def annotations(folder: Path, split: str) -> Path:
    """The joints.mat, or the folder where there are several."""
    found = files_of(folder)
    return found[0] if len(found) == 1 else folder


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError]:
    """Every person of the split, of LSP and of the extended set where both lie in the folder.

    InputErrors are yielded for those that must be left out. InputError, raised: another layout, or a broken file.
    """
    if layout.name not in LAYOUTS:
        raise InputError(f"{folder}: LSP has {LAYOUTS[0]}, not {layout.name}")
    for path in files_of(folder):
        joints, extended = read_joints(path)
        if split == "test" and extended:
            continue
        first, last = (0, len(joints)) if extended else (0, TRAINED_ON) if split == "train" else (TRAINED_ON, None)
        for index, joint in list(enumerate(joints))[first:last]:
            try:
                yield _sample(path, index, joint, split, extended)
            except InputError as error:
                yield type(error)(f"{path}: person {index + 1}: {error}")


def read_joints(path: Path) -> tuple[np.ndarray, bool]:
    """(persons, 14, 3) x, y in MATLAB's pixels and the flag; and whether it is the extended set's file."""
    (joints,) = matlab.numbers(path, "joints")
    if joints.ndim != 3 or {joints.shape[:2]} - {(3, 14), (14, 3)}:
        raise InputError(f"{path}: joints {joints.shape}; expected (3, 14, 2000) of LSP or (14, 3, 10000) of LSPET")
    extended = joints.shape[0] == 14
    return joints.transpose((2, 0, 1) if extended else (2, 1, 0)), extended


def _sample(path: Path, index: int, joint: np.ndarray, split: str, extended: bool) -> Sample:
    stem = f"im{index + 1:0{5 if extended else 4}d}"
    found = [path.parent / "images" / f"{stem}{suffix}" for suffix in images.SUFFIXES]
    image = next((file for file in found if file.is_file()), None)
    if image is None:
        raise InputError(f"no picture images/{stem}.jpg")
    if extended and not (joint[:, 2] == 1).all():
        raise Unlabelled(f"{int((joint[:, 2] != 1).sum())} of 14 joints are not labelled")
    landmarks = to_zero_based(joint[:, :2])
    if reason := fault(landmarks):
        raise InputError(reason)
    name = "lspet" if extended else "lsp"
    return Sample(image, landmarks.astype(np.float32), f"{name}:{stem}", f"{name}/{split}", f"{name}/{split}/{stem}")
