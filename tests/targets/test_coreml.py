"""CoreML packages of one tiny network: saved, read back, and run by the evaluator."""

import dataclasses
import re
import shutil
import types as python_types

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.frontend.milproto import load
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from edgewing import cli, containers
from edgewing.errors import InputError
from targets import coreml, coreml_evaluator, graph, parity, table
from targets.job import Job
from tests.targets.discs import RECIPE, discs, run_contract
from train import model as models

full = pytest.mark.full


@pytest.fixture(scope="module")
def jobs(network):
    """Of each iOS, so that precisions share a conversion."""
    calibration = discs(40, 6)[0]
    about = run_contract(network, RECIPE)
    return {
        ios: Job(network, about, calibration, ranges="min-max", options=table.Options(ios=ios)) for ios in table.IOS
    }


@pytest.fixture(scope="module")
def package(jobs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("coreml")

    def made(precision: str, ios: int = 16):
        path = table.TABLE["coreml"].path(folder, "tiny", precision, table.Options(ios=ios))
        if not path.exists():
            coreml.export(jobs[ios], precision, path)
        return path

    return made


def saved(path) -> list:
    """The operations of a package, constants too, read without a line of ours."""
    model = ct.models.MLModel(str(path), skip_model_load=True)
    spec = model.get_spec()
    program = load.load(spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir)
    return list(program.functions["main"].operations)


def convolutions(operations) -> list:
    return [op for op in operations if op.op_type == "conv"]


KINDS = [
    pytest.param("fp16", 16, ""),
    pytest.param("palette6", 16, "constexpr_lut_to_dense"),
    pytest.param("fp32", 16, "", marks=full),
    pytest.param("weight8", 16, "constexpr_affine_dequantize", marks=full),
    pytest.param("fp16", 18, "", marks=full),
    pytest.param("weight8", 18, "constexpr_blockwise_shift_scale", marks=full),
    pytest.param("palette6", 18, "constexpr_lut_to_dense", marks=full),
    pytest.param("int8", 16, "constexpr_blockwise_shift_scale", marks=full),
]


@pytest.mark.parametrize("precision, ios, unpacked_by", KINDS)
def test_every_kind_is_the_same_network_and_only_convolutions_are_compressed(
    package, network, precision, ios, unpacked_by
):
    path = package(precision, ios)
    faces = parity.Faces(*discs(20, 77), "discs")
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    result = parity.measure(path, reference, faces)
    assert not result.reasons
    assert result.part.p99 < {"fp32": 0.01, "fp16": 0.1}.get(precision, 2.0)
    assert (result.part.p99 > 1e-3) == (precision != "fp32")

    version = ct.models.MLModel(str(path), skip_model_load=True).get_spec().specificationVersion
    assert version == {16: 7, 18: 9}[table.deployment(precision, ios)]
    operations = saved(path)
    compressed = [op for op in convolutions(operations) if op.weight.op.op_type != "const"]
    left = [op for op in convolutions(operations) if op not in compressed]
    size = {op: np.prod(op.weight.shape) for op in convolutions(operations)}
    if unpacked_by:
        share = sum(size[op] for op in compressed) / sum(size.values())
        assert share == 1 if precision == "int8" else 0.97 <= share < 0.99
        assert precision == "int8" or min(size[op] for op in compressed) >= max(size[op] for op in left)
    else:
        assert not compressed
    assert {op.op_type for op in operations if op.op_type.startswith("constexpr")} == ({unpacked_by} - {""})
    assert sum(op.op_type.startswith("constexpr") for op in operations) == len(compressed)


@pytest.mark.parametrize(
    "precision, ios", [("palette6", 16), *(pytest.param(p, 18, marks=full) for p in ("weight8", "palette6", "int8"))]
)
def test_constants_of_coordinates_stay_uncompressed(package, network, precision, ios):
    deployed = graph.build(network, run_contract(network, RECIPE), coreml.INTERFACE)
    entry = deployed.network.stacks[0].entry.constant
    constants = {op.outputs[0].name: op for op in saved(package(precision, ios))}
    found = constants["network_stacks_0_entry_constant_to_fp16"]
    assert found.op_type == "const" and (found.outputs[0].val == entry.half().numpy()).all()
    for name in ("columns", "rows", "middle"):
        op = constants[f"decode_{name}"]
        exact = getattr(deployed.decode, name).numpy()
        assert op.op_type == "const" and op.outputs[0].val.dtype == np.float32
        assert (np.squeeze(op.outputs[0].val) == np.squeeze(exact)).all()


@full
def test_maps_behind_a_boundary_stay_uncompressed_too():
    recipe = dataclasses.replace(RECIPE, layout="300w-68", stacks=2)
    torch.manual_seed(0)
    two = models.build(recipe).eval()
    deployed = graph.build(two, run_contract(two, recipe), coreml.INTERFACE)
    model = coreml.convert(deployed, half=True)
    program = coreml_evaluator.Program(coreml.palette6(model, coreml.large(model)))
    entry = deployed.network.stacks[1].entry
    found = program.constants["network_stacks_1_entry_maps_to_fp16"]
    assert (found == entry.maps.half().float()).all() and entry.maps.numel() == 512
    found = program.constants["network_stacks_1_entry_constant_to_fp16"]
    assert (found == entry.constant.half().float()).all() and entry.constant.numel() == 2048


@full
def test_int8_is_integer_between_convolutions_and_float_in_the_decode(package):
    operations = saved(package("int8"))
    for op in convolutions(operations):
        assert op.weight.op.data.dtype == types.int8 and len(op.weight.op.scale.val.ravel()) == op.weight.shape[0]
        assert op.x.op.op_type == "dequantize" and op.x.op.input.op.op_type == "quantize"
    additions = [op for op in operations if op.op_type == "add" and coreml_evaluator.is_half(op.outputs[0])]
    inside = [op for op in additions if op.y.val is None]
    assert len(inside) > 3 and len(additions) > len(inside)  # the constant of coordinates is added in fp16
    assert all(var.op.op_type == "dequantize" for op in inside for var in (op.x, op.y))
    pairs = [op for op in operations if op.op_type == "quantize"]
    assert all(coreml_evaluator.is_half(op.input) and op.zero_point is None for op in pairs)  # decode is float32
    assert {op.output_dtype.val for op in pairs} == {"int8", "uint8"}
    picture = next(op for op in pairs if coreml._is_picture(op.input.op))
    assert picture.output_dtype.val == "uint8" and picture.scale.val == np.float16(1 / 255)


@full
def test_float_layers_stay_float_and_only_they(jobs, network, tmp_path):
    job = dataclasses.replace(jobs[18], float_layers=[r"\.head$", r"^stem\.1\."])
    path = tmp_path / "mixed.mlpackage"
    coreml.export(job, "int8", path)
    operations = saved(path)
    kept = [op for op in convolutions(operations) if op.weight.op.op_type == "const"]
    assert [op.weight.name.removesuffix("_weight_to_fp16") for op in kept] == [
        "network_stem_1_expand_0", "network_stem_1_depthwise_0", "network_stem_1_project_0", "network_stacks_0_head",
    ]  # fmt: skip
    assert not [op for op in kept if op.x.op.op_type == "dequantize"]
    others = [op for op in convolutions(operations) if op not in kept]
    assert len(others) == 37 - 4 and all(op.x.op.op_type == "dequantize" for op in others)


@full
def test_heatmaps_of_two_images_at_a_time(jobs, network, tmp_path):
    job = dataclasses.replace(jobs[16], options=table.Options("heatmaps", 2), _made={})
    path = tmp_path / "two.mlpackage"
    coreml.export(job, "fp16", path)
    about = containers.read_contract(path)
    assert (about.input.dtype, about.input.shape) == ("float32", [2, 3, 64, 64])  # an image input takes one
    faces = parity.Faces(*discs(5, 7), "discs")
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    assert not parity.measure(path, reference, faces).reasons


def test_a_palette_is_the_best_there_is():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 50, 1, 1)).astype(np.float16)
    palette, places = coreml._palette(weights)
    assert palette.shape == (64,) and places.max() == 63 and places.dtype == np.uint8
    found = np.abs(weights.ravel() - palette[places])
    nearest = np.abs(weights.ravel()[:, None].astype(np.float32) - palette).min(axis=1)
    np.testing.assert_allclose(found, nearest, atol=2e-3)
    uniform = np.ptp(weights.astype(np.float32)) / 63 / np.sqrt(12)
    assert np.sqrt((found.astype(np.float64) ** 2).mean()) < 0.7 * uniform
    few = weights.ravel()[:20].repeat(200)
    palette, places = coreml._palette(few)
    assert (palette[places] == few).all()


def program(body, ios: int, shape=(2, 4)) -> coreml_evaluator.Program:
    """A program of one float32 input ``x``, converted by coremltools alone."""
    target = ct.target[f"iOS{ios}"]
    source = mb.program(input_specs=[mb.TensorSpec(shape=shape)], opset_version=target)(body)
    model = ct.convert(
        source, convert_to="mlprogram", minimum_deployment_target=target, skip_model_load=True,
        compute_precision=ct.precision.FLOAT32, pass_pipeline=ct.PassPipeline.EMPTY,
    )  # fmt: skip
    return coreml_evaluator.Program(model)


ZEROS = torch.zeros(2, 4)


def test_packed_weights_are_unpacked():
    steps, scale, zero = np.int8([[1, -2, 3, -128], [4, 5, -6, 127]]), np.float32([0.5, 0.25]), np.int8([1, -1])
    exact = (steps.astype(np.float32) - zero[:, None]) * scale[:, None]

    def affine(x):
        packed = mb.constexpr_affine_dequantize(quantized_data=steps, zero_point=zero, scale=scale, axis=0)
        return mb.add(x=x, y=packed, name="sum")

    assert (program(affine, 16).run(ZEROS)["sum"] == exact).all()

    def blockwise(x):
        packed = mb.constexpr_blockwise_shift_scale(data=steps, scale=scale[:, None], offset=zero[:, None])
        return mb.add(x=x, y=packed, name="sum")

    assert (program(blockwise, 18).run(ZEROS)["sum"] == exact).all()

    palette, places = np.float32([0.5, -3, 7, 2]), np.uint8([0, 1, 2, 3, 3, 2, 1, 0])
    bits = np.uint8([0b11100100, 0b00011011])  # two bits each, the first place lowest

    def old(x):
        packed = mb.constexpr_lut_to_dense(indices=bits, lut=palette, shape=np.uint32([2, 4]))
        return mb.add(x=x, y=packed, name="sum")

    assert (program(old, 16).run(ZEROS)["sum"] == palette[places].reshape(2, 4)).all()

    def new(x):
        indices = places.reshape(2, 4).astype(types.nptype_from_builtin(types.uint2))
        lut = np.stack([palette, 10 * palette]).reshape(2, 1, 4, 1)  # a palette for each row
        return mb.add(x=x, y=mb.constexpr_lut_to_dense(indices=indices, lut=lut), name="sum")

    rows = np.stack([palette[places[:4]], 10 * palette[places[4:]]])
    assert (program(new, 18).run(ZEROS)["sum"] == rows).all()


@pytest.mark.parametrize(
    "how, expected",
    [
        # halves go to the even step; beyond the ends is clipped
        ({"scale": np.float32(0.5), "output_dtype": "int8"}, [[0, 0.0, 1, 1], [-64, 63.5, -1, 2]]),
        ({"scale": np.float32(0.5), "output_dtype": "uint8"}, [[0, 0, 1, 1], [0, 127.5, 0, 2]]),
        (
            {"scale": np.float32(0.5), "output_dtype": "uint8", "zero_point": np.uint8(2)},
            [[0, 0, 1, 1], [-1, 126.5, -1, 2]],
        ),
        (
            {"scale": np.float32([0.5, 2]), "output_dtype": "int8", "zero_point": np.int8([0, 1]), "axis": 0},
            [[0, 0, 1, 1], [-258, 252, -2, 2]],
        ),
    ],
)
def test_quantize_and_dequantize(how, expected):
    values = torch.tensor([[0.1, 0.25, 0.75, 1.0], [-400.0, 400.0, -1.2, 2.0]])

    def body(x):
        quantized = mb.quantize(input=x, **how)
        back = {key: value for key, value in how.items() if key != "output_dtype"}
        return mb.dequantize(input=quantized, **back, name="back")

    assert program(body, 17).run(values)["back"].tolist() == expected


def test_an_operation_that_is_not_known_is_an_error():
    def body(x):
        return mb.local_response_norm(x=x, size=3, name="y")

    with pytest.raises(InputError, match="does not know CoreML's local_response_norm; add it to"):
        program(body, 16, shape=(1, 4, 2, 2)).run(torch.ones(1, 4, 2, 2))

    unheard = python_types.SimpleNamespace(op_type="constexpr_of_next_year")
    with pytest.raises(InputError, match="does not know CoreML's constexpr_of_next_year"):
        coreml_evaluator._constant(unheard)


def test_a_contract_that_contradicts_its_program_is_refused(package, tmp_path):
    path = tmp_path / "other.mlpackage"
    shutil.copytree(package("fp16"), path)
    about = containers.read_contract(path)
    changed = dataclasses.replace(about.outputs[1], name="confidence")
    coreml.embed(path, about.replace(outputs=[about.outputs[0], changed]))
    with pytest.raises(InputError, match="contradicts the program: output 'confidence' is not in the graph"):
        parity.runtimes_of(path)


def test_info_names_the_precision(package, capsys):
    cli.main(["info", str(package("palette6"))])
    assert re.search(r"^model .* coreml palette6$", capsys.readouterr().out, re.MULTILINE)
