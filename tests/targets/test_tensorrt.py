"""The ONNX files for TensorRT's builder: what is in them, the faults it would refuse, and the builder itself.

The builder is TensorRT-RTX, which needs no GPU to build; `make tensorrt-rtx` gives it an environment of its own.
"""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from packaging.requirements import Requirement

from edgewing import build, containers, contract, models
from edgewing.tensorrt import builders, engines
from targets import engine, graph, tensorrt
from targets import onnx as plain
from targets.job import Job
from tests.targets.discs import RECIPE, discs, run_contract

ROOT = Path(__file__).resolve().parents[2]
RTX = ROOT / ".venv-trt"


@pytest.fixture(scope="module")
def job(network) -> Job:
    return Job(network, run_contract(network, RECIPE), discs(20, 6)[0], ranges="min-max")


@pytest.fixture(scope="module")
def newer(job):
    """The graph as torch's exporter writes it."""
    return plain.convert(job.graph(tensorrt.INTERFACE))


@pytest.fixture(scope="module")
def files(job, newer, tmp_path_factory) -> dict[str, Path]:
    """The fp16 file, which is the plain graph, and the int8 file."""
    job.once(tensorrt.FORMAT, lambda: tensorrt.older(newer))  # convert once
    folder = tmp_path_factory.mktemp("tensorrt")
    made = {precision: folder / f"tiny-tensorrt-{precision}.onnx" for precision in ("fp16", "int8")}
    for precision, path in made.items():
        tensorrt.export(job, precision, path)
    return made


@pytest.fixture
def model(files):
    return onnx.load(files["int8"])


def outputs(model) -> list[np.ndarray]:
    image = discs(1, 3)[0].transpose(0, 3, 1, 2).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["landmarks", "scores"], {"image": image})


def test_the_opset_is_one_that_jetpack_5_reads_and_the_graph_the_same(newer, files):
    made = onnx.load(files["fp16"])
    assert [(o.domain, o.version) for o in made.opset_import] == [("", 17)] and made.ir_version == 8
    (peak,) = [node for node in made.graph.node if node.op_type == "ReduceMax"]
    assert "axes" in [attribute.name for attribute in peak.attribute] and len(peak.input) == 1
    assert [node.name for node in newer.graph.node] == [node.name for node in made.graph.node]  # layers go by them
    for old, new in zip(outputs(made), outputs(newer)):
        np.testing.assert_array_equal(old, new)


def test_the_int8_file_has_no_fault(model):
    assert tensorrt.problems(model) == []
    assert sum(node.op_type == "QuantizeLinear" for node in model.graph.node) > 60
    assert np.abs(outputs(model)[0] - discs(1, 3)[1]).max() < 5  # it still finds the discs, px of 64


def of(model, kind: str, start: str = "stacks"):
    """The first node of that kind in the stacks."""
    return next(node for node in model.graph.node if node.op_type == kind and node.name.startswith(start))


def change(model, name: str, values: np.ndarray) -> None:
    initializer = next(i for i in model.graph.initializer if i.name == name)
    initializer.CopyFrom(numpy_helper.from_array(values, name))


def zero_point(model):
    pair = [node for node in model.graph.node if node.op_type.endswith("Linear") and node.name.startswith("conv2d")]
    change(model, pair[0].input[2], np.int8(3))


def unsigned(model):
    pair = [node for node in model.graph.node if node.op_type.endswith("Linear") and node.name.startswith("conv2d")]
    change(model, pair[0].input[2], np.uint8(0))


def unsigned_by_default(model):
    of(model, "QuantizeLinear", "conv2d").input.pop()


def unsigned_image(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8


def integer_bias(model):
    bias = of(model, "Conv").input[2]
    values = next(numpy_helper.to_array(i) for i in model.graph.initializer if i.name == bias)
    change(model, bias, np.zeros(len(values), np.int32))


def dequantized_bias(model):
    conv = of(model, "Conv")
    conv.input[2] = conv.input[1]


def one_scale_for_all(model):
    weights = of(model, "DequantizeLinear", "network.stacks")
    change(model, weights.input[1], np.float32(0.1))
    change(model, weights.input[2], np.int8(0))


def scales_along_another_axis(model):
    of(model, "DequantizeLinear", "network.stacks").attribute[0].i = 1


def add_with_one_pair(model):
    add = of(model, "Add")
    add.input[0] = add.input[0].removesuffix(".dequantized")


def convolution_with_one_pair(model):
    conv = of(model, "Conv")
    conv.input[0] = conv.input[0].removesuffix(".dequantized")


def newer_opset(model):
    model.opset_import[0].version = 18


FAULTS = {
    zero_point: r"conv2d.*quantize has a zero point that is not 0",
    unsigned: r"conv2d.*\.zero is uint8",
    unsigned_by_default: r"has no zero point, and is uint8",
    unsigned_image: r"^image is uint8",
    integer_bias: r"^stacks.*has a bias that is not float32",
    dequantized_bias: r"^stacks.*has a bias that is not float32",
    one_scale_for_all: r"^stacks.*has 1 scales for the \d+ channels",
    scales_along_another_axis: r"^stacks.*scales.* along axis 1",
    add_with_one_pair: r"^stacks.*has a pair on one input only",
    convolution_with_one_pair: r"^stacks.*has a pair on its image or its weights only",
    newer_opset: r"^opset 18, and JetPack 5 reads up to 17",
}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_is_found(model, fault):
    fault(model)
    found = tensorrt.problems(model)
    assert found and any(re.search(FAULTS[fault], problem) for problem in found), found


def built(path: Path, precision: str) -> dict:
    """What TensorRT-RTX makes of a file, by tests/targets/rtx.py."""
    if not (RTX / ".installed").exists():
        pytest.skip(f"needs tensorrt-rtx in {RTX}: make tensorrt-rtx")
    command = [RTX / "bin" / "python", "-W", "ignore", ROOT / "tests" / "targets" / "rtx.py", path, precision]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_tensorrt_parses_and_builds_both_files(files):
    plainly, int8 = built(files["fp16"], "fp32"), built(files["int8"], "int8")
    for made in (plainly, int8):
        assert not made["errors"] and made["bytes"] > 100_000 and made["cache"]
        assert made["inputs"] == ["image"] and made["outputs"] == ["landmarks", "scores"]
        assert made["absent"] == []  # names that edgewing.runtimes.tensorrt uses
    assert int8["layers"] > plainly["layers"] + 60


@pytest.mark.parametrize("fault", [zero_point, unsigned_image], ids=lambda fault: fault.__name__)
def test_tensorrt_refuses_what_we_call_a_fault(model, fault, tmp_path):
    fault(model)
    path = tmp_path / "fault.onnx"
    path.write_bytes(model.SerializeToString())
    assert "cannot parse it" in built(path, "int8")["refused"]


def test_without_a_switch_for_fp16_it_is_not_promised(files):
    assert "has no fp16 switch" in built(files["fp16"], "fp16")["refused"]


def test_torch_tensorrt_is_given_the_same_network(network, job):
    """In half precision but for the decode; run here by torch."""
    program = engine.program(network, job.run, "fp16", "cpu")
    crops = discs(3, 77)[0]
    exact = job.graph(tensorrt.INTERFACE)
    with torch.inference_mode():
        for crop in crops:
            image = tensorrt.INTERFACE.tensor(crop[None])
            landmarks, scores = program.module()(image)
            assert landmarks.dtype == scores.dtype == torch.float32
            shift = (landmarks - exact(image)[0]).abs().max().item() * 256 / RECIPE.input_size
            assert 0 < shift < 0.3  # px of 256
    convolutions = [node for node in program.graph.nodes if "conv2d" in str(node.target)]
    assert len(convolutions) > 30 and {node.meta["val"].dtype for node in convolutions} == {torch.float16}


def test_torch_tensorrts_requirements_go_together():
    """torch_tensorrt 2.14 asks for torch 2.14 and TensorRT 11.1; no pin of the other environments contradicts."""

    def required(name):
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        found = [Requirement(line.partition("#")[0]) for line in lines if re.match("[a-zA-Z]", line)]
        return {one.name.lower().replace("_", "-"): one.specifier for one in found}

    own, shared = required("torch-tensorrt.txt"), required("constraints.txt")
    version = str(own["torch-tensorrt"]).removeprefix("==")
    major, minor, _ = version.split(".")
    assert own["torch"].contains(version) and not own["torch"].contains(f"{major}.{int(minor) + 1}.0")
    trt = next(iter(own["tensorrt-cu13"])).version.removesuffix(".*")
    said = " ".join((ROOT / "docs/tensorrt.md").read_text().split())
    assert f"torch_tensorrt {major}.{minor} goes with torch {major}.{minor} and TensorRT {trt} alone" in said
    assert not {"torch", "torch-tensorrt", "tensorrt-cu13"} & set(shared)
    assert {"safetensors", "numba"} <= set(own) & set(shared)


def test_without_torch_tensorrt_one_line(run, capsys):
    with pytest.raises(SystemExit) as end:
        engine.main([str(run)])
    said = capsys.readouterr().err
    assert end.value.code == 2 and said.startswith("error: needs torch_tensorrt") and said.count("\n") == 1


def test_tensorrt_builds_what_ships(tmp_path):
    """The ONNX file of the package, with a picture of floats."""
    path = tmp_path / "edgewing-s.onnx"
    path.write_bytes(builders.of_floats(models.path("edgewing-s", "onnx")))
    made = built(path, "fp32")
    assert not made["errors"] and made["inputs"] == ["image"] and made["outputs"] == ["landmarks", "scores"]


def test_an_engine_takes_its_parity_and_stays_the_same(network, tmp_path):
    """What `python -m targets.engine` does with what it has measured; measuring needs a GPU."""
    about = graph.artefact_contract(run_contract(network, RECIPE), engine.INTERFACE, "tensorrt", "fp16", {})
    path, made_for = tmp_path / "a.engine", engines.Build("10.3.0", "Orin", "8.7", -1, "", 9)
    build.write(path, about, made_for, b"an engine")
    parity = contract.ParityPart("p", "tensorrt 10.3.0", 64, 0.1, 0.2, 0.3, 0.04, 0.04, True)
    engine.embed(path, containers.read_contract(path).replace(parity=parity))
    containers.seal(path)
    found, build_part, data = containers.built(path)
    assert found.parity == parity and (build_part, data) == (made_for, b"an engine")
