"""The schema: what is written comes back, and whatever contradicts itself is named."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from edgewing import __version__, containers, decoding, layouts, models
from edgewing import contract as contracts
from edgewing.errors import InputError
from tests.edgewing.conftest import tiny_contract

RADIUS = contracts.RadiusPart(0.9, [0.5, 0.9], [0.04, 0.02], [1.0, 2.0], 40, "held out")
PARITY = contracts.ParityPart("gtbox", "onnxruntime 1.0", 40, 0.1, 0.9, 2.0, 0.04, 0.0401, True)


def changed(path: str, value) -> str:
    """The tiny contract's JSON with one value replaced; a path such as ``outputs.0.shape``."""
    raw = json.loads(contracts.dumps(tiny_contract()))
    *parents, last = path.split(".")
    place = raw
    for key in parents:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    return json.dumps(raw)


def test_round_trip(contract):
    for one in (contract, contract.replace(parity=PARITY), contract.replace(radius=RADIUS)):
        assert contracts.loads(contracts.dumps(one)) == one


def test_what_came_later_is_written_where_it_is_known(contract):
    """So a file without it is what it was, to the byte."""
    assert "radius" not in json.loads(contracts.dumps(contract))
    assert "stamped_on" not in json.loads(contracts.dumps(contract))["provenance"]
    assert RADIUS.of(np.array([[0.1, 0.7], [0.9, 1.0]])) == pytest.approx(np.array([[0.04, 0.06], [0.02, 0.04]]))


def test_weights_of_this_repository_are_read():
    folder = Path(__file__).resolve().parents[2] / "models"
    paths = sorted(folder.glob("*.safetensors"))
    assert set(models.SHIPPED) <= {path.stem for path in paths}
    for path in paths:
        with safe_open(path, "np") as file:
            written = json.loads(file.metadata()[contracts.KEY])
        read = json.loads(contracts.dumps(containers.read_contract(path)))
        for key in set(written) - {"seal"}:
            older = {**read[key], **written[key]} if isinstance(written[key], dict) else written[key]
            assert older == read[key], key  # older ones do not say all of it


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (1, "export the file, or train the run, again"),
        (3, "install a newer one: git pull && pip install ."),
        (10**3000, "install a newer one: git pull && pip install ."),
    ],
)
def test_another_schema_is_refused_and_says_what_to_do(contract, schema, said):
    text = json.dumps(json.loads(contracts.dumps(contract)) | {"schema": schema})
    with pytest.raises(InputError) as caught:
        contracts.loads(text, "face.onnx")
    assert str(caught.value).startswith("face.onnx: contract of schema ") and len(str(caught.value)) < 200
    assert f"edgewing {__version__} reads 2; {said}" in str(caught.value)


def test_schema_2_must_have_a_seal(contract):
    raw = json.loads(contracts.dumps(contract))
    raw["sea1"] = raw.pop("seal")
    with pytest.raises(InputError, match="seal is missing"):
        contracts.loads(json.dumps(raw))


def test_a_contract_is_written_without_seal(contract):
    sealed = dataclasses.replace(contract, seal="ab" * 32)
    assert contracts.loads(contracts.dumps(sealed)).seal == contracts.UNSEALED and sealed == contract


def test_a_line_stays_a_line(contract):
    """Names as long as the contract itself are clipped."""
    with pytest.raises(InputError) as caught:
        contracts.loads(changed("input.dtype", "x" * 50_000))
    assert len(str(caught.value)) < 400


def test_unknown_fields_are_passed_over(contract):
    raw = json.loads(contracts.dumps(contract)) | {"colour_space": "sRGB"}
    raw["crop"]["rotation"] = 0
    assert contracts.loads(json.dumps(raw)) == contract


CONTRADICTIONS = [
    ("layout.points", 0, "layout: points: expected their names, or how many"),
    ("layout.name", "no name", "layout: name: expected"),
    ("layout.flip_pairs", [[0, 2]], "flip_pairs[0]: unknown point 2"),
    ("layout.edges", [[0]], "edges[0]: expected a list of at least 2"),
    ("layout.edges", [[-1, 0]], "edges[0]: unknown point -1"),
    ("input.dtype", "float64", "input.dtype 'float64'"),
    ("input.axes", "CHWN", "input.axes 'CHWN'"),
    ("input.colour", "GRAY", "input.colour 'GRAY'"),
    ("input.range", [0], "input.range"),
    ("input.shape", [1, 3, 32], "input.shape [1, 3, 32]"),
    ("input.shape", [1, 3, 32, 99999], "is not four sizes"),
    ("input.shape", [1, 1, 32, 32], "has 1 channel, not 3"),
    ("input.shape", [1, 3, 32, 64], "is not the crop's size 32"),
    ("crop.size", 64, "is not the crop's size 64"),
    ("crop.factor", 0, "crop.factor"),
    ("crop.border", "grey", "crop.border 'grey'"),
    ("outputs", [], "0 outputs"),
    ("outputs.1.name", "landmarks", "two outputs have one name"),
    ("outputs.0.meaning", "keypoints", "meaning 'keypoints'"),
    ("outputs.0.frame", "image", "frame 'image' is not one of crop, cell"),
    ("outputs.0.frame", "none", "frame 'none' is not one of crop, cell"),
    ("outputs.0.shape", [1, 3, 2], "does not end in 2, 2"),
    ("outputs.0.shape", [1, 0, 2], "shape [1, 0, 2]"),
    ("outputs.1.shape", [1, 3], "does not end in 2"),
    ("outputs.0.meaning", "heatmaps", "is not B,2,H,W"),
    ("decode.in_graph", False, "there is no output 'heatmaps'"),
    ("decode.method", "softmax", "decode.method 'softmax'"),
    ("decode.threshold", 1.0, "threshold or power"),
    ("decode.power", 0, "threshold or power"),
    ("decode.stride", 0, "decode.stride 0"),
    ("outputs.0.dtype", "int8", "dtype 'int8' is not one of float16, float32"),
    ("model.format", "h5", "model.format 'h5'"),
    ("seal", "0" * 63, "seal is not 64"),
    ("provenance.stamped_on", "abc", "provenance.stamped_on is not 64"),
    ("radius", vars(RADIUS) | {"points": [1.0]}, "radius.points has 1 number, not 2"),
    ("radius", vars(RADIUS) | {"scores": [0.9, 0.5]}, "radius.scores is not 1 to 64 numbers in 0..1 that rise"),
    ("seal", "A" * 64, "seal is not 64"),
]


@pytest.mark.parametrize(("path", "value", "said"), CONTRADICTIONS, ids=[f"{p}={v}" for p, v, _ in CONTRADICTIONS])
def test_contradictions(path, value, said):
    with pytest.raises(InputError) as caught:
        contracts.loads(changed(path, value), "face.onnx")
    assert said in str(caught.value) and str(caught.value).startswith("face.onnx: broken contract")


WRONG_TYPES = [
    ("layout.points", "2", "layout: points: expected"),
    ("layout.points", True, "layout: points: expected"),
    ("layout.points", 2.0, "layout: points: expected"),
    ("layout", [], "layout: not a layout"),
    ("input", None, "input.name is missing"),
    ("outputs", {}, "outputs is not a list"),
    ("outputs.0", 3, "outputs[0].name is missing"),
    ("crop.factor", "big", "crop.factor is not float"),
    ("crop.factor", 10**400, "crop.factor is not float"),
    ("training.trained_on", [1], "training.trained_on[0] is not str"),
    ("provenance.versions", {"torch": 2}, "provenance.versions is not a map of texts"),
    ("parity", {"faces": 1}, "parity.protocol is missing"),
    ("parity", 0, "parity.protocol is missing"),
]


@pytest.mark.parametrize(("path", "value", "said"), WRONG_TYPES)
def test_wrong_types_are_named(path, value, said):
    with pytest.raises(InputError) as caught:
        contracts.loads(changed(path, value))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not JSON"),
        ("[]", "schema list, not a number"),
        ("{}", "schema None, not a number"),
        ('{"schema": "2"}', "schema '2', not a number"),
        ('{"schema": true}', "schema True, not a number"),
        ('{"schema": 0}', "schema 0, not a number"),
        ('{"schema": NaN}', "NaN is not a number"),
        ('{"schema": 2, "seal": ""}', "layout is missing"),
        ("[" * 60_000, "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (" " * (contracts.LIMIT + 1), "the limit is 65536"),
    ],
)
def test_not_a_contract(text, said):
    with pytest.raises(InputError, match=said):
        contracts.loads(text)


def test_all_problems_in_one_go():
    raw = json.loads(changed("input.axes", "X"))
    raw["crop"]["border"] = "x"
    with pytest.raises(InputError, match=r"input\.axes.*crop\.border"):
        contracts.loads(json.dumps(raw))


def test_written_only_if_right(contract):
    with pytest.raises(InputError, match="broken contract"):
        contracts.dumps(dataclasses.replace(contract, outputs=[]))
    with pytest.raises(InputError, match="the limit is"):
        contracts.dumps(contract.replace(training=contracts.TrainingPart(["x" * 70_000], "", [])))


def test_parts_from_the_projects_own_tables(contract):
    part, layout = layouts.get("wflw-98"), layouts.get("wflw-98")
    assert part.points == 98 and len(part.flip_pairs) == len(layout.flip_pairs)
    assert all(len(e) == 2 for e in part.edges)
    assert contracts.crop_part(128).factor == pytest.approx(1.344)
    assert contract.how() == decoding.Decode("centroid", 0.0, 1)
    assert contract.output("scores").name == "scores" and contract.output("boundary") is None
