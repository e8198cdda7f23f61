"""Head pose, ARKit's units and gaze, as they are read off a model's landmarks, on drawn heads that nobody learnt from.

Errors are those of the whole way: picture, landmarks, reading. `by true points` is what is left with landmarks
without error: what points cannot see. Photographs have no such truth: with --data, the pose read off the found points
is compared with that of the marked ones, and with --videos, with that of the frame before. B: heads.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from bench.accuracy.scored_faces import open_faces
from bench.report import columns
from edgewing import expression, geometry, hints, layouts, measure, models, rows, runtimes
from edgewing.camera import sources
from edgewing.camera.tracking import Tracker
from edgewing.errors import InputError
from edgewing.landmarker import Landmarker
from edgewing.outputs import Rows
from train import expression as learnt

EXAMPLE = "--model edgewing-98 --to rows.jsonl"
YAW = {"0-20": (0, 20), "20-40": (20, 40), "40-60": (40, 60), "60-90": (60, 90)}
AXES = "yaw", "pitch", "roll"
BLINK = 0.5  # an eye that is shut further than that blinks


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="MODEL", help="a shipped model or an artefact of faces")
    parser.add_argument("--heads", type=int, default=1500, metavar="N", help="to draw (default: %(default)s)")
    parser.add_argument("--data", nargs="*", default=[], metavar="DIR", help="marked photographs to read too")
    parser.add_argument("--videos", nargs="*", default=[], metavar="VIDEO", help="whose first face is read too")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")


def main(model: str, heads: int, data: list[str], videos: list[str], to: str | None, command: str) -> None:
    row = score(model, heads, data=data, videos=videos, command=command)
    tell(row)
    rows.keep([row], to)
    print(hints.next_line("edgewing run PICTURE --json --model", model))


def score(
    model: str, count: int = 1500, first: int = 1 << 30, data: Sequence[str] = (), videos: Sequence[str] = (), *,
    command: str = "",
) -> dict:  # fmt: skip
    """The row. InputError: heads that were learnt from, or a model of other points."""
    if first + count > learnt.FIRST:
        raise InputError(f"heads {first} to {first + count - 1}: those from {learnt.FIRST} on were learnt from")
    landmarker, readers = Landmarker(model, device="cpu"), expression.readers()
    layout = landmarker.contract.layout
    row = {"photographs": {folder: _photographs(model, folder) for folder in data}}
    row |= {"videos": {video: _video(landmarker, video) for video in videos}}
    row |= {"pose": None, "units": None, "gaze": None}
    for name, wanted in (("pose", expression.POSE), ("units", expression.UNITS)):
        if wanted not in (layout.name, *layout.maps):
            continue
        seen = learnt.looked_at([landmarker], wanted, range(first, first + count))
        found, true = (readers[name](points) for points in (seen.points, seen.true))
        if name == "pose":
            row["pose"] = _pose(*found, seen) | {"true_points": _pose(*true, seen)["median"]}
        else:
            row |= _units(found[0], seen, readers["names"], true[0])
    if row["pose"] is None:
        raise InputError(f"{model}: its points ({layout.name}) are not of a face, or have no map to {expression.POSE}")
    protocol = {"data": f"drawn heads {first} to {first + count - 1}", "heads": count, "boxes": "true"}
    artefact = measure.artefact(models.find(model))
    header = rows.header("expression", artefact, protocol, command)
    return rows.finite({**header, "model": measure.model_of(landmarker.contract), "runtime": landmarker.ran_on, **row})


def _pose(outputs: np.ndarray, roll: np.ndarray, seen: learnt.Known) -> dict:
    """Errors in degrees: yaw, pitch, roll of heads turned up to 60 degrees, and by yaw."""
    off = np.column_stack([outputs[:, :2], outputs[:, 2] + roll]) - seen.angles
    off, turned = abs((off + 180) % 360 - 180), abs(seen.angles[:, 0])
    to = off[turned <= 60]
    parts = {name: off[(turned >= low) & (turned < high)] for name, (low, high) in YAW.items()}
    return {
        "median": dict(zip(AXES, np.median(to, axis=0).tolist())),
        "p90": dict(zip(AXES, np.percentile(to, 90, axis=0).tolist())),
        "by_yaw": {
            name: {"heads": len(part), "median": np.median(part, axis=0).tolist()}
            for name, part in parts.items()
            if len(part)
        },
    }


def _units(outputs: np.ndarray, seen: learnt.Known, names: tuple[str, ...], true: np.ndarray) -> dict:
    units, gaze = np.clip(outputs[:, : len(names)], 0, 1), outputs[:, len(names) :]
    off = abs(gaze - seen.gaze)[abs(seen.angles[:, 0]) <= 40]
    return {
        "units": {
            name: {
                "mae": float(abs(units[:, k] - seen.units[:, k]).mean()),
                "correlation": _correlation(units[:, k], seen.units[:, k]),
                "true_points": _correlation(true[:, k], seen.units[:, k]),
            }
            for k, name in enumerate(names)
        },
        "blink_f1": _f1(units, seen.units, [names.index("eyeBlinkLeft"), names.index("eyeBlinkRight")]),
        "gaze": {"left": float(np.median(off[:, 0])), "up": float(np.median(off[:, 1])), "heads": len(off)},
    }


def _photographs(model: str, folder: str) -> dict:
    """Degrees between the pose of the found points and that of the marked ones: they may err alike, but not on their
    own."""
    network = runtimes.open(models.find(model))
    faces, both = open_faces(folder, expression.POSE, network.contract.crop), []
    layouts_of = network.contract.layout, layouts.get(expression.POSE)
    for k in range(len(faces)):
        face = faces.face(k)
        marked = geometry.apply(geometry.invert(face.to_image), face.landmarks)
        found = network(face.crop[None]).landmarks[0]
        poses = [expression.pose(points, layout) for points, layout in zip((found, marked), layouts_of)]
        if None not in poses:
            both.append([[one.yaw, one.pitch, one.roll] for one in poses])
    if not both:
        raise InputError(f"{folder}: no pose can be read off the points of its faces; name others, or another model")
    apart = abs((np.diff(both, axis=1)[:, 0] + 180) % 360 - 180)
    return {"faces": len(both)} | {
        key: dict(zip(AXES, np.percentile(apart, at, axis=0).tolist())) for key, at in (("median", 50), ("p90", 90))
    }


def _video(landmarker: Landmarker, path: str) -> dict:
    """How far the first face turns, in degrees from frame 5 % to 95 %, how much it shakes (median change to the next
    frame), and the share of frames in which an eye is shut."""
    poses, shut, frames, tracker = [], [], 0, Tracker(landmarker)
    for frame in sources.open(path).frames():
        frames += 1
        for track in tracker(frame.image, frame.time)[:1]:
            face = track.face
            if pose := face.pose:
                poses.append([pose.yaw, pose.pitch, pose.roll])
            if units := face.expression:
                shut.append(max(units["eyeBlinkLeft"], units["eyeBlinkRight"]) > BLINK)
    if len(poses) < 2:
        raise InputError(f"{path}: the pose of a face in {len(poses)} of {frames} frames; name a video of a face")
    at = np.array(poses)
    return {
        "frames": frames,
        "with_face": len(at),
        "range": dict(zip(AXES, np.percentile(at, [5, 95], axis=0).T.tolist())),
        "change": dict(zip(AXES, np.median(abs(np.diff(at, axis=0)), axis=0).tolist())),
        "shut": float(np.mean(shut)) if shut else None,
    }


def _correlation(found: np.ndarray, true: np.ndarray) -> float:
    """NaN where either does not vary."""
    return float(np.corrcoef(found, true)[0, 1]) if found.std() > 1e-6 and true.std() > 1e-6 else float("nan")


def _f1(found: np.ndarray, true: np.ndarray, eyes: list[int]) -> float:
    said, meant = found[:, eyes] > BLINK, true[:, eyes] > BLINK
    return float(2 * (said & meant).sum() / max(1, said.sum() + meant.sum()))


def tell(row: dict) -> None:
    pose = row["pose"]
    lines = [[axis, *(f"{pose[key][axis]:.1f}" for key in ("median", "p90", "true_points"))] for axis in pose["p90"]]
    columns.show(["degrees, to 60 of yaw", "median", "p90", "by true points"], lines, [0])
    for name, one in row["photographs"].items():
        off = ", ".join(f"{one['median'][axis]:.1f} ({one['p90'][axis]:.1f})" for axis in AXES)
        print(f"{name}: {one['faces']} faces, from the marked points' pose, median (nine in ten within): {off}")
    for name, one in row["videos"].items():
        turned = ", ".join("{:.0f} to {:.0f}".format(*one["range"][axis]) for axis in AXES)
        shaken = ", ".join(f"{one['change'][axis]:.1f}" for axis in AXES)
        print(f"{name}: {one['with_face']} of {one['frames']} frames; turns {turned}; from frame to frame {shaken}")
    if not row["units"]:
        return
    keys = "correlation", "true_points"
    lines = [[name, f"{u['mae']:.3f}", *(_figure(u[k]) for k in keys)] for name, u in row["units"].items()]
    columns.show(["unit", "mean error", "correlation", "by true points"], lines, [0])
    gaze = row["gaze"]
    print(
        f"blinks, F1: {row['blink_f1']:.2f}; gaze, median error: {gaze['left']:.1f} degrees across, {gaze['up']:.1f} up"
    )


def _figure(value: float | None) -> str:
    return "-" if value is None or value != value else f"{value:.2f}"
