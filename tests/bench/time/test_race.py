"""Races of tiny real files, through the command line: ours with a contract, others without."""

import json
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bench.__main__ import main
from bench.time import graphs, race
from edgewing.errors import InputError
from tests.bench.conftest import parity, template
from tests.edgewing.conftest import bare_tflite  # noqa: F401


def foreign(path, layers=1, open_batch=False, weights_as_inputs=False):
    """A stack of 3x3 convolutions over (1, 3, 96, 96) float32, with no contract."""
    random = np.random.default_rng(0)
    weight = numpy_helper.from_array(random.normal(0, 0.1, (3, 3, 3, 3)).astype(np.float32), "weight")
    names = ["image", *(f"layer{i}" for i in range(layers))]
    nodes = [
        helper.make_node("Conv", [a, "weight"], [b], pads=[1, 1, 1, 1], kernel_shape=[3, 3])
        for a, b in zip(names, names[1:])
    ]
    batch = "batch" if open_batch else 1
    inputs = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 96, 96])]
    if weights_as_inputs:
        inputs.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [3, 3, 3, 3]))
    outputs = [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, [batch, 3, 96, 96])]
    graph = helper.make_graph(nodes, "foreign", inputs, outputs, [weight])
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=3 + (not weights_as_inputs)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))
    return path


def test_rows_of_ours_and_of_others(artefact, bare_tflite, tmp_path, capsys):  # noqa: F811
    ours = artefact(tmp_path / "ours.onnx", template(), precision="int8")
    theirs = foreign(tmp_path / "theirs.onnx", layers=40)
    lite = tmp_path / "lite.tflite"
    lite.write_bytes(bare_tflite)
    log = tmp_path / "rows.jsonl"
    words = ["race", str(ours), str(lite), "--reference", str(theirs), "--rounds", "6", "--to", str(log)]
    assert main(words) == 0
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["model"]["file"] for row in rows] == ["theirs.onnx", "ours.onnx", "lite.tflite"]
    assert {row["kind"] for row in rows} == {"race"} and {row["calls"] for row in rows} == {30}
    assert [row["model"]["contract"] for row in rows] == [False, True, False]
    reference, mine, other = rows
    assert reference["ratio"] == reference["ratio_low"] == reference["ratio_high"] == 1
    # forty convolutions against a graph of constants: faster beyond any noise
    assert mine["ratio_low"] <= mine["ratio"] <= mine["ratio_high"] < 0.8
    assert mine["ratio"] == pytest.approx(mine["cpu_ms"] / reference["cpu_ms"])
    assert mine["reference"]["sha256"] == reference["artefact"]["sha256"]
    for row in rows:
        assert 0 < row["cpu_p10_ms"] <= row["cpu_ms"] <= row["cpu_p90_ms"] and 0 < row["wall_ms"] <= row["wall_p90_ms"]
    assert other["model"]["input"] == "uint8 [1, 32, 32, 3]" and "litert" in other["runtime"]
    assert mine["command"].startswith("python -m bench race") and mine["protocol"]["rounds"] == 6
    out = capsys.readouterr().out
    assert "theirs.onnx" in out and mine["artefact"]["sha256"][:12] in out
    assert out.splitlines()[-2] == f"wrote {log}" and out.splitlines()[-1].startswith("next: ")


def test_every_model_runs_in_every_round(tmp_path):
    """One unrecorded and five recorded calls in turn, the warm-up not counted."""
    calls = []

    def entrant(name):
        about = {"path": name, "sha256": name, "bytes": 1}
        return race.Entrant(about, {}, "", list(range(race.INPUTS)), lambda tensor: calls.append(name))

    cpu, wall = race.take_turns([entrant("a"), entrant("b")], rounds=2)
    assert "".join(calls) == ("a" * 6 + "b" * 6) * (2 + race.WARMUP_ROUNDS)
    assert cpu.shape == wall.shape == (2, 2, 5) and (wall > 0).all()


def test_a_batch_is_told_by_the_face(artefact, tmp_path):
    entrant = race.enter(artefact(tmp_path / "a.onnx", template(), batch=3))
    assert entrant.batch == 3 and entrant.inputs[0].shape[0] == 3
    clock = iter(range(0, 10**12, 6_000_000))
    tick = SimpleNamespace(perf_counter_ns=lambda: next(clock), process_time_ns=lambda: next(clock))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(race, "time", tick)
        cpu, wall = race.take_turns([entrant], rounds=1)
    assert (cpu == 2).all() and (wall == 6).all()  # one tick and three, of 6 ms, by three


def test_weights_among_the_inputs_are_folded(tmp_path):
    graph = graphs.open(foreign(tmp_path / "old.onnx", weights_as_inputs=True))
    assert graph.input.name == "image" and graph.input.shape == (1, 3, 96, 96)
    (out,) = graph.run(graph.noise(1)[0]).values()
    (same,) = graphs.open(foreign(tmp_path / "new.onnx")).run(graph.noise(1)[0]).values()
    np.testing.assert_allclose(out, same, atol=1e-6)


def test_an_open_batch_is_one(tmp_path):
    graph = graphs.open(foreign(tmp_path / "a.onnx", open_batch=True))
    assert graph.input.shape == (1, 3, 96, 96)
    first, second = graph.noise(2)
    assert first.dtype == np.float32 and 0 <= first.min() < first.max() <= 1 and not np.array_equal(first, second)


def test_ratio_interval():
    """Rounds in which everything is twice as slow hit both alike; noise of one alone widens the interval."""
    random = np.random.default_rng(1)
    load = np.where(random.random((60, 1)) < 0.4, 2.0, 1.0)
    reference = load * np.ones((60, 5))
    assert race.ratio_interval(0.5 * reference, reference) == pytest.approx((0.5, 0.5))
    noisy = 0.5 * reference * random.uniform(0.8, 1.2, (60, 5))
    low, high = race.ratio_interval(noisy, reference)
    assert low < np.median(noisy) / np.median(reference) < high


def test_wrong_input_is_one_line(artefact, tmp_path, capsys):
    model = artefact(tmp_path / "a.onnx", template())
    tensorrt = artefact(tmp_path / "b.onnx", template(), precision="int8", form="tensorrt", measured=parity())
    (tmp_path / "c.tflite").write_bytes(b"nothing of the kind")
    for words, said in [
        ([model, model], "named twice"),
        ([model, tensorrt], "needs a GPU"),
        ([model, tmp_path / "none.onnx"], "no such file"),
        ([model, tmp_path / "c.tflite"], "c.tflite"),
        ([model, "edgewing-n"], "did you mean 'edgewing-"),
        ([model, "--rounds", "0"], "give 1 or more"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main(["race", *map(str, words)])
        captured = capsys.readouterr()
        assert captured.err.splitlines()[-1].startswith("error: ") and said in captured.err


def test_two_inputs_are_no_model_of_faces(tmp_path):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in ("a", "b", "sum")]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["sum"])], "two", values[:2], values[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "a.onnx")
    with pytest.raises(InputError, match="2 inputs"):
        graphs.open(tmp_path / "a.onnx")
