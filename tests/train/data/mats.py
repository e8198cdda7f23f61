"""MATLAB files and the data sets that come in them, as their owners write them, with few pictures."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.io

from tests.train.data.folders import face, write_picture

HEADER = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Tue Nov  5 10:00:00 2013 HDF5 schema 1.00 ."


def write_v73(path: Path, variables: dict[str, np.ndarray | list[np.ndarray]]) -> None:
    """MATLAB's v7.3: HDF5 behind 512 bytes, arrays by columns, cells as references into the group #refs#."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if isinstance(value, list):
                cells = np.empty((1, len(value)), object)
                for number, picture in enumerate(value):
                    cell = file.require_group("#refs#").create_dataset(f"{name}{number}", data=picture.T)
                    cell.attrs["MATLAB_class"] = np.bytes_("uint8")
                    cells[0, number] = cell.ref
                dataset = file.create_dataset(name, data=cells, dtype=h5py.ref_dtype)
                dataset.attrs["MATLAB_class"] = np.bytes_("cell")
            else:
                dataset = file.create_dataset(name, data=value.T, compression="gzip")
                dataset.attrs["MATLAB_class"] = np.bytes_("double")
    with open(path, "r+b") as file:
        file.write(HEADER.ljust(124) + b"\x00\x02IM")


def cofw_variables(split: str, count: int, seed: int = 0) -> dict:
    """Of COFW_train_color.mat or COFW_test_color.mat; every other picture is grey, as some are there."""
    end = {"train": "Tr", "test": "T"}[split]
    pictures, rows, boxes = [], [], []
    for number in range(count):
        picture, landmarks = face(29, seed + number)
        pictures.append(picture if number % 2 == 0 else picture[..., 0])
        flags = (np.arange(29) % 5 == number % 5).astype(float)
        rows.append(np.concatenate([*(landmarks + 1).T, flags]))  # MATLAB counts from 1
        boxes.append([31.0, 16, 100, 90])
    return {f"Is{end}": pictures, f"bboxes{end}": np.array(boxes), f"phis{end}": np.array(rows)}


def write_cofw(folder: Path, train: int = 3, test: int = 2) -> None:
    for split, count in (("train", train), ("test", test)):
        write_v73(folder / f"COFW_{split}_color.mat", cofw_variables(split, count, seed=100 * (split == "test")))


def write_cofw68(folder: Path, count: int = 2) -> None:
    """cofw68-benchmark's COFW68_Data without the pictures."""
    below = folder / "COFW68_Data/test_annotations"
    below.mkdir(parents=True)
    for number in range(count):
        points = face(68, 200 + number)[1] + 1
        flags = (np.arange(68) < number).astype(np.uint8)[:, None]
        scipy.io.savemat(below / f"{number + 1}_points.mat", {"Points": points, "Occ": flags}, do_compression=True)
    boxes = np.tile([41.0, 26, 60, 50], (count, 1))
    scipy.io.savemat(below.parent / "cofw68_test_bboxes.mat", {"bboxes": boxes})


def aflw_variables(count: int) -> dict:
    points = np.array([face(19, seed)[1] + 1 for seed in range(count)])
    names = np.empty((count, 1), object)
    names[:, 0] = [f"0/image{number:05d}.jpg" for number in range(count)]
    mask = np.ones((count, 19))
    mask[1::2, 3] = 0
    return {
        "data": points.transpose(0, 2, 1).reshape(count, 38),
        "bbox": np.tile([21.0, 121, 11, 111], (count, 1)),  # left, right, top, bottom
        "mask_new": mask,
        "nameList": names,
        "ra": np.random.default_rng(0).permutation(count)[None] + 1,
    }


def write_aflw(folder: Path, count: int = 4, **changes) -> dict:
    folder.mkdir(parents=True, exist_ok=True)
    variables = aflw_variables(count) | changes
    scipy.io.savemat(folder / "AFLWinfo_release.mat", variables, do_compression=True)
    for number in range(count):
        write_picture(folder / f"flickr/0/image{number:05d}.jpg", face(19, number)[0])
    return variables


def person(seed: int = 0, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A figure as LSP numbers it: (size, size, 3) uint8 RGB, each joint a dot of its own colour, and (14, 2) joints."""
    rng = np.random.default_rng(seed)
    joints = np.array(
        [[38, 88], [40, 70], [42, 52], [54, 52], [56, 70], [58, 88], [24, 52], [30, 40], [38, 28], [58, 28], [66, 40],
         [72, 52], [48, 24], [48, 10]], float
    )  # fmt: skip
    joints = np.round((joints - 48) * rng.uniform(0.8, 1.0) + 48 + rng.uniform(-4, 4, 2) + rng.uniform(-3, 3, (14, 2)))
    picture = rng.integers(30, 60, (size, size, 3)).astype(np.uint8)
    for number, (x, y) in enumerate(joints.astype(int)):
        colour = [60 + 14 * number, 255 - 18 * number, 128 + 9 * (number % 14)]
        picture[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = np.clip(colour, 0, 255)
    return picture, joints


def write_lsp(folder: Path, train: int = 3, test: int = 2) -> None:
    """LSP with the first and the last pictures of its 2,000 alone: the joints are all there."""
    joints = np.zeros((3, 14, 2000))
    for number in [*range(train), *range(1000, 1000 + test)]:
        picture, points = person(number)
        joints[:2, :, number], joints[2, :, number] = points.T + 1, number % 2
        write_picture(folder / f"images/im{number + 1:04d}.jpg", picture)
    scipy.io.savemat(folder / "joints.mat", {"joints": joints})


def write_lspet(folder: Path, count: int = 3) -> None:
    joints = np.ones((14, 3, count))
    for number in range(count):
        picture, points = person(number)
        joints[:, :2, number] = points + 1
        write_picture(folder / f"images/im{number + 1:05d}.jpg", picture)
    joints[4, 2, -1] = 0  # not labelled
    scipy.io.savemat(folder / "joints.mat", {"joints": joints})
