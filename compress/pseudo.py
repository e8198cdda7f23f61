"""Labels made by teachers: landmarks of pictures that have none, or better ones than a machine gave before.

    made = label(pictures, labellers, say)

Every face is seen in several views, mirrored and at several scales; the label is the mean of what all labellers say in
all views, and how far the views lie apart says whether to believe it. A teacher that was trained to stay silent where
there is no point (--absent empty) labels none there either.

F faces, N landmarks, V views.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from compress.foreign import Foreign
from edgewing import geometry, layouts
from edgewing.geometry import Crop
from edgewing.layouts import Layout
from train.checkpoint import load_model
from train.credits import Credits
from train.evaluate import predict
from train.float_contract import least_score

# (scale of the crop, mirrored): what a network that has understood a face should not care about.
VIEWS = ((1.0, False), (1.0, True), (0.92, True), (1.1, False))
PASSES = 2  # from a first guess of the square to the landmarks' own
BATCH = 32


@dataclass(frozen=True)
class Picture:
    """A face to label. box: (4,) around its landmarks, image px, or None: the face then fills the picture."""

    name: str
    image: np.ndarray
    box: np.ndarray | None = None


@dataclass(frozen=True)
class Labels:
    """names: F. landmarks: (F, N, 2) float32, image px; NaN where half of the views see none. spread: (F,) mean
    distance of the views' landmarks from their mean, as a share of the longer side of the landmark box."""

    names: list[str]
    landmarks: np.ndarray
    spread: np.ndarray


class Labeller:
    """One teacher, ours or foreign, by its crop: ``labeller(images, boxes)``."""

    def __init__(self, source: str | Path, layout: Layout):
        """source: a run, or an .onnx file (compress.foreign). InputError where it has no landmarks for ``layout``."""
        path = Path(source)
        if path.suffix.lower() == ".onnx":
            foreign = Foreign(path)
            about = foreign.description
            self.size, self.digest = about.size, foreign.digest
            theirs = layouts.get(about.layout)
            self.landmarks: Callable[[np.ndarray], np.ndarray] = foreign
            self.credits = Credits((f"{about.name} ({about.licence}, {about.source})",), about.trained_on)
            self._square, self._lateral = (about.factor, about.shift), 0.0
        else:
            network, recipe, contract = load_model(path)
            network.to("cuda" if torch.cuda.is_available() else "cpu")
            theirs, self.size = layouts.get(recipe.layout), recipe.input_size
            self.digest = contract.provenance.weights_sha256
            silent = least_score(recipe)

            def found(crops: np.ndarray) -> np.ndarray:
                points, scores = predict(network, recipe, crops, batch=BATCH)
                return np.where(scores[..., None] < silent, np.nan, points)

            self.landmarks = found
            name = f"{contract.model.name} (weights {self.digest[:12]})"
            self.credits = Credits((name,)) + Credits.of(contract)
            self._square = None
            self._lateral = recipe.lateral * self.size
        self.layout, self.flip = layout, theirs.flip_index
        self.index = theirs.map_to(layout)

    def crop(self, box: np.ndarray) -> Crop:
        """The square that this labeller was trained on, around a landmark box in image px."""
        if self._square is None:
            return geometry.crop_from_box(box, self.size)
        factor, shift = self._square
        x0, y0, x1, y1 = (float(v) for v in box)
        side = max(x1 - x0, y1 - y0)
        return Crop(((x0 + x1) / 2, (y0 + y1) / 2 + shift * side), factor * side, self.size)

    def __call__(self, images: list[np.ndarray], boxes: np.ndarray, views=VIEWS) -> np.ndarray:
        """F pictures and their landmark boxes (F, 4) -> (V, F, N, 2) image px, landmarks of the layout asked for; NaN
        where a teacher that would know sees no point."""
        squares = [self.crop(box) for box in boxes]
        found = []
        for scale, mirrored in views:
            scaled = [Crop(square.centre, square.side * scale, square.size) for square in squares]
            crops = np.stack([geometry.warp(i, c.to_image, c.size) for i, c in zip(images, scaled)])
            points = self.landmarks(np.ascontiguousarray(crops[:, :, ::-1]) if mirrored else crops)
            if mirrored:
                points = points[:, self.flip]
                points[..., 0] = self.size - 1 - points[..., 0] + 2 * self._lateral
            points = points[:, self.index]
            found.append([geometry.apply(c.to_image, p) for c, p in zip(scaled, points)])
        return np.asarray(found, np.float32)


def label(pictures: Iterable[Picture], labellers: list[Labeller], say: Callable[[int], None]) -> Labels:
    """Landmarks of all pictures, in their order. say: told how many faces are done."""
    names: list[str] = []
    landmarks, spreads = [], []
    layout = labellers[0].layout
    for part in _batches(iter(pictures)):
        images = [picture.image for picture in part]
        boxes = np.stack([_filling(p.image) if p.box is None else p.box for p in part])
        first = labellers[0]
        for _ in range(sum(picture.box is None for picture in part) and PASSES):
            boxes = _boxes(first(images, boxes, VIEWS[:1])[0], boxes)
        seen = [np.ma.masked_invalid(labeller(images, boxes)) for labeller in labellers]
        means = [_mean(views) for views in seen]
        found = np.ma.stack(means).mean(axis=0)
        # Labellers of different schools differ by a constant; only a labeller's own views say that it is unsure.
        side = np.ma.ptp(found, axis=1).max(axis=1)
        apart = [np.ma.sqrt(((v - mean) ** 2).sum(axis=-1)).mean(axis=(0, 2)) for v, mean in zip(seen, means)]
        spreads.append((np.ma.stack(apart).mean(axis=0) / np.ma.maximum(side, 1e-6)).filled(np.inf))
        landmarks.append(found.filled(np.nan))
        names += [picture.name for picture in part]
        say(len(names))
    if not names:  # a worker's share of few pictures
        return Labels([], np.empty((0, layout.points, 2), np.float32), np.empty(0))
    return Labels(names, np.concatenate(landmarks).astype(np.float32), np.concatenate(spreads))


def key(labellers: list[Labeller], what: str) -> str:
    """Names labels of ``what``: the same teachers and the same pictures give the same; a better teacher, new ones."""
    return hashlib.sha256("\0".join([what, repr(VIEWS), *(one.digest for one in labellers)]).encode()).hexdigest()


def _batches(pictures: Iterator[Picture]) -> Iterator[list[Picture]]:
    while part := list(islice(pictures, BATCH)):
        yield part


def _filling(image: np.ndarray) -> np.ndarray:
    """(4,) the landmark box of a face whose ``gtbox`` crop is the picture's middle square."""
    height, width = image.shape[:2]
    side = min(height, width) / geometry.FACTOR
    return np.array([width - side, height - side, width + side, height + side]) / 2


def _mean(views: np.ma.MaskedArray) -> np.ma.MaskedArray:
    """(V, F, N, 2) -> (F, N, 2) over the views that have a point; none where half of them have not."""
    return np.ma.masked_where(np.ma.getmaskarray(views).mean(axis=0) >= 0.5, views.mean(axis=0))


def _boxes(landmarks: np.ndarray, before: np.ndarray) -> np.ndarray:
    """(F, N, 2) -> (F, 4), none of them empty: a face in one place gets a box of one pixel, and one that was not found
    keeps the box ``before``."""
    found = np.ma.masked_invalid(landmarks)
    low, high = found.min(axis=1), found.max(axis=1)
    boxes = np.ma.concatenate([low, np.ma.maximum(high, low + 1)], axis=1)
    return np.where(np.ma.getmaskarray(boxes), before, boxes.filled(0))
