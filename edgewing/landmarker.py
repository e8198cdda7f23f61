"""A frame in, faces with landmarks out: detector, crop, network, and back into the frame. A face is whatever the layout
is of: where that is no face, no detector knows it, and boxes are given, or the whole picture is the box.

N: landmarks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from edgewing import detection, formats, geometry, images, models, processors, runtimes
from edgewing.contract import Contract
from edgewing.detection import WHOLE, Detection
from edgewing.errors import InputError
from edgewing.faces import Face, Faces
from edgewing.images import Picture

SAME = 0.5  # intersection over union of what the landmarks fill from which two finds are one face, as in tracking.json
LARGEST_BOX = 100  # times the picture: the crop would show nothing of it
UNSURE = 0.75  # mean score below which a face may be upside down
QUARTERS = (np.pi, np.pi / 2, -np.pi / 2)


class Landmarker:
    """A model and a detector. The detector is opened when the first frame without boxes comes.

    >>> faces = Landmarker("edgewing-s")("portrait.jpg")

    Several threads may share one: they wait for one another. For more speed give each its own.

    path: a model file, or the name of one that came with the package (edgewing.models); None for the default.
    detector: a name or file that ``edgewing.detection.open`` takes, or a Detector of your own. ``auto``, where the
        model's points are of no face, is ``whole``: the whole picture is the box.
    device: ``cpu``, ``gpu``, ``npu``, a name of edgewing.processors, or ``auto``: with the first faces the fastest is
        taken of those whose points agree with the CPU's. One that is not here is a line on stderr, and the CPU runs.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        detector: str | detection.Detector = "auto",
        threads: int = 1,
        device: str = "auto",
    ):
        if type(threads) is not int or not 1 <= threads <= formats.MOST_THREADS:
            raise InputError(f"{threads!r} threads: it takes a whole number from 1 to {formats.MOST_THREADS}")
        if not isinstance(path, (str, Path, type(None))):
            raise InputError(f"a model of type {type(path).__name__}; expected a name or the path of a file")
        if not isinstance(detector, (str, detection.Detector)):
            raise InputError(f"a detector of type {type(detector).__name__}; expected a name, or an edgewing Detector")
        if not isinstance(device, str):
            raise InputError(f"a device of type {type(device).__name__}; expected auto, cpu, gpu, npu or a name")
        self._files = models.files(models.default() if path is None else path)
        self.runtime = processors.open(self._files, device, threads)
        self._undecided = device == "auto" and bool(processors.here(device, self._files))
        self._alone = threading.RLock()  # neither interpreters nor detectors can be used by two threads at once
        self._detector, self._threads = detector, threads

    @property
    def contract(self) -> Contract:
        return self.runtime.contract

    @property
    def ran_on(self) -> str:
        """What runs the model: library, version, processor, and how many of its nodes that has taken."""
        return str(self.runtime.description)

    @property
    def detector(self) -> detection.Detector:
        with self._alone:
            if isinstance(self._detector, str):
                self._detector = detection.open(self._detector, self._threads, self.contract.layout.object)
            return self._detector

    @overload
    def __call__(
        self, frame: Picture, boxes: Sequence[np.ndarray] | None = None, colour: str = "RGB"
    ) -> Faces: ...  # fmt: skip
    @overload
    def __call__(
        self, frame: list[Any] | tuple[Any, ...], boxes: None = None, colour: str = "RGB"
    ) -> list[Faces]: ...  # fmt: skip
    def __call__(
        self,
        frame: Picture | list[Any] | tuple[Any, ...],
        boxes: Sequence[np.ndarray] | None = None,
        colour: str = "RGB",
    ) -> Faces | list[Faces]:
        """Faces of a picture, largest first; in the order of ``boxes`` where those are given. Of a list, a list.

        frame: (H, W, 3) uint8, a path, the bytes of a file, a Pillow image, or a list of them.

        boxes: x0, y0, x1, y1 in image px, each around where the landmarks are; of a face brows to chin, ear to ear.

        colour: the order in an array, RGB, or BGR as ``cv2.imread`` has it; files say it themselves.
        """
        if isinstance(frame, (list, tuple)):
            if boxes is not None:
                raise InputError("boxes say where to look in one picture; give one")
            return [self(one, colour=colour) for one in frame]
        image = images.given(frame, colour)
        with self._alone:
            if boxes is None:
                faces = self.find(image, self.detector(image))
            else:
                faces = self.look(image, [Detection(_box(box, image), 1.0) for box in _each(boxes)], given=True)
        return Faces(faces, image, self.contract.layout)

    def find(self, image: np.ndarray, places: Sequence[Detection]) -> list[Face]:
        """The faces that a detector found, in order. One whose points are unsure is looked at again, turned: detectors
        take a chin for a brow. One that is turned is looked at again from its first landmarks, for a detector's box and
        eyes are less sure there."""
        faces = self.look(image, places)
        for number, (face, place) in enumerate(zip(faces, places)):
            if not face.layout.is_face or self.detector.name == WHOLE:
                continue
            if face.confidence < UNSURE:
                turned = [self.detector.turned(place, place.turn + quarter) for quarter in QUARTERS]
                face = max([face, *(f for f in self.look(image, turned) if f.trusted)], key=lambda f: f.confidence)
            if face.trusted and face.crop.turn:
                turn = geometry.crop_turn(face.turn)
                box = geometry.turned_box(face.landmarks[face.there], turn)
                (again,) = self.look(image, [Detection(box, place.score, turn)])
                face = again if again.trusted else face
            faces[number] = face
        return _apart(faces)

    def look(self, image: np.ndarray, places: Sequence[Detection], given: bool = False) -> list[Face]:
        """The face of each landmark box, image px, turned about its middle. given: whether a user said so."""
        if not places:
            return []
        part, how = self.contract.crop, self.contract.decode
        crops = [geometry.crop_from_box(p.box, part.size, part.factor, part.least, p.turn) for p in places]
        pixels = np.stack([geometry.warp(image, crop.to_image, part.size) for crop in crops])
        with self._alone:
            if self._undecided:
                self.runtime = processors.fastest(self.runtime, self._files, pixels, self._threads)
                self._undecided = False
            start = time.perf_counter()
            outputs = self.runtime.raw(pixels)
            points = runtimes.points(outputs, self.contract)
            took = (time.perf_counter() - start) / len(places)
        if not np.isfinite(points.landmarks).all():
            name = f"{self.contract.model.name} {self.contract.model.precision}"
            raise InputError(f"{name}: gives points that are no numbers; export it again, perhaps in fp32")
        maps = None if how.in_graph else self.contract.output("heatmaps")
        return [
            Face(
                place.box, geometry.apply(crop.to_image, landmarks), scores, crop, took,
                outputs[maps.name][number] if maps else None, how.least_score, self.contract.layout, image,
                self.contract.radius, given,
            )
            for number, (place, crop, landmarks, scores) in enumerate(
                zip(places, crops, points.landmarks, points.scores)
            )
        ]  # fmt: skip


def _each(boxes: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
    if not hasattr(boxes, "__iter__"):
        raise InputError(f"boxes of type {type(boxes).__name__}; expected a list of x0, y0, x1, y1")
    return boxes


def _box(given: object, image: np.ndarray) -> np.ndarray:
    """(4,) x0, y0, x1, y1 of a box that has a part of the picture; InputError for what is none."""
    try:
        box = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        box = np.empty(0)
    if box.shape != (4,):
        raise InputError(f"box {given}: expected x0, y0, x1, y1 in image px; boxes is a list of such")
    height, width = image.shape[:2]
    if not (box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0):
        raise InputError(f"box {','.join(f'{v:g}' for v in box)}: outside the picture of {width} x {height} px")
    if np.ptp(box) > LARGEST_BOX * max(width, height):
        raise InputError(f"box {','.join(f'{v:g}' for v in box)}: far larger than the picture of {width} x {height} px")
    return box


def _apart(faces: list[Face]) -> list[Face]:
    """Without those whose landmarks fill the same place as those of a surer one: a detector may find a face twice."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face.confidence):
        others = np.reshape([other.landmark_box for other in kept if other.there.any()], (-1, 4))
        if not face.there.any() or max(detection.overlap(face.landmark_box, others), default=0) < SAME:
            kept.append(face)
    return [face for face in faces if any(face is one for one in kept)]


def whole_note(landmarker: Landmarker) -> str:
    """A line for those who may have expected a detector; '' where one looks for faces."""
    if landmarker.detector.name != WHOLE:
        return ""
    return f"the whole picture is taken as the {landmarker.contract.layout.object}'s box: let it fill the picture"
