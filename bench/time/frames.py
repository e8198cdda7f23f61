"""Frames a second with one face, five and twenty, on each processor that is named, in turn, and how far its points are
from the CPU's.

A frame is 1200 x 960 px with drawn faces of about 130 px, whose boxes are known, as of faces that are followed. The
clock is processor time, of crops, network, decode and the points' way back, with one thread: frames a second are
those of a core that does nothing else. Every count of faces and every processor has one call a round. The row that is
"searched" is of a picture of 640 x 480 px with one face, and the detector looks for it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from bench.report import columns
from edgewing import hints, measure, processors, rows
from edgewing.detection import Detection
from edgewing.landmarker import Landmarker
from edgewing.outputs import Rows
from train.data import drawn

EXAMPLE = "edgewing-s --device cpu litert-cpu --to rows.jsonl"
COUNTS = (1, 5, 20)
SIDE, ACROSS, DOWN = 240, 5, 4  # px of a drawn picture, of which 20 fill a frame
ROUNDS, WARMUP = 40, 3
SEARCHED = 0  # in place of a count
COLUMNS = ("device", "faces", "ms a frame p10 / p50 / p90", "frames a second", "px from the CPU, p99", "runtime")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument(
        "--device", nargs="+", default=["cpu"], metavar="NAME", help=f"the CPU is the first; {processors.MEASURED}"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each to this JSON-lines file")


def main(model: str, device: list[str], rounds: int, to: str | None, command: str) -> None:
    made = time_frames(model, device, rounds, command=command)
    lines = [
        (
            row["protocol"]["device"],
            str(row["protocol"]["faces"]) + ", searched for" * row["protocol"]["searched"],
            " / ".join(f"{row['ms'][name]:.2f}" for name in ("p10", "median", "p90")),
            f"{1000 / row['ms']['median']:.0f}",
            f"{row['shift_p99_px']:.3f}",
            row["runtime"],
        )
        for row in made
    ]
    columns.show(COLUMNS, lines, left=(0, 5))
    print(f"on {made[0]['machine']['cpu']}, load {made[0]['machine']['load']:g}; {rounds} rounds, in turn, 1 thread")
    rows.keep(made, to)
    print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", model))


def time_frames(model: str, devices: Sequence[str] = ("cpu",), rounds: int = ROUNDS, command: str = "") -> list[dict]:
    """A row for each processor and count of faces. InputError where one cannot be had."""
    names = list(dict.fromkeys(["cpu", *devices]))
    paths = {name: processors.file_of(model, name) for name in names}
    landmarkers = {name: Landmarker(path, device="cpu") for name, path in paths.items()}
    for name, one in landmarkers.items():
        one.runtime = processors.on(paths[name], name)
    frame, places = picture()
    alone = np.full((480, 640, 3), 100, np.uint8)
    alone[120 : 120 + SIDE, 200 : 200 + SIDE] = frame[:SIDE, :SIDE]
    crops = {name: np.array([f.landmarks for f in one.look(frame, places)]) for name, one in landmarkers.items()}
    side = landmarkers["cpu"].look(frame, places[:1])[0].crop.side
    ms = {(name, count): [] for count in (SEARCHED, *COUNTS) for name in names}
    for number in range(WARMUP + rounds):
        for name, count in ms:
            start = time.process_time()
            landmarkers[name](alone) if count == SEARCHED else landmarkers[name].look(frame, places[:count])
            if number >= WARMUP:
                ms[name, count].append(1000 * (time.process_time() - start))
    made = []
    for (name, count), took in ms.items():
        shift = np.linalg.norm(crops[name] - crops["cpu"], axis=-1) * 256 / side
        runtime = landmarkers[name].runtime
        protocol = {
            "device": name,
            "faces": max(count, 1),
            "searched": count == SEARCHED,
            "rounds": rounds,
            "threads": 1,
            "clock": "processor time, a whole frame",
        }
        protocol["batch"] = runtime.contract.input.shape[0]
        figures = zip(("p10", "median", "p90"), np.percentile(took, (10, 50, 90)).tolist())
        made.append(
            rows.header("frames", measure.artefact(paths[name]), protocol, command)
            | {"model": measure.model_of(runtime.contract), "runtime": str(runtime.description)}
            | {"ms": dict(figures), "shift_p99_px": float(np.percentile(shift, 99))}
        )
    return made


def picture() -> tuple[np.ndarray, list[Detection]]:
    """(H, W, 3) uint8 RGB with 20 drawn faces, and the boxes of their points."""
    import cv2

    frame = np.full((DOWN * SIDE, ACROSS * SIDE, 3), 100, np.uint8)
    places = []
    for number in range(ACROSS * DOWN):
        face = drawn.draw(number, "300w-68")
        scale, x, y = SIDE / face.image.shape[0], number % ACROSS * SIDE, number // ACROSS * SIDE
        frame[y : y + SIDE, x : x + SIDE] = cv2.resize(face.image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        points = (face.landmarks + 0.5) * scale - 0.5 + (x, y)
        places.append(Detection(np.concatenate([points.min(axis=0), points.max(axis=0)]), 1.0))
    return frame, places
