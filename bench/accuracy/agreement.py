"""How far a model's landmarks are from those of a larger network (its teacher, or another) on faces without
landmarks, by age and by sex.

For UTKFace: 200 x 200 px pictures aligned by their eyes, with age and sex in their names (`age_sex_..._time.jpg`), in a
folder or in tar files. Agreement is not accuracy: where the teacher is wrong, so is who agrees with it. What it shows
is whether making a model small cost one group of people more than another.

Crops: no box comes with these pictures. The teacher sees each picture once in a fixed square, made from FIRST_BOX as
every crop is from a box; the tight box around the landmarks it finds there gives the ``gtbox`` square that the teacher
and the model are then both run on, each at its own size. The difference is divided by the teacher's normaliser.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from bench.accuracy import groups
from bench.accuracy.scoring import PROBLEMS_KEPT, shared_points
from bench.report import artefacts
from bench.report.columns import percent, progress
from edgewing import containers, geometry, hints, measure, metrics, models, rows, runtimes
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from train.data import pictures

EXAMPLE = "--model edgewing-s --teacher runs/teacher --data utkface --to rows.jsonl"

SIDE = 200  # px of a picture
# Eyes near (57, 57) and (140, 57), mouth near (98, 142): about the median landmark box of these faces, found by running
# a 68-point model on every fifth of 3000 and cropping again from its landmarks until the median stood still.
FIRST_BOX = (10.0, 30.0, 186.0, 200.0)
AGES = {"0-9": (0, 9), "10-19": (10, 19), "20-39": (20, 39), "40-59": (40, 59), "60+": (60, 120)}
SEXES = ("male", "female")
NAME = re.compile(r"(\d{1,3})_([01])_")  # age and sex; nothing else of a name is read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument(
        "--teacher", required=True, metavar="RUN|FILE", help="an artefact, or a run with an fp32 export"
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="UTKFace: aligned pictures, or tar files of them")
    parser.add_argument("--json", type=Output, metavar="OUT", help="write the row here (default: print only)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")


def main(model: str, to: str | None, json: str | None, **how) -> None:
    row = agreement_row(model, **how)
    print(row_as_text(row))
    rows.keep([row], to, json)
    print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", model))


def agreement_row(model: str | Path, teacher: str | Path, data: str | Path, *, command: str = "") -> dict:
    """The agreement row of a model and its teacher. Raises: InputError where no face can be compared."""
    files = {"model": models.find(model), "teacher": _teacher(teacher)}
    student, teacher = (runtimes.open(path) for path in files.values())
    of_model, of_teacher = (runtime.contract.layout for runtime in (student, teacher))
    layout, from_model, from_teacher = shared_points(of_model, of_teacher)

    names, ours, theirs, problems = _look(student, teacher, data)
    ours, theirs = ours[:, from_model], theirs[:, from_teacher]
    errors = metrics.errors(ours, theirs, metrics.normaliser(theirs, layout))
    ages, sexes = zip(*(labels(name) for name in names))
    contract = student.contract
    protocol = {
        "data": str(data),
        "crop": "gtbox of the teacher's landmarks on a fixed square",
        "first_box": list(FIRST_BOX),
        "factor": contract.crop.factor,
        "least": contract.crop.least,
        "size": contract.crop.size,
        "teacher_size": teacher.contract.crop.size,
        "scored_points": layout.name,
        "normaliser": f"{layout.default_normaliser} of the teacher's landmarks",
        "faces": len(names),
        "skipped": len(problems),
        "unlabelled": ages.count(""),
        # pictures that the model learnt from, with this teacher's labels, flatter the agreement
        "trained_on_these": any(Path(s).name == Path(data).name for s in contract.training.trained_on),
    }
    known = {"name": teacher.contract.model.name, "precision": teacher.contract.model.precision}
    row = {
        **rows.header("agreement", measure.artefact(files["model"]), protocol, command),
        "model": measure.model_of(contract),
        "runtime": str(student.description),
        "teacher": measure.artefact(files["teacher"]) | known,
        **vars(metrics.summarise(errors)),
        "parts": {
            "age": groups.part("years in the file's name", ages, errors, list(AGES)),
            "sex": groups.part("as the file's name has it", sexes, errors, list(SEXES)),
        },
        "problems": problems[:PROBLEMS_KEPT],
    }
    return rows.finite(row)


def _look(student, teacher, data: str | Path) -> tuple[list[str], np.ndarray, np.ndarray, list[str]]:
    """Names of the faces that the teacher finds, (F, N, 2) landmarks of either in image px, and what was skipped."""
    found, problems = [], []
    for item in progress(pictures.read(data), "agreement"):
        try:
            if isinstance(item, InputError):
                raise item
            name, image = item
            box = _face(teacher, image, name)
        except InputError as error:
            problems.append(str(error))
            continue
        found.append((name, *(_landmarks(runtime, image, box) for runtime in (student, teacher))))
    if not found:
        raise InputError(f"{data}: no face could be compared; first problem: {'; '.join(problems[:1])}")
    names, ours, theirs = zip(*found)
    return list(names), np.array(ours), np.array(theirs), problems


def row_as_text(row: dict) -> str:
    """The protocol and the figures of an agreement row, in lines for a terminal."""
    p, teacher = row["protocol"], row["teacher"]
    lines = [
        f"protocol: landmarks against those of {teacher['name']} {teacher['precision']} ({teacher['path']}), "
        f"{p['faces']} faces of {p['data']}, {p['skipped']} skipped, {p['unlabelled']} without age and sex; "
        f"{p['crop']}; divided by {p['normaliser']}"
    ]
    lines += ["the model was trained on these pictures"] if p["trained_on_these"] else []
    lines += [f"skipped: {problem}" for problem in row["problems"]]
    lines.append(f"difference {percent(row['nme'])}  above 10 %: {percent(row['fr10'])}")
    return "\n".join(lines + groups.lines_of(row["parts"]))


def labels(name: str) -> tuple[str, str]:
    """Age group and sex that a picture's name gives; both '' where it does not."""
    read = NAME.match(name.rsplit("/", 1)[-1])
    age = next((g for g, (low, high) in AGES.items() if read and low <= int(read[1]) <= high), "")
    return (age, SEXES[int(read[2])]) if age else ("", "")


def _teacher(text: str) -> Path:
    path = models.find(text)
    if not path.is_dir() or containers.is_package(path):
        return path
    found, _ = artefacts.of_run(path)
    exact = [file for file, contract in found if contract.model.precision == "fp32"]
    if not exact:
        raise InputError(f"{path}/export: no fp32 artefact; make one with: python -m targets {path} --to onnx")
    return exact[0]


def _face(teacher, image: np.ndarray, name: str) -> np.ndarray:
    """The (4,) landmark box that the teacher finds in the fixed square, image px."""
    height, width = image.shape[:2]
    if height != width:
        raise InputError(f"{name}: {width} x {height} px; aligned pictures are square")
    first = (np.array(FIRST_BOX) + 0.5) * width / SIDE - 0.5
    landmarks = _landmarks(teacher, image, first)
    if not np.isfinite(landmarks).all():
        raise InputError(f"{name}: the teacher finds no face")
    return geometry.landmark_box(landmarks)


def _landmarks(runtime, image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(N, 2) in image px, from the crop around a box."""
    part = runtime.contract.crop
    crop = geometry.crop_from_box(box, part.size, part.factor, part.least)
    pixels = geometry.warp(image, crop.to_image, part.size)
    return geometry.apply(crop.to_image, runtime(pixels[None]).landmarks[0])
