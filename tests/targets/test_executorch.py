"""ExecuTorch files of the tiny network: what is inside them, and what runs it."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch

from edgewing import containers, contract, pte, runtimes
from edgewing.errors import InputError
from targets import executorch, executorch_coreml, graph, parity, ranges, table
from targets.job import Job
from tests.targets.discs import RECIPE, discs, run_contract
from train.blocks import Hierarchical

pytest.importorskip("executorch.runtime", reason="needs executorch (requirements/targets.txt)")


@pytest.fixture
def path(run, exported):
    return lambda key, precision: table.TABLE[key].path(run / "export", run.name, precision)


@pytest.fixture(scope="module")
def program(network) -> torch.export.ExportedProgram:
    return executorch.exported(graph.build(network, run_contract(network, RECIPE), executorch.INTERFACE))


@pytest.fixture(scope="module")
def measured(program):
    return ranges.measure("min-max", executorch.activations(program, discs(8, 6)[0]))


def inside(path) -> pte.Program:
    data = path.read_bytes()
    return pte.Program(io.BytesIO(data), len(data))


def test_int8_is_integer_but_for_picture_and_decode(path):
    file = path("executorch", "int8")
    assert executorch.convolutions(file) == [True] * 37
    backends, kernels = inside(file).calls()
    assert set(backends) == {"XnnpackBackend"}
    description = runtimes.open(file).description
    left = {"aten::sum": 5, "aten::permute_copy": 1, "aten::amax": 1, runtimes.PICTURE_CAST: 1}
    assert description.delegation["left"] == left and description.nodes == inside(file).nodes() + 8
    assert kernels.total() == 8 and description.nodes > 90


def test_a_contract_is_replaced_in_its_place_and_is_what_the_method_returns(path, tmp_path):
    from executorch.runtime import Runtime

    file = tmp_path / "copy.pte"
    file.write_bytes(path("executorch", "int8").read_bytes())
    about, before = containers.read_contract(file), file.stat().st_size
    executorch.embed(file, about.replace(parity=None))
    assert containers.read_contract(file) == about.replace(parity=None) and file.stat().st_size == before
    (text,) = Runtime.get().load_program(file).load_method(contract.KEY).execute([])
    assert contract.loads(text) == about.replace(parity=None)
    long = about.replace(training=contract.TrainingPart(["x" * 9000], "", []))
    with pytest.raises(InputError, match="have room"):
        executorch.embed(file, long)


def test_coreml_is_one_call_and_needs_a_mac(path, network):
    file = path("executorch-coreml", "fp16")
    backends, kernels = inside(file).calls()
    assert dict(backends) == {"CoreMLBackend": 1} and "aten::convolution" not in kernels
    with pytest.raises(InputError, match="needs a Mac: ExecuTorch has no CoreMLBackend here"):
        runtimes.open(file)
    about = containers.read_contract(file)
    assert "evaluated on the processor" in about.parity.ran_on and about.input.dtype == "float32"
    (evaluated,) = executorch_coreml.opened(file)
    convolutions = [op for op in evaluated.graph.run.__self__.operations if op.op_type == "conv"]
    assert len(convolutions) == 37
    crops = discs(2, 3)[0]
    assert evaluated(crops).landmarks.shape == (2, 19, 2)
    assert parity.runtimes_of(file)[0](crops).landmarks == pytest.approx(evaluated(crops).landmarks)


def eager(program: torch.export.ExportedProgram, crops: np.ndarray) -> np.ndarray:
    module = program.module()
    with torch.inference_mode():
        return np.concatenate([module(executorch.INTERFACE.tensor(crop[None]))[0].numpy() for crop in crops])


def integer(program: torch.export.ExportedProgram) -> list[str]:
    """Layers of the convolutions whose weights are dequantized."""
    return [
        executorch.layer(node)
        for node in program.graph.nodes
        if node.target is torch.ops.aten.conv2d.default and "dequantize_per_channel" in str(node.args[1].target)
    ]


@pytest.mark.full
def test_float_layers_stay_float_and_only_they(program, measured):
    everything = integer(executorch.quantize(program, measured))
    assert everything == executorch.layers(program) and len(everything) == 37
    mixed = integer(executorch.quantize(program, measured, [r"\.head$", r"^stem\.1\."]))
    assert set(everything) - set(mixed) == {
        "stacks.0.head", "stem.1.expand.0", "stem.1.depthwise.0", "stem.1.project.0",
    }  # fmt: skip
    # a convolution without its clamp, whose range is the convolution's: there is none to share
    alone = integer(executorch.quantize(program, measured, [r"^stem\.0\.0$"]))
    assert set(everything) - set(alone) == {"stem.0.0"}


def test_measured_ranges_are_used_and_a_pixel_is_exact(program, measured):
    crops = discs(4, 2)[0]
    good = executorch.quantize(program, measured)
    scales = {n.args[0].name: n.args[1] for n in good.graph.nodes if "quantize_per_tensor" in str(n.target)}
    assert min(scales.values()) > 0 and any(abs(scale - 1 / 255) < 1e-9 for scale in scales.values())
    narrow = executorch.quantize(program, {name: (low / 4, high / 4) for name, (low, high) in measured.items()})
    expected = eager(program, crops)
    near, far = (np.abs(eager(q, crops) - expected).mean() for q in (good, narrow))
    assert near < 0.5 < 2 * near + 0.5 < far


class Hierarchy(torch.nn.Sequential):
    """A convolution and a block of the paper's, as networks are called: a list of heatmaps."""

    def forward(self, images: torch.Tensor) -> list[torch.Tensor]:
        return [super().forward(images)]


def test_what_is_clamped_has_the_range_of_the_clamp(program, measured):
    """256 steps for what comes out of it, none for what it cuts off."""
    nodes = executorch.quantize(program, measured).graph.nodes
    clamps = [node for node in nodes if node.target is torch.ops.aten.hardtanh.default]
    assert len(clamps) > 10
    for clamp in clamps:
        _, scale, zero, *_ = clamp.args[0].args[0].args  # dequantize(quantize(convolution))
        assert clamp.args[0].args[0].target is torch.ops.quantized_decomposed.quantize_per_tensor.default
        assert zero == -128 and scale * 255 <= 6.001


def test_a_concatenated_convolution_keeps_its_batch_norm_to_itself():
    """PT2E folds the batch norm of the next layer into what the concatenation reads too, unless there is none."""
    torch.manual_seed(0)
    block = Hierarchical(8, 16)
    for norm in (*block.bn, block.project[0]):
        torch.nn.init.uniform_(norm.weight, 1.0, 3.0)
        torch.nn.init.uniform_(norm.bias, -1.0, 1.0)
    network = Hierarchy(torch.nn.Conv2d(3, 8, 1), block).eval()
    interface = replace(executorch.INTERFACE, output="heatmaps")
    crops = discs(4, 3, 16)[0]
    errors = []
    for change in (lambda g: g, executorch.without_batch_norms):
        block_graph = graph.Deployable(network, torch.nn.Identity(), 16, False, 16, interface).eval()
        expected = np.concatenate([block_graph(interface.tensor(crop[None]))[0].detach().numpy() for crop in crops])
        program = executorch.exported(change(block_graph))
        assert eager(program, crops) == pytest.approx(expected, abs=1e-4)
        quantized = executorch.quantize(program, ranges.measure("min-max", executorch.activations(program, crops)))
        errors.append(np.abs(eager(quantized, crops) - expected).mean() / np.abs(expected).mean())
    folded, cured = errors
    assert cured < 0.05 < 0.3 < folded


def test_batches_are_calibrated_crop_by_crop(network):
    about, crops = run_contract(network, RECIPE), discs(3, 4)[0]
    several = Job(network, about, options=table.Options(batch=2)).graph(executorch.INTERFACE)
    alone, together = (
        ranges.measure("mean-min-max", executorch.activations(executorch.exported(g), crops))
        for g in (Job(network, about).graph(executorch.INTERFACE), several)
    )
    assert together.keys() == alone.keys()
    for name in alone:
        assert together[name] == pytest.approx(alone[name], abs=1e-4)
