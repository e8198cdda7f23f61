"""Small data sets in the formats of the real ones, written by the tests."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import cv2
import numpy as np


def face(points: int, seed: int = 0, width: int = 160, height: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) uint8 RGB with a white dot of 5 px on each of (N, 2) whole-pixel landmarks."""
    rng = np.random.default_rng(seed)
    landmarks = rng.integers((35, 20), (width - 35, height - 20), (points, 2)).astype(np.float32)
    image = np.full((height, width, 3), 40, np.uint8)
    for x, y in landmarks.astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    return image, landmarks


def write_picture(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[:, :, ::-1])


def write_pts(path: Path, landmarks: np.ndarray) -> None:
    """iBUG's format, which counts from 1."""
    lines = [f"{x:.3f} {y:.3f}" for x, y in landmarks + 1]
    path.write_text("\n".join(["version: 1", f"n_points:  {len(lines)}", "{", *lines, "}"]) + "\n")


def write_faces(folder: Path, stems: list[str], points: int = 68) -> None:
    for seed, stem in enumerate(stems):
        image, landmarks = face(points, seed)
        write_picture(folder / f"{stem}.png", image)
        write_pts(folder / f"{stem}.pts", landmarks)


def write_shard(path: Path, members: list[tuple[str, bytes]]) -> None:
    """A tar file of (name, content), names as they are."""
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))


def wflw_line(landmarks: np.ndarray, name: str, box=(30, 15, 130, 105), attributes=(0, 1, 0, 0, 1, 0)) -> str:
    values = [f"{v:.6f}" for v in landmarks.ravel()] + [str(v) for v in (*box, *attributes)]
    return " ".join([*values, name])


def write_wflw(root: Path, pictures: int = 3, lists: str = "") -> None:
    """A WFLW folder: a train list with two faces of each picture, a test list with one."""
    train, test = [], []
    for number in range(pictures):
        image, landmarks = face(98, number)
        name = f"{number}--Event/{number}_Event_{number}.jpg"
        write_picture(root / "WFLW_images" / name, image)
        train += [wflw_line(landmarks, name), wflw_line(landmarks + 3, name)]
        test.append(wflw_line(landmarks, name))
    folder = root / lists
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "list_98pt_rect_attr_train.txt").write_text("\n".join(train) + "\n")
    (folder / "list_98pt_rect_attr_test.txt").write_text("\n".join(test) + "\n")
