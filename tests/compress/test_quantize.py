"""python -m compress quantize on a network that really finds points: the choice, what hurts, what targets reads."""

import json
import shutil

import numpy as np
import pytest
import torch

from compress import quantize
from compress.fakequant import FakeQuantized
from edgewing.errors import InputError
from targets import graph, parity, ranges
from targets.export import quantization
from tests.compress.conftest import typed
from tests.targets.discs import LAYOUT, fit, write_run
from train.model import build
from train.recipes import Recipe

# 18 cells are divided by 2 once only: an hourglass of one level, so that there are few blocks to try.
RECIPE = Recipe("tiny", LAYOUT, width=0.25, input_size=72, data=("discs",))


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    torch.manual_seed(0)
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", fit(build(RECIPE), 150, LAYOUT, 72), RECIPE)


@pytest.fixture(scope="module")
def bench(source):
    """One conversion for all tests."""
    return quantize.Bench(source, "tflite")


@pytest.fixture
def few(monkeypatch):
    """Faces and ranges, where the choice between ranges is not what is tested."""
    for name in ("percentile", "percentile-99.9", "mean-min-max", "mse"):
        monkeypatch.delitem(ranges.TABLE, name)
    monkeypatch.setattr(quantize, "SENSITIVITY_FACES", 8)


def test_the_best_that_passes_is_written_where_targets_reads_it(source, capfd):
    assert typed("quantize", source) == 0
    out = capfd.readouterr().out
    written = json.loads((source / "quantization.json").read_text())
    trials = written["trials"]
    assert [t["ranges"] for t in trials] == list(ranges.TABLE) and written["accepted"]
    best = min((t for t in trials if t["accepted"]), key=lambda t: t["p99"])
    assert written["ranges"] == best["ranges"] and written["float_layers"] == best["float_layers"] == []
    assert len({t["p99"] for t in trials}) == len(trials)  # every one really is another file
    assert quantization(source) == {"ranges": best["ranges"], "float_layers": []}
    assert all(name in out for name in ranges.TABLE)
    # The network rounded in torch is as far from float as the file is, and stands beside it.
    fake = written["fake"]
    assert 0.5 < fake["p50"] / best["p50"] < 2 and fake["nme_float"] == best["nme_float"]
    assert "fake-quantized, torch" in out and "converted file" in out
    assert written["limit"] == 2.0 and written["nme_limit"] == 0.01 and written["sensitivity"] == {}
    assert out.splitlines()[-2].startswith(f"wrote {source / 'quantization.json'}: {best['ranges']}")
    assert out.splitlines()[-1] == f"next: python -m targets {source} --to onnx tflite coreml tensorrt"


@pytest.mark.full
def test_blocks_that_hurt_go_to_float_until_it_passes(bench, monkeypatch, few):
    """The limit lies between what int8 alone reaches and what its worst blocks in float do."""
    best = quantize.choose(bench).best
    monkeypatch.setitem(parity.SHIFT_LIMIT, "integer", 0.98 * best.parity.part.p99)
    choice = quantize.choose(bench)
    blocks = list(choice.sensitivity)
    assert sorted(blocks) == sorted(quantize.blocks_of(bench.network)) and {"stacks.0.head", "stem.1"} <= set(blocks)
    shifts = list(choice.sensitivity.values())
    assert shifts == sorted(shifts, reverse=True) and shifts[0] > 2 * shifts[-1]
    mixed = [t for t in choice.trials if t.float_layers]
    assert choice.best.accepted and choice.best is mixed[-1] and not any(t.accepted for t in mixed[:-1])
    assert [len(t.float_layers) for t in mixed] == list(range(1, len(mixed) + 1))
    assert choice.best.float_layers == tuple(quantize.pattern(b) for b in blocks[: len(mixed)])


@pytest.mark.full
def test_a_stricter_limit_than_the_gates(source, bench, tmp_path, capfd, few):
    """Files that pass the gate, but not what ships: blocks go to float. The table of blocks is there on request."""
    alone = {name: bench.measure(name) for name in ranges.TABLE}
    least = min(result.part.p99 for result in alone.values())
    run = tmp_path / "tiny"
    shutil.copytree(source, run)
    assert any(not result.reasons for result in alone.values())
    assert typed("quantize", run, "--limit", f"{0.95 * least:.4f}") == 0
    written = json.loads((run / "quantization.json").read_text())
    plain = [t for t in written["trials"] if not t["float_layers"]]
    assert not any(t["accepted"] for t in plain) and "asked for" in plain[0]["reasons"][-1]
    assert written["accepted"] and written["float_layers"] and written["fake"]["p99"] < 1.5 * least
    assert written["limit"] == pytest.approx(0.95 * least, abs=1e-3)
    capfd.readouterr()
    assert typed("quantize", run, "--sensitivity") == 0
    written, out = json.loads((run / "quantization.json").read_text()), capfd.readouterr().out
    assert written["float_layers"] == [] and sorted(written["sensitivity"]) == sorted(quantize.blocks_of(bench.network))
    for block, shift in written["sensitivity"].items():
        assert f"{block:30} {shift:.3f}" in out


@pytest.mark.parametrize("float_layers", [(), (r"^stem\.1(\.|$)", r"^stacks\.0\.hourglass\.middle(\.|$)")])
def test_rounded_in_torch_is_nearer_to_the_file_than_float_is(bench, tmp_path, float_layers):
    name = "min-max"
    bench.job.ranges, bench.job.float_layers = name, float_layers
    path = tmp_path / "tiny.tflite"
    bench.target.load().export(bench.job, "int8", path)
    file = parity.runtimes_of(path)[0](bench.faces.crops)
    fake = FakeQuantized(bench.network, bench.contract.layout.points, float_layers=float_layers)
    fake.ranges = bench.job.measured("fake", fake.activations)
    rounded = graph.reference(fake, bench.contract, bench.faces.crops)

    def apart(one, other):
        return np.linalg.norm(one.landmarks - other.landmarks, axis=-1).mean()

    assert apart(rounded, file) < 0.75 * apart(bench.reference, file)
    result = bench.fake(name, float_layers)
    assert result.part.p50 == pytest.approx(bench.measure(name, float_layers).part.p50, rel=0.3)


def test_limits_by_hand(bench):
    result = bench.measure("min-max")
    p99, change = result.part.p99, result.nme_change
    assert quantize.Limit().reasons(result) == result.reasons == []
    assert quantize.Limit(shift=0.9 * p99).reasons(result) == [f"p99 shift {p99:.3f} px, asked for {0.9 * p99:g} px"]
    tight = quantize.Limit(shift=min(2.0, 1.1 * p99), nme=1e-9).reasons(result)
    assert bool(tight) == (change > 1e-9) and all(reason.startswith("NME") for reason in tight)


@pytest.mark.full
def test_nothing_passes(source, tmp_path, monkeypatch, capfd, few):
    run = tmp_path / "tiny"
    shutil.copytree(source, run)
    monkeypatch.setitem(parity.SHIFT_LIMIT, "integer", 1e-6)
    monkeypatch.setattr(quantize, "MOST_FLOAT", 0.1)
    assert typed("quantize", run) == 1
    said = capfd.readouterr().out
    assert "nothing passes; the nearest is" in said and "next: " not in said
    written = json.loads((run / "quantization.json").read_text())
    assert not written["accepted"]
    assert written["ranges"] in ranges.TABLE
    assert min(t["p99"] for t in written["trials"]) == next(
        t["p99"]
        for t in written["trials"]
        if t["float_layers"] == written["float_layers"] and t["ranges"] == written["ranges"]
    )


def test_blocks_cover_every_convolution_once():
    import re

    from torch import nn

    network = build(RECIPE)
    patterns = [quantize.pattern(block) for block in quantize.blocks_of(network)]
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            assert sum(bool(re.search(p, name)) for p in patterns) == 1, name


def test_bad_input_is_one_line(source, tmp_path, says):
    says("no such run", "quantize", tmp_path / "nothing")
    says("did you mean 'tflite'", "quantize", source, "--to", "tflit")
    says("has no int8; give one of tflite, tflm, ethos-u55-32", "quantize", source, "--to", "onnx")
    says("--limit 3: give a number above 0 and at most 2, the gate's", "quantize", source, "--limit", 3)
    says("--nme 0: give a number above 0 and at most 1", "quantize", source, "--nme", 0)
    run = tmp_path / "tiny"
    shutil.copytree(source, run)
    (run / "faces/calibration.npz").unlink()
    says("calibration.npz", "quantize", run)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"ranges": "min-max"}',
        '{"ranges": ["min-max"], "float_layers": []}',
        '{"ranges": "min-max", "float_layers": "stem"}',
        '{"ranges": "min-max", "float_layers": ["("]}',
        '{"ranges": "minmax", "float_layers": []}',
    ],
)
def test_targets_refuses_a_broken_choice(tmp_path, text):
    (tmp_path / "quantization.json").write_text(text)
    with pytest.raises(InputError) as error:
        quantization(tmp_path)
    assert "compress quantize" in str(error.value) or "did you mean 'min-max'" in str(error.value)
