"""What a detector's boxes cost: NME with crops from its boxes against crops from the true ones, on the same faces.

A face counts as found where the detector's landmark box overlaps the true one by half (intersection over union), as for
recall in bench.accuracy.detectors; faces that are not found are in no NME. `again`: a second look, with the crop from
the landmarks that the first one gave, as tracking has it from its second frame on.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.progress import track

from bench.accuracy.accuracy import shared_points
from bench.accuracy.detectors import FOUND, crop_shift
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
    made = cost(**how)
    rows.keep(made, to)
    print(hints.next_line("edgewing run IMAGE --detector", made[0]["detector"]))


def cost(
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
    landmarker = Landmarker(path)
    model_layout = landmarker.contract.layout
    scored, from_model, from_data = shared_points(model_layout, layouts.get(layout))
    found = {name: {"true": [], "detector": [], "again": [], "shift": []} for name in detectors}
    samples = read_samples([data], layout, "test").samples
    normaliser = metrics.normaliser_of_all(np.stack([sample.landmarks[from_data] for sample in samples]), scored)
    for index in track(range(len(samples)), description="detectors", transient=True, disable=not os.isatty(1)):
        sample = samples[index]
        image, true_box = load_image(sample), geometry.landmark_box(sample.landmarks)
        truth = sample.landmarks[from_data][None]
        distance = metrics.normaliser(truth, scored, normaliser, true_box[None])

        def error(face, truth=truth, distance=distance) -> float:
            return float(metrics.errors(face.landmarks[from_model][None], truth, distance)[0])

        (face,) = landmarker(image, [true_box])
        with_true = error(face)
        for name, detector in detectors.items():
            boxes = np.reshape([one.box for one in detector(image)], (-1, 4))
            overlaps = detection.overlap(true_box, boxes)
            if max(overlaps, default=0) < FOUND:
                continue
            box = boxes[overlaps.argmax()]
            (first,) = landmarker(image, [box])
            (second,) = landmarker(image, [geometry.landmark_box(first.landmarks)])
            for key, value in (("true", with_true), ("detector", error(first)), ("again", error(second))):
                found[name][key].append(value)
            found[name]["shift"].append(crop_shift(box, true_box))
    protocol = {
        "data": "/".join(Path(data).parts[-2:]),
        "layout": layout,
        "scored_points": scored.name,
        "normaliser": normaliser,
        "faces": len(samples),
        "found": f"IoU with the true landmark box >= {FOUND}",
    }
    made = []
    for name, errors in found.items():
        count = len(errors["true"])
        nme = {key: float(np.mean(errors[key])) if count else None for key in ("true", "detector", "again")}
        row = {
            **rows.header("boxes", measure.artefact(path), protocol, command),
            "runtime": str(landmarker.runtime.description),
            "detector": name,
            "found": count,
            "recall": count / len(samples),
            "nme": nme,
            "crop_shift_p50": float(np.median(errors["shift"])) if count else None,
        }
        made.append(rows.finite(row))
        print(describe(row), flush=True)
    return made


def describe(row: dict) -> str:
    if not row["found"]:
        return f"{row['detector']}: finds none of {row['protocol']['faces']} faces"
    true, first, again = (100 * row["nme"][key] for key in ("true", "detector", "again"))
    return (
        f"{row['detector']}: {row['found']} of {row['protocol']['faces']} found; NME of those {true:.2f} % with true "
        f"boxes, {first:.2f} % with the detector's ({100 * (first / true - 1):+.1f} %), {again:.2f} % looked at again"
    )
