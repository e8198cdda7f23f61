"""What a face does and where it looks, from its landmarks: head pose, the 52 units of ARKit, gaze. numpy alone.

Two networks of three layers, one for the pose from 68 points, one for units and gaze from 98 with pupils. They learnt
from drawn heads alone, whose truth is exact, through the errors that the shipped models make there (``python -m train
expression``); expression.npz has their weights. N: landmarks, D: what is read off.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np

from edgewing.layouts import Layout

POSE, UNITS = "300w-68", "wflw-98"  # the layouts whose points either network takes


@dataclass(frozen=True)
class Pose:
    """Degrees. yaw > 0: the face looks to the right of the picture; pitch > 0: down; roll > 0: it is tilted against the
    clock."""

    yaw: float
    pitch: float
    roll: float

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) where the head's side (to the right of an upright picture), its chin and its nose point to: x right, y
        down, z into the picture."""
        yaw, pitch, roll = np.radians([self.yaw, self.pitch, self.roll])
        nose = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
        level = np.array([np.cos(yaw), 0.0, np.sin(yaw)])
        side = np.cos(roll) * level + np.sin(roll) * np.cross(nose, level)
        return np.stack([side, np.cross(-nose, side), nose])


@dataclass(frozen=True)
class Gaze:
    """Degrees that the eyes are turned in the head: to the person's left, and up."""

    left: float
    up: float


@dataclass(frozen=True)
class Reader:
    """One network. shape: (N, 2) a mean face of size 1; deviation: (2N,) of what goes in; layers: weights (in, out) and
    biases, ReLU between them."""

    shape: np.ndarray
    deviation: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]

    def __call__(self, landmarks: np.ndarray, there: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """(B, D) outputs, (B,) roll in degrees. landmarks: (B, N, 2) image px; there: (B, N) bool."""
        x, roll = normalised(landmarks, self.shape, there)
        x = x / self.deviation
        for number, (weight, bias) in enumerate(self.layers, 1):
            x = x @ weight + bias
            x = np.maximum(x, 0) if number < len(self.layers) else x
        return x, roll


def normalised(
    landmarks: np.ndarray, shape: np.ndarray, there: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Moved, turned and scaled to lie nearest to ``shape``: (B, 2N) how far each point is from there, x then y, and 0
    for points that are not in the picture; (B,) by how many degrees it was turned, against the clock."""
    at = np.ones(landmarks.shape[:2]) if there is None else there.astype(float)
    z, mean = landmarks.astype(np.float64) @ (1, 1j), shape.astype(np.float64) @ (1, 1j)
    count = np.maximum(at.sum(axis=1, keepdims=True), 1)
    z = z - (z * at).sum(axis=1, keepdims=True) / count
    aim = mean - (mean * at).sum(axis=1, keepdims=True) / count
    size = (abs(z) ** 2 * at).sum(axis=1)
    turn = (z.conj() * aim * at).sum(axis=1) / np.maximum(size, 1e-12)
    off = (z * turn[:, None] - aim) * at
    return np.concatenate([off.real, off.imag], axis=1), np.degrees(np.angle(turn))


def _stored() -> dict[str, np.ndarray]:
    """The arrays of expression.npz."""
    with np.load(str(resources.files("edgewing") / "expression.npz")) as made:
        return dict(made)


def packed() -> dict[str, Any]:
    """expression.json of the apps: of an array its type and, in base64, its numbers, row by row; the names as they are.
    apps/web/npz.mjs packs the same."""
    arrays = _stored()
    names = {"names": arrays.pop("names").tolist()}
    data = {name: base64.b64encode(array.tobytes()).decode() for name, array in arrays.items()}
    return names | {name: {"type": str(array.dtype), "data": data[name]} for name, array in arrays.items()}


@functools.cache
def readers() -> dict[str, Any]:
    """``pose`` and ``units``, and ``names``, those of the units."""
    made = _stored()
    found: dict[str, Any] = {
        name: Reader(
            made[f"{name}_shape"],
            made[f"{name}_deviation"],
            tuple((made[f"{name}_weight{k}"].astype(np.float32), made[f"{name}_bias{k}"]) for k in range(3)),
        )
        for name in ("pose", "units")
    }
    return found | {"names": tuple(str(name) for name in made["names"])}


def _points(landmarks: np.ndarray, layout: Layout, wanted: str, there: np.ndarray | None):
    """(1, N, 2) points of the layout wanted and (1, N) whether they are there; None where this one does not tell."""
    if layout.name != wanted and wanted not in layout.maps:
        return None
    index = layout.map_to(wanted)
    kept = np.ones(len(index), bool) if there is None else there[index]
    points = landmarks[index][kept]
    if len(points) < 6 or not np.isfinite(points).all() or np.ptp(points, axis=0).max() < 1e-3:
        return None
    return np.where(kept[:, None], landmarks[index], 0)[None], kept[None]


def pose(landmarks: np.ndarray, layout: Layout, there: np.ndarray | None = None) -> Pose | None:
    """Where a face is turned. landmarks: (N, 2) px. None for layouts that have no map to POSE, and where fewer than six
    points are there."""
    if (given := _points(landmarks, layout, POSE, there)) is None:
        return None
    found, roll = readers()["pose"](*given)
    yaw, pitch, more = (float(value) for value in found[0])
    return Pose(yaw, pitch, (float(roll[0]) + more + 180) % 360 - 180)


def units(landmarks: np.ndarray, layout: Layout, there: np.ndarray | None = None) -> dict[str, float] | None:
    """The 52 units by ARKit's names, 0 to 1. None for layouts without pupils."""
    if (given := _points(landmarks, layout, UNITS, there)) is None:
        return None
    names = readers()["names"]
    return dict(zip(names, np.clip(readers()["units"](*given)[0][0, : len(names)], 0, 1).tolist(), strict=True))


def gaze(landmarks: np.ndarray, layout: Layout, there: np.ndarray | None = None) -> Gaze | None:
    """Where the eyes look. None for layouts without pupils."""
    if (given := _points(landmarks, layout, UNITS, there)) is None:
        return None
    left, up = readers()["units"](*given)[0][0, -2:]
    return Gaze(float(left), float(up))
