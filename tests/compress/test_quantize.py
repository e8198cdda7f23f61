"""python -m compress quantize on a network that really finds points: the choice, what hurts, what targets reads."""

import json
import shutil

import pytest
import torch

from compress import __main__ as command
from compress import quantize
from edgewing.errors import InputError
from targets import parity, ranges
from targets.__main__ import quantization
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
    for name in ("percentile", "percentile-99.9", "mean-min-max"):
        monkeypatch.delitem(ranges.TABLE, name)
    monkeypatch.setattr(quantize, "SENSITIVITY_FACES", 8)


def typed(*arguments):
    with pytest.raises(SystemExit) as end:
        command.main([str(a) for a in arguments])
    return end.value.code


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
    assert out.splitlines()[-2].startswith(f"wrote {source / 'quantization.json'}: {best['ranges']}")
    assert out.splitlines()[-1] == f"next: python -m targets {source} --to onnx tflite coreml tensorrt"


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


def test_nothing_passes(source, tmp_path, monkeypatch, capfd, few):
    run = tmp_path / "tiny"
    shutil.copytree(source, run)
    monkeypatch.setitem(parity.SHIFT_LIMIT, "integer", 1e-6)
    monkeypatch.setattr(quantize, "MOST_FLOAT", 0.1)
    assert typed("quantize", run) == 1
    assert "nothing passes the gate; the nearest is" in capfd.readouterr().out
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


def test_bad_input_is_one_line(source, tmp_path, capfd):
    def says(words, *arguments):
        assert typed("quantize", *arguments) == 2
        lines = capfd.readouterr().err.strip().splitlines()
        assert lines[-1].startswith("error: ") and words in lines[-1]

    says("no such run", tmp_path / "nothing")
    says("did you mean 'tflite'", source, "--to", "tflit")
    says("has no int8; give one of tflite, tensorrt", source, "--to", "onnx")
    run = tmp_path / "tiny"
    shutil.copytree(source, run)
    (run / "faces/calibration.npz").unlink()
    says("calibration.npz", run)


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
