"""Is an artefact still the same network? Landmark shift against the float model in pixels, over the same faces.

The artefact itself is run: its file, by its own runtime, with its decode; CoreML through targets.coreml_evaluator.
A gate follows, by what the file is: NME and p99 shift for weights of 8 bits or fewer, p99 shift alone for floats.

F faces, N landmarks, S side of the crop.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgewing import containers, contract, face_set, formats, geometry, metrics, runtimes
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.processors import SHIFT_LIMIT
from edgewing.tensorrt import builders
from targets import delegation
from targets.table import DRAWN
from train.data.crops import cut, evenly
from train.data.drawn import LAYOUTS
from train.evaluate import CALIBRATION, VALIDATION
from train.runs import SEEDS, crop_of, draw

CROP = 256  # px; shifts are scaled to a crop of this side, so that networks of different sizes can be compared
# Where NME itself is tiny, a share of it is less than anybody's marks are worth: no reason to refuse a file.
NME_FLOOR = 0.0002
NME_LIMIT = 0.01  # of weights of 8 bits or fewer: how much worse NME may be, as a share of the float model's
FLOATS = ("fp32", "fp16")
FAILED = 0.10  # NME above which a face counts as failed, as FR10 does
MOST_FACES = 500  # of a folder: evenly spaced over it
LEAST_FACES = metrics.LEAST_FACES  # of fewer the 99th percentile is one landmark's bad luck, and a broken file passes
FEWEST_OWN = 10  # of a layout that nobody draws: fewer say too little, however they are turned
TURN, SCALE = np.deg2rad(10), 0.1  # of such views
STILL = 1e-3  # px: an artefact whose landmarks move less than this over all faces answers nothing


@dataclass(frozen=True)
class Faces:
    """crops (F, S, S, 3) uint8 RGB, landmarks (F, N, 2) crop px, in words where they are from, how they were cut, and
    what they are (the layout's ``several``)."""

    crops: np.ndarray
    landmarks: np.ndarray
    source: str
    crop: str = "gtbox"
    several: str = "faces"

    def __len__(self) -> int:
        return len(self.crops)

    def __str__(self) -> str:
        return f"{len(self)} {self.several} of {self.source}, {self.crop} crops"

    @property
    def drawn(self) -> bool:
        return self.source.endswith(DRAWN)

    def filled(self, other: Faces) -> Faces:
        """With faces of another set, as many as a gate needs."""
        more = other.some(np.arange(len(other))[: LEAST_FACES - len(self)])
        together = np.concatenate([self.crops, more.crops]), np.concatenate([self.landmarks, more.landmarks])
        return Faces(*together, f"{self.source} and, to have {LEAST_FACES}, {other.source}", self.crop, self.several)

    def turned(self) -> Faces:
        """With views of its own, turned and scaled a little, as many as a gate needs: a file is held against the
        network itself, and both see the same."""
        random, size = np.random.default_rng(0), self.crops.shape[1]
        crops, landmarks = list(self.crops), list(self.landmarks)
        for i in np.arange(LEAST_FACES - len(self)) % len(self):
            angle, scale = random.uniform(-TURN, TURN), random.uniform(1 - SCALE, 1 + SCALE)
            linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            middle = np.full(2, (size - 1) / 2)
            to_crop = np.column_stack([linear, middle - linear @ middle])
            crops.append(geometry.warp(self.crops[i], to_crop, size))
            landmarks.append(geometry.apply(geometry.invert(to_crop), self.landmarks[i]))
        source = (
            f"{self.source} and, to have {LEAST_FACES}, views of them turned by up to {np.rad2deg(TURN):.0f} degrees"
        )
        return Faces(np.stack(crops), np.stack(landmarks), source, self.crop)

    def some(self, chosen: np.ndarray) -> Faces:
        return Faces(self.crops[chosen], self.landmarks[chosen], self.source, self.crop, self.several)


@dataclass(frozen=True)
class Result:
    """part: what goes into the contract, ``about``. failed: faces with NME above 10 % (or none), of float and artefact.

    reasons: why it was rejected, a sentence each with both values and the limit; empty where it was accepted.
    """

    part: contract.ParityPart
    failed: tuple[int, int]
    reasons: list[str]
    about: contract.Contract

    def rejected_for(self, reasons: Sequence[str]) -> Result:
        """Rejected for these reasons too."""
        reasons = [*self.reasons, *reasons]
        return replace(self, part=replace(self.part, accepted=not reasons), reasons=reasons)

    @property
    def nme_change(self) -> float:
        """Relative: 0.01 is one percent worse than float."""
        return _worse(self.part.nme_artefact, self.part.nme_float)

    def __str__(self) -> str:
        p = self.part
        text = f"shift p50 {p.p50:.3f} p99 {p.p99:.3f} max {p.max:.3f} px, NME {100 * p.nme_artefact:.2f} %"
        text += f" ({100 * self.nme_change:+.2f} %)"
        return text + (f", failed {self.failed[0]} -> {self.failed[1]}" if self.failed[0] != self.failed[1] else "")


def stored(path: Path, points: int, size: int, crop: str = "gtbox") -> Faces:
    """Faces that a run has kept (faces/validation.npz, calibration.npz). crop: how they were cut, where its recipe does
    not say. InputError where they do not fit the run."""
    if not path.exists():
        raise InputError(f"{path}: no such file; give labelled pictures with --data DIR, or train the run again")
    kept = face_set.Faces.load(path, size, points)
    drawn = all(str(name).startswith("drawn_") for name in kept.names)
    source = f"{path.parent.name}/{path.name}" + f", {DRAWN}" * drawn
    return Faces(kept.crops, kept.landmarks.astype(np.float32), source, crop_of(path.parent.parent, kept.names, crop))


def of_run(run: Path, about: contract.Contract, data: str | None = None) -> tuple[Faces, Faces | None]:
    """The faces that files of a run are checked on, and those that int8 is calibrated on: the run's own.

    about: the run's contract. data: a labelled folder, or ``drawn``, in place of the run's validation faces.
    A run that holds out too few for a gate is checked on faces that it learnt from too, and where nobody can draw more
    on turned views of all: a file is held against the network itself, not against the truth. Where the run's own faces
    are drawn and the folder has enough, every fourth of its faces calibrates instead.
    InputError: no faces, or too few for a gate.
    """
    size, layout = about.crop.size, about.layout
    own = run / CALIBRATION
    calibration = stored(own, layout.points, size, about.crop.protocol) if own.exists() else None
    if data == DRAWN:
        drawn = draw(layout.name, size, SEEDS[VALIDATION])
        faces = Faces(drawn.crops, drawn.landmarks, DRAWN)
    elif data:
        faces = photographs(Path(data), layout, about.crop)
        other = np.arange(len(faces)) % 4 == 3
        if (calibration is None or calibration.drawn) and (~other).sum() >= LEAST_FACES:
            calibration, faces = faces.some(other), faces.some(~other)
    else:
        faces = stored(run / VALIDATION, layout.points, size, about.crop.protocol)
        if len(faces) < LEAST_FACES and calibration:
            faces = faces.filled(calibration)
    can_be_drawn = layout.name in LAYOUTS
    if not can_be_drawn and FEWEST_OWN <= len(faces) < LEAST_FACES:
        faces = faces.turned()
    if len(faces) < LEAST_FACES:
        needed = LEAST_FACES if can_be_drawn else FEWEST_OWN
        raise InputError(
            f"{data or run / 'faces'}: {len(faces)} {layout.several}; a gate needs {needed}: give more with --data DIR "
            "(those it learnt from will do: a file is held against the network itself)"
            + f", or --data {DRAWN}"
            * can_be_drawn
        )
    return tuple(found and dataclasses.replace(found, several=layout.several) for found in (faces, calibration))


def photographs(folder: Path, layout: str | Layout, square: contract.CropPart) -> Faces:
    """Faces of a labelled folder, its test part; at most MOST_FACES of them. square: the model's crop, whose boxes are
    taken where all of them have one, and else those of their landmarks."""
    from train import data

    listing = data.read_samples(folder, layout, split="test")
    count = len(listing.samples)
    chosen = [listing.samples[i] for i in evenly(count, MOST_FACES)]
    protocol = square.protocol if all(sample.box is not None for sample in chosen) else "gtbox"
    # a broken picture is one face fewer, and the number of faces is reported
    crops, landmarks = cut(chosen, square.size, protocol, square.factor, square.least)
    if not crops:
        raise InputError(f"{folder}: none of {count} pictures can be read; check the folder")
    return Faces(
        np.stack(crops),
        np.stack(landmarks).astype(np.float32),
        f"{folder.name}" + ("" if len(crops) == count else f" ({len(crops)} of {count} read)"),
        protocol,
    )


def runtimes_of(path: Path) -> list[runtimes.Runtime]:
    """What runs this file here: a runtime, or what stands in for it. Called with crops, it gives Points."""
    evaluator = formats.TABLE[containers.format_of(path)].evaluator
    found = importlib.import_module(evaluator).opened(path) if evaluator else []
    return found or [runtimes.open(path, tell=False)]


def measure(path: Path, reference: runtimes.Points, faces: Faces) -> Result:
    """Run an artefact over the faces and compare it with the float model's points of the same faces.

    Where it runs on several kinds of compute units, the worst of them counts.
    """
    results = [_measure(path, artefact, reference, faces) for artefact in runtimes_of(path)]
    return max(results, key=lambda result: (len(result.reasons), result.part.p99))


def _measure(path: Path, artefact: runtimes.Runtime, reference: runtimes.Points, faces: Faces) -> Result:
    about = artefact.contract
    ran_on = str(artefact.description)
    if about.model.format == "tensorrt" and about.model.precision != "int8" and not builders.has_types(path):
        ran_on += "; fp32 here, the engine's precision is chosen by its builder on the board"
    result = compare(about, ran_on, artefact(faces.crops), reference, faces)
    return result.rejected_for(delegation.problems(path, artefact) if about.model.format == "tflite" else [])


def compare(
    about: contract.Contract, ran_on: str, points: runtimes.Points, reference: runtimes.Points, faces: Faces
) -> Result:
    """The figures and the verdict, from what an artefact and the float model said."""
    scale = CROP / about.crop.size
    shift = np.linalg.norm(points.landmarks.astype(np.float64) - reference.landmarks, axis=-1) * scale
    broken = not np.isfinite(shift).all()
    # A point that a face does not have may lie anywhere: its heatmap is empty, and its centre is noise.
    shift = np.where(np.isfinite(shift), shift, CROP)[~np.isnan(faces.landmarks[..., 0])]
    layout = about.layout
    boxes = np.stack([geometry.landmark_box(landmarks) for landmarks in faces.landmarks])
    normaliser = metrics.normaliser_of_all(faces.landmarks, layout)
    distance = metrics.normaliser(faces.landmarks, layout, normaliser, boxes)
    ours, theirs = (metrics.errors(p.landmarks, faces.landmarks, distance) for p in (points, reference))
    p50, p99, largest = (float(v) for v in np.percentile(shift, [50, 99, 100]))
    nme_float, nme = (metrics.summarise(errors).nme for errors in (theirs, ours))
    kind = "float" if about.model.precision in FLOATS else "integer"
    reasons = []
    if broken:
        reasons.append("some landmarks are not numbers")
    moves = np.ptp(points.landmarks, axis=0).max()
    if len(faces) > 1 and moves < STILL < np.ptp(reference.landmarks, axis=0).max():
        reasons.append(f"constant output: its landmarks move {moves:.2g} px over {len(faces)} {faces.several}")
    if p99 > SHIFT_LIMIT[kind]:
        reasons.append(f"p99 shift {p99:.3f} px, limit {SHIFT_LIMIT[kind]:g} px")
    if kind == "integer" and nme > nme_float * (1 + NME_LIMIT) and nme > nme_float + NME_FLOOR:
        reasons.append(
            f"NME {100 * nme:.3f} % is {100 * _worse(nme, nme_float):.2f} % worse than float {100 * nme_float:.3f} %, "
            f"limit {100 * NME_LIMIT:g} %"
        )
    how = f"{faces.source}, {faces.crop} crops, against the float torch model, px of a {CROP} px crop"
    part = contract.ParityPart(
        protocol=f"{how}; NME divided by {normaliser}",
        ran_on=ran_on,
        faces=len(faces),
        p50=p50,
        p99=p99,
        max=largest,
        nme_float=nme_float,
        nme_artefact=nme if np.isfinite(nme) else 1.0,  # no face at all: JSON has no infinity, and 100 % fails as well
        accepted=not reasons,
    )
    return Result(part, (int((theirs > FAILED).sum()), int((ours > FAILED).sum())), reasons, about)


def _worse(nme: float, nme_float: float) -> float:
    return nme / nme_float - 1 if nme_float else float(nme > 0)
