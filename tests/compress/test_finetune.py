"""python -m compress prune: from a run to a pruned and fine-tuned one, and from an interrupted one to the same."""

import json
import re
import shutil

import pytest
import torch

from compress import finetune, speed
from edgewing import layouts
from tests.compress.conftest import typed
from train import checkpoint, recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.loop import CHECKPOINT, Workers, fit

RECIPE = recipes.replace(
    recipes.get("mobile"), input_size=64, width=0.5, layout="aflw-19", batch=8, steps=12, evaluate_every=4, warmup=3,
    validation=0.25,
)  # fmt: skip


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run of a few steps, on a cache that is itself named as its data."""
    folder = tmp_path_factory.mktemp("compress")
    cache = caches.build(faces(24, "aflw-19", 0), folder / "drawn", layouts.get("aflw-19"), caches.dense_enough(64))
    fit(recipes.replace(RECIPE, data=(str(folder / "drawn"),)), cache, folder / "source", Workers())
    return folder / "source"


def prune(source, run, *more):
    return typed("prune", source, "--run", run, "--cache", source.parent / "cache", *more)


@pytest.fixture(scope="module")
def pruned(source):
    run = source.parent / "pruned"
    assert prune(source, run) == 0
    return run


def test_a_pruned_run_is_an_ordinary_run(source, pruned):
    before, after = checkpoint.load_model(source), checkpoint.load_model(pruned)
    model = after.contract.model
    assert model.macs <= 0.7 * before.contract.model.macs and model.parameters < before.contract.model.parameters
    assert after.recipe == recipes.load(pruned) and after.recipe.channels
    # a third of the steps, at half the rate
    assert (after.recipe.steps, after.recipe.warmup, after.recipe.learning_rate) == (4, 1, RECIPE.learning_rate / 2)
    names = [json.loads(line)["step"] for line in (pruned / "metrics.jsonl").read_text().splitlines()]
    assert max(names) == 4
    assert (pruned / "faces/validation.npz").exists() and (pruned / "preview.png").exists()


def test_the_contract_names_what_was_learnt_from(source, pruned):
    about, before = checkpoint.load_model(pruned).contract, checkpoint.load_model(source).contract
    assert about.training.trained_on == before.training.trained_on == ["drawn"]
    assert about.training.data_terms == before.training.data_terms  # drawn faces have no terms, nor has who was taught
    assert [t.split()[0] for t in about.training.teachers] == ["source"]
    assert before.provenance.weights_sha256[:12] in about.training.teachers[0]


@pytest.mark.full
def test_an_interrupted_run_starts_from_the_same_network(source, pruned):
    run = source.parent / "again"
    shutil.copytree(pruned, run)
    start = (run / finetune.PRUNED).read_bytes()
    for name in (CHECKPOINT, checkpoint.MODEL, "metrics.jsonl"):
        (run / name).unlink()
    assert prune(source, run) == 0
    assert (run / finetune.PRUNED).read_bytes() == start
    ours, expected = (checkpoint.load_tensors(r / checkpoint.MODEL)[0] for r in (run, pruned))
    assert all(torch.equal(ours[k], expected[k]) for k in expected)
    # A finished run stays as it is.
    assert prune(source, run) == 0
    assert all(torch.equal(v, expected[k]) for k, v in checkpoint.load_tensors(run / checkpoint.MODEL)[0].items())


def test_what_it_prints(source, capsys):
    run = source.parent / "printed"
    assert prune(source, run, "--macs", "0.8", "--steps", "2", "--epochs", "9") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3] == f"wrote {run / 'model.safetensors'}" and lines[-2].startswith("not learnt: its error is ")
    assert lines[-1].endswith(f"--macs 0.8 --epochs 9 --run {run}-longer --steps 4")
    rows = {
        line.split()[0]: line for line in lines if line.split()[0] in ("source", "pruned", "printed") and "%" in line
    }
    assert len(rows) == 3 and all(" M " in row for row in rows.values())
    assert "2 steps" in " ".join(lines)


def test_epochs_given_win_over_the_sources_steps(source):
    run = source.parent / "epochs"
    assert prune(source, run, "--epochs", "0.5") == 0
    assert recipes.load(run).epochs == 0.5 and recipes.load(run).steps == 0


@pytest.mark.full
def test_pruning_to_a_share_of_the_time(source, monkeypatch, capfd):
    """With real files. How fast which one is depends on the machine; what is done with that does not."""
    monkeypatch.setattr(speed, "FINEST", 0.6)  # two files
    run = source.parent / "fast"
    assert prune(source, run, "--latency", "0.95", "--steps", "1") == 0
    (said,) = re.findall(r"([0-9.]+)% of the multiply-accumulates take ([0-9.]+)% of the time", capfd.readouterr().out)
    share, time = (float(number) / 100 for number in said)
    recipe = checkpoint.load_model(run).recipe
    sizes = [checkpoint.load_model(one).contract.model.macs for one in (source, run)]
    assert 0 < time <= 0.95 and sizes[1] <= share * sizes[0] + 1
    # An unfinished run goes on with what was found.
    for name in (CHECKPOINT, checkpoint.MODEL, "recipe.json"):
        (run / name).unlink()
    assert prune(source, run, "--latency", "0.95", "--steps", "1") == 0
    out = capfd.readouterr().out
    assert checkpoint.load_model(run).recipe == recipe and "pruned already" in out and "of the time" not in out
    assert prune(source, run, "--latency", "0.9", "--steps", "1") == 2
    assert "in another way" in capfd.readouterr().err


@pytest.mark.full
def test_a_share_of_the_time_that_nothing_meets(source, monkeypatch, capfd):
    monkeypatch.setattr(speed, "FINEST", 0.6)
    assert prune(source, source.parent / "too-fast", "--latency", "1e-6") == 2
    assert "--latency 1e-06 cannot be met" in capfd.readouterr().err
    assert not (source.parent / "too-fast").exists()


def test_rounds_and_where_they_stop(source, monkeypatch):
    """Killed in the second of three rounds, the run goes on there and ends as one that was not killed."""
    whole, cut = source.parent / "rounds", source.parent / "rounds-cut"
    more = ("--macs", "0.5", "--rounds", "3", "--steps", "8")
    assert prune(source, whole, *more) == 0
    runs = [whole / "round-1", whole / "round-2", whole]
    sizes = [checkpoint.load_model(run).contract.model.macs for run in (source, *runs)]
    shares = [size / sizes[0] for size in sizes]
    assert shares[1] <= 0.5 ** (1 / 3) and shares[2] <= 0.5 ** (2 / 3) and shares[3] <= 0.5
    assert shares == sorted(shares, reverse=True)
    # Half of the steps after the last, the other half between; the source is the only teacher.
    assert [recipes.load(r).steps for r in runs] == [2, 2, 4]
    for run in runs:
        assert [t.split()[0] for t in checkpoint.load_model(run).contract.training.teachers] == ["source"]

    write = checkpoint.save_tensors

    def killed(path, *rest):
        if path == cut / "round-2" / CHECKPOINT:
            raise KeyboardInterrupt
        write(path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_tensors", killed)
        assert prune(source, cut, *more) == 130
    assert (cut / "round-2" / finetune.PRUNED).exists() and not (cut / finetune.PRUNED).exists()
    first = (cut / "round-1" / checkpoint.MODEL).stat().st_mtime_ns
    assert prune(source, cut, *more) == 0
    assert (cut / "round-1" / checkpoint.MODEL).stat().st_mtime_ns == first
    ours, expected = (checkpoint.load_tensors(r / checkpoint.MODEL)[0] for r in (cut, whole))
    assert all(torch.equal(ours[k], expected[k]) for k in expected)


@pytest.mark.parametrize(
    "more, words",
    [
        (["--macs", "1.5"], "--macs 1.5: give the share"),
        (["--macs", "0"], "--macs 0: give the share"),
        (["--macs", "0.001"], "cannot be met"),
        (["--latency", "1.5"], "--latency 1.5: give the share"),
        (["--rounds", "0"], "--rounds 0: give 1 or more"),
        (["--width", "0.25"], "--width: pruning keeps the network"),
        (["--features", "64"], "--features: pruning keeps the network"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--batch", "0"], "batch 0"),
    ],
)
def test_bad_input_is_one_line(source, says, tmp_path, more, words):
    says(words, "prune", source, "--run", tmp_path / "bad", "--cache", source.parent / "cache", *more)
    assert not (tmp_path / "bad" / checkpoint.MODEL).exists()


def test_what_only_teachers_can_label_leaves_the_recipe():
    distilled = recipes.replace(
        RECIPE, data=("data/one", "data/two"), unlabelled=("data/wild",), corrected=("data/two",), lateral=0.004,
        sampling={"data/one": 3.0, "data/two": 2.0, "data/wild": 1.0},
        offsets={"data/one": 0.003, "data/two": 0.0, "data/wild": 0.0},
    )  # fmt: skip
    alone = finetune.labelled_alone(distilled)
    assert (alone.unlabelled, alone.corrected) == ((), ())
    assert alone.sampling == {"data/one": 3.0, "data/two": 2.0} and alone.offsets == {"data/one": 0.003}
    assert alone.lateral == 0.004 and alone.data == distilled.data


def test_runs_that_are_not_there_or_not_ours(source, pruned, tmp_path, says):
    says("no such run", "prune", tmp_path / "nothing", "--run", tmp_path / "x")
    says("is the run itself", "prune", source, "--run", source)
    says("in another way", "prune", source, "--run", pruned, "--macs", "0.5")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/recipe.json").write_text("{}")
    says("not pruned", "prune", source, "--run", tmp_path / "other")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:1000])
    says("not a whole safetensors file", "prune", tmp_path / "half", "--run", tmp_path / "x")
