"""The faces that an artefact is scored on: a folder of photographs, or the crops that a run kept for validation.

Both give the same thing, a numbered sequence of crops with their true landmarks, one decoded at a time. The crop
protocols are those of the landmark literature: ``gtbox`` from the tight box of the true landmarks, ``provided`` from
the dataset's own boxes, ``released`` as the paper's code does (train.data.crops). Jitter moves and scales that square,
as a face detector would.

N: landmarks, S: the model's input size.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgewing import geometry, layouts
from edgewing.contract import CropPart
from edgewing.errors import InputError, unknown
from edgewing.face_set import Faces
from train.data import crops, load_image, read_samples
from train.data.split import group_id
from train.data.split import split as halves
from train.recipes import Recipe
from train.runs import crop_of, layout_of

VALIDATION = "faces/validation.npz"
HELD_OUT = "held-out"  # the split of a training folder that `train fit` does not learn from
BOXES = {
    "gtbox": "true landmarks",
    "provided": "the dataset's own boxes",
    "released": "the dataset's own boxes, made larger by a look at the landmarks",
}


@dataclass(frozen=True)
class Face:
    """crop: (S, S, 3) uint8 RGB. landmarks: (N, 2) image px. to_image: (2, 3) crop px -> image px.

    box: (4,) of the dataset, image px, or None. attributes: the subsets it belongs to, such as ``{"blur": 1}``.
    visibility: (N,) of each point: 0 no such point, 1 hidden but marked, 2 seen.
    labels, pixels: sha256 of its landmarks, box and visibility, and of the decoded picture that the crop is cut from.
    """

    name: str
    crop: np.ndarray
    landmarks: np.ndarray
    to_image: np.ndarray
    box: np.ndarray | None
    attributes: dict[str, int] = field(default_factory=dict)
    visibility: np.ndarray | None = None
    labels: str = ""
    pixels: str = ""


@dataclass(frozen=True)
class Jitter:
    """Uniform noise on the crop: its centre moves by up to ``shift`` of its side, its side by up to ``scale``."""

    shift: float
    scale: float
    seed: int

    def __post_init__(self):
        if not (0 <= self.shift <= 1 and 0 <= self.scale < 1):
            what = f"--jitter {self.shift:g},{self.scale:g}"
            raise InputError(f"{what}: shift must be in 0..1 and scale in 0..1, as shares of the crop's side")

    def moved(self, crop: geometry.Crop, index: int) -> geometry.Crop:
        """The same for the same face and seed, whatever was read before it."""
        x, y, s = np.random.default_rng((self.seed, index)).uniform(-1.0, 1.0, 3)
        centre = (crop.centre[0] + x * self.shift * crop.side, crop.centre[1] + y * self.shift * crop.side)
        return geometry.Crop(centre, crop.side * (1.0 + s * self.scale), crop.size)


class RunFaces:
    """The validation crops of a run folder, at the run's input size; image px are crop px here."""

    in_pictures = False

    def __init__(self, run: Path, layout: str, square: CropPart):
        path = run / VALIDATION
        if (square.factor, square.least) != (geometry.FACTOR, geometry.LEAST):
            raise InputError(
                f"{path}: crops of {geometry.FACTOR:g} times the box, at least {geometry.LEAST:g}; the model's are of "
                f"{square.factor:g}, at least {square.least:g}: score it on photographs"
            )
        self.layout = layouts.get(layout) if layout else layout_of(run)
        kept = Faces.load(path, square.size, self.layout.points)
        self.crops, self.landmarks, self.names = kept.crops, kept.landmarks, [str(name) for name in kept.names]
        crop = crop_of(run, self.names)
        self.problems: list[str] = []
        self.protocol = {
            "data": str(path),
            "split": "validation",
            "list": [f"{path}: {len(self.names)} {self.layout.several} that the run was not trained on"],
            "crop": crop,
            "box_source": f"{BOXES[crop]}, cropped when the run was made",
            "factor": square.factor,
            "least": square.least,
        }

    def __len__(self) -> int:
        return len(self.names)

    def face(self, index: int) -> Face:
        crop, landmarks = self.crops[index], self.landmarks[index]
        digests = {"labels": digest(landmarks), "pixels": digest(crop)}
        return Face(self.names[index], crop, landmarks, np.eye(2, 3), None, **digests)


class PhotographFaces:
    """The test faces of a dataset folder, cropped from the original photographs, one at a time."""

    in_pictures = True

    def __init__(
        self,
        folder: Path,
        layout: str,
        square: CropPart,
        crop: str = "gtbox",
        jitter: Jitter | None = None,
        split: str = "test",
        points_frame: str = "upright",
    ):
        if not layout:
            raise InputError(f"{folder}: photographs need --layout; known: {', '.join(layouts.table())}")
        if crop not in BOXES:
            raise unknown("crop", crop, BOXES)
        self.layout = layouts.get(layout)
        share, seed = _held_out(split)
        listing = read_samples(folder, layout, "train" if share else split, points_frame)
        self.samples, self.problems = listing.samples, list(listing.problems)
        if share:
            groups = np.array([group_id(sample.group) for sample in self.samples])
            self.samples = [self.samples[i] for i in halves(groups, share, seed)[1]]
            kept = f"{len(self.samples)} held out of training (--seed {seed} --validation {share:g})"
            listing.summary.append(f"{folder}: {kept}")
        self.square, self.crop, self.jitter = square, crop, jitter
        self.names = [sample.name for sample in self.samples]
        self.protocol = {
            "data": str(folder),
            "split": split,
            "list": listing.summary,
            "crop": crop,
            "box_source": BOXES[crop],
        }
        if points_frame != "upright":
            self.protocol["points_frame"] = points_frame
        if crop != "released":
            self.protocol |= {"factor": square.factor, "least": square.least}
        if jitter:
            self.protocol["jitter"] = {"shift": jitter.shift, "scale": jitter.scale, "seed": jitter.seed}

    def __len__(self) -> int:
        return len(self.names)

    def face(self, index: int) -> Face:
        """InputError where the photograph cannot be read or its points cannot lie in it."""
        sample = self.samples[index]
        crop = crops.square(sample, self.square.size, self.crop, self.square.factor, self.square.least)
        if self.jitter:
            crop = self.jitter.moved(crop, index)
        image = load_image(sample)
        pixels = geometry.warp(image, crop.to_image, crop.size)
        kinds = sample.box, sample.attributes, sample.visibility
        contents = digest(sample.landmarks, sample.box, sample.visibility), digest(image)
        return Face(self.names[index], pixels, sample.landmarks, crop.to_image, *kinds, *contents)


def _held_out(split: str) -> tuple[float, int]:
    """``held-out``, ``held-out=0.1`` or ``held-out=0.1:3``: the share that training keeps, 0 for another split; its
    seed."""
    name, given, numbers = split.partition("=")
    if name != HELD_OUT:
        return 0.0, 0
    share, _, seed = numbers.partition(":")
    try:
        found = float(share) if given else Recipe.validation, int(seed or Recipe.seed)
    except ValueError:
        found = 0.0, 0
    if not 0 < found[0] < 1:
        raise InputError(
            f"--split {split}: give a share between 0 and 1, such as {HELD_OUT}=0.1, or with a seed {HELD_OUT}=0.1:3"
        )
    return found


def digest(*parts: np.ndarray | None) -> str:
    """sha256 of shapes and values: floats as float32, whatever they were read as."""
    found = hashlib.sha256()
    for part in parts:
        if part is not None:
            values = np.ascontiguousarray(part, np.uint8 if part.dtype == np.uint8 else "<f4")
            found.update(f"{values.dtype.str}{values.shape}".encode())
            found.update(values)
    return found.hexdigest()


def open_faces(
    data: str, layout: str, square: CropPart, crop: str = "gtbox", jitter: Jitter | None = None, split: str = "test",
    points_frame: str = "upright",
):  # fmt: skip
    """The faces under ``data``: a run folder (has faces/validation.npz) or a dataset folder or list.

    square: the crop of the model's contract."""
    path = Path(data)
    if not path.exists():
        raise InputError(f"{path}: no such folder; give a run or a folder of photographs with landmarks")
    if not (path / VALIDATION).is_file():
        return PhotographFaces(path, layout, square, crop, jitter, split, points_frame)
    faces = RunFaces(path, layout, square)
    if crop not in ("gtbox", faces.protocol["crop"]) or jitter or split != "test" or points_frame != "upright":
        raise InputError(
            f"{path}: a run keeps finished crops, of {faces.protocol['crop']}; --crop, --jitter, --split and "
            "--points-frame need a folder of photographs"
        )
    return faces
