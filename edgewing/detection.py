"""Find faces, and say where their landmarks will lie.

A network for landmarks was trained on crops around the tight box of the true landmarks. Every detector frames a face in
its own way, so each has an affine of its box, fitted on annotated faces and kept in ``detection.json`` with how it was
fitted; ``geometry.crop_from_box`` then makes of it the crop that the network knows.
"""

from __future__ import annotations

import functools
import importlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from edgewing import files, geometry, trial
from edgewing.errors import InputError, unknown
from edgewing.layouts import FACE

LARGEST_IMAGE_SIDE = 640  # px; YuNet sees no more of an image than this
LARGEST_FIT = 1 << 16  # bytes
YUNET_LEAST = 0.6  # the score from which OpenCV's own demo of YuNet takes a find
NO_YUNET = "OpenCV does not run it as a YuNet; take face_detection_yunet_2023mar.onnx"
SAME_FACE = 0.3  # intersection over union from which two finds are one face (MediaPipe's value)
CLOSE = 0.4  # of the picture's longer side: BlazeFace frames larger faces worse, or not at all


@dataclass(frozen=True, eq=False)
class Detection:
    """box: (4,) float64 x0, y0, x1, y1 in image px. score: the detector's own, in [0, 1]. turn: radians by which the
    face, and its box about its middle, are turned, clockwise; 0 where the detector does not say. own: the
    detector's box, where ``box`` is that of the landmarks."""

    box: np.ndarray
    score: float
    turn: float = 0.0
    own: np.ndarray | None = None

    @property
    def has_box(self) -> bool:
        try:
            box = np.asarray(self.box, np.float64)
        except (TypeError, ValueError):
            return False
        return box.shape == (4,) and bool(np.isfinite(box).all())


@dataclass(frozen=True)
class Fit:
    """Detector box -> landmark box: the centre moves by ``shift`` times the box's width and height, its sides are
    multiplied by ``scale``."""

    shift: tuple[float, float]
    scale: tuple[float, float]

    def __call__(self, box: np.ndarray, turn: float = 0.0) -> np.ndarray:
        """(4,) box to (4,) box, image px, both turned about their middles."""
        side = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2 + geometry.rotation(turn) @ (side * self.shift)
        half = side * self.scale / 2
        return np.concatenate([centre - half, centre + half])


class Detector:
    """A detector by name, with its fit."""

    def __init__(self, name: str, find: Callable[[np.ndarray], list[Detection]], fit: Fit):
        self.name, self.find, self.fit = name, find, fit
        self._alone = threading.RLock()  # two threads may not use one interpreter at once

    def __reduce__(self) -> tuple:  # a lock has no copy
        return type(self), (self.name, self.find, self.fit)

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> the landmark boxes of its faces, largest first. ``find`` gives the detector's own."""
        with self._alone:
            given: Any = self.find(image)
            found = list(given) if hasattr(given, "__iter__") else [given]
        for one in found:
            if not isinstance(one, Detection) or not one.has_box:
                raise InputError(
                    f"detector {self.name}: found {str(one)[:80]}; expected a list of edgewing.detection.Detection, "
                    "with four finite numbers as the box of each"
                )
        turned = [self.turned(d, d.turn) for d in found]
        return sorted(turned, key=lambda d: -np.prod(d.box[2:] - d.box[:2]))

    def turned(self, found: Detection, turn: float) -> Detection:
        """The landmark box of a find, if its face is turned by so much."""
        own = np.asarray(found.box if found.own is None else found.own, np.float64)
        return Detection(self.fit(own, turn), found.score, turn, own)


@dataclass(frozen=True)
class Anchors:
    """The grid of a BlazeFace: strides in px of its input, and how many anchors sit in each cell of that stride.

    An anchor is a point, the centre of its cell; all boxes are relative to the input's side (MediaPipe's
    ssd_anchors_calculator with fixed_anchor_size).
    """

    file: str
    side: int
    cells: tuple[tuple[int, int], ...]
    least: float

    @property
    def path(self) -> Path:
        """The file, which comes with the package."""
        return Path(str(resources.files("edgewing"))) / "detectors" / self.file

    @functools.cached_property
    def centres(self) -> np.ndarray:
        """(A, 2) x, y in px of the input, in the order of the outputs: rows, columns, anchors of a cell."""
        grids = []
        for stride, count in self.cells:
            middle = (np.arange(self.side // stride) + 0.5) * stride
            x, y = np.meshgrid(middle, middle)
            grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), count, axis=0))
        return np.concatenate(grids)


# ``least`` is MediaPipe's own threshold. Where the files are from: edgewing/detectors/ORIGIN.md
BLAZEFACE = {
    "blazeface-back": Anchors("blazeface_back.tflite", 256, ((16, 2), (32, 6)), 0.5),
    "blazeface-short": Anchors("blazeface_short.tflite", 128, ((8, 2), (16, 6)), 0.5),
}


class _LiteRT:
    """A BlazeFace's file in LiteRT."""

    def __init__(self, path: Path, threads: int):
        from edgewing.runtimes import tflite

        self.interpreter, self.description = tflite.interpret(path, threads)
        self.input = self.interpreter.get_input_details()[0]["index"]
        outputs = self.interpreter.get_output_details()
        self.outputs = [next(o["index"] for o in outputs if o["shape"][-1] == width) for width in (16, 1)]

    def __call__(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(1, S, S, 3) float32 in [-1, 1] -> (A, 16) and (A,), the network's own numbers."""
        self.interpreter.set_tensor(self.input, square)
        self.interpreter.invoke()
        boxes, scores = (self.interpreter.get_tensor(index)[0] for index in self.outputs)
        return boxes, scores[:, 0]


class _OpenCV:
    """The same file in OpenCV, which is slower: for machines that LiteRT has no package for."""

    def __init__(self, path: Path):
        import cv2

        engine = [cv2.dnn.ENGINE_CLASSIC] if hasattr(cv2.dnn, "ENGINE_CLASSIC") else []  # 5's own loses an output
        self.net = cv2.dnn.readNetFromTFLite(str(path), *engine)
        self.description = f"OpenCV {cv2.__version__}"

    def __call__(self, square: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """As _LiteRT has it."""
        self.net.setInput(np.ascontiguousarray(square.transpose(0, 3, 1, 2)))
        boxes, scores = self.net.forward(["regressors", "classificators"])
        return boxes[0], scores[0, :, 0]


class BlazeFace:
    """BlazeFace (arXiv 1907.05047) on the whole image fitted into a square."""

    def __init__(self, anchors: Anchors, threads: int = 1):
        self.anchors = anchors
        try:
            self.network: _LiteRT | _OpenCV = _LiteRT(anchors.path, threads)
        except InputError:  # no LiteRT
            self.network = _OpenCV(anchors.path)
        self.description = self.network.description

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> faces in image px.

        Where a face fills the picture, or none is found, the picture is looked at again at half the size, with black
        around it. What is found there replaces what is large or the same face in the first look."""
        found = self.look(image)
        small = [one for one in found if max(one.box[2:] - one.box[:2]) <= CLOSE * max(image.shape[:2])]
        if found and len(small) == len(found):
            return found
        again = self.look(image, self.anchors.side // 4)
        if not again:
            return found
        boxes = np.stack([one.box for one in again])
        return again + [one for one in small if overlap(one.box, boxes).max() < SAME_FACE]

    def look(self, image: np.ndarray, margin: int = 0) -> list[Detection]:
        """Faces in image px, best first, of the image with a margin (px of the input) at its left and top."""
        raw, scores, scale = self.raw(image, margin)
        scores = 1 / (1 + np.exp(-np.clip(scores, -80, 80)))
        return [Detection(edges_to_pixels(d.box - margin, scale), d.score, d.turn) for d in self.decode(raw, scores)]

    def raw(self, image: np.ndarray, margin: int = 0) -> tuple[np.ndarray, np.ndarray, float]:
        """What the network says of an image, (A, 16) and (A,), and how many image px one px of its input is."""
        square, scale = fit_into_square(image, self.anchors.side, margin)
        return *self.network(square[None].astype(np.float32) / 127.5 - 1), scale

    def decode(self, raw: np.ndarray, scores: np.ndarray) -> list[Detection]:
        """(A, 16) outputs and (A,) scores -> boxes in px of the input, counted from its edge, one per face.

        The first four of the 16 are centre x, y from the anchor, width, height; then come the eye at the left of the
        picture, that at the right, and four other points.
        """
        sure = scores >= self.anchors.least
        centre = raw[sure, :2] + self.anchors.centres[sure]
        half, apart = raw[sure, 2:4] / 2, raw[sure, 6:8] - raw[sure, 4:6]
        return merge(np.hstack([centre - half, centre + half]).astype(np.float64), scores[sure], apart)


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it, for YuNet."""
    importlib.import_module("cv2")

    def load(data: bytes) -> Callable[[object], object]:
        detector = _yunet("onnx", np.frombuffer(data, np.uint8), np.zeros(0, np.uint8))
        return lambda shape: _detect(detector, np.zeros((320, 320, 3), np.uint8))

    return load


def _detect(detector: Any, bgr: np.ndarray) -> np.ndarray | None:
    import cv2

    try:
        return detector.detect(bgr)[1]
    except cv2.error:
        raise InputError(NO_YUNET) from None


def _yunet(*model: Any) -> Any:
    import cv2

    create: Any = cv2.FaceDetectorYN.create  # from a path or from bytes
    try:
        return create(*model, (320, 320), YUNET_LEAST, SAME_FACE, 5000)
    except cv2.error:
        raise InputError(NO_YUNET) from None


class YuNet:
    """YuNet (Wu, Peng, Yu 2023) through OpenCV, from a file: face_detection_yunet_2023mar.onnx of OpenCV's model zoo,
    or one with the same outputs."""

    def __init__(self, path: str | Path):
        """Raises InputError where there is no such file, or OpenCV does not take it for a YuNet."""
        import cv2

        from edgewing.runtimes import onnx_check

        onnx_check.check(Path(path))
        with trial.of(path, "yunet"):
            pass
        self.description = f"OpenCV {cv2.__version__}"
        self.detector = _yunet(str(path), "")

    def __call__(self, image: np.ndarray) -> list[Detection]:
        """(H, W, 3) uint8 RGB -> faces in image px, best first."""
        import cv2

        scale = max(1.0, max(image.shape[:2]) / LARGEST_IMAGE_SIDE)
        size = tuple(max(1, round(side / scale)) for side in image.shape[1::-1])
        self.detector.setInputSize(size)
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale > 1 else image
        found = _detect(self.detector, cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        rows = np.zeros((0, 15)) if found is None else found.astype(np.float64)
        rows = rows[np.argsort(-rows[:, 14], kind="stable")]
        return [Detection(edges_to_pixels(np.r_[r[:2], r[:2] + r[2:4]], scale), float(r[14])) for r in rows]


def fit_into_square(image: np.ndarray, side: int, margin: int = 0) -> tuple[np.ndarray, float]:
    """The image in a black square, a margin from its top and left and as much from where it ends on its longer side,
    and how many image px one px of the square is."""
    import cv2

    scale = max(image.shape[:2]) / (side - 2 * margin)
    height, width = (max(1, round(n / scale)) for n in image.shape[:2])
    how = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    square = np.zeros((side, side, 3), np.uint8)
    square[margin : margin + height, margin : margin + width] = cv2.resize(image, (width, height), interpolation=how)
    return square, scale


def edges_to_pixels(box: np.ndarray, scale: float) -> np.ndarray:
    """A box counted from the edge of a scaled image to image px, where (0, 0) is the centre of the first pixel."""
    return box * scale - 0.5


def merge(boxes: np.ndarray, scores: np.ndarray, apart: np.ndarray | None = None) -> list[Detection]:
    """(A, 4) boxes and (A,) scores -> one per face, best first: the mean of those that overlap, weighted by score.
    apart: (A, 2) from one eye to the other, which says how the face is turned.

    BlazeFace's blending in place of suppression (arXiv 1907.05047, section 4.2); its score is the best one's.
    """
    found = []
    order = np.argsort(-scores, kind="stable")
    while len(order):
        best = order[0]
        same = overlap(boxes[best], boxes[order]) >= SAME_FACE
        same[0] = True  # a box of no area overlaps nothing, itself included
        group = order[same]
        box = np.average(boxes[group], axis=0, weights=scores[group])
        x, y = (1.0, 0.0) if apart is None else np.average(apart[group], axis=0, weights=scores[group])
        found.append(Detection(box, float(scores[best]), geometry.crop_turn(float(np.arctan2(y, x)))))
        order = order[~same]
    return found


def overlap(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of (4,) with each of (A, 4)."""
    shared = np.clip(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0, None).prod(axis=1)
    union = np.prod(box[2:] - box[:2]) + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return shared / np.maximum(union, 1e-12)


# name -> make(threads); the first is what ``auto`` takes for a face. Measured by `bench detection` (bench/results): of
# WFLW's hard faces `back` finds 93 %, `short` 88; and it alone finds everybody in the group photographs. `short` takes
# a quarter of the time and is good for one close face.
DETECTORS: dict[str, Callable[[int], Callable[[np.ndarray], list[Detection]]]] = {
    name: functools.partial(BlazeFace, anchors) for name, anchors in BLAZEFACE.items()
}
WHOLE = "whole"


def whole(image: np.ndarray) -> list[Detection]:
    """The whole picture as the one box, from edge to edge."""
    height, width = image.shape[:2]
    return [Detection(np.array([0, 0, width, height]) - 0.5, 1.0)]


def open(name: str = "auto", threads: int = 1, of: str = FACE) -> Detector:
    """The detector of that name, or a YuNet from its .onnx file; ``auto`` is the first of DETECTORS for a face, and
    ``whole`` for all that no detector knows. of: a layout's object.

    A file's fit is read from the ``.json`` beside it, which ``python -m bench detection fit --detector FILE`` writes;
    without one the detector's box counts as the landmark box. Raises InputError where there is none.
    """
    if name.endswith(".onnx"):
        beside = Path(name).with_suffix(".json")
        fit = _fits(files.read(beside, LARGEST_FIT), str(beside)) if beside.is_file() else {}
        return Detector(Path(name).stem, YuNet(name), fit.get(Path(name).stem, Fit((0.0, 0.0), (1.0, 1.0))))
    if name == WHOLE or (name == "auto" and of != FACE):
        return Detector(WHOLE, whole, Fit((0.0, 0.0), (1.0, 1.0)))
    name = next(iter(DETECTORS)) if name == "auto" else name
    if name not in DETECTORS:
        raise unknown("detector", name, ["auto", WHOLE, *DETECTORS, "FILE.onnx"])
    return Detector(name, DETECTORS[name](threads), fits()[name])


@functools.cache
def fits() -> dict[str, Fit]:
    """The fitted affine of every detector, from detection.json (made by ``python -m bench detection``)."""
    return _fits((resources.files("edgewing") / "detection.json").read_bytes(), "detection.json")


def _fits(data: bytes, where: str) -> dict[str, Fit]:
    try:
        found = json.loads(data)["fits"].items()
        made = {name: [[*map(float, value[part])] for part in ("shift", "scale")] for name, value in found}
        good = all(np.isfinite(parts).all() and np.shape(parts) == (2, 2) for parts in made.values())
    except (ValueError, KeyError, TypeError, AttributeError):
        good = False
    if not good:
        raise InputError(f"{where}: not the fits of detectors; make it with: python -m bench detection fit")
    return {name: Fit((dx, dy), (width, height)) for name, ((dx, dy), (width, height)) in made.items()}
