"""A frame in, faces with landmarks out: detector, crop, network, and back into the frame. A face is whatever the layout
is of: where that is no face, no detector knows it, and boxes are given, or the whole picture is the box.

N: landmarks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import detection, geometry, images, models, runtimes
from edgewing.contract import Contract
from edgewing.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class Face:
    """box: (4,) the box its crop was made from, image px. landmarks: (N, 2) float32 image px. scores: (N,) float32.

    crop: the square that the network saw. seconds: what the network took, decode included. heatmaps: (C, H, W) over the
    square, where the model gives any: those of the N landmarks, and a boundary last where C is N + 1. least_score: a
    lower score says that the point is not in the picture; 0 where scores do not say.
    """

    box: np.ndarray
    landmarks: np.ndarray
    scores: np.ndarray
    crop: geometry.Crop
    seconds: float
    heatmaps: np.ndarray | None = None
    least_score: float = 0.0

    @property
    def there(self) -> np.ndarray:
        """(N,) bool: which points are in the picture, as far as scores tell (the contract's decode.least_score)."""
        return self.scores >= self.least_score

    def shown(self, landmarks: np.ndarray | None = None) -> np.ndarray:
        """(N, 2) the landmarks, or those given in their place, with NaN for points that are not there."""
        return np.where(self.there[:, None], self.landmarks if landmarks is None else landmarks, np.nan)

    @property
    def landmark_box(self) -> np.ndarray:
        """(4,) tight box of the points that are there, image px; of which there must be one."""
        return geometry.landmark_box(self.landmarks[self.there])

    @property
    def confidence(self) -> float:
        """Mean score of the points that are there."""
        return float(self.scores[self.there].mean()) if self.there.any() else 0.0

    def __repr__(self) -> str:
        corners = ", ".join(str(round(v)) for v in self.box)
        return f"Face(box {corners}; {len(self.landmarks)} landmarks, mean score {self.confidence:.2f})"

    def __eq__(self, other: object) -> bool:
        """Whether both are the same points in the same crop; what it took does not count."""
        if not isinstance(other, Face):
            return NotImplemented
        return all(np.array_equal(getattr(self, name), getattr(other, name)) for name in ("box", "landmarks", "scores"))

    def __hash__(self) -> int:
        return hash(self.landmarks.tobytes())


class Landmarker:
    """A model and a detector. The detector is opened when the first frame without boxes comes.

    >>> faces = Landmarker("edgewing-s")("portrait.jpg")

    Several threads may share one: they wait for one another. For more speed give each its own.

    path: a model file, or the name of one that came with the package (edgewing.models); None for the default.
    detector: a name or file that ``edgewing.detection.open`` takes, or a Detector of your own. ``auto``, where the
        model's points are of no face, is ``whole``: the whole picture is the box.
    """

    def __init__(self, path: str | Path | None = None, detector: str | detection.Detector = "auto", threads: int = 1):
        self.runtime = runtimes.open(models.find(models.default() if path is None else path), threads)
        self._alone = threading.RLock()  # neither interpreters nor detectors can be used by two threads at once
        self._detector, self._threads = detector, threads

    @property
    def contract(self) -> Contract:
        return self.runtime.contract

    @property
    def detector(self) -> detection.Detector:
        with self._alone:
            if isinstance(self._detector, str):
                self._detector = detection.open(self._detector, self._threads, self.contract.layout.object)
            return self._detector

    def __call__(self, frame: np.ndarray | str | Path, boxes: Sequence[np.ndarray] | None = None) -> list[Face]:
        """Faces of a (H, W, 3) uint8 RGB frame, largest first; in the order of ``boxes`` where those are given.

        frame: or the path of a picture, which edgewing.read reads.

        boxes: x0, y0, x1, y1 in image px, each around where the landmarks are; of a face brows to chin, ear to ear.
        """
        if isinstance(frame, (str, Path)):
            frame = images.read(frame)
        if not isinstance(frame, np.ndarray):
            raise InputError(f"a frame of type {type(frame).__name__}; expected an array, or the path of a picture")
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or not frame.size:
            raise InputError(f"a frame of {frame.dtype} {frame.shape}; expected uint8 RGB (H, W, 3)")
        with self._alone:
            if boxes is None:
                boxes = [found.box for found in self.detector(frame)]
            return [self._face(frame, np.asarray(box, np.float64)) for box in boxes]

    def _face(self, frame: np.ndarray, box: np.ndarray) -> Face:
        part = self.contract.crop
        crop = geometry.crop_from_box(box, part.size, part.factor, part.least)
        pixels = geometry.warp(frame, crop.to_image, part.size)[None]
        start = time.perf_counter()
        outputs = self.runtime.raw(pixels)
        points = runtimes.points(outputs, self.contract)
        took = time.perf_counter() - start
        landmarks = geometry.apply(crop.to_image, points.landmarks[0])
        how = self.contract.decode
        maps = None if how.in_graph else self.contract.output("heatmaps")
        heatmaps = outputs[maps.name][0] if maps else None
        return Face(box, landmarks, points.scores[0], crop, took, heatmaps, how.least_score)
