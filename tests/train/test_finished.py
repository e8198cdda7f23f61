"""What is said at the end of a training: the next command, which after one that taught nothing is a longer one."""

import shlex

import pytest

from edgewing import layouts
from train import __main__ as train
from train import checkpoint, recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.evaluate import append_metrics
from train.finished import longer, say_finished, unlearnt, without

WORDS = "--layout aflw-19 --input-size 64 --width 0.25 --batch 8 --validation 0.25 --seed 6 --steps 2"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("finished")


@pytest.fixture(scope="module")
def cache(place):
    return caches.build(faces(24, "aflw-19", 0), place / "drawn", layouts.get("aflw-19"), caches.dense_enough(64))


@pytest.fixture
def hopeless(place, cache, capsys):
    """A run of two steps, and the last two lines that its training said."""
    assert train.main(["fit", str(cache.folder), *WORDS.split(), "--run", str(place / "a")]) == 0
    return place / "a", capsys.readouterr().out.splitlines()[-2:]


def test_what_has_not_learnt_is_to_be_trained_longer(hopeless, capsys):
    run, (why, advice) = hopeless
    assert why.startswith("not learnt: its error is ") and f"look at {run / 'preview.png'}" in why
    typed = WORDS.removesuffix(" --steps 2")  # what is said anew is not said twice
    assert advice.endswith(f"{typed} --initial {run} --run {run}-longer --steps 4")
    assert train.main(shlex.split(advice.partition(" -m train ")[2])) == 0  # it works as it is printed
    assert checkpoint.load_model(f"{run}-longer").recipe.steps == 4
    assert capsys.readouterr().out.splitlines()[-1].endswith("--steps 8")


def test_what_has_learnt_is_to_be_made_small(hopeless, cache):
    run, _ = hopeless
    before, said = unlearnt(run), []
    guess = float(before.split()[-1].rstrip("%")) / 100
    append_metrics(run / "metrics.jsonl", step=2, nme=0.6 * guess)
    assert unlearnt(run) != before and unlearnt(run)
    append_metrics(run / "metrics.jsonl", step=2, nme=0.4 * guess)
    say_finished(run, cache, recipes.load(run), "python -m train fit DIR", said.append)
    assert unlearnt(run) == "" and said[-1].endswith(f"python -m compress quantize {run}")
    assert said[-2] == f"wrote {run / 'model.safetensors'}" and not [line for line in said if "not learnt" in line]


def test_options_that_are_said_anew_are_taken_out():
    command = "python -m train fit 'my faces' --run a --steps=2 --seed 1"
    assert without(command, {"--run": 1, "--steps": 2}) == "python -m train fit 'my faces' --seed 1"
    assert without("python -m train fit x --run", ["--run"]) == "python -m train fit x"


def test_twice_as_long_by_what_ends_the_training():
    recipe = recipes.get("small")
    assert longer(recipe) == ("--epochs", "200")
    assert longer(recipes.replace(recipe, steps=1_500_000)) == ("--steps", "3000000")
    assert longer(recipes.replace(recipe, steps=9, minutes=0.25)) == ("--minutes", "0.5")
