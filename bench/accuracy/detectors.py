"""Face detectors: the affine of each one's box, fitted on annotated faces, and how well each finds faces.

python -m bench detection fit lfpw/trainset helen/trainset            -> edgewing/detection.json
python -m bench detection score lfpw/testset --to rows.jsonl          -> a row for each detector
python -m bench detection score lfpw/testset --fill 1 --to rows.jsonl -> the same where every face fills its picture
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from json import dumps
from pathlib import Path

import numpy as np

import edgewing
from edgewing import detection, files, geometry, hints, images, repository, rows
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from train import data

EXAMPLE = "score lfpw/testset --to rows.jsonl"

FITS = Path(edgewing.__file__).parent / "detection.json"
FOUND = 0.5  # intersection over union of mapped and true landmark box from which a face counts as found
MATCH = 0.2  # the same of the detector's own box, from which a pair is fitted
LEAST_PAIRS = 50
LEAST_FILL = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    example = "example: python -m bench detection"
    fitting = actions.add_parser("fit", help="fit the boxes", epilog=f"{example} fit lfpw/trainset")
    fitting.add_argument(
        "--out", type=Output, metavar="JSON", help="the data file (default: edgewing's own, or beside the .onnx)"
    )
    scoring = actions.add_parser("score", help="recall and ms", epilog=f"{example} {EXAMPLE}")
    scoring.add_argument("--to", required=True, type=Rows, metavar="ROWS", help="rows are appended here")
    scoring.add_argument(
        "--fill", type=float, metavar="SHARE", help="cut pictures so that a face fills this share of their side"
    )
    for one in (fitting, scoring):
        one.add_argument("folders", nargs="+", metavar="DIR", help="faces with landmarks")
        one.add_argument("--layout", default="300w-68", help="their layout (default: %(default)s)")
        one.add_argument("--detector", metavar="FILE", help="a YuNet's .onnx (default: all that are installed)")


def main(action: str, **how) -> None:
    {"fit": fit_detectors, "score": score_detectors}[action](**how)


def fit_detectors(
    folders: Sequence[str], layout: str, detector: str | None, out: str | None, command: str = ""
) -> None:
    """Fit every detector that is installed and write the data file."""
    pairs: dict[str, list[np.ndarray]] = {}
    detectors = _wanted(detector)
    faces = 0
    for path, true in pictures(folders, layout, "train"):
        image = images.read_image(path)
        faces += len(true)
        for name, (one, _) in detectors.items():
            boxes = np.array([d.box for d in one.find(image)]).reshape(-1, 4)
            for box in true:
                overlaps = detection.overlap(box, boxes) if len(boxes) else np.zeros(1)
                if overlaps.max() > MATCH:
                    pairs.setdefault(name, []).append(np.stack([boxes[overlaps.argmax()], box]))
    fitted = {}
    for name, found in pairs.items():
        if len(found) < LEAST_PAIRS:
            raise InputError(f"{name} finds {len(found)} of {faces} faces; {LEAST_PAIRS} are needed for a fit")
        fitted[name] = affine(np.stack(found)) | {"pairs": len(found)}
        print(f"{name}: {dumps(fitted[name])}")
    about = {
        "what": "landmark box: centre = box centre + shift * box size, size = scale * box size; medians over pairs",
        "spread": "standard deviation (1.4826 MAD) of what is left, in units of the landmark box",
        "command": command,
        "faces": faces,
        "commit": repository.commit()["commit"],
        "versions": rows.versions(),
    }
    out = out or (detector and Path(detector).with_suffix(".json")) or FITS
    files.write(out, (dumps({"about": about, "fits": fitted}, indent=1) + "\n").encode())
    print(f"wrote {out}\n{hints.next_line('python -m bench detection score DIR --to rows.jsonl')}")


def affine(pairs: np.ndarray) -> dict:
    """(P, 2, 4) detector and landmark boxes -> shift, scale and their robust spread."""
    found, true = pairs[:, 0], pairs[:, 1]
    side, true_side = found[:, 2:] - found[:, :2], true[:, 2:] - true[:, :2]
    shift = ((true[:, 2:] + true[:, :2]) - (found[:, 2:] + found[:, :2])) / 2 / side
    scale = np.log(true_side / side)
    middle, middle_scale = np.median(shift, axis=0), np.median(scale, axis=0)
    left = 1.4826 * np.median(np.abs(shift - middle) * side / true_side, axis=0)
    left_scale = 1.4826 * np.median(np.abs(scale - middle_scale), axis=0)
    values = {"shift": middle, "scale": np.exp(middle_scale), "spread_shift": left, "spread_scale": left_scale}
    return {name: [round(float(v), 4) for v in value] for name, value in values.items()}


def score_detectors(
    folders: Sequence[str], layout: str, detector: str | None, fill: float | None, to: str, command: str = ""
) -> None:
    """Recall, false finds and milliseconds of every detector; one row each."""
    if fill is not None and not LEAST_FILL <= fill <= 2:
        raise InputError(f"--fill {fill:g}: expected {LEAST_FILL:g} to 2, the face's side over the picture's")
    faces = list(pictures(folders, layout, "test"))
    for name, (one, description) in _wanted(detector).items():
        found = false = labelled = 0
        times, shifts = [], []
        for image, true in _cut(faces, fill):
            start = time.process_time()
            boxes = np.array([d.box for d in one(image)]).reshape(-1, 4)
            times.append(time.process_time() - start)
            labelled += len(true)
            overlaps = np.array([detection.overlap(box, boxes) for box in true])
            hits = overlaps.max(axis=1, initial=0) >= FOUND
            found += int(hits.sum())
            false += int((overlaps.max(axis=0, initial=0) < FOUND).sum())
            for box, overlap in zip(true[hits], overlaps[hits]):
                shifts.append(crop_shift(boxes[overlap.argmax()], box))
        protocol = {
            "data": ["/".join(Path(folder).parts[-2:]) for folder in folders],
            "layout": layout,
            "least_overlap": FOUND,
            "clock": "median processor time per picture, one thread",
        } | ({} if fill is None else {"fill": fill})
        row = {
            **rows.header("detection", {}, protocol, command),
            "detector": name,
            "runtime": description,
            "pictures": len(times),
            "faces": labelled,
            "recall": found / labelled,
            "false": false,
            "cpu_ms": 1000 * float(np.median(times)),
            "crop_shift_p50": float(np.median(shifts)) if shifts else None,
        }
        rows.append(to, row)
        shift = f"crop shift {row['crop_shift_p50']:.3f}" if shifts else "finds none"
        print(
            f"{name}: recall {row['recall']:.3f} of {labelled}, {false} unmatched, {row['cpu_ms']:.1f} CPU ms, {shift}"
        )
    print(f"wrote {to}\n{hints.next_line('edgewing run IMAGE --model FILE')}")


def _cut(faces: Sequence[tuple[Path, np.ndarray]], fill: float | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pictures and the boxes of their faces. fill: a square for each face instead, as far as the picture goes, with the
    face's box in the middle and as large, in its longer side, as this share of the square's."""
    for path, true in faces:
        image = images.read_image(path)
        if fill is None:
            yield image, true
            continue
        for box in true:
            low = (box[:2] + box[2:] - max(box[2:] - box[:2]) / fill) / 2
            high = box[:2] + box[2:] - low
            (x0, y0), (x1, y1) = np.maximum(low.round().astype(int), 0), high.round().astype(int)
            yield np.ascontiguousarray(image[y0:y1, x0:x1]), box[None] - np.tile([x0, y0], 2)


def crop_shift(found: np.ndarray, true: np.ndarray) -> float:
    """How far the crop's centre is from the ``gtbox`` crop's, as a share of the latter's side."""
    a, b = (geometry.crop_from_box(box, 256) for box in (found, true))
    return float(np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1]) / b.side)


def pictures(folders: Sequence[str], layout: str, split: str) -> Iterator[tuple[Path, np.ndarray]]:
    """Each picture with the (F, 4) tight landmark boxes of its labelled faces."""
    boxes: dict[Path, list[np.ndarray]] = {}
    for sample in data.read_samples(folders, layout, split).samples:
        boxes.setdefault(sample.image, []).append(geometry.landmark_box(sample.landmarks))
    return ((path, np.array(found)) for path, found in boxes.items())


def _wanted(asked: str | None) -> dict[str, tuple[detection.Detector, str]]:
    """name -> (detector, what runs it): the one that is asked for, or all that can be had; the others are named on
    stderr."""
    made = {}
    for wanted in [asked] if asked else detection.DETECTORS:
        try:
            detector = detection.open(wanted)
        except InputError as error:
            if asked:
                raise
            print(f"passed over: {wanted}: {error}", file=sys.stderr)
            continue
        made[detector.name] = detector, str(getattr(detector.find, "description", "OpenCV"))
    return made
