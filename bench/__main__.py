"""python -m bench: what exported files are worth. Each verb is a module with EXAMPLE, add_arguments and main."""

from __future__ import annotations

import sys

from edgewing import verbs

VERBS = {
    "accuracy": (
        "bench.accuracy.scoring",
        "NME, FR and AUC of one artefact on one set of pictures, or of two, one by one.",
    ),
    "calibrate": (
        "bench.accuracy.calibrate",
        "Measure how far points may be off, by score, and write it into a file's contract.",
    ),
    "latency": ("bench.time.latency", "Latency, load time and peak memory of one artefact on this machine."),
    "agreement": (
        "bench.accuracy.agreement",
        "A model's landmarks against its teacher's on UTKFace, by age and by sex.",
    ),
    "expression": (
        "bench.accuracy.expression",
        "Head pose, expression and gaze, read off a model's landmarks on drawn heads.",
    ),
    "race": (
        "bench.time.race",
        "Processor time of several files in one process, in turn, against a reference; also models of others.",
    ),
    "frames": (
        "bench.time.frames",
        "Frames a second with 1, 5 and 20 faces, on several processors in turn, and how far their points differ.",
    ),
    "peers": (
        "bench.peers.comparison",
        "Our files beside models of others: the same faces, one core, one run; rows and a picture.",
    ),
    "measure": (
        "bench.report.run_rows",
        "Accuracy and latency of every artefact in RUN/export, appended to RUN/rows.jsonl.",
    ),
    "engines": ("bench.report.engines", "What every exported file of a run differs by, as a table or a page."),
    "training": (
        "bench.training.costs",
        "Images a second of training, and ground truth and augmentation against a per-sample pipeline.",
    ),
    "gate": (
        "bench.gate.verdicts",
        "For CI: is a changed file worse or slower than the one in use? Exit code 1 if it is.",
    ),
    "devices": ("bench.devices.campaign", "Latency of artefacts on boards and phones: here, over ssh, over adb."),
    "steadiness": (
        "bench.accuracy.steadiness",
        "Jitter and lag of tracked landmarks, as the model gives them and as they are shown.",
    ),
    "web": ("bench.time.browser", "Speed of the camera page in headless Chromium."),
    "film": ("bench.report.film", "An animated picture of the camera page at work, with a drawn head before it."),
    "memory": (
        "bench.time.memory",
        "Resident memory of edgewing camera over an hour of a looped video; exit code 1 where it grows.",
    ),
    "detectors": (
        "bench.accuracy.boxes",
        "NME with the boxes of face detectors against NME with true boxes, on the same faces.",
    ),
    "detection": ("bench.accuracy.detectors", "Fit the boxes of face detectors, or count what each finds."),
    "gate-proof": ("bench.gate.proof", "Does the gate say what is true? Counted on files whose answer is known."),
    "ladder": ("bench.ladder", "One table from the teacher to the smallest file, and which to ship."),
    "sweep": ("bench.sweep", "Accuracy, time and size of many runs: a Pareto plot and its knee."),
    "shapes": ("bench.shapes", "Untrained networks in one race: which shape of network is fast."),
    "ablate": (
        "bench.training.ablate",
        "The paper's ablation table, or what each departure from it brings, over several seeds.",
    ),
    "report": ("bench.report.publish", "Print the table of one or more runs and write the HTML report."),
    "card": ("bench.report.card", "Write the card of shipped models from their contract and committed rows."),
}


def main(argv: list[str] | None = None) -> int:
    """1: done, but something failed its gate."""
    return verbs.main("bench", "Measure exported artefacts and report.", VERBS, argv)


if __name__ == "__main__":
    sys.exit(main())
