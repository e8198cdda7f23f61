"""NME, FR and AUC of one artefact on one set of faces: the exported file itself is run, not the model it came from.

`python -m bench accuracy --model face-int8.tflite --data lfpw/testset --layout 300w-68 --json OUT` prints the protocol
and the figures; the JSON has them as fractions, with the error of every face by name (for paired comparisons) and of
every point; and the same figures by pose and by size of the face (bench.accuracy.groups).

F: faces, N: landmarks.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from bench import intervals
from bench.accuracy import groups, point_errors, radius, visibility
from bench.accuracy.scored_faces import Face, Jitter, open_faces
from bench.report import charts
from bench.report.columns import percent, progress
from edgewing import files, geometry, hints, layouts, measure, metrics, processors, rows
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from train.data import samples
from train.data.crops import CROPS
from train.data.frames import FRAMES

EXAMPLE = "--model face-int8.tflite --data lfpw/testset --layout 300w-68 --json accuracy.json"

CED = np.linspace(0.0, 0.15, 151)  # errors beyond are failures by any of the usual thresholds
SHOWN = 3  # pictures of the best, of the median and of the worst faces
PROBLEMS_KEPT = 20


# What a protocol knows the faces by beside their names: contents, because names say nothing.
DIGESTS = ("labels_sha256", "pixels_sha256")
# What must be the same for errors of two rows to be compared face by face.
SAME = ("crop", "box_source", "jitter", "layout", "scored_points", "normaliser", *DIGESTS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument("--data", required=True, metavar="DIR", help="photographs with landmarks, a list, or a run")
    parser.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    parser.add_argument("--json", type=Output, metavar="OUT", help="write the row here (default: print only)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")
    parser.add_argument(
        "--pictures", type=Output, metavar="NPZ", help="keep the best, median and worst crops for the report"
    )
    parser.add_argument(
        "--normaliser", default="", metavar="NAME", help="distance to divide by (default: the layout's own)"
    )
    parser.add_argument(
        "--crop", choices=tuple(CROPS), default="gtbox", help="box that the crop is made from (default: %(default)s)"
    )
    parser.add_argument(
        "--split", default="test", metavar="NAME",
        help="or a subset: common, challenging, private (300W), pose ... blur (WFLW), frontal (AFLW); held-out, or "
        "held-out=SHARE: what training kept of a folder that it learnt from; default: test",
    )  # fmt: skip
    parser.add_argument(
        "--points-frame", choices=FRAMES, default="upright",
        help="stored: points of the pixels before EXIF turns a picture (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--jitter", metavar="SHIFT,SCALE", help="move and scale crops by up to these shares")
    parser.add_argument("--seed", type=int, default=0, help="of the jitter (default: %(default)s)")
    parser.add_argument("--against", metavar="FILE", help="score this model too, and say how far the first differs")
    parser.add_argument("--plot", type=Output, metavar="SVG", help="draw the cumulative errors of what was scored")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=processors.MEASURED)


def main(model: str, plot: str | None, jitter: str | None, seed: int, to: str | None, json: str | None, **how) -> None:
    row = score_both(model, plot=plot, jitter=_jitter(jitter, seed), **how)
    print(row_as_text(row))
    if plot:
        print(f"wrote {plot}")
    rows.keep([row], to, json)
    print(hints.next_line("python -m bench latency --model", model))


def score(
    model: str | Path, data: str | Path, *, layout: str = "", normaliser: str = "", crop: str = "gtbox",
    split: str = "test", points_frame: str = "upright", jitter: Jitter | None = None, threads: int = 1,
    pictures: str | None = None, device: str = "cpu", command: str = "",
) -> dict:  # fmt: skip
    """The accuracy row of a model on the faces under ``data``. command: what reproduces it."""
    path = processors.file_of(model, device)
    about, runtime = measure.artefact(path), processors.on(path, device, threads)
    contract = runtime.contract
    # the model brings its own layout: of one's own, the file need not be at hand
    known = contract.layout if layout == contract.layout.name else layout
    faces = open_faces(data, known, contract.crop, crop, jitter, split, points_frame)
    scored, from_model, from_data = shared_points(contract.layout, faces.layout)
    print("\n".join(faces.protocol["list"]), flush=True)

    indices, seen, predicted, scores = _look(runtime, faces)
    predicted = predicted[:, from_model]
    labelled, boxes = np.array([face.landmarks for face in seen]), [face.box for face in seen]
    true = labelled[:, from_data]
    normaliser = normaliser or _known_to_all(true, scored)
    boxes = None if any(box is None for box in boxes) else np.array(boxes)
    distance = metrics.normaliser(true, scored, normaliser, boxes)
    errors = metrics.errors(predicted, true, distance)
    protocol = {
        **faces.protocol,
        "layout": faces.layout.name,
        "scored_points": scored.name,
        "size": contract.crop.size,
        "normaliser": normaliser,
        "faces": len(seen),
        "skipped": len(faces.problems),
        **_digests(seen),
        "threads": threads,
    }
    row = {
        **rows.header("accuracy", about, protocol, command),
        "model": measure.model_of(contract),
        "runtime": str(runtime.description),
        **vars(metrics.summarise(errors)),
        "parts": _parts(faces, labelled, errors, seen),
        **_coverage(contract, predicted - true, seen, scores, from_model, lambda v: _parts(faces, labelled, v, seen)),
        **_of_points(predicted, true, distance, scores[:, from_model], seen, scored, from_data),
        "ced": cumulative_curve(errors),
        "face_errors": {face.name: round(float(error), 6) for face, error in zip(seen, errors)},
        "problems": faces.problems[:PROBLEMS_KEPT],
    }
    if pictures:
        row["pictures"] = pictures
        _keep_pictures(Path(pictures), faces, indices, errors, predicted, scored, from_data)
    return rows.finite(row)


def _look(runtime, faces) -> tuple[np.ndarray, list[Face], np.ndarray, np.ndarray]:
    """Of the faces that can be read: numbers in the set, the faces without their pixels, (F, N, 2) landmarks of the
    model in image px, (F, N) scores. InputError where none can be."""
    found = []
    for index in progress(range(len(faces)), "accuracy"):
        try:
            face = faces.face(index)
        except InputError as error:
            faces.problems.append(str(error))
            continue
        found.append((index, replace(face, crop=None), *predict(runtime, face)))
    if not found:
        problem = "; ".join(faces.problems[:1])
        raise InputError(f"{faces.protocol['data']}: nothing could be read; first problem: {problem}")
    indices, seen, landmarks, scores = zip(*found)
    return np.array(indices), list(seen), np.array(landmarks), np.array(scores)


def _of_points(
    predicted: np.ndarray, true: np.ndarray, distance: np.ndarray, scores: np.ndarray, seen: list[Face],
    layout: layouts.Layout, from_data: np.ndarray,
) -> dict:  # fmt: skip
    """What a row says of points: the share of correct ones, what scores say of visibility, each point's error."""
    off = np.linalg.norm(predicted - true, axis=-1) / distance[:, None]
    visible = np.array([_visibility(face) for face in seen])[:, from_data]
    pck = metrics.correct_keypoints(predicted, true, distance, layout.pck)
    told = visibility.by_visibility(scores, visible, off, [face.attributes for face in seen])
    whole = np.isfinite(metrics.errors(predicted, true, distance))
    found = {"pck": pck, "visibility": told, **point_errors.by_point(off[whole], visible[whole], layout)}
    return {name: value for name, value in found.items() if value is not None}


def _visibility(face: Face) -> np.ndarray:
    return samples.seen(face.landmarks) if face.visibility is None else face.visibility


def _coverage(contract: Contract, offsets: np.ndarray, seen: list[Face], scores, from_model, divide) -> dict:
    """Field of a row: whether points are as near as the contract says; nothing where it does not say."""
    if contract.radius is None:
        return {}
    sides = np.array([np.hypot(*face.to_image[:, 0]) * contract.crop.size for face in seen])
    within = sides[:, None] * contract.radius.of(scores)[:, from_model]
    return {"coverage": radius.coverage(offsets, sides, within, contract.radius.share, divide)}


def cumulative_curve(errors: np.ndarray) -> dict:
    """The share of (F,) errors up to each threshold, for a row."""
    return {"thresholds": CED.tolist(), "share": metrics.cumulative_errors(errors, CED).tolist()}


def score_both(
    model: str | Path, *, against: str | None = None, plot: str | None = None, pictures: str | None = None, **how
) -> dict:
    """The row of a model, with ``against``: the other model, and the change of NME from it to this one. how: of
    ``score``. plot: where the curves of both go, an SVG."""
    row = score(model, pictures=pictures, **how)
    scored = [row]
    if against:
        old = score(against, **how)
        row["against"] = {"artefact": old["artefact"], "nme": old["nme"], **vars(nme_change(row, old))}
        scored.insert(0, old)
    if plot:
        files.write(Path(plot), _curves(scored).encode())
    return row


def nme_change(new: dict, old: dict) -> intervals.Change:
    """The change of NME between two accuracy rows, face by face. InputError as for ``paired_errors``."""
    second, first = paired_errors(new, old)
    return intervals.paired_change(second, first)


def paired_errors(new: dict, old: dict) -> tuple[np.ndarray, np.ndarray]:
    """(F,) errors of the same faces by two accuracy rows, infinite without a prediction. InputError: other faces,
    or measured otherwise."""
    names = list(old["face_errors"])
    missing = set(names) ^ set(new["face_errors"])
    if missing:
        raise InputError(
            f"{len(missing)} names are in one of {old['protocol']['data']} and {new['protocol']['data']} only, such "
            f"as {min(missing)}; compare on the same pictures, or make a new baseline"
        )
    for key in SAME:
        one, other = old["protocol"].get(key), new["protocol"].get(key)
        if key in DIGESTS and (one is None or one == other):
            continue  # a row from before they were written
        if key in DIGESTS:
            what = {"labels_sha256": "landmarks or boxes", "pixels_sha256": "pixels"}[key]
            raise InputError(f"the pictures have other {what} than when the baseline was made, under the same names")
        if one != other:
            raise InputError(f"{key} of the two rows is {one} and {other}; only rows of one protocol can be compared")
    both = (np.array([row["face_errors"][name] for name in names], float) for row in (new, old))
    return tuple(np.where(np.isnan(errors), np.inf, errors) for errors in both)


def _curves(scored: list[dict]) -> str:
    """The CED of each row as an SVG file."""
    lines = [
        charts.Curve(
            f"{Path(row['artefact']['path']).name}, NME {percent(row['nme'])}",
            [100 * value for value in row["ced"]["thresholds"]],
            [100 * value for value in row["ced"]["share"]],
            colour,
        )
        for row, colour in zip(scored, ("#6b7785", "#c2410c") if len(scored) > 1 else ("#1f5fa8",))
    ]
    title = f"Cumulative error on {scored[0]['protocol']['data']}"
    x_label = f"error, % of the {scored[0]['protocol']['normaliser']} distance"
    y_label = f"{layouts.several(scored[0]['protocol']['layout'])}, %"
    return charts.alone(charts.curves(lines, title, x_label, y_label, 100), lines)


def row_as_text(row: dict) -> str:
    """The protocol and the figures of an accuracy row, in lines for a terminal."""
    p, what = row["protocol"], layouts.several(row["protocol"]["layout"])
    jitter = f", jitter {p['jitter']}" if "jitter" in p else ""
    square = f"factor {p['factor']:g}, at least {p['least']:g} of the longer side, " if "factor" in p else ""
    lines = [
        f"protocol: {p['crop']} crop (box of {p['box_source']}), "
        f"{square}{p['size']} px{jitter}; normaliser {p['normaliser']}; points {p['scored_points']}; "
        f"{p['faces']} {what} of {p['data']} ({p['split']}), {p['skipped']} skipped",
        f"runtime: {row['runtime']}",
    ]
    lines += [f"skipped: {problem}" for problem in row["problems"]]
    lines.append(
        f"NME {percent(row['nme'])}  FR08 {percent(row['fr08'])}  FR10 {percent(row['fr10'])}  "
        f"AUC08 {row['auc08']:.4f}  AUC10 {row['auc10']:.4f}  without a prediction: {row['failed']}"
    )
    if pck := row.get("pck"):
        limit = f"{pck['threshold']:g}"
        lines.append(f"PCK@{limit} {percent(pck['share'])}: points within {limit} of the normaliser {p['normaliser']}")
    lines += point_errors.lines_of(row)
    lines += groups.lines_of(row["parts"])
    lines += visibility.lines_of(row["visibility"]) if "visibility" in row else []
    lines += radius.lines_of(row["coverage"]) if "coverage" in row else []
    if other := row.get("against"):
        low, high = 100 * other["low"], 100 * other["high"]
        lost = f"; {other['lost']} have lost their prediction" if other["lost"] else ""
        lines.append(
            f"against {other['artefact']['path']} (NME {percent(other['nme'])}): NME {100 * other['change']:+.2f} % "
            f"({low:+.2f} to {high:+.2f}, 95 %, paired bootstrap over {other['faces']} {what}){lost}"
        )
    return "\n".join(lines)


def _digests(seen: list[Face]) -> dict[str, str]:
    """Of names with labels, and of names with pixels, in the order of the names."""
    ordered = sorted((face.name, face.labels, face.pixels) for face in seen)
    columns = zip(*((f"{name} {labels}", f"{name} {pixels}") for name, labels, pixels in ordered))
    return {key: hashlib.sha256("\n".join(lines).encode()).hexdigest() for key, lines in zip(DIGESTS, columns)}


def _known_to_all(true: np.ndarray, layout: layouts.Layout) -> str:
    """The layout's own normaliser, or the box of the points where a face lacks a point that it needs."""
    name = metrics.normaliser_of_all(true, layout)
    if name != layout.default_normaliser:
        print(
            f"some {layout.several} lack points that the normaliser {layout.default_normaliser} needs: "
            f"errors are divided by {name}, the root of the area of the box of the points"
        )
    return name


def _parts(faces, labelled: np.ndarray, errors: np.ndarray, seen: list[Face]) -> dict[str, dict]:
    """Figures by subset, by occlusion, by pose and by size, as far as these faces let them be told apart."""
    hidden = np.array([(_visibility(face) == 1).sum() for face in seen])
    found = {
        "subset": groups.by_attribute([face.attributes for face in seen], errors),
        "occlusion": groups.by_occlusion(hidden, errors) if hidden.any() else None,
        "pose": groups.by_yaw(labelled, faces.layout, errors),
        "size": groups.by_size(labelled, errors) if faces.in_pictures else None,  # a run's crops are all of one size
    }
    return {name: part for name, part in found.items() if part}


def _jitter(text: str | None, seed: int) -> Jitter | None:
    if text is None:
        return None
    try:
        shift, scale = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--jitter {text!r}: give two numbers, SHIFT,SCALE, such as 0.05,0.1") from None
    return Jitter(shift, scale, seed)


def shared_points(model: layouts.Layout, data: layouts.Layout) -> tuple[layouts.Layout, np.ndarray, np.ndarray]:
    """The layout that is scored, and for each of its points the index in the model's and in the data's layout."""
    if data.name in (model.name, *model.maps):
        return data, model.map_to(data), np.arange(data.points)
    if model.name in data.maps:
        return model, np.arange(model.points), data.map_to(model)
    raise InputError(f"the model's layout is {model.name}, the data's is {data.name}, and there is no map between them")


def predict(runtime, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) landmarks in image px, (N,) scores; NaN stays NaN and counts as a face without a prediction."""
    points = runtime(face.crop[None])
    return geometry.apply(face.to_image, points.landmarks[0]), points.scores[0]


def _keep_pictures(path: Path, faces, indices, errors, predicted, layout, from_data) -> None:
    """Crops of a few faces with true and predicted points in crop px, for the report."""
    order = np.argsort(errors, kind="stable")
    count = max(1, min(SHOWN, len(order) // 3))  # of few faces, none is shown twice
    middle = (len(order) - count) // 2
    ranks = {"best": order[:count], "median": order[middle : middle + count], "worst": order[::-1][:count]}
    crops, true, guessed, kinds, names, shown_errors = [], [], [], [], [], []
    for kind, chosen in ranks.items():
        for i in chosen:
            face = faces.face(int(indices[i]))
            to_crop = geometry.invert(face.to_image)
            crops.append(face.crop)
            true.append(geometry.apply(to_crop, face.landmarks[from_data]))
            guessed.append(geometry.apply(to_crop, predicted[i]))
            kinds.append(kind)
            names.append(face.name)
            shown_errors.append(errors[i])
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        crops=np.array(crops),
        true=np.array(true, np.float32),
        predicted=np.array(guessed, np.float32),
        kinds=np.array(kinds),
        names=np.array(names),
        errors=np.array(shown_errors),
        layout=np.array(layout.name),
    )
    files.write(path, packed.getvalue())
