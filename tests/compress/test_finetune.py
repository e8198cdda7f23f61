"""python -m compress prune: from a run to a pruned and fine-tuned one, and from an interrupted one to the same."""

import json
import shutil

import pytest
import torch

from compress import __main__ as command
from compress import finetune
from edgewing import layouts
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


def typed(*arguments):
    """The exit code of the command."""
    with pytest.raises(SystemExit) as end:
        command.main([str(a) for a in arguments])
    return end.value.code


def prune(source, run, *more):
    return typed("prune", source, "--run", run, "--importance", "magnitude", "--cache", source.parent / "cache", *more)


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
    assert (after.recipe.steps, after.recipe.warmup, after.recipe.rate) == (4, 1, RECIPE.rate / 2)
    names = [json.loads(line)["step"] for line in (pruned / "metrics.jsonl").read_text().splitlines()]
    assert max(names) == 4
    assert (pruned / "faces/validation.npz").exists() and (pruned / "preview.png").exists()


def test_the_contract_names_what_was_learnt_from(source, pruned):
    about, before = checkpoint.load_model(pruned).contract, checkpoint.load_model(source).contract
    assert about.training.trained_on == before.training.trained_on == ["drawn"]
    assert about.training.data_terms == before.training.data_terms  # drawn faces have no terms, nor has who was taught
    assert [t.split()[0] for t in about.training.teachers] == ["source"]
    assert before.provenance.weights_sha256[:12] in about.training.teachers[0]


def test_an_interrupted_run_starts_from_the_same_network(source, pruned):
    run = source.parent / "again"
    shutil.copytree(pruned, run)
    start = (run / finetune.PRUNED).read_bytes()
    for name in (CHECKPOINT, checkpoint.MODEL, "metrics.jsonl"):
        (run / name).unlink()
    assert prune(source, run) == 0
    assert (run / finetune.PRUNED).read_bytes() == start
    ours, expected = (checkpoint.load(r / checkpoint.MODEL)[0] for r in (run, pruned))
    assert all(torch.equal(ours[k], expected[k]) for k in expected)
    # A finished run stays as it is.
    assert prune(source, run) == 0
    assert all(torch.equal(v, expected[k]) for k, v in checkpoint.load(run / checkpoint.MODEL)[0].items())


def test_what_it_prints(source, capsys):
    run = source.parent / "printed"
    assert prune(source, run, "--macs", "0.8", "--steps", "2", "--epochs", "9") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [f"wrote {run / 'model.safetensors'}", f"next: python -m compress quantize {run}"]
    rows = {
        line.split()[0]: line for line in lines if line.split()[0] in ("source", "pruned", "printed") and "%" in line
    }
    assert len(rows) == 3 and all(" M " in row for row in rows.values())
    assert "2 steps" in " ".join(lines)


def test_epochs_given_win_over_the_sources_steps(source):
    run = source.parent / "epochs"
    assert prune(source, run, "--epochs", "0.5") == 0
    assert recipes.load(run).epochs == 0.5 and recipes.load(run).steps == 0


@pytest.mark.parametrize(
    "more, words",
    [
        (["--importance", "magnitud"], "did you mean 'magnitude'"),
        (["--macs", "1.5"], "--macs 1.5: give the share"),
        (["--macs", "0"], "--macs 0: give the share"),
        (["--macs", "0.001"], "cannot be met"),
        (["--width", "0.25"], "--width: pruning keeps the network"),
        (["--data", "no/such/folder"], "no/such/folder"),
        (["--batch", "0"], "batch 0"),
    ],
)
def test_bad_input_is_one_line(source, capsys, more, words):
    run = source.parent / f"bad-{'-'.join(more).strip('-').replace('/', '.')}"
    assert prune(source, run, *more) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and words in error
    assert not (run / checkpoint.MODEL).exists()


def test_runs_that_are_not_there_or_not_ours(source, pruned, tmp_path, capsys):
    def says(words, *arguments):
        assert typed("prune", *arguments) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ") and words in error

    says("no such run", tmp_path / "nothing", "--run", tmp_path / "x")
    says("is the run to prune", source, "--run", source)
    says("in another way", source, "--run", pruned, "--macs", "0.5")
    (tmp_path / "other").mkdir()
    (tmp_path / "other/recipe.json").write_text("{}")
    says("not pruned", source, "--run", tmp_path / "other")
    (tmp_path / "half").mkdir()
    (tmp_path / "half/model.safetensors").write_bytes((source / "model.safetensors").read_bytes()[:1000])
    says("not a whole safetensors file", tmp_path / "half", "--run", tmp_path / "x")
