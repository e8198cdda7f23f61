"""The page's modules give Python's answers to the golden vectors (tests/apps/golden.py)."""

import base64
import json
import math
import subprocess

import numpy as np
import pytest

from edgewing import expression
from edgewing.contract import KEY
from tests.apps import golden
from tests.apps.web.conftest import APP

VECTORS = json.loads(golden.FILE.read_text())
CLOSE = 1e-3  # px


def pixels(text: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(*shape, 3)


def picture(one: dict) -> np.ndarray:
    return pixels(one["picture"], one["height"], one["width"])


def off(ours, expected) -> float:
    return float(np.abs(np.ravel(ours).astype(np.float64) - np.ravel(expected)).max())


def in_tflite(text: str) -> np.ndarray:
    """A TFLite file of nothing but a contract."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, entry, buffer = schema.ModelT(), schema.MetadataT(), schema.BufferT()
    buffer.data, entry.name, entry.buffer = np.frombuffer(text.encode(), np.uint8), KEY, 1
    model.version, model.buffers, model.metadata = 3, [schema.BufferT(), buffer], [entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return np.frombuffer(bytes(builder.Output()), np.uint8)


@pytest.mark.parametrize("one", VECTORS["contracts"])
def test_contracts(ask, one):
    if one["refused"]:
        with pytest.raises(RuntimeError, match=one["refused"]):
            ask("contract.read", in_tflite(one["text"]))
    else:
        assert ask("contract.read", in_tflite(one["text"])) == json.loads(one["text"])


def test_crops(ask):
    for one in VECTORS["crops"]:
        crop = ask("geometry.cropFromBox", one["box"], one["part"], one["turn"])
        assert crop["side"] == pytest.approx(one["side"], abs=1e-6)
        assert off(ask("geometry.toImage", crop, one["crop"]), one["image"]) < CLOSE


@pytest.mark.parametrize("box", [[10, 10, 10, 20], [10, 10, 20, 9], [10, 10, "NaN", 20]])
def test_a_box_without_a_face_is_refused(ask, box):
    with pytest.raises(RuntimeError, match="empty or broken box"):
        ask("geometry.cropFromBox", box, VECTORS["crops"][0]["part"])


def test_crop_turns(ask):
    for one in VECTORS["crop_turns"]:
        assert ask("geometry.cropTurn", one["found"], one["before"]) == pytest.approx(one["turn"], abs=1e-5)


def test_turned_boxes(ask):
    for one in VECTORS["turned_boxes"]:
        got = ask("geometry.turnedBox", np.float32(one["landmarks"]), one["turn"], one["there"])
        assert off(got, one["box"]) < CLOSE


def test_face_turns(ask):
    for one in VECTORS["face_turns"]:
        got = ask("geometry.faceTurn", np.float32(one["landmarks"]), one["turns"])
        assert got == pytest.approx(one["turn"], abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 7.5, np.nan])
def test_points_that_tell_no_turn_have_none(ask, value):
    one = VECTORS["face_turns"][0]
    assert ask("geometry.faceTurn", np.full_like(np.float32(one["landmarks"]), value), one["turns"]) is None


def test_pixels(ask):
    for one in VECTORS["pixels"]:
        crop = ask("geometry.cropFromBox", one["box"], one["part"], one["turn"])
        assert ask("pixels.sample", picture(one), crop).tobytes() == base64.b64decode(one["pixels"])


def test_squares(ask):
    for one in VECTORS["squares"]:
        got = ask("pixels.fitIntoSquare", picture(one), one["side"], one["margin"])
        assert off(got["rgb"], pixels(one["pixels"], one["side"], one["side"])) <= 1
        assert got["scale"] == pytest.approx(one["scale"], abs=1e-6)


def test_inputs(ask):
    for one in VECTORS["inputs"]:
        got = ask("reader.toInput", pixels(one["pixels"], -1).ravel(), one["contract"])
        assert got.dtype == one["contract"]["input"]["dtype"]
        assert off(got[::7], one["tensor"]) < 2e-6


def test_heatmaps(ask):
    for one in VECTORS["decodes"]:
        got = ask("reader.points", {"maps": np.float32(one["maps"])}, one["contract"])
        assert off(got["landmarks"], one["landmarks"]) < CLOSE and off(got["scores"], one["scores"]) < CLOSE


def test_points(ask):
    for one in VECTORS["points"]:
        raw = {name: np.float32(one[name]) for name in ("landmarks", "scores")}
        got = ask("reader.points", raw, one["contract"])
        crop = ask("geometry.cropFromBox", one["box"], one["contract"]["crop"])
        assert off(got["landmarks"], one["crop"]) < CLOSE
        assert off(ask("geometry.toImage", crop, got["landmarks"]), one["image"]) < CLOSE


def test_detections(ask):
    for one in VECTORS["detections"]:
        looks = [{"boxes": np.float32(look["boxes"]), "scores": np.float32(look["logits"])} for look in one["looks"]]
        got = ask("find", one["settings"], looks, picture(one))
        assert off([f["box"] for f in got], [f["box"] for f in one["found"]]) < CLOSE
        for name in ("score", "turn"):
            assert off([f[name] for f in got], [f[name] for f in one["found"]]) < 1e-5


def test_steady_points(ask):
    for one in VECTORS["steady"]:
        sent = [[np.float32(s["points"]), s["time"], s["size"], s["there"]] for s in one["samples"]]
        got, raw = ask("steady", one["settings"], sent), [s["points"] for s in one["samples"]]
        assert off(got, [s["steady"] for s in one["samples"]]) < CLOSE
        assert off(got, raw) > 0.3, "the filter must have something to do"


def test_tracks(ask):
    for one in VECTORS["tracks"]:
        frames = [
            frame | {"asked": [{name: np.float32(v) for name, v in face.items()} for face in frame["asked"]]}
            for frame in one["frames"]
        ]
        for got, frame in zip(ask("live", one | {"frames": frames}), one["frames"], strict=True):
            assert got["left"] == 0 and got["searched"] == frame["searched"]
            for track, expected in zip(got["tracks"], frame["tracks"], strict=True):
                assert track["id"] == expected["id"] and track["there"] == expected["there"]
                assert off(track["landmarks"], expected["landmarks"]) < CLOSE
                assert off(track["box"], expected["box"]) < CLOSE
                assert math.isclose(track["confidence"], expected["confidence"], abs_tol=1e-5)
                assert math.isclose(track["age"], expected["age"], abs_tol=1e-5)


PACKED = """import {npz} from './npz.mjs';
npz.setup({onLoad: async (_, load) => console.log((await load({path: process.argv[1]})).contents)});"""


def test_the_browser_has_the_weights_of_the_phones(node):
    file = expression.__file__.replace(".py", ".npz")
    command = [node, "--input-type=module", "-e", PACKED, file]
    done = subprocess.run(command, cwd=APP, capture_output=True, text=True)
    assert json.loads(done.stdout) == expression.packed(), done.stderr


def test_expressions(ask):
    """Degrees, and shares of a unit."""
    for one in VECTORS["expressions"]:
        got = ask("expression.expression", np.float32(one["landmarks"]), one["layout"], one["there"])
        for part in ("pose", "units", "gaze"):
            expected = one[part] or {}
            assert got.get(part, {}).keys() == expected.keys()
            assert all(abs(got[part][name] - value) < 1e-3 for name, value in expected.items()), part
    assert sum(one["units"] is not None for one in VECTORS["expressions"]) == 3
