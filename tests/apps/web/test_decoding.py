"""Heatmaps and inputs of models that leave decoding, colours or axes to the page."""

import dataclasses
import json

import numpy as np
import pytest

from edgewing import decoding, runtimes
from tests.edgewing.conftest import SIDE, tiny_contract

RNG = np.random.default_rng(3)


def as_json(contract) -> dict:
    return json.loads(json.dumps(dataclasses.asdict(contract)))


def heatmaps(points: int = 12, side: int = 40) -> np.ndarray:
    """(1, points, side, side): blobs, also at the border and weak, noise, one without a peak, one with a tie."""
    y, x = np.mgrid[:side, :side]
    maps = RNG.normal(0, 0.02, (points, side, side))
    for number in range(points - 2):
        cx, cy = RNG.uniform(-1, side, 2)
        maps[number] += RNG.uniform(0.1, 1.2) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / RNG.uniform(1, 3) ** 2)
    maps[-2] = 0
    maps[-1, 5, 7] = maps[-1, 20, 21] = 0.5
    return maps[None].astype(np.float32)


@pytest.mark.parametrize(
    ("method", "threshold", "power"), [("centroid", 0.4, 2), ("centroid", 0.0, 1), ("quarter", 0, 1)]
)
def test_decoded_as_python_does(ask, method, threshold, power):
    maps, how = heatmaps(), decoding.Decode(method, threshold, power)
    landmarks, scores = decoding.decode(maps, 4.0, how)
    contract = {"layout": {"points": maps.shape[1]}, "decode": {**dataclasses.asdict(how), "stride": 4.0}}
    got = ask("decoding.decode", maps, *maps.shape[2:], contract)
    assert np.abs(got["landmarks"].reshape(-1, 2) - landmarks[0]).max() < 1e-3
    assert np.abs(got["scores"] - scores[0]).max() < 1e-6


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("axes", ["NHWC", "NCHW"])
@pytest.mark.parametrize("colour", ["RGB", "BGR"])
def test_input_as_the_contract_has_it(ask, dtype, axes, colour):
    contract = tiny_contract(axes, dtype)
    values = [-1.0, 1.0] if dtype == "float32" else [0.0, 255.0]
    contract = contract.replace(input=dataclasses.replace(contract.input, colour=colour, range=values))
    crop = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    expected = runtimes.Runtime(None, contract).input(crop[None])
    got = ask("landmarker.toInput", crop.ravel(), as_json(contract))
    assert got.dtype == expected.dtype
    assert np.abs(got.reshape(expected.shape).astype(np.float64) - expected).max() < 1e-6


@pytest.mark.parametrize("frame", ["crop", "cell"])
def test_points_that_the_graph_decodes(ask, frame):
    contract = tiny_contract()
    outputs = [dataclasses.replace(o, frame=frame) if o.meaning == "landmarks" else o for o in contract.outputs]
    contract = contract.replace(outputs=outputs, decode=dataclasses.replace(contract.decode, stride=4.0))
    raw = {"landmarks": RNG.uniform(0, 8, (1, 2, 2)).astype(np.float32), "scores": np.float32([[0.5, 1]])}
    expected = runtimes.points(raw, contract)
    got = ask("landmarker.points", raw, as_json(contract))
    assert np.allclose(got["landmarks"].reshape(2, 2), expected.landmarks[0], atol=1e-5)
    assert np.allclose(got["scores"], expected.scores[0])


def test_heatmaps_of_a_model_are_decoded(ask):
    contract = tiny_contract(decoded=False)
    raw = {"heatmaps": heatmaps(3, SIDE)}
    expected = runtimes.points(raw, contract)
    got = ask("landmarker.points", raw, as_json(contract))
    assert np.abs(got["landmarks"].reshape(2, 2) - expected.landmarks[0]).max() < 1e-3
