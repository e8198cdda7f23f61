"""What a detector's boxes cost: NME with crops from its boxes against crops from the true ones, on the same faces.

A face counts as found where the detector's landmark box overlaps the true one by half (intersection over union), as for
recall in bench.accuracy.detectors; faces that are not found are in no NME. `again`: a second look, with the crop from
the landmarks that the first one gave, as tracking has it from its second frame on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.accuracy.detectors import FOUND, crop_shift
from bench.accuracy.scoring import shared_points
from bench.report.columns import progress
from edgewing import detection, geometry, hints, layouts, measure, metrics, models, rows
from edgewing.landmarker import Landmarker
from edgewing.outputs import Rows
from train.data import load_image, read_samples

EXAMPLE = "--model edgewing-m --data lfpw/testset --layout 300w-68 --to rows.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an artefact, or a shipped model")
    parser.add_argument("--data", required=True, metavar="DIR", help="photographs with landmarks")
    parser.add_argument("--layout", required=True, metavar="NAME", help="their layout")
    parser.add_argument(
        "--detector", nargs="+", default=list(detection.DETECTORS), metavar="NAME", help="(default: all)"
    )
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each detector to this file")


def main(to: str | None, **how) -> None:
    made = detector_rows(**how)
    rows.keep(made, to)
    print(hints.next_line("edgewing run IMAGE --detector", made[0]["detector"]))


def detector_rows(
    model: str | Path,
    data: str,
    layout: str,
    *,
    detector: Sequence[str] = tuple(detection.DETECTORS),
    command: str = "",
) -> list[dict]:
    """A row for each detector."""
    path = models.find(model)
    detectors = {name: detection.open(name) for name in detector}
    landmarker = Landmarker(path, device="cpu")
    scored, from_model, from_data = shared_points(landmarker.contract.layout, layouts.get(layout))
    samples = read_samples([data], layout, "test").samples
    normaliser = metrics.normaliser_of_all(np.stack([sample.landmarks[from_data] for sample in samples]), scored)
    found = {name: [] for name in detectors}
    for sample in progress(samples, "detectors"):
        image, true_box = load_image(sample), geometry.landmark_box(sample.landmarks)
        truth = sample.landmarks[from_data][None]
        distance = metrics.normaliser(truth, scored, normaliser, true_box[None])

        def look(box, image=image, truth=truth, distance=distance) -> tuple[float, np.ndarray]:
            """The error of one look at that box, and the box of what it gave."""
            (face,) = landmarker(image, [box])
            error = metrics.errors(face.landmarks[from_model][None], truth, distance)
            return float(error[0]), geometry.landmark_box(face.landmarks)

        with_true = look(true_box)[0]
        for name, finder in detectors.items():
            if (seen := _cost(finder(image), true_box, look)) is not None:
                found[name].append((with_true, *seen))
    protocol = {
        "data": "/".join(Path(data).parts[-2:]),
        "layout": layout,
        "scored_points": scored.name,
        "normaliser": normaliser,
        "faces": len(samples),
        "found": f"IoU with the true landmark box >= {FOUND}",
    }
    head, made = rows.header("boxes", measure.artefact(path), protocol, command), []
    for name, seen in found.items():
        made.append({**head, "runtime": str(landmarker.runtime.description), "detector": name})
        made[-1] |= _figures(seen, len(samples))
        print(row_as_text(made[-1]), flush=True)
    return made


def _cost(found: Sequence[detection.Detection], true_box: np.ndarray, look: Callable) -> tuple[float, ...] | None:
    """Errors with the detector's box and at a second look, and how far the crop is shifted; None where it does not find
    the face."""
    boxes = np.reshape([one.box for one in found], (-1, 4))
    overlaps = detection.overlap(true_box, boxes)
    if max(overlaps, default=0) < FOUND:
        return None
    box = boxes[overlaps.argmax()]
    first, again = look(box)
    return first, look(again)[0], crop_shift(box, true_box)


def _figures(seen: list[tuple[float, ...]], faces: int) -> dict:
    """What a row says of the faces that a detector found, the error with the true box and what ``_cost`` says."""
    true, first, again, shift = zip(*seen) if seen else [[]] * 4
    nme = {"true": true, "detector": first, "again": again}
    found = {
        "found": len(seen),
        "recall": len(seen) / faces,
        "nme": {name: float(np.mean(errors)) if seen else None for name, errors in nme.items()},
        "crop_shift_p50": float(np.median(shift)) if seen else None,
    }
    return rows.finite(found)


def row_as_text(row: dict) -> str:
    if not row["found"]:
        return f"{row['detector']}: finds none of {row['protocol']['faces']} faces"
    true, first, again = (100 * row["nme"][key] for key in ("true", "detector", "again"))
    return (
        f"{row['detector']}: {row['found']} of {row['protocol']['faces']} found; NME of those {true:.2f} % with true "
        f"boxes, {first:.2f} % with the detector's ({100 * (first / true - 1):+.1f} %), {again:.2f} % looked at again"
    )
