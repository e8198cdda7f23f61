"""Adapters: what is done around a landmark model of others (compress.foreign) so that it finds points in a photograph.

P points of the model, S crop pixels. Crop pixels have (0, 0) at the centre of the top-left one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from compress import foreign
from edgewing import geometry, layouts
from edgewing.errors import InputError

EYES = {"300w-68": (36, 45), "wflw-98": (60, 72)}  # the outer eye corners that a turned crop is level with


@dataclass(frozen=True)
class Adapter(foreign.Description):
    """A description put to use."""

    @property
    def count(self) -> int:
        """P, as far as anything is known of it."""
        return max(max(i) for i in self.points if i) + 1 if self.points else layouts.get(self.layout).points

    @property
    def has(self) -> np.ndarray:
        """(N,) bool: which points of ``layout`` it gives."""
        return np.array([bool(i) for i in self.points] or [True] * self.count)

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the graph's input."""
        sides = (self.size, self.size)
        return (1, *sides, 3) if self.axes == "NHWC" else (1, 3, *sides)

    def to_image(self, landmarks: np.ndarray) -> np.ndarray:
        """(2, 3) crop px -> image px, for (N, 2) true landmarks of ``300w-68`` or ``wflw-98`` in image px."""
        x0, y0, x1, y1 = geometry.landmark_box(np.asarray(landmarks, np.float64))
        width, height = x1 - x0, y1 - y0
        longer = max(width, height)
        centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2 + self.shift * longer])
        sides = np.array([longer, longer]) * self.factor
        if isinstance(self.factor, tuple):
            sides = np.array([width, height]) * self.factor
        angle = 0.0
        if self.turned:
            right, left = (landmarks[i] for i in EYES[{68: "300w-68", 98: "wflw-98"}[len(landmarks)]])
            angle = np.arctan2(left[1] - right[1], left[0] - right[0])
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        linear = rotation * (sides / self.size)
        return np.hstack([linear, (centre + linear @ np.full(2, 0.5 - self.size / 2))[:, None]])

    def tensor(self, image: np.ndarray, to_image: np.ndarray) -> np.ndarray:
        """(1, ...) float32 input of the graph, of an (H, W, 3) uint8 RGB picture."""
        flags, black = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, self.border if isinstance(self.border, int) else 0
        mode = cv2.BORDER_REPLICATE if self.border == "replicate" else cv2.BORDER_CONSTANT
        crop = cv2.warpAffine(
            image, to_image, (self.size, self.size), flags=flags, borderMode=mode, borderValue=(black,) * 3
        )
        ordered = crop if self.colour == "RGB" else crop[..., ::-1]
        values = (ordered.astype(np.float32) - np.float32(self.mean)) / np.float32(self.scale)
        return np.ascontiguousarray(values[None] if self.axes == "NHWC" else values.transpose(2, 0, 1)[None])

    def landmarks(self, outputs: dict[str, np.ndarray], to_image: np.ndarray) -> np.ndarray:
        """(N, 2) float64 image px in ``layout``; NaN for a point that the model has no counterpart of.

        InputError where the outputs are of another shape than described."""
        name = self.output or next(iter(outputs))
        if name not in outputs or (not self.output and len(outputs) > 1):
            raise InputError(f"{self.name}: its outputs are {', '.join(outputs)}; name one as 'output'")
        read = {"points": _points, "heatmaps": _heatmaps}[self.readout]
        found = read(self, outputs[name], to_image)
        if not self.points:
            return found
        return np.array([found[list(i)].mean(axis=0) if i else (np.nan, np.nan) for i in self.points])


def adapter_of(path: Path, sha256: str) -> Adapter:
    """The adapter of a file. InputError as compress.foreign has it."""
    return Adapter(**vars(foreign.description_of(path, sha256)))


def _points(adapter: Adapter, output: np.ndarray, to_image: np.ndarray) -> np.ndarray:
    """(P, 2) image px. Others cut image[y0:y1, x0:x1] out and say x = x0 + share * (x1 - x0): their shares count from
    the centre of the picture's pixel there, half of one beyond the crop's edge, in training and in use."""
    needed = adapter.count * adapter.values
    if output.size < needed or adapter.values < 2:
        raise InputError(f"{adapter.name}: gives {output.size} numbers; {adapter.count} points need {needed}")
    numbers = output.reshape(-1)[:needed].reshape(adapter.count, adapter.values).astype(np.float64)
    return geometry.apply(to_image, numbers[:, :2] * (adapter.size / adapter.unit) - 0.5) + 0.5


def _heatmaps(adapter: Adapter, output: np.ndarray, to_image: np.ndarray) -> np.ndarray:
    """(P, 2) image px of (1, 3 P, h, h), as OpenSeeFace's tracker.py decodes them."""
    side = output.shape[-1]
    if output.shape != (1, 3 * adapter.count, side, side) or side < 2:
        raise InputError(f"{adapter.name}: gives {list(output.shape)}; {adapter.count} points need 3 maps each")
    maps = output.reshape(3, adapter.count, side * side).astype(np.float64)
    cell = maps[0].argmax(axis=1)
    down, across = np.clip(maps[1:, np.arange(adapter.count), cell], 1e-7, 1 - 1e-7)
    share = np.stack([cell % side, cell // side], axis=1) / (side - 1)
    offset = np.stack([np.log(p / (1 - p)) for p in (across, down)], axis=1) / adapter.offset_scale
    return geometry.apply(to_image, (share + offset) * (adapter.size - 1))
