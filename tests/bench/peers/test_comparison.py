"""Peers made for the test: graphs whose answer is known, so that every error is the distance that was put there."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench.__main__ import main
from bench.peers import comparison, dlib68, plane
from bench.peers.adapters import Adapter
from edgewing import geometry
from tests.bench.conftest import template

PLAIN = {
    "name": "Rival", "source": "made here", "licence": "none", "trained_on": ["nothing"], "layout": "300w-68",
    "size": 32, "factor": 1.5, "mean": 0, "scale": 255,
}  # fmt: skip


def rival(path, off=(0.0, 0.0), layers=1, **fields):
    """A graph that looks at nothing: it gives the photographs' points, ``off`` picture px beside the true ones."""
    described = {**PLAIN, **fields}
    factor = described["factor"]
    plain = {"points": (), "factor": tuple(factor) if isinstance(factor, list) else factor}
    adapter = Adapter(**{**described, **plain})
    true = (template() * 2 + 40).astype(np.float64)  # as conftest.photographs writes them
    shares = (geometry.apply(geometry.invert(adapter.to_image(true)), true + off - 0.5) + 0.5) / adapter.size
    random = np.random.default_rng(0)
    weights = numpy_helper.from_array(random.normal(0, 0.1, (3, 3, 3, 3)).astype(np.float32), "w")
    names = ["image", *(f"layer{i}" for i in range(layers))]
    nodes = [helper.make_node("Conv", [a, "w"], [b], pads=[1, 1, 1, 1]) for a, b in zip(names, names[1:])]
    nodes += [
        helper.make_node("ReduceMean", [names[-1]], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "points"], ["landmarks"]),
    ]
    constants = [weights, numpy_helper.from_array(np.zeros(1, np.float32), "zero")]
    constants.append(numpy_helper.from_array(shares.astype(np.float32).reshape(-1), "points"))
    size = adapter.size
    graph = helper.make_graph(
        nodes,
        "rival",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, size, size])],
        [helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, [136])],
        constants,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
    path.with_name(path.name + ".json").write_text(json.dumps(described))
    return path


def test_rows_picture_and_table(artefact, photographs, tmp_path, capsys):
    """The eyes' corners are 64 picture px apart: 3.2 px beside is 5 %. Mean offsets are learnt from these faces."""
    faces = photographs(4)
    ours = artefact(tmp_path / "ours.onnx", template(), precision="int8")
    folder = tmp_path / "others"
    rival(folder / "off.onnx", (3.2, 0.0), layers=30)
    some = [None if i in (60, 64) else i for i in range(68)]
    rival(folder / "wide.onnx", (0.0, 6.4), name="Wide", factor=[1.2, 1.4], points=some, points_source="counted")
    rival(folder / "unknown.onnx")
    (folder / "unknown.onnx.json").unlink()
    log, picture, table = tmp_path / "rows.jsonl", tmp_path / "p.svg", tmp_path / "docs" / "p.md"
    table.parent.mkdir()
    words = ["peers", str(ours), "dlib", str(folder), "--data", str(faces), "--offsets", str(faces), "--rounds", "3"]
    words += ["--reference", str(folder / "off.onnx"), "--to", str(log), "--plot", str(picture), "--table", str(table)]
    if dlib68.importlib.util.find_spec("dlib"):
        words.remove("dlib")
    assert main(words) == 0
    out = capsys.readouterr().out
    made = [json.loads(line) for line in log.read_text().splitlines()]
    off, mine, wide, *refused = made
    assert [row["model"]["file"] for row in made[:3]] == ["off.onnx", "ours.onnx", "wide.onnx"]
    assert {row["kind"] for row in made} == {"peer"} and off["protocol"]["left_out_points"] == [60, 64]
    assert off["nme"] == pytest.approx(0.05, abs=1e-4) and wide["nme"] == pytest.approx(0.1, abs=1e-4)
    assert off["points"] == 66 and off["own"]["points"] == 68 and wide["own"]["points"] == 66
    assert off["inner"] == {"points": 49, "nme": pytest.approx(0.05, abs=1e-4)}
    assert off["aligned"]["nme"] < 1e-4 and wide["aligned"]["nme"] < 1e-4
    assert off["ratio"] == 1 and mine["ratio"] == pytest.approx(mine["cpu_ms"] / off["cpu_ms"]) and off["calls"] == 15
    assert wide["ratio_high"] < 0.8  # thirty convolutions less, beyond any noise
    unknown = next(row for row in refused if row["model"]["file"] == "unknown.onnx")
    assert unknown["not_run"].startswith("unsupported: nothing is known of unknown.onnx; describe it in")
    for row in refused:
        assert "nme" not in row and row["not_run"] in out
    text, svg = table.read_text(), picture.read_text()
    for said in ("| Rival | 5.00 %", "| tiny int8 |", "../p.svg", "without 60, 64", "points: counted", "1.2 x 1.4"):
        assert said in text, said
    assert svg.startswith("<svg xmlns") and "Wide: 10.00 at" in svg and svg.count("<circle") == 3
    assert out.splitlines()[-1].startswith("next: python -m bench report")


def test_without_dlib_its_row_says_what_to_install(artefact, photographs, tmp_path):
    if dlib68.importlib.util.find_spec("dlib"):
        pytest.skip("dlib is installed here")
    ours = artefact(tmp_path / "ours.onnx", template())
    log = tmp_path / "rows.jsonl"
    assert main(["peers", str(ours), "dlib", "--data", str(photographs(1)), "--rounds", "1", "--to", str(log)]) == 0
    row = json.loads(log.read_text().splitlines()[-1])
    assert row["not_run"] == "unsupported: needs dlib and its predictor: pip install dlib face_recognition_models"


def test_offsets_follow_the_faces_size_and_turn():
    """A model that is always off by a tenth of the eyes' distance across their line: nothing is left of it."""
    random = np.random.default_rng(0)
    base = random.uniform(-1, 1, (68, 2))
    true, predicted = [], []
    for _ in range(7):
        angle, scale = random.uniform(-1, 1), random.uniform(20, 200)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        along = base[45] - base[36]
        points = np.array([base, base + 0.1 * np.array([-along[1], along[0]])]) @ turn.T + 300
        true.append(points[0])
        predicted.append(points[1])
    true, predicted = np.array(true), np.array(predicted)
    offset = comparison.mean_offset(
        np.concatenate([predicted, np.full((1, 68, 2), np.nan)]), np.concatenate([true, true[:1]])
    )
    np.testing.assert_allclose(offset, np.tile([0, -0.1], (68, 1)), atol=1e-9)
    np.testing.assert_allclose(comparison.aligned(predicted, offset), true, atol=1e-6)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{ours}", "--rounds", "0"], "give 1 or more"),
        (["{ours}", "--reference", "none.onnx"], "none.onnx"),
        (["{empty}"], "no .tflite and no .onnx"),
        (["{ours}", "--layout", "300w-69"], "did you mean"),
    ],
)
def test_wrong_input_is_one_line(artefact, photographs, tmp_path, capsys, words, said):
    (tmp_path / "empty").mkdir()
    places = {"ours": artefact(tmp_path / "ours.onnx", template()), "empty": tmp_path / "empty"}
    with pytest.raises(SystemExit, match="2"):
        main(["peers", *(word.format(**places) for word in words), "--data", str(photographs(1))])
    assert said in capsys.readouterr().err


def test_an_input_of_another_size_costs_its_row(artefact, photographs, tmp_path):
    ours, other = artefact(tmp_path / "ours.onnx", template()), rival(tmp_path / "a.onnx")
    described = json.loads((tmp_path / "a.onnx.json").read_text())
    (tmp_path / "a.onnx.json").write_text(json.dumps({**described, "size": 64}))
    log = tmp_path / "rows.jsonl"
    words = ["peers", str(ours), str(other), "--data", str(photographs(1)), "--rounds", "1", "--to", str(log)]
    assert main(words) == 0
    made = [json.loads(line) for line in log.read_text().splitlines()]
    assert plane.measured(made) == made[:1]
    assert "its input is [1, 3, 32, 32], described as [1, 3, 64, 64]" in made[1]["not_run"]
