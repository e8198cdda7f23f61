"""How far the points of a file may be off, measured on faces that it did not learn from, and written into its contract.

Of photographs those are taken that `train fit` holds out of a folder (--split), of
a run its validation faces. Folders count alike, however many faces they have. The marks of the first are what is
meant; the others may be of another style: of theirs the mean offset of each point is taken off first. The new file is
the old one but for its contract, which names it by its sha256: what was measured of that one is true of it.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import shutil
from pathlib import Path

import numpy as np

from bench.accuracy import radius
from bench.accuracy.scored_faces import HELD_OUT, open_faces
from edgewing import containers, contract, files, geometry, hints, measure, models, runtimes, trial
from edgewing.errors import InputError
from edgewing.outputs import Output
from targets import table

EXAMPLE = "--model face-int8.tflite --data lfpw/trainset --layout 300w-68 --out face-int8-radius.tflite"
LEAST_FACES = 30  # of the first folder; one face's bad luck moves fewer too far
SHARE = 0.9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument("--data", required=True, nargs="+", metavar="DIR", help="photographs with landmarks, or a run")
    parser.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    parser.add_argument("--out", required=True, type=Output, metavar="FILE", help="where the new file goes")
    parser.add_argument(
        "--split", default=HELD_OUT, metavar="NAME",
        help="of photographs: held-out (5 %% of the people), held-out=SHARE after `train fit --validation SHARE`, or a "
        "split of `bench accuracy` that is used for nothing else (default: %(default)s)",
    )  # fmt: skip


def main(model: str, data: list[str], layout: str, out: str, split: str) -> None:
    part = write(model, data, out, layout=layout, split=split)
    sides = [part.sides[0] * np.mean(part.points), part.sides[-1] * np.mean(part.points)]
    print(
        f"{100 * part.share:g} % of points are within {100 * sides[0]:.1f} % of the crop's side at a score of "
        f"{part.scores[0]:.2f}, within {100 * sides[1]:.1f} % at {part.scores[-1]:.2f}: {part.protocol}"
    )
    print(f"wrote {out}")
    print(hints.next_line("python -m bench accuracy --model", out, "--data", "OTHER-FACES"))


def write(
    model: str | Path, data: list[str], out: str | Path, *, layout: str = "", split: str = HELD_OUT
) -> contract.RadiusPart:
    """The file anew, with its radius in its contract. InputError: too few faces, a kind of file that cannot be."""
    path, final = models.find(model), Path(out)
    about, embed = containers.read_contract(path), _embed(path)
    if final.suffix != path.suffix:
        raise InputError(f"{final}: is written as {path.name} is; let its name end in {path.suffix}")
    part = measured(path, data, layout, split)
    origin = about.provenance.stamped_on or measure.artefact(path)["sha256"]
    provenance = dataclasses.replace(about.provenance, stamped_on=origin)
    with files.workshop(final) as made:
        shutil.copy(path, made)
        embed(made, about.replace(radius=part, provenance=provenance))
        containers.seal(made)
        os.replace(made, final)
    trial.remember(final)
    return part


def measured(path: Path, data: list[str], layout: str = "", split: str = HELD_OUT) -> contract.RadiusPart:
    """What a file's contract says of it, on the faces held out of each of ``data``."""
    runtime = runtimes.open(path)
    about = runtime.contract
    offsets, scores, weights, said = [], [], [], []
    for folder in data:
        moved, sure = _offsets(runtime, folder, about.layout if layout == about.layout.name else layout, split)
        if not offsets and len(moved) < LEAST_FACES:
            raise InputError(f"{folder}: {len(moved)} {about.layout.several} held out; {LEAST_FACES} are needed")
        offsets.append(radius.centred(moved) if offsets else moved)
        scores.append(sure)
        weights.append(np.full(sure.shape, 1 / np.isfinite(moved[..., 0]).sum()))
        said.append(f"{len(moved)} of {'/'.join(Path(folder).parts[-2:])}")
    distances = np.linalg.norm(np.concatenate(offsets), axis=-1)
    found = radius.fit(distances, np.concatenate(scores), np.concatenate(weights), SHARE)
    protocol = f"{about.layout.several} held out: {', '.join(said)}"
    protocol += ", counted alike; of all but the first without the mean offset of each point" * (len(data) > 1)
    return contract.RadiusPart(SHARE, *found, len(distances), protocol)


def _offsets(runtime, folder: str, layout, split: str) -> tuple[np.ndarray, np.ndarray]:
    """(F, N, 2) ours from the marks, shares of the crop's side; (F, N) scores."""
    square = runtime.contract.crop
    is_run = (Path(folder) / "faces").is_dir()
    faces = open_faces(folder, layout, square, split="test" if is_run else split)
    theirs, ours = faces.layout, runtime.contract.layout
    if theirs.points != ours.points:
        raise InputError(f"{folder}: is of {theirs.name}, the file of {ours.name}")
    order = theirs.map_to(ours) if theirs.name == ours.name else slice(None)
    offsets, scores = [], []
    for index in range(len(faces)):
        try:
            face = faces.face(index)
        except InputError:  # a broken picture is one face fewer, and the number of faces is told
            continue
        points = runtime(face.crop[None])
        true = geometry.apply(geometry.invert(face.to_image), face.landmarks)[order]
        offsets.append((points.landmarks[0] - true) / square.size)
        scores.append(points.scores[0])
    return np.array(offsets), np.array(scores)


def _embed(path: Path):
    target = next((row for row in table.TABLE.values() if row.suffix == path.suffix.lower()), None)
    if target is None or path.is_dir():
        raise InputError(f"{path}: no contract is written into such a file; give an .onnx, .tflite or .pte")
    return target.load().embed
