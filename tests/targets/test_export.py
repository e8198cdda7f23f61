"""Every target in its default precisions, of one tiny network, converted once by the command itself.

The other precisions, and other networks: test_matrix.py.
"""

import json
import shutil
import sys

import numpy as np
import onnx
import pytest

from edgewing import containers, contract, layouts, rows, runtimes
from edgewing.errors import InputError
from targets import __main__ as command
from targets import coreml_evaluator, export, flatbuffer, graph, parity, ranges, table, tensorrt, tflite
from tests.targets.conftest import HERE
from tests.targets.discs import RECIPE, discs, run_contract, write_run

MADE = table.plan(HERE, None)


def typed(*arguments: object) -> int:
    """The exit code of python -m targets."""
    with pytest.raises(SystemExit) as end:
        command.main([str(a) for a in arguments])
    return end.value.code


@pytest.fixture
def path(run, exported):
    return lambda key, precision: table.TABLE[key].path(run / "export", run.name, precision)


@pytest.mark.parametrize("key, precision", MADE)
def test_every_target_is_the_same_network(path, run, network, key, precision):
    """Checked again here, and not taken from the command: on other faces than the command saw."""
    faces = parity.Faces(*discs(20, 77), "discs")
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    part = parity.measure(path(key, precision), reference, faces).part
    # Twice the gate's limits, which the command's faces keep: so small a network differs from processor to processor.
    assert part.nme_artefact <= part.nme_float * (1 + 2 * parity.NME_LIMIT) + parity.NME_FLOOR
    assert part.p99 < {"fp32": 0.02, "fp16": 0.2, "int8": 2.0}[precision]
    assert (part.p99 > 1e-3) == (precision != "fp32" and (key, precision) != ("tensorrt", "fp16"))


@pytest.mark.parametrize("key, precision", MADE)
def test_contract_round_trip(path, run, network, key, precision):
    found = containers.read_contract(path(key, precision))
    own = contract.loads(contract.dumps(found))
    assert own == found
    assert (found.model.format, found.model.precision) == (table.TABLE[key].form, precision)
    assert found.layout == layouts.get(RECIPE.layout)
    assert found.provenance.weights_sha256 == run_contract(network, RECIPE).provenance.weights_sha256
    assert (
        found.parity.accepted and found.parity.faces == 64 and found.parity.p50 <= found.parity.p99 <= found.parity.max
    )


def test_rows_carry_the_parity_of_each_file(path, run):
    found, problems = rows.read(run / "rows.jsonl")
    assert not problems and {row["kind"] for row in found} == {"parity"}
    by_path = {row["artefact"]["path"]: row for row in found}
    for key, precision in MADE:
        row = by_path[str(path(key, precision))]
        assert row["accepted"] and row["shift_p99_px"] == containers.read_contract(path(key, precision)).parity.p99


@pytest.mark.parametrize("key, precision", MADE)
def test_a_row_can_be_made_again_from_its_file(path, run, network, key, precision):
    """The figures are what the file gives on the run's faces, not what somebody wrote."""
    about = run_contract(network, RECIPE)
    faces, _ = parity.of_run(run, about)
    part = parity.measure(path(key, precision), graph.reference(network, about, faces.crops), faces).part
    row = next(
        row
        for row in reversed(rows.read(run / "rows.jsonl")[0])
        if row["artefact"]["path"] == str(path(key, precision))
    )
    names = {"shift_p50_px": "p50", "shift_p99_px": "p99", "shift_max_px": "max", "nme": "nme_artefact"}
    for name, own in {**names, "nme_float": "nme_float"}.items():
        assert row[name] == pytest.approx(getattr(part, own), rel=1e-4, abs=1e-6), name
    assert row["protocol"]["faces"] == part.faces == 64 and row["accepted"] is part.accepted


def test_int8_tflite_is_integer_but_for_picture_and_decode(path):
    operations = flatbuffer.operations(path("tflite", "int8").read_bytes())
    assert sum(o.kind in tflite.CONVOLUTIONS for o in operations) == 37
    assert tflite.float_convolutions(path("tflite", "int8").read_bytes()) == []
    assert len(tflite.float_convolutions(path("tflite", "fp32").read_bytes())) == 37
    layers = {o.outputs[0].name.split(":")[0] for o in operations if o.outputs[0].dtype == "FLOAT32"}
    assert layers <= {"graph", "decode", "landmarks", "scores"} | {"stacks.0.head"}  # the head's dequantize
    assert not {o.kind for o in operations} & {"ARG_MAX", "TOPK_V2", "GATHER", "GREATER", "RELU_0_TO_1"}
    picture = next(o.outputs[0] for o in operations if o.kind == "QUANTIZE")
    assert picture.scales == pytest.approx([1 / 255])  # a pixel value is exact
    weights = next(o.inputs[1] for o in operations if o.kind == "CONV_2D")
    assert len(weights.scales) == weights.shape[0] and not weights.zero_points.any()


def test_float_layers_stay_float_and_only_they(path):
    flat = path("tflite", "fp32").read_bytes()
    measured = ranges.measure("min-max", tflite.activations(flat, discs(8, 6)[0]))
    mixed = tflite.quantize(flat, measured, [r"\.head$", r"^stem\.1\."])
    layers = {name.split(":")[0] for name in tflite.float_convolutions(mixed)}
    assert layers == {"stacks.0.head", "stem.1.expand.0", "stem.1.depthwise.0", "stem.1.project.0"}


def test_two_stacks_keep_their_names_apart():
    names = [f"a.<stacks.{i}.head>_head;{i}" for i in (0, 1)]
    assert [tflite._layer(name) for name in names] == ["stacks.0.head", "stacks.1.head"]
    # a fused name: ReLU6 of ours, that of another layer with equal constants, our convolution
    assert tflite._layer("a.<x>_1/a.<x.2>_2;;a.<y>_1/a.<y.2>_2;;a.<x>_1/a.<x.0>_0;") == "x.0"
    assert tflite._layer("a.<graph>;3") == "graph" == tflite._layer("detect_output_0_output")


@pytest.mark.parametrize("file", [made for made in MADE if made[0] in ("onnx", "tensorrt")], ids="-".join)
def test_onnx_files_are_of_an_ir_that_old_libraries_read(path, file):
    """torch's exporter writes 10, which ONNX Runtime 1.17 refuses."""
    model = onnx.load(path(*file))
    assert model.ir_version == 8 and max(o.version for o in model.opset_import) <= 18


def test_qdq_is_what_tensorrt_parses(path):
    model = onnx.load(path("tensorrt", "int8"))
    assert tensorrt.problems(model) == []
    kinds = {i.name: i.data_type for i in model.graph.initializer}
    zeros = [n.input[2] for n in model.graph.node if n.op_type == "QuantizeLinear"]
    assert zeros and all(kinds[name] == onnx.TensorProto.INT8 for name in zeros)
    assert onnx.TensorProto.UINT8 not in kinds.values()
    made_by = {name: node for node in model.graph.node for name in node.output}
    convs = [n for n in model.graph.node if n.op_type == "Conv" and not n.name.startswith("stem")]
    assert len(convs) == 30
    for node in convs:
        assert [made_by[name].op_type for name in node.input[:2]] == ["DequantizeLinear"] * 2
        assert kinds[node.input[2]] == onnx.TensorProto.FLOAT
    inside = [n for n in model.graph.node if n.op_type == "Add" and not n.name.startswith(("decode", "graph", "stem"))]
    assert inside and all(made_by[name].op_type == "DequantizeLinear" for n in inside for name in n.input)
    assert not [n for n in model.graph.node if n.name.startswith("decode:") and "Quantize" in n.op_type]
    assert not model.graph.node[0].metadata_props  # no stack traces of the machine it was made on


def test_evaluator_finds_a_changed_weight_and_refuses_what_it_does_not_know(path, run, network):
    evaluate = coreml_evaluator.Evaluator(path("coreml", "fp16"))
    crops = discs(2, 3)[0]
    before = evaluate(crops)
    constants = evaluate.graph.constants
    name = max(constants, key=lambda n: getattr(constants[n], "ndim", 0) == 4)
    constants[name] = constants[name] * 1.5
    assert np.abs(evaluate(crops).landmarks - before.landmarks).max() > 0.01
    with pytest.raises(InputError, match="pad_type"):
        coreml_evaluator._pads("same", None)


def test_fp16_package_is_evaluated_in_half(path):
    evaluate = coreml_evaluator.Evaluator(path("coreml", "fp16"))
    halves = [op for op in evaluate.graph.operations if op.op_type == "conv"]
    assert halves and all(coreml_evaluator.is_half(op.outputs[0]) for op in halves)
    weights = evaluate.graph.constants[halves[0].weight.name]
    assert (weights == weights.half().float()).all()


def test_a_broken_artefact_is_rejected_and_a_good_one_takes_its_place(run, network, tmp_path, capfd):
    """Calibrated on black crops, its ranges are absurd."""
    broken = write_run(tmp_path / "broken", network, RECIPE)
    calibration = broken / "faces" / "calibration.npz"
    good = calibration.read_bytes()
    np.savez(calibration, crops=np.zeros((20, 64, 64, 3), np.uint8), landmarks=discs(20, 0)[1])
    accepted = table.TABLE["tensorrt"].path(broken / "export", "broken", "int8")
    accepted.parent.mkdir()
    accepted.write_bytes(b"of an earlier export")
    assert typed(broken, "--to", "trt", "--precision", "int8") == 1
    rejected = table.rejected(accepted)
    assert [p.name for p in accepted.parent.iterdir()] == [rejected.name]
    assert not containers.read_contract(rejected).parity.accepted
    said = capfd.readouterr().out
    assert "rejected: " in said and "limit 2 px" in said and "1 rejected" in said
    calibration.write_bytes(good)
    assert typed(broken, "--to", "trt", "--precision", "int8") == 0
    assert [p.name for p in accepted.parent.iterdir()] == [accepted.name]
    lines = capfd.readouterr().out.splitlines()
    assert lines[-2].startswith("wrote 1 file to") and lines[-1] == f"next: python -m bench report {broken}"


def test_measured_choices_of_a_run_are_used(run, tmp_path, capfd):
    (tmp_path / "quantization.json").write_text(json.dumps({"ranges": "min-max", "float_layers": ["head"]}))
    assert export.quantization(tmp_path) == {"ranges": "min-max", "float_layers": ["head"]}
    assert export.quantization(run / "export")["ranges"] == "moving-average"  # no such file there
    for text, said in (('{"ranges": "min-mx", "float_layers": []}', "did you mean"), ("{", "cannot be read")):
        (tmp_path / "quantization.json").write_text(text)
        with pytest.raises(InputError, match=said):
            export.quantization(tmp_path)


def test_a_missing_library_is_one_line_and_the_others_go_on(run, tmp_path, monkeypatch, capfd):
    other = tmp_path / "other"
    shutil.copytree(run, other, ignore=shutil.ignore_patterns("export", "rows.jsonl"))
    monkeypatch.setitem(sys.modules, "coremltools", None)
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    assert typed(other, "--to", "ios", "android", "--precision", "fp16") == 2
    said = capfd.readouterr()
    errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 2 and all("pip install -r requirements/targets.txt" in line for line in errors)
    assert not list((other / "export").iterdir())


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--to", "tensort"], "did you mean 'tensorrt'"),
        (["--to", "onnx", "--output", "heatmap"], "did you mean 'heatmaps'"),
        (["--to", "onnx", "--batch", "0"], "--batch 0: give a number"),
        (["--to", "onnx", "--ios", "18"], "not for iOS"),
        (["--to", "onnx", "--layout", "300w-68"], "give --data DIR"),
        (["--to", "onnx", "--data", "nowhere", "--layout", "300w-68"], "the run finds aflw-19"),
        (["--to", "onnx", "--data", "nowhere"], "no such folder"),
    ],
)
def test_a_users_mistake_is_one_line(run, arguments, said, capfd):
    assert typed(run, *arguments) == 2
    lines = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("targets: ")]
    assert len(lines) == 1 and lines[0].startswith("error: ") and said in lines[0]


def test_no_run(tmp_path, capfd):
    assert typed(tmp_path / "none", "--to", "onnx") == 2
    assert "no such run" in capfd.readouterr().err


def test_runtimes_take_the_exported_files(path):
    for key, precision in (("onnx", "fp32"), ("tflite", "int8"), ("tensorrt", "int8"), ("executorch", "int8")):
        runtime = runtimes.open(path(key, precision))
        points = runtime(discs(3, 1)[0])
        assert points.landmarks.shape == (3, 19, 2) and 0 <= points.scores.min() and points.scores.max() <= 1
