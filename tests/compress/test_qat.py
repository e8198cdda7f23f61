"""python -m compress qat: from a run to one that has seen int8, and from an interrupted one to the same."""

import json
import shutil

import pytest
import torch

from compress import qat, quantize
from edgewing import layouts
from targets import ranges
from targets.export import quantization
from tests.compress.conftest import typed
from train import checkpoint, recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.loop import CHECKPOINT, Workers, fit

# 18 cells: an hourglass of one level, so that there are few blocks.
RECIPE = recipes.replace(
    recipes.get("mobile"), input_size=72, width=0.25, layout="aflw-19", batch=8, steps=30, evaluate_every=10, warmup=3,
    validation=0.25,
)  # fmt: skip
FIELDS = ("--steps", "4", "--evaluate-every", "4")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run of a few steps, on a cache that is itself named as its data."""
    folder = tmp_path_factory.mktemp("compress")
    cache = caches.build(faces(54, "aflw-19", 0), folder / "drawn", layouts.get("aflw-19"), caches.dense_enough(72))
    fit(recipes.replace(RECIPE, data=(str(folder / "drawn"),)), cache, folder / "source", Workers())
    return folder / "source"


@pytest.fixture(scope="module", autouse=True)
def few():
    """Ranges and blocks to try: which are chosen is not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        for name in set(ranges.TABLE) - {"moving-average", "min-max"}:
            patch.delitem(ranges.TABLE, name)
        patch.setattr(quantize, "SENSITIVITY_FACES", 4)
        patch.setattr(quantize, "MOST_FLOAT", 0.0)
        yield


def fine_tune(source, run, *more):
    return typed("qat", source, "--run", run, "--cache", source.parent / "cache", *FIELDS, *more)


@pytest.fixture(scope="module")
def tuned(source):
    run = source.parent / "tuned"
    code = fine_tune(source, run)
    # So short a training may leave a network that int8 hurts: what passes is written beside it.
    assert code == (0 if json.loads((run / "quantization.json").read_text())["accepted"] else 1)
    return run


def test_it_is_an_ordinary_run(source, tuned):
    before, after = checkpoint.load_model(source), checkpoint.load_model(tuned)
    ours, theirs = after.network.state_dict(), before.network.state_dict()
    assert ours.keys() == theirs.keys() and all(ours[k].shape == theirs[k].shape for k in ours)
    moved = [k for k in ours if k.endswith("weight") and not torch.equal(ours[k], theirs[k])]
    assert len(moved) > 20
    assert all(torch.equal(ours[k], theirs[k]) for k in ours if "running" in k)
    assert after.contract.model.precision == "fp32" and after.contract.model.macs == before.contract.model.macs
    assert "source" in after.contract.training.teachers[0]
    r = after.recipe
    assert (r.steps, r.learning_rate, r.distillation, r.coordinate_loss) == (4, RECIPE.learning_rate / 20, 1.0, 0.0)
    assert (
        r.occlusion == r.blur == r.low_resolution == r.noise == r.light == r.grey == 0 and r.rotation == RECIPE.rotation
    )
    assert quantization(tuned)["ranges"] in ranges.TABLE


def test_what_is_recorded(source, tuned):
    written = json.loads((tuned / "quantization.json").read_text())
    against = written["against"]
    assert against["run"] == "source" and {"float", "fake", "converted"} < against.keys()
    # All three against the same network: the source's float one.
    assert len({against[key]["nme_float"] for key in ("float", "fake", "converted")}) == 1
    assert against["float"]["p50"] > 0 and written["fake"]["nme_float"] == written["trials"][0]["nme_float"]
    best = min(written["trials"], key=lambda t: (not t["accepted"], t["p99"]))
    assert written["ranges"] == best["ranges"]


def test_ranges_are_those_of_the_source(source, tuned):
    record = json.loads((tuned / qat.RANGES).read_text())
    loaded = checkpoint.load_model(source)
    assert record["source"] == checkpoint.digest(loaded.network) and record["ranges"] == "moving-average"
    measured = qat.read_ranges(tuned / qat.RANGES)
    assert measured["picture"][1] == pytest.approx(1.0, abs=0.2) and measured["stem.0.0"][0] == 0.0


@pytest.mark.full
def test_an_interrupted_run_goes_on_to_the_same(source, tuned, capfd):
    run = source.parent / "again"
    shutil.copytree(tuned, run)
    kept = (run / qat.RANGES).read_bytes()
    for name in (CHECKPOINT, checkpoint.MODEL, "metrics.jsonl", "quantization.json"):
        (run / name).unlink()
    fine_tune(source, run)
    out = capfd.readouterr().out
    assert "measured already" in out and (run / qat.RANGES).read_bytes() == kept
    ours, expected = (checkpoint.load_tensors(r / checkpoint.MODEL)[0] for r in (run, tuned))
    assert all(torch.equal(ours[k], expected[k]) for k in expected)
    lines = out.splitlines()
    assert lines[-2:] == [
        f"wrote {run / 'quantization.json'}",
        f"next: python -m targets {run} --to onnx tflite coreml tensorrt",
    ]
    assert f"against the float network of {source}:" in lines
    assert {"converted file", "fake-quantized, torch", "this run, float"} <= {line[2:26].strip() for line in lines[-6:]}


@pytest.mark.parametrize(
    "more, words",
    [
        (["--ranges", "minmax"], "did you mean 'min-max'"),
        (["--width", "0.5"], "--width: int8 keeps the network"),
        (["--limit", "5"], "--limit 5: give a number above 0 and at most 2"),
        (["--data", "no/such/folder"], "no/such/folder"),
    ],
)
def test_bad_input_is_one_line(source, says, tmp_path, more, words):
    says(words, "qat", source, "--run", tmp_path / "bad", "--cache", source.parent / "cache", *FIELDS, *more)
    assert not (tmp_path / "bad" / checkpoint.MODEL).exists()


def test_runs_that_are_not_there_or_not_ours(source, tuned, tmp_path, says):
    says("no such run", "qat", tmp_path / "nothing", "--run", tmp_path / "x")
    says("is the run itself", "qat", source, "--run", source)
    says("in another way", "qat", source, "--run", tuned, "--ranges", "min-max")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/recipe.json").write_text("{}")
    says("not fine-tuned in int8", "qat", source, "--run", tmp_path / "other")
    (tmp_path / "broken").mkdir()
    for text in ("{", "[]", "{}", '{"source": 1, "ranges": 2, "measured": {"a": 3}}'):
        (tmp_path / "broken/ranges.json").write_text(text)
        says("ranges.json", "qat", source, "--run", tmp_path / "broken")
