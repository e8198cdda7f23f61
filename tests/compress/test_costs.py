"""What a network costs: multiply-accumulates and milliseconds as it loses channels, and the table these come from."""

import json

import numpy as np
import pytest
import torch

from compress import __main__ as command
from compress import costs, probes, table
from compress.costs import Costs, Latency
from compress.groups import Graph
from compress.probes import Operation
from edgewing.errors import InputError
from targets import flatbuffer
from train import recipes
from train.credits import Credits
from train.model import build, macs

RECIPE = recipes.Recipe("mobile", "aflw-19", width=0.5, input_size=64, stacks=2)
PAPER = recipes.replace(recipes.get("paper-300w"), input_size=64, stacks=1)
FRAME = (64, 16, 19)


def invented(network, recipe, each):
    """A table of ``each(operation)`` milliseconds for a network, and 0.5 ms for its frame."""
    points = costs.points(costs.trace(network, recipe.input_size)[0])
    frame = (recipe.input_size, recipe.cells, 19 if recipe.layout == "aflw-19" else 68)
    return Latency({op: each(op) for op in points}, {frame: 0.5}, {"machine": "none"})


def plane(op):
    """Linear in each width: what interpolation must give back exactly."""
    return op.map * (1 + 2 * op.read + 3 * op.written + (op.read * op.written if op.kind == "conv" else 0)) * 1e-6


@pytest.mark.parametrize("recipe", [RECIPE, PAPER], ids=["mobile", "paper"])
def test_the_trace_has_every_operation(recipe):
    network = build(recipe).eval()
    sites, units = costs.trace(network, recipe.input_size)
    kinds = [site.operation.kind for site in sites]
    convolutions = [n for n, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)]
    assert set(units) == set(convolutions)
    assert kinds.count("conv") + kinds.count("depthwise") == sum(not n.endswith(".coord") for n in convolutions)
    assert kinds.count("resize") == sum(len(stack.hourglass.back) for stack in network.stacks)
    if recipe is RECIPE:  # residuals, skips, the coordinates' term, and what is carried on
        residuals = sum(getattr(m, "residual", False) for m in network.modules())
        skips = sum(len(stack.hourglass.skip) for stack in network.stacks)
        masked = 1  # of the second stack's entry; it is added where the first term is
        assert kinds.count("add") == residuals + skips + 2 + 2 * masked
    else:  # concatenated branches: the sum is as wide as all that wrote it
        wide = [site for site in sites if site.operation.kind == "add" and len(site.writers) == 3]
        modules = dict(network.named_modules())
        assert wide and all(
            site.operation.written == sum(modules[name].out_channels for name in site.writers) for site in wide
        )


@pytest.mark.parametrize("recipe", [RECIPE, PAPER], ids=["mobile", "paper"])
@pytest.mark.parametrize("unit", ["macs", "ms"])
def test_costs_follow_the_network_as_it_shrinks(recipe, unit):
    """After channels are gone, what is kept in step is what the smaller network costs when looked at anew."""
    network = build(recipe).eval()
    table = invented(network, recipe, plane) if unit == "ms" else None
    graph = Graph(network, recipe.input_size)
    ours = Costs(network, recipe, table)
    expected = macs(network, recipe.input_size) if unit == "macs" else 0.5 + sum(
        plane(site.operation) for site in costs.trace(network, recipe.input_size)[0]
    )  # fmt: skip
    assert ours.initial == pytest.approx(expected, rel=1e-9)
    for group in graph.groups()[::3]:
        gone = group.parts()[0][:8]
        if len(group.parts()[0]) < 16:
            continue
        before, saving = ours.total(), ours.saving(group.members, gone)
        assert ours.total() == before
        ours.remove(group.members, gone)
        assert before - ours.total() == pytest.approx(saving) and saving > 0
        graph.remove(group, gone)
    anew = Costs(graph.network, recipe, table)
    assert ours.total() == pytest.approx(anew.initial, rel=1e-9) and ours.total() < ours.initial


def test_a_table_is_read_back_and_says_what_it_lacks(tmp_path):
    network = build(RECIPE).eval()
    table = invented(network, RECIPE, plane)
    (tmp_path / "table.json").write_bytes(table.dumps())
    again = Latency.load(tmp_path / "table.json")
    assert again.operations == table.operations and again.frames == {FRAME: 0.5} and again.about == {"machine": "none"}
    op = next(op for op in table.operations if op.kind == "conv" and op.read > 16)
    between = Operation("conv", op.map, 12, 20, op.kernel, op.stride)
    assert again.of(between) == pytest.approx(plane(between))
    with pytest.raises(InputError, match="no conv 1x1/1 on 7x7, 8 -> 8 channels; measure one"):
        again.of(Operation("conv", 7, 8, 8))
    with pytest.raises(InputError, match="no conv"):
        again.of(Operation("conv", op.map, 4096, 8, op.kernel, op.stride))
    with pytest.raises(InputError, match="64 px, 16 cells, 19 landmarks; the run has 64 px, 16 cells, 68"):
        again.frame(recipes.replace(RECIPE, layout="300w-68"))


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v | {"schema": 2},
        lambda v: {k: w for k, w in v.items() if k != "frames"},
        lambda v: v | {"operations": [{"kind": "conv"}]},
        lambda v: v | {"operations": [v["operations"][0] | {"kind": "softmax"}]},
        lambda v: v | {"operations": [v["operations"][0] | {"ms": "NaN"}]},
        lambda v: v | {"operations": [v["operations"][0] | {"map": -1}]},
        lambda v: [v],
    ],
)
def test_a_broken_table_is_one_line(tmp_path, change):
    path = tmp_path / "table.json"
    table = Latency({Operation("add", 8, 8, 8): 0.1}, {FRAME: 0.5}, {})
    path.write_text(json.dumps(change(json.loads(table.dumps()))))
    with pytest.raises(InputError, match="not a latency table"):
        Latency.load(path)


@pytest.mark.parametrize(
    "operation, expected",
    [
        (Operation("conv", 8, 16, 24), [("CONV_2D", (1, 8, 8, 24))]),
        (Operation("conv", 8, 3, 8, 3, 2), [("PAD", (1, 10, 10, 3)), ("CONV_2D", (1, 4, 4, 8))]),
        (Operation("depthwise", 8, 16, 16, 3, 1), [("DEPTHWISE_CONV_2D", (1, 8, 8, 16))]),
        (Operation("depthwise", 8, 16, 16, 3, 2), [("PAD", (1, 10, 10, 16)), ("DEPTHWISE_CONV_2D", (1, 4, 4, 16))]),
        (Operation("add", 8, 16, 16), [("ADD", (1, 8, 8, 16))]),
        (Operation("resize", 8, 16, 16), [("RESIZE_BILINEAR", (1, 16, 16, 16))]),
    ],
    ids=str,
)
def test_a_small_file_holds_its_operation_and_xnnpack_takes_it(operation, expected):
    from ai_edge_litert.interpreter import Interpreter

    flat = probes.build(operation, 3)
    found = flatbuffer.operations(flat)
    assert [(op.kind, op.outputs[0].shape) for op in found] == 3 * expected
    assert {op.outputs[0].dtype for op in found} == {"INT8"}
    interpreter = Interpreter(model_content=flat, num_threads=1)
    interpreter.allocate_tensors()
    kinds = [op["op_name"] for op in interpreter._get_ops_details()]
    assert kinds[-1] == "DELEGATE" and len(kinds) == len(found) + 1
    image = interpreter.get_input_details()[0]
    interpreter.set_tensor(image["index"], np.random.default_rng(0).integers(-128, 128, image["shape"], np.int8))
    interpreter.invoke()
    assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).std() > 5


def test_what_is_larger_takes_longer(monkeypatch):
    """Twenty times the work, measured in turn: a busy machine does not turn that round."""
    small, large = Operation("conv", 16, 32, 32), Operation("conv", 64, 64, 64)
    monkeypatch.setattr(probes, "AT_ONCE", 1)  # parts of a table are put on one scale
    found, whole = probes.measure([small, large], [probes.build(small, 1)])
    assert 0 < 4 * found[small] < found[large] and 0 < whole[0] < found[large]


def test_the_fit_on_two_files():
    assert table.fit([2.0, 1.0], [2.9, 1.7]) == pytest.approx((0.5, 1.2))
    assert table.fit([2.0, 1.0], [2.0, 0.7]) == pytest.approx((0.0, 0.9))
    with pytest.raises(InputError, match="too busy to measure"):
        table.fit([2.0, 1.0], [1.0, 1.1])


@pytest.mark.full
def test_the_command_writes_a_table(tmp_path, capfd):
    from train import checkpoint
    from train.describe import describe

    recipe = recipes.replace(RECIPE, stacks=1)
    network = build(recipe).eval()
    (tmp_path / "run").mkdir()
    about = describe(network, recipe, "run", Credits(trained_on=("drawn",)))
    checkpoint.save_model(tmp_path / "run/model.safetensors", network, recipe, about)
    out = tmp_path / "table.json"
    with pytest.raises(SystemExit) as end:
        command.main(["costs", str(tmp_path / "run"), "--to", str(out)])
    assert end.value.code == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[-2] == f"wrote {out}" and "prune" in lines[-1]
    made = Latency.load(out)
    assert Costs(network, recipe, made).initial == pytest.approx(made.about["whole_ms"][0], rel=0.3)
    assert {"machine", "runtime", "date", "command"} <= set(made.about)
    assert "ai-edge-litert" in made.about["runtime"] and str(out) in made.about["command"]
