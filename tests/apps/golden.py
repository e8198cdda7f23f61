"""Golden vectors: what the Python reference answers, for the same code in other languages.

    python -m tests.apps.golden        # writes apps/golden.json, and the numbers that the browser's package has

Each language's tests read that file, and are equal to 1e-3 px; crops byte for byte. What is measured in px is stored to
1e-6. Bytes are base64, (H, W, 3) RGB. Boxes are x0, y0, x1, y1; landmarks x0, y0, x1, y1, ...
"""

import base64
import dataclasses
import json
from pathlib import Path

import numpy as np

from edgewing import anatomy, decoding, detection, expression, geometry, layouts, runtimes, web
from edgewing import contract as contracts
from edgewing.camera import tracking
from tests.apps import heads

APPS = Path(__file__).parents[2] / "apps"
FILE, CONSTANTS = APPS / "golden.json", APPS / "web/src/constants.json"
FALSIFIED = ("pixels", "turned_boxes", "decodes", "steady", "tracks", "expressions")
SIZE, POINTS = 16, 4
SHAPE = (20, 24)  # of the picture that crops are cut from: rows, columns
FRAME = (120, 160)
FIT = detection.Fit((0.1, 0.2), (0.9, 0.8))
# Of a layout without eyes nothing tells how it is turned but that it is unsure; CURVES are all that tells it.
PLAIN = layouts.Layout("golden-4", POINTS, edges=((0, 1), (1, 2), (2, 3)), object="face")
CURVES = {"left_eye": (0, 1), "right_eye": (2, 3), "nose": (4, 5), "outer_upper_lip": (6, 7)}
EYED = layouts.Layout("golden-8", 8, curves=CURVES, object="face")


def made() -> dict[str, list]:
    """Kind -> its vectors, each a map of what goes in and what comes out."""
    rng = np.random.default_rng(7)
    picture = rng.integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    kinds = {
        "contracts": texts(),
        "crops": crops(),
        "crop_turns": crop_turns(),
        "turned_boxes": turned_boxes(rng),
        "face_turns": face_turns(rng),
        "pixels": pixels(picture),
        "squares": squares(picture),
        "inputs": inputs(rng),
        "decodes": decodes(rng),
        "points": points(rng),
        "detections": detections(rng, picture),
        "steady": steady(rng),
        "tracks": [
            life(rng, PLAIN, heads.SQUARE, heads.moving()),
            life(rng, EYED, heads.UPRIGHT, heads.turning()),
            life(np.random.default_rng(8), PLAIN, heads.SQUARE, heads.lying()),
            life(np.random.default_rng(9), PLAIN, heads.SQUARE, heads.twice()),
        ],
        "expressions": expressions(rng),
    }
    return json.loads(json.dumps(kinds, default=plain))


def plain(value):
    """Arrays as JSON has them: bytes in base64, numbers flat."""
    if isinstance(value, np.ndarray) and value.dtype == np.uint8:
        return base64.b64encode(np.ascontiguousarray(value)).decode()
    return [round(float(number), 6) for number in np.ravel(value)]


def a_contract(dtype="uint8", axes="NHWC", colour="RGB", frame="crop", in_graph=True, layout=PLAIN):
    """A model of a layout in a square of SIZE px."""
    shape = [1, SIZE, SIZE, 3] if axes == "NHWC" else [1, 3, SIZE, SIZE]
    numbers = [0.0, 255.0] if dtype == "uint8" else [-1.0, 1.0]
    out = [
        contracts.OutputPart("landmarks", "landmarks", [1, layout.points, 2], frame, "px", "float32"),
        contracts.OutputPart("scores", "scores", [1, layout.points], "none", "0 to 1", "float32"),
    ]
    maps = [contracts.OutputPart("maps", "heatmaps", [1, POINTS, 8, 8], "cell", "0 to 1", "float32")]
    return contracts.check(
        contracts.Contract(
            layout=layout,
            input=contracts.InputPart("image", shape, axes, dtype, colour, numbers, "inside the graph"),
            crop=contracts.crop_part(SIZE),
            outputs=out if in_graph else maps,
            decode=contracts.DecodePart(in_graph, "centroid", 0.4, 2, 2.0, 0.3),
            model=contracts.ModelPart("golden", "test", "tflite", "int8", 1, 1),
            training=contracts.TrainingPart([], "drawn for tests, free", []),
            provenance=contracts.ProvenancePart("", {}, ""),
        )
    )


def as_json(contract) -> dict:
    return json.loads(contracts.dumps(contract))


def texts() -> list[dict]:
    """Contracts as text, and what a loader refuses, with a word that its message has; '' where it takes them."""
    good, maps = as_json(a_contract()), as_json(a_contract(in_graph=False))
    newer = good | {
        "added": {"later": [1, None, True, "\u00e9\n\\ \U0001f600"]},
        "crop": good["crop"] | {"added": 1e-2},
    }
    cases = [(json.dumps(good), ""), (json.dumps(maps, indent=1), ""), (json.dumps(newer), "")]
    wrong = [
        (good | {"schema": 1}, "schema"),
        (good | {"schema": 3}, "schema"),
        (good | {"crop": good["crop"] | {"border": "mirror"}}, "border"),
        (good | {"outputs": good["outputs"][1:]}, "landmarks"),
        (maps | {"outputs": good["outputs"]}, "heatmaps"),
    ]
    cases += [(json.dumps(one), word) for one, word in wrong] + [(json.dumps(good)[:200], "JSON"), ("[2]", "schema")]
    return [{"text": text, "refused": word} for text, word in cases]


def crops() -> list[dict]:
    boxes = [(40, 30, 90, 84), (10.25, 5.5, 150.75, 118.1), (-30, -20, 40, 35), (70, 50, 84, 65), (5, 5, 6, 60)]
    corners = np.array([[0, 0], [15, 0], [3.5, 12.25]])
    cases = [(box, turn) for box in boxes for turn in (0.0, 0.5, -2.0)]
    made = [(box, turn, geometry.crop_from_box(np.array(box, float), SIZE, turn=turn)) for box, turn in cases]
    part = dataclasses.asdict(contracts.crop_part(SIZE))
    return [
        {"part": part, "box": box, "turn": turn, "side": round(crop.side, 6), "crop": plain(corners)}
        | {"image": geometry.apply(crop.to_image, corners)}
        for box, turn, crop in made
    ]


def crop_turns() -> list[dict]:
    """Within LEVEL of the turn before and beyond it, either way around."""
    cases = [(0.43, 0.0), (0.44, 0.0), (-0.44, 0.0), (1.9, 1.5), (2.0, 1.5), (3.0, -3.1), (-3.0, 3.1), (3.6, 0.0)]
    return [{"found": found, "before": before, "turn": geometry.crop_turn(found, before)} for found, before in cases]


def turned_boxes(rng) -> list[dict]:
    """Of landmarks of which one is not there, upright and turned."""
    landmarks, there = rng.uniform(-20, 140, (6, 2)).round(3).astype(np.float32), np.arange(6) != 2
    return [
        {"landmarks": landmarks, "there": there.tolist(), "turn": turn}
        | {"box": geometry.turned_box(landmarks[there], turn)}
        for turn in (0.0, 0.5, 1.57, -2.2)
    ]


def face_turns(rng) -> list[dict]:
    """Of faces that are turned and not quite alike."""
    made = [
        heads.UPRIGHT @ geometry.rotation(turn).T * 2 + (70, 60) + rng.normal(0, 0.5, heads.UPRIGHT.shape)
        for turn in (0.0, 0.8, -1.4, 3.1, -3.1)
    ]
    given = [{"turns": web.constants(EYED)["turns"], "landmarks": one.round(3).astype(np.float32)} for one in made]
    return [one | {"turn": round(anatomy.turn(one["landmarks"], EYED), 6)} for one in given]


def pixels(picture) -> list[dict]:
    boxes = [(4, 3, 18, 15), (-6.5, -4.25, 9, 8), (15, 12, 40, 33), (9.1, 8.2, 11.9, 10.7), (100, 100, 120, 130)]
    cases = [(box, turn) for box in boxes[:4] for turn in (0.0, 0.7, -2.0, 3.1)] + [(boxes[4], 0.0)]
    made = [(box, turn, geometry.crop_from_box(np.array(box, float), SIZE, turn=turn)) for box, turn in cases]
    part = dataclasses.asdict(contracts.crop_part(SIZE))
    return [
        {"part": part, "box": box, "turn": turn, "picture": picture, "width": SHAPE[1], "height": SHAPE[0]}
        | {"pixels": geometry.warp(picture, crop.to_image, SIZE)}
        for box, turn, crop in made
    ]


def squares(picture) -> list[dict]:
    """The picture as a detector sees it; values that lie between two levels may be off by one."""
    made = [
        (part, side, margin, *detection.fit_into_square(part, side, margin))
        for part in (picture, picture[:9])
        for side, margin in ((8, 0), (12, 0), (30, 0), (30, 7))
    ]
    return [
        {
            "picture": part,
            "width": part.shape[1],
            "height": part.shape[0],
            "side": side,
            "margin": margin,
            "pixels": square,
            "scale": scale,
        }
        for part, side, margin, square, scale in made
    ]


def inputs(rng) -> list[dict]:
    """Pixels to the tensor that a model takes."""
    crop = rng.integers(0, 256, (1, SIZE, SIZE, 3), dtype=np.uint8)
    kinds = (("uint8", "NHWC", "BGR"), ("uint8", "NCHW", "RGB"), ("float32", "NHWC", "RGB"), ("float32", "NCHW", "BGR"))
    made = [a_contract(*kind) for kind in kinds]
    return [
        {"contract": as_json(contract), "pixels": crop, "tensor": [round(float(v), 6) for v in tensor.ravel()[::7]]}
        for contract, tensor in ((contract, runtimes.Runtime(None, contract).input(crop)) for contract in made)
    ]  # every seventh number: enough to tell colours and axes apart


def decodes(rng) -> list[dict]:
    """Heatmaps with a peak, at the border, with a tie, and without any."""
    maps = rng.normal(0, 0.02, (1, POINTS, 8, 8))
    maps[0, 0, 3, 4], maps[0, 0, 3, 5], maps[0, 1, 0, 2], maps[0, 3] = 0.9, 0.5, 1.2, 0
    maps[0, 2, 2, 2] = maps[0, 2, 6, 5] = 0.5
    maps, made = np.round(maps, 4).astype(np.float32), []
    for how in (decoding.Decode(), decoding.Decode("centroid", 0.0, 1), decoding.Decode("quarter", 0.0, 1)):
        contract = a_contract(in_graph=False)
        contract = contract.replace(decode=dataclasses.replace(contract.decode, **dataclasses.asdict(how)))
        found = runtimes.points({"maps": maps}, contract)
        made.append({"contract": as_json(contract), "maps": maps, "landmarks": found.landmarks, "scores": found.scores})
    return made


def points(rng) -> list[dict]:
    """What a graph that decodes says, to px of the crop and of the picture."""
    raw = {"landmarks": rng.uniform(0, 8, (1, POINTS, 2)).round(4), "scores": rng.uniform(0, 1, (1, POINTS)).round(4)}
    box, made = (30.5, 20.25, 90.0, 101.0), []
    for frame in ("crop", "cell"):
        contract = a_contract(frame=frame)
        found = runtimes.points(raw, contract)
        image = geometry.apply(geometry.crop_from_box(np.array(box), SIZE).to_image, found.landmarks[0])
        made.append({"contract": as_json(contract), **raw, "box": box, "crop": found.landmarks, "image": image})
    return made


def detections(rng, picture) -> list[dict]:
    """A small BlazeFace: 8 anchors, of which some are sure, some of one face. Of upright faces, of turned ones, of
    one that fills the picture beside small ones, and of one that only the second look finds."""
    anchors = detection.Anchors("blazeface_short.tflite", 32, ((16, 2),), 0.5)
    raw = rng.uniform(-3, 3, (8, 16)).round(4).astype(np.float32)
    raw[:, 2:4] = rng.uniform(8, 12.5, (8, 2)).round(4)
    raw[:, 4:8] = [0, 0, 5, 0]  # the eyes are level
    logits = np.array([2, 1.5, -1, 0.2, 3, -4, -90, 0.1], np.float32)
    turned = raw.copy()
    turned[:, 6:8] = rng.uniform(-5, 5, (8, 2)).round(4)
    large, none = raw.copy(), np.full(8, -9, np.float32)
    large[0, 2:4] = 26, 22
    again = raw[::-1].copy()
    again[:, 2:4] = rng.uniform(4, 8, (8, 2)).round(4)
    far = np.where(np.arange(8) == 2, logits, none)  # the anchor over the face that was large
    blaze, made = detection.BlazeFace(anchors), []
    settings = {"close": detection.CLOSE} | {
        "side": anchors.side,
        "cells": anchors.cells,
        "least": anchors.least,
        "same": detection.SAME_FACE,
    }
    for looks in (
        [(raw, logits)], [(turned, logits)], [(large, logits), (again, far + 5)], [(raw, none), (turned, logits)],
        [(large, logits), (raw, none)],
    ):  # fmt: skip
        answers = iter(looks)
        blaze.network = lambda square, answers=answers: next(answers)
        found = [
            {"box": plain(one.box), "score": round(one.score, 6), "turn": round(one.turn, 6)}
            for one in detection.Detector("small", blaze, FIT)(picture)
        ]
        assert next(answers, None) is None
        given = {"settings": settings | {"fit": dataclasses.asdict(FIT)}}
        given["looks"] = [{"boxes": boxes, "logits": logits} for boxes, logits in looks]
        made.append(given | {"picture": picture, "width": SHAPE[1], "height": SHAPE[0], "found": found})
    return made


def steady(rng) -> list[dict]:
    """At rest, moving, at uneven times, twice at one time, after a long gap; with points that are not there."""
    times = np.cumsum(np.r_[100.0, rng.uniform(0.01, 0.06, 8), 0.0, 0.03, 2.0, 0.03]).round(4)
    start, settings = rng.uniform(0, 60, (POINTS, 2)), tracking.settings().filter
    made, filtered = [], tracking.OneEuro(settings)
    for number, time in enumerate(times):
        moved = start + max(0, number - 4) * np.array([2.5, -1.0]) + rng.normal(0, 0.4, (POINTS, 2))
        sample, there = moved.round(3).astype(np.float32), np.array([True, True, number % 3 > 0, True])
        out = filtered(sample, time, 50.0, there)
        made.append(
            {"points": plain(sample), "time": time, "size": 50.0, "there": there.tolist(), "steady": plain(out)}
        )
    return [{"settings": dataclasses.asdict(settings), "samples": made}]


def life(rng, layout, shape, scenes) -> dict:
    """Tracks of the scenes, with what the detector finds and what the model says of each crop that it is asked for.
    settings: as an app has them, but that the detector runs more often."""
    constants, boxes = tracking.settings(), []
    constants = dataclasses.replace(constants, search=dataclasses.replace(constants.search, beat=0.2))
    settings = web.constants(layout) | {"tracking": dataclasses.asdict(constants)}
    finder = detection.Detector("known", lambda image: boxes, detection.fits()[web.DETECTOR])
    landmarker, contract = heads.Telling("edgewing-xs", finder), a_contract(layout=layout)
    landmarker.runtime = runtimes.Runtime(heads.Scripted(rng, shape), contract)
    tracker, grey, frames, time = tracking.Tracker(landmarker, constants), np.full((*FRAME, 3), 90, np.uint8), [], 10.0
    for number, scene in enumerate(scenes):
        time = round(time + 0.05 + 0.03 * (number % 3), 4)
        boxes[:] = [
            detection.Detection(np.array([x - 13, y - 10, x + 13, y + 12], float), 0.9, eyes)
            for x, y, _, _, _, eyes in scene
        ]
        landmarker.runtime.graph.scene, landmarker.runtime.graph.asked = scene, []
        tracks = [
            {"id": track.id, "landmarks": plain(track.landmarks), "there": track.face.there.tolist()}
            | {"confidence": round(track.confidence, 6), "age": round(track.age, 6), "box": plain(track.face.box)}
            for track in tracker(grey, time)
        ]
        found = [{"box": plain(one.box), "score": one.score, "turn": one.turn} for one in boxes]
        frames.append({"time": time, "found": found, "searched": tracker.searched, "tracks": tracks})
        frames[-1]["asked"] = landmarker.runtime.graph.asked
    size = {"width": FRAME[1], "height": FRAME[0]}
    return {"contract": as_json(contract), "settings": settings, **size, "frames": frames}


def expressions(rng) -> list[dict]:
    """Head pose, ARKit's units and gaze: upright, turned, upside down, with points that are not there, and not told."""
    cases = [("wflw-98", 0, 98), ("wflw-98", 200, 98), ("300w-68", 70, 68), ("wflw-98", -15, 60), ("wflw-98", 0, 5)]
    made = []
    for name, degrees, count in [*cases, ("lsp-14", 0, 14)]:
        layout = layouts.get(name)
        shape = expression.readers()["units" if layout.points == 98 else "pose"].shape[: layout.points]
        about = 80 * geometry.rotation(np.radians(degrees))
        points = ((shape + rng.normal(0, 0.02, shape.shape)) @ about.T + (150, 120)).round(3)
        there = np.arange(layout.points) < count
        found = {"pose": expression.pose(points, layout, there), "gaze": expression.gaze(points, layout, there)}
        told = {name: one and {k: round(v, 6) for k, v in vars(one).items()} for name, one in found.items()}
        about = {"name": name, "points": layout.points, "maps": {k: list(v) for k, v in layout.maps.items()}}
        made.append(
            {"layout": about, "landmarks": plain(points), "there": there.tolist(), **told}
            | {"units": expression.units(points, layout, there)}
        )
    return made


def constants() -> dict:
    """What apps/web/src/constants.ts makes edgewing.web.constants of."""
    face = web.constants(layouts.get("300w-68"))
    return {
        "detectors": {use: face[use] for use in web.DETECTORS},
        "unsure": face["unsure"],
        "upright": face["turns"]["places"],
        "tracking": {"face": face["tracking"], "object": web.constants(layouts.get("lsp-14"))["tracking"]},
    }


def falsified(kind: str) -> list[dict]:
    """The vectors of a kind, one of which is wrong: what compares them must tell."""
    (one, *_) = ones = json.loads(FILE.read_text())[kind]
    inner = one.get("samples", [one])[-1] if kind != "tracks" else one["frames"][-1]["tracks"][0]
    if kind == "expressions":
        inner["units"]["jawOpen"] += 2e-3
        return ones
    name = {"pixels": "pixels", "steady": "steady", "turned_boxes": "box"}.get(kind, "landmarks")
    inner[name] = "A" * len(inner[name]) if kind == "pixels" else [number + 2e-3 for number in inner[name]]
    return ones


def count(vectors: dict[str, list]) -> int:
    """How many answers there are; samples and frames count singly."""
    return sum(len(one.get("samples") or one.get("frames") or [one]) for kind in vectors.values() for one in kind)


def same(one, other) -> bool:
    """Equal, numbers to 2e-6."""
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and isinstance(other, (int, float)):
        return abs(one - other) <= 2e-6
    return one == other


if __name__ == "__main__":
    vectors = made()
    FILE.write_text(json.dumps(vectors, separators=(",", ":")).replace('],"', '],\n"') + "\n")
    CONSTANTS.write_text(json.dumps(constants(), indent=1) + "\n")
    print(f"wrote {CONSTANTS}, and {FILE}: {count(vectors)} vectors, {FILE.stat().st_size / 1e3:.0f} kB")
