"""The faces that a run keeps, RUN/faces/*.npz, and their one reader: for training, gates, scores and clocks.

F faces, N landmarks, T crop pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import files
from edgewing.errors import InputError

LARGEST_SET = 1 << 30  # bytes


def seen(landmarks: np.ndarray) -> np.ndarray:
    """(..., N) uint8 visibility of (..., N, 2) landmarks whose dataset says nothing of it: 2, or 0 where one is NaN."""
    return np.where(np.isnan(landmarks).any(axis=-1), 0, 2).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Faces:
    """Crops as a network sees them: crops (F, T, T, 3) uint8 RGB, landmarks (F, N, 2) crop px with NaN where there is
    no point, F names, visibility (F, N) uint8 (by default what the landmarks say of it)."""

    crops: np.ndarray
    landmarks: np.ndarray
    names: np.ndarray
    visibility: np.ndarray | None = None

    def __post_init__(self):
        if self.visibility is None:
            object.__setattr__(self, "visibility", seen(self.landmarks))

    def __len__(self) -> int:
        return len(self.crops)

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.beside(path) as part:
            np.savez(part, **vars(self))

    @classmethod
    def load(cls, path: str | Path, size: int = 0, points: int = 0) -> Faces:
        """Raises InputError where the file is missing, too large or no such set, or not of crops of ``size`` px and of
        so many ``points``, where these are asked for."""
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; expected one that `python -m train fit` made")
        try:
            arrays = files.arrays(path, LARGEST_SET)
            crops, landmarks = arrays["crops"], arrays["landmarks"]
            names = np.atleast_1d(arrays.get("names", np.full(len(crops), "?")))
            faces = cls(crops, landmarks, names, arrays.get("visibility"))  # older runs have none
        except (*files.BROKEN_ARRAYS, TypeError) as error:
            raise InputError(f"{path}: not a faces file ({error}); give RUN/faces/validation.npz") from None
        side = size or crops.shape[min(1, crops.ndim - 1)]
        if crops.dtype != np.uint8 or crops.shape[1:] != (side, side, 3) or len(crops) == 0:
            raise InputError(f"{path}: crops {crops.dtype} {crops.shape}; the model takes uint8 (F, {side}, {side}, 3)")
        expected = (len(crops), points or landmarks.shape[min(1, landmarks.ndim - 1)], 2)
        if landmarks.shape != expected or len(names) != len(crops):
            raise InputError(
                f"{path}: landmarks {landmarks.shape} and {len(names)} names, expected {expected}; train the run again"
            )
        return faces
