"""A wrong weight in the middle of an exported file is named, in every format; in a file that is whole, nothing is."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from edgewing import containers
from edgewing.errors import InputError
from targets import __main__ as command
from targets import bisect, flatbuffer, graph, table
from targets.job import Job
from tests.targets.discs import RECIPE, discs, run_contract

LAYER = "stacks.0.hourglass.middle.project.0"
FILES = [("onnx", "fp32"), ("tflite", "fp32"), ("tflite", "int8"), ("coreml", "fp16"), ("tensorrt", "int8")]
# What goes wrong: the weights of this output channel of LAYER change their signs.
CHANNEL = 3


@pytest.fixture(scope="session")
def job(network) -> Job:
    return Job(network, run_contract(network, RECIPE))


@pytest.fixture(scope="session")
def crops() -> np.ndarray:
    return discs(8, 21)[0]


@pytest.fixture
def copy(run, exported, tmp_path):
    """A file of the export, copied."""

    def make(key: str, precision: str) -> Path:
        path = table.TABLE[key].path(run / "export", run.name, precision)
        (shutil.copytree if path.is_dir() else shutil.copy)(path, tmp_path / path.name)
        return tmp_path / path.name

    return make


def negate(path: Path, job: Job, factor: float = -1) -> None:
    """Break the file: CHANNEL of LAYER's convolution, times the factor in a package."""
    if path.suffix == ".onnx":
        model = onnx.load(path)
        (tensor,) = [i for i in model.graph.initializer if i.name == f"network.{LAYER}.weight"]
        values = onnx.numpy_helper.to_array(tensor).copy()
        values[CHANNEL] *= -1
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
        path.write_bytes(model.SerializeToString())
    elif path.suffix == ".tflite":
        model = flatbuffer._unpacked(path.read_bytes())
        tensors = model.subgraphs[0].tensors
        (operator,) = [
            op for op in model.subgraphs[0].operators if tensors[op.outputs[0]].name.decode().startswith(LAYER + ":")
        ]
        weights = tensors[operator.inputs[1]]
        kind = np.float32 if weights.type == flatbuffer.schema.TensorType.FLOAT32 else np.int8
        values = np.array(model.buffers[weights.buffer].data, np.uint8).view(kind).reshape(weights.shape)
        values[CHANNEL] = -values[CHANNEL]
        model.buffers[weights.buffer].data = values.reshape(-1).view(np.uint8)
        path.write_bytes(flatbuffer._packed(model))
    else:
        layer = graph.build(job.model, job.run, graph.Interface("NCHW", "float32")).network.get_submodule(LAYER)
        values = layer.weight.detach().half().numpy()
        (blob,) = path.rglob("weight.bin")
        data = blob.read_bytes()
        assert data.count(values.tobytes()) == 1
        wrong = values.copy()
        wrong[CHANNEL] *= factor
        blob.write_bytes(data.replace(values.tobytes(), wrong.tobytes()))
    containers.seal(path)


@pytest.mark.parametrize("key, precision", FILES)
def test_a_wrong_weight_is_named_and_a_whole_file_has_none(copy, job, crops, key, precision):
    path = copy(key, precision)
    whole = bisect.bisect(path, job, crops)
    assert whole.first is None, str(whole)
    assert "no layer parts" in str(whole)
    layers = [row.layer for row in whole.rows]
    convolutions = {name for name, module in job.model.named_modules() if isinstance(module, torch.nn.Conv2d)}
    # coord: folded into a constant
    assert convolutions - set(layers) == {"stacks.0.entry.coord"}
    # TFLite adds this convolution's bias to the constant of its coordinates, behind it
    unseen = {row.layer for row in whole.rows if row.difference is None}
    assert unseen == ({"stacks.0.entry.conv"} if key == "tflite" else set())

    negate(path, job)
    broken = bisect.bisect(path, job, crops)
    assert broken.first.layer == LAYER, str(broken)
    assert f"first layer that parts: {LAYER}, " in str(broken)
    # what comes behind it is given what it is given in the file, and is not blamed
    assert [row.layer for row in broken.rows if (row.difference or 0) > broken.limit] == [LAYER]
    assert max(row.so_far or 0 for row in broken.rows) > max(row.so_far or 0 for row in whole.rows)


@pytest.mark.parametrize("factor", [-99, 101])
def test_a_sum_is_not_taken_for_the_convolution_before_it(copy, job, crops, factor):
    """With one sign or the other, what the block adds brings the wrong result nearer to torch's."""
    path = copy("coreml", "fp16")
    negate(path, job, factor)
    broken = bisect.bisect(path, job, crops)
    assert [row.layer for row in broken.rows if (row.difference or 0) > broken.limit] == [LAYER], str(broken)


def test_an_activation_that_is_lost_is_named(copy, job, crops):
    path = copy("onnx", "fp32")
    model = onnx.load(path)
    (clip,) = [node for node in model.graph.node if node.name.startswith("stem.1.expand.2:")]
    for node in model.graph.node:
        node.input[:] = [clip.input[0] if name == clip.output[0] else name for name in node.input]
    model.graph.node.remove(clip)
    path.write_bytes(model.SerializeToString())
    containers.seal(path)
    assert bisect.bisect(path, job, crops).first.layer == "stem.1.expand.0"  # as if the ReLU6 were fused into it


def test_a_fault_of_the_folding_is_named(copy, job, crops, monkeypatch):
    """The graph that is exported is not the network that was trained, and the file is that graph."""
    fold = graph._fold_batch_norms

    def wrong(network):
        fold(network)
        network.stacks[0].head.bias[0] += 0.5

    path = copy("onnx", "fp32")
    model = onnx.load(path)
    (bias,) = [i for i in model.graph.initializer if i.name == "network.stacks.0.head.bias"]
    values = onnx.numpy_helper.to_array(bias).copy()
    values[0] += 0.5
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    path.write_bytes(model.SerializeToString())
    containers.seal(path)
    monkeypatch.setattr(graph, "_fold_batch_norms", wrong)
    found = bisect.bisect(path, job, crops)
    assert found.first.layer == bisect.FOLDING
    assert [row.layer for row in found.rows if (row.difference or 0) > found.limit] == [bisect.FOLDING]


def test_difference_is_of_the_worst_channel():
    expected = np.ones((2, 50, 4, 4), np.float32)
    found = expected.copy()
    found[:, 7] = 3
    assert bisect.difference(found, expected) == pytest.approx(2)
    found[:, 7] = np.nan
    row = bisect.Row("a", bisect.difference(found, expected))
    assert bisect.Result([row], 0.4).first is row


def test_files_of_other_weights_and_without_layers_are_refused(copy, job, crops):
    path = copy("onnx", "fp32")
    provenance = dataclasses.replace(job.run.provenance, weights_sha256="0" * 64)
    other = Job(job.model, job.run.replace(provenance=provenance))
    with pytest.raises(InputError, match="exported from other weights"):
        bisect.bisect(path, other, crops)
    with pytest.raises(InputError, match="executorch files keep no layers; bisect the onnx or tflite or coreml"):
        bisect.bisect(copy("executorch", "int8"), job, crops)


def test_the_command_names_the_layer_and_fails(run, exported, job, capfd):
    def typed(*words) -> int:
        with pytest.raises(SystemExit) as end:
            command.main([str(run), "--to", "onnx", "--bisect", *words])
        return end.value.code

    path = table.TABLE["onnx"].path(run / "export", run.name, "fp32")
    before = path.read_bytes()
    assert typed() == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == str(path) and lines[-3].startswith("no layer parts")
    assert lines[-2:] == ["files that part from the network: 0 of 1", f"next: edgewing info {path}"]
    assert path.read_bytes() == before and [row for row in lines if row.startswith(LAYER)]
    try:
        negate(path, job)
        assert typed() == 1
        assert f"first layer that parts: {LAYER}" in capfd.readouterr().out
        path.rename(path.with_suffix(".moved"))
        assert typed() == 2
        assert "export it first" in capfd.readouterr().err
    finally:
        path.write_bytes(before)
