"""Which way up the pictures were when their points were set: as a viewer shows them, or as they are stored.

EXIF turns a picture when it is shown; programs that label differ in whether they look at it, and files do not say. Here
pictures are always upright (edgewing.images), so points of stored pixels are turned with theirs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from edgewing import exif, images
from edgewing.errors import InputError, unknown
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data.samples import Sample, file_of

FRAMES = ("upright", "stored")


class Frames:
    """Counts pictures that EXIF turns, and turns their points where they are of the stored pixels."""

    def __init__(self, frame: str):
        if frame not in FRAMES:
            raise unknown("frame of points", frame, FRAMES)
        self.frame, self.pictures, self.turned = frame, 0, 0
        self._last: tuple[Path | None, tuple[int, int, int]] = None, (1, 0, 0)

    def look(self, image: Path) -> tuple[int, int, int]:
        """Orientation, stored width and height; what cannot be read is as stored, and whoever opens it says why."""
        if self._last[0] != image:
            try:
                found = images.turned(image) if file_of(image) == image else (1, 0, 0)
            except InputError:
                found = 1, 0, 0
            self.pictures += 1
            self.turned += found[0] != 1
            self._last = image, found
        return self._last[1]

    def upright(self, sample: Sample, layout: Layout) -> Sample:
        """The sample with the points and the box of the upright picture. In a mirrored one left and right of the
        layout change places, as the points were named by what was seen."""
        orientation, width, height = self.look(sample.image)
        if orientation == 1 or self.frame == "upright":
            return sample

        def turn(points: np.ndarray) -> np.ndarray:
            return exif.upright_points(points, orientation, width, height).astype(np.float32)

        order = layout.flip_index if orientation in exif.MIRRORED else slice(None)
        box = sample.box
        if box is not None:
            corners = turn(np.reshape(box, (2, 2)))
            box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
        points, visibility = turn(sample.landmarks)[order], sample.visibility[order]
        return dataclasses.replace(sample, landmarks=points, box=box, visibility=visibility)

    def notes(self) -> list[str]:
        if not self.turned:
            return []
        taken = "and their points with them, which are of the stored pixels"
        if self.frame == "upright":
            taken = (
                "(their points are taken as of the upright picture; are they of the stored one: --points-frame stored)"
            )
        return [f"EXIF turns {self.turned} of {counted(self.pictures, 'pictures')} {taken}"]
