"""Which nodes XNNPACK takes, counted against the file's own list. The tiny model has one in its middle that XNNPACK
refuses, a slice of every second channel, between a transposition and the rest."""

import cv2
import numpy as np
import onnxruntime
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from bench.time import latency
from edgewing import cli, measure, models, runtimes
from edgewing.runtimes import PICTURE_CAST, Description, tflite


@pytest.fixture
def nodes(tflite_file) -> int:
    """How many operations the file has, by its schema."""
    return len(schema.ModelT.InitFromPackedBuf(tflite_file.read_bytes()).subgraphs[0].operators)


@pytest.mark.parametrize("threads", [1, 2])
def test_nodes_that_xnnpack_leaves_are_counted_and_said(tflite_file, nodes, threads):
    found = runtimes.open(tflite_file, threads).description
    assert found.left == (PICTURE_CAST, "STRIDED_SLICE")
    assert str(found).endswith(f", XNNPACK {nodes - 2}/{nodes} nodes, {threads} thread{'s' * (threads > 1)}")
    assert found.fallback == f"1 of {nodes} nodes fall back to built-in kernels: 1 STRIDED_SLICE"
    assert found.delegation == {
        "delegate": "XNNPACK", "nodes": nodes, "delegated": nodes - 2, "left": {PICTURE_CAST: 1, "STRIDED_SLICE": 1},
    }  # fmt: skip


# Versions before 1.24 do not say which nodes a provider runs.
ONNX_TELLS = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")
SHIPPED = [file for model in models.SHIPPED.values() for file in model.present.values()]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_nothing_of_a_shipped_model_falls_back(file, threads):
    found = runtimes.open(file, threads).description
    left = (PICTURE_CAST,) if file.suffix == ".tflite" else ()
    assert found.left == left and found.fallback == "" and found.threads == threads
    assert found.nodes > 50 if file.suffix == ".tflite" or ONNX_TELLS else found.nodes is None


def test_without_a_delegate_every_node_is_left(tflite_file, nodes):
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = Interpreter(str(tflite_file), num_threads=1, experimental_op_resolver_type=plain)
    interpreter.allocate_tensors()
    count, left = tflite._taken(interpreter._get_ops_details(), {interpreter.get_input_details()[0]["index"]})
    assert count == len(left) == nodes
    said = Description("ai-edge-litert", "2", "no delegate", 1, count, left).fallback
    assert said.startswith(f"{nodes - 1} of {nodes} nodes fall back")


def test_the_cast_of_the_picture_alone_is_no_fallback():
    assert Description("ai-edge-litert", "2", "XNNPACK", 1, 9, (PICTURE_CAST,)).fallback == ""


def test_onnx_nodes_are_those_of_the_provider(onnx_file):
    import onnx

    found = runtimes.open(onnx_file).description
    if not ONNX_TELLS:
        assert found.delegation is None
        return
    everything = {"delegate": "CPUExecutionProvider", "nodes": found.nodes, "delegated": found.nodes, "left": {}}
    assert found.delegation == everything and found.fallback == ""
    assert 5 < found.nodes <= len(onnx.load(onnx_file).graph.node)  # some are folded away


def test_row_and_table_carry_it(tflite_file, monkeypatch):
    monkeypatch.setitem(measure.MODES, "quick", measure.Mode(5, 0.01))
    row = measure.latency_row(str(tflite_file))
    assert row["delegation"] == runtimes.open(tflite_file).description.delegation
    assert row["fallback"] in latency.row_as_text(row).splitlines() and "1 STRIDED_SLICE" in row["fallback"]


def test_who_runs_a_picture_is_told(tflite_file, nodes, tmp_path, capsys):
    cv2.imwrite(str(tmp_path / "face.png"), np.full((40, 40, 3), 200, np.uint8))
    cli.main(["run", str(tmp_path / "face.png"), "--model", str(tflite_file), "--box", "5,5,35,35"])
    assert f"1 of {nodes} nodes fall back" in capsys.readouterr().out
