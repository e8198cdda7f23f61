"""How steady landmarks are, and how far they trail: stills moved by known amounts, and clips as they are.

A still photograph is moved by sub-pixel steps (at rest, drifting, shaking its head, tilting, one quick turn), every
frame with its own sensor noise and JPEG. The truth is the mean of the still's landmarks, moved likewise: what is left
is what a viewer sees tremble or trail, not how well the model was trained. Clips have no truth; their tremble is what
is left of a point after a parabola is taken off half a second of it, over the quieter half of those windows.

All figures are in px of a 256 px crop, and a distance, not one axis of it: `jitter` is its rms. `lag` is the time by
which landmarks are behind the motion (least squares); `trail` the 95th percentile of how far the face as a whole is
shown behind where the model has it.

M frames, N landmarks.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from bench.report import charts
from edgewing import files, geometry, hints, measure, models, rows
from edgewing.camera import sources, tracking
from edgewing.camera.tracking import Filter, OneEuro, Tracker
from edgewing.errors import InputError
from edgewing.landmarker import Landmarker
from edgewing.outputs import Output, Rows
from train.data import load_image, read_samples

EXAMPLE = "--model edgewing-m --data lfpw/testset --clips single_face.mp4 --to rows.jsonl"

FPS, FRAMES, SETTLE = 30, 75, 15  # frames of each motion, and those before figures are taken
STILLS = 6
FRAME, SIDE = (480, 360), 120.0  # px of the frame, and of the mean side of the face's landmark box in it
NOISE, QUALITY = 3.0, 85  # sensor noise, standard deviation of 255; JPEG quality of each frame
REFERENCE = 256  # px of the crop that figures are given in
WINDOW = 15  # frames of a clip that a parabola is taken off
LIMIT = 0.3  # px rms of a still face, which is promised


def motion(kind: str, t: float) -> tuple[float, float, float]:
    """x and y in face sizes and the tilt in radians, at a time in s."""
    turn = 2 * np.pi * t
    if kind == "rest":
        return 0.0, 0.0, 0.0
    if kind == "drift":
        return 0.10 * t, 0.05 * t, 0.0
    if kind == "shake":  # a firm no: 1.5 times a second, a quarter of a face to each side
        return 0.25 * np.sin(1.5 * turn), 0.0, 0.0
    if kind == "tilt":
        return 0.0, 0.0, np.deg2rad(15) * np.sin(turn)
    s = np.clip((t - 1) / 0.2, 0, 1)  # turn: at rest, then 0.6 faces within 0.2 s, then at rest
    return 0.6 * s * s * (3 - 2 * s), 0.0, 0.0


MOTIONS = ("rest", "drift", "shake", "tilt", "turn")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an artefact, or a shipped model")
    parser.add_argument("--data", required=True, metavar="DIR", help="photographs with landmarks, to be moved")
    parser.add_argument("--layout", default="300w-68", metavar="NAME", help="their layout (default: %(default)s)")
    parser.add_argument("--stills", type=int, default=STILLS, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--clips", nargs="*", default=[], metavar="VIDEO", help="videos of one face each")
    parser.add_argument(
        "--plot", type=Output, metavar="SVG", help="draw lag against jitter for other constants of the filter"
    )
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")


def main(model: str, plot: str | None, to: str | None, **how) -> None:
    row = steadiness_row(model, plot=plot, **how)
    print(row_as_text(row))
    if plot:
        print(f"wrote {plot}")
    rows.keep([row], to)
    print(hints.next_line("edgewing camera --model", model))


def steadiness_row(
    model: str | Path, data: str, *, layout: str = "300w-68", stills: int = STILLS, clips: Sequence[str] = (),
    plot: str | None = None, command: str = "",
) -> dict:  # fmt: skip
    """The row. Needs the detector, which finds the first face of every motion and clip."""
    path = models.find(model)
    landmarker = Landmarker(path, device="cpu")
    recorded = {kind: [] for kind in MOTIONS}
    names = []
    for name, image, box in spread(data, layout, stills):
        names.append(name)
        for kind in MOTIONS:
            recorded[kind].append(follow(Tracker(landmarker), moved(image, box, kind, len(names)), name))
    protocol = {
        "data": "/".join(Path(data).parts[-2:]),
        "stills": len(names),
        "names": names,
        "fps": FPS,
        "frames": FRAMES,
        "face_px": SIDE,
        "noise": NOISE,
        "jpeg_quality": QUALITY,
        "unit": f"px of a {REFERENCE} px crop, distances",
    }
    constants = tracking.settings().filter
    moving = {kind: jitter_and_lag(recorded, kind) for kind in MOTIONS}
    row = {
        **rows.header("steadiness", measure.artefact(path), protocol, command),
        "runtime": str(landmarker.runtime.description),
        "filter": vars(constants),
        "motions": moving,
        "still": {"limit": LIMIT, "worst": max(shown_jitter(one, rest_of(one), constants) for one in recorded["rest"])},
        "clips": {Path(clip).name: clip_figures(landmarker, clip) for clip in clips},
    }
    if plot:
        row["sweep"] = sweep(recorded)
        files.write(plot, chart(row).encode())
    return rows.finite(row)


def row_as_text(row: dict) -> str:
    lines = [f"{'':20}{'jitter: raw':>12}{'shown':>8}{'lag: raw':>12}{'shown':>8}{'trail':>8}"]
    for kind, f in row["motions"].items():
        raw, shown = f["raw"], f["shown"]
        jitters, lags = f"{raw['jitter']:12.2f}{shown['jitter']:8.2f}", f"{raw['lag_ms']:12.1f}{shown['lag_ms']:8.1f}"
        lines.append(f"{kind:20}{jitters}{lags}{shown['trail']:8.2f}")
    for name, f in row["clips"].items():
        lines.append(f"{name[:19]:20}{f['raw']:12.2f}{f['shown']:8.2f}{'':12}{f['lag_ms']:8.1f}{f['trail']:8.2f}")
    worst, count = row["still"]["worst"], row["protocol"]["stills"]
    lines.append(f"at rest the least steady of {count} faces: {worst:.2f} px rms, limit {row['still']['limit']}")
    return "\n".join(lines)


def spread(folder: str, layout: str, count: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, RGB picture and landmark box of faces spread over the set."""
    samples = read_samples([folder], layout, "test").samples
    if len(samples) < count or count < 1:
        raise InputError(f"{folder}: {len(samples)} faces; --stills {count} are asked for")
    for number in range(count):
        sample = samples[number * (len(samples) // count)]
        yield sample.name, load_image(sample), geometry.landmark_box(sample.landmarks)


def moved(image: np.ndarray, box: np.ndarray, kind: str, seed: int) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
    """Time, noisy frame, and the (2, 3) map from the picture to it."""
    random = np.random.default_rng((seed, MOTIONS.index(kind)))
    scale = SIDE / tracking.size(box)
    for number in range(FRAMES):
        x, y, tilt = motion(kind, number / FPS)
        turn = scale * np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
        middle = np.array([FRAME[0] / 2 + 0.37 + SIDE * x, FRAME[1] / 2 + 0.21 + SIDE * y])
        matrix = np.hstack([turn, (middle - turn @ tracking.centre(box))[:, None]])
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        frame = cv2.warpAffine(image, matrix, FRAME, flags=how, borderMode=cv2.BORDER_REFLECT_101)
        frame = np.clip(np.rint(frame + random.normal(0, NOISE, frame.shape)), 0, 255).astype(np.uint8)
        coded = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        yield number / FPS, np.ascontiguousarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)[..., ::-1]), matrix


def follow(tracker: Tracker, frames: Iterator, name: str) -> dict[str, np.ndarray]:
    """times (M,), raw and shown (M, N, 2), maps (M, 2, 3), sides (M,) of one face that must not be lost."""
    times, raw, shown, maps, sides = [], [], [], [], []
    for time, frame, matrix in frames:
        tracks = tracker(frame, time)
        if not tracks or tracks[0].id:
            raise InputError(f"{name}: the face is {'lost' if times else 'not found'} at {time:.2f} s; take another")
        times.append(time)
        raw.append(tracks[0].face.landmarks)
        shown.append(tracks[0].landmarks)
        maps.append(matrix)
        sides.append(tracking.size(geometry.landmark_box(raw[-1])))
    several = {"times": times, "raw": raw, "shown": shown, "maps": maps, "sides": sides}
    return {name: np.array(values, np.float64) for name, values in several.items()}


def rest_of(one: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 2) landmarks in the picture: the mean over a recording, each frame mapped back."""
    back = [geometry.apply(geometry.invert(matrix), points) for matrix, points in zip(one["maps"], one["raw"])]
    return np.mean(back[SETTLE:], axis=0)


def filtered(one: dict[str, np.ndarray], constants: Filter) -> np.ndarray:
    """(M, N, 2) what the filter makes of the raw landmarks."""
    steady = OneEuro(constants)
    return np.array([steady(points, time, side) for points, time, side in zip(one["raw"], one["times"], one["sides"])])


def unit(one: dict[str, np.ndarray]) -> float:
    """Px of the reference crop for each px of the frames."""
    return REFERENCE / (geometry.FACTOR * float(one["sides"].mean()))


def shown_jitter(one: dict[str, np.ndarray], truth: np.ndarray, constants: Filter) -> float:
    error = filtered(one, constants) - np.array([geometry.apply(matrix, truth) for matrix in one["maps"]])
    return rms(error[SETTLE:]) * unit(one)


def rms(error: np.ndarray) -> float:
    """Of the lengths of (..., 2) vectors."""
    return float(np.sqrt((error**2).sum(axis=-1).mean()))


def jitter_and_lag(recorded: dict[str, list], kind: str) -> dict:
    """jitter and lag of raw and shown landmarks, and the trail of the shown, each the mean over faces."""
    found = {"raw": [], "shown": []}
    trails = []
    for one, still in zip(recorded[kind], recorded["rest"]):
        truth = rest_of(one) if kind == "rest" else rest_of(still)
        where = np.array([geometry.apply(matrix, truth) for matrix in one["maps"]])
        for name, points in (("raw", one["raw"]), ("shown", one["shown"])):
            found[name].append((rms((points - where)[SETTLE:]) * unit(one), lag(points, where, one["times"])))
        trails.append(trail(one["raw"], one["shown"]) * unit(one))
    means = {name: dict(zip(("jitter", "lag_ms"), np.mean(np.array(v), axis=0).tolist())) for name, v in found.items()}
    means["shown"]["trail"] = float(np.mean(trails))
    return means


def lag(points: np.ndarray, truth: np.ndarray, times: np.ndarray) -> float:
    """Ms by which (M, N, 2) points are behind the truth; of what does not move, 0."""
    velocity = np.gradient(truth, times, axis=0)[SETTLE:]
    moved = float((velocity**2).sum())
    return -1000 * float(((points - truth)[SETTLE:] * velocity).sum()) / moved if moved > 1e-9 else 0.0


def trail(raw: np.ndarray, shown: np.ndarray) -> float:
    apart = np.linalg.norm((shown - raw).mean(axis=1), axis=-1)
    return float(np.percentile(apart[SETTLE:], 95))


def clip_figures(landmarker: Landmarker, path: str) -> dict:
    """Tremble of raw and shown landmarks in a video of one face, and how far shown ones are behind the raw."""
    frames = ((frame.time, frame.image, np.eye(2, 3)) for frame in sources.open(path).frames())
    one = follow(Tracker(landmarker), frames, path)
    raw, shown = (tremble(one[name]) for name in ("raw", "shown"))
    quiet = raw <= np.median(raw)
    return {
        "frames": len(one["times"]),
        "raw": float(np.sqrt((raw[quiet] ** 2).mean())) * unit(one),
        "shown": float(np.sqrt((shown[quiet] ** 2).mean())) * unit(one),
        "lag_ms": lag(one["shown"], smooth(one["raw"]), one["times"]),
        "trail": trail(one["raw"], one["shown"]) * unit(one),
    }


def smooth(points: np.ndarray) -> np.ndarray:
    """(M, N, 2) the mean of each frame and its neighbours: a motion to measure lag against."""
    padded = np.concatenate([points[:1], points, points[-1:]])
    return (padded[:-2] + padded[1:-1] + padded[2:]) / 3


def tremble(points: np.ndarray) -> np.ndarray:
    """(windows,) rms distance of (M, N, 2) points from a parabola through each stretch of WINDOW frames."""
    count = len(points) // WINDOW
    if not count:
        raise InputError(f"a clip of {len(points)} frames; {WINDOW} or more are needed")
    t = np.linspace(-1, 1, WINDOW)
    basis = np.linalg.qr(np.stack([np.ones(WINDOW), t, t * t], axis=1))[0]
    found = []
    for stretch in np.split(points[: count * WINDOW], count):
        flat = stretch.reshape(WINDOW, -1)
        left = (flat - basis @ (basis.T @ flat)).reshape(stretch.shape)
        found.append(np.sqrt((left**2).sum() / ((WINDOW - 3) * stretch.shape[1])))
    return np.array(found)


CUTOFFS = (3.0, 5.0, 8.0, 12.0, 20.0)
SPEEDS = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0)
PAPER_SPEEDS = (5.0, 10.0, 20.0, 40.0, 80.0)


LONGEST_LAG = 40.0  # ms; what lags more than that loses most of a shake, and its lag means little
COLOURS = {"one cutoff": "#8a8f98", "One-Euro, each point alone": "#c2702d", "ours": "#1f7a8c"}


def sweep(recorded: dict[str, list]) -> dict[str, dict[str, list[float]]]:
    """Lag of a shaking head and jitter at rest with other constants, on the raw landmarks that were recorded."""
    chosen, alone = tracking.settings().filter, apart(recorded)
    several = {
        "one cutoff": [lag_and_jitter(recorded, replace(chosen, speed_cutoff=0.0, least_cutoff=c)) for c in CUTOFFS],
        "One-Euro, each point alone": [lag_and_jitter(alone, replace(chosen, speed_cutoff=b)) for b in PAPER_SPEEDS],
        "ours": [lag_and_jitter(recorded, replace(chosen, speed_cutoff=b)) for b in SPEEDS],
    }
    return {name: dict(zip(("lag_ms", "jitter"), map(list, zip(*points)))) for name, points in several.items()}


def apart(recorded: dict[str, list]) -> dict[str, list]:
    """The same with one landmark in eight, each as a face of its own: with one point the filter is the paper's."""
    return {
        kind: [one | {"raw": one["raw"][:, [n]]} for one in recorded[kind] for n in range(0, one["raw"].shape[1], 8)]
        for kind in ("rest", "shake")
    }


def lag_and_jitter(recorded: dict[str, list], constants: Filter) -> tuple[float, float]:
    """(ms of lag while shaking, jitter at rest), means over faces."""
    lags, jitters = [], []
    for shaking, still in zip(recorded["shake"], recorded["rest"]):
        truth = rest_of(still)
        where = np.array([geometry.apply(matrix, truth) for matrix in shaking["maps"]])
        lags.append(lag(filtered(shaking, constants), where, shaking["times"]))
        jitters.append(shown_jitter(still, truth, constants))
    return float(np.mean(lags)), float(np.mean(jitters))


def chart(row: dict) -> str:
    """The sweep of a row as an SVG file of its own; a ring marks what ships."""
    lines = []
    for name, found in row["sweep"].items():
        points = [point for point in zip(found["lag_ms"], found["jitter"]) if point[0] <= LONGEST_LAG]
        lines.append(charts.Curve(name, *zip(*points), COLOURS[name]))
    x, y = row["motions"]["shake"]["shown"]["lag_ms"], row["motions"]["rest"]["shown"]["jitter"]
    turn = np.linspace(0, 2 * np.pi, 25)
    x_end, y_end = max(max(line.x) for line in lines), max(max(line.y) for line in lines)
    ring = charts.Curve("what ships", x + 0.012 * x_end * np.cos(turn), y + 0.02 * y_end * np.sin(turn), "#111")
    title = "jitter of a still face against lag of a shaking head"
    drawn = charts.curves([*lines, ring], title, "lag of a shaking head, ms", "jitter at rest, px of 256")
    return charts.alone(drawn, [*lines, replace(ring, name="ring: what ships")])
