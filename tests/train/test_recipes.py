import dataclasses
import json
import re
import typing
from pathlib import Path

import pytest
import torch

from bench.training import ablate
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train import recipes
from train.model import build
from train.recipes import Recipe
from train.trainer import Trainer
from train.workers import Workers

ROWS = Path(__file__).parents[2] / "bench" / "results" / "ablation.jsonl"


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_legal_and_survives_json(name):
    recipe = recipes.check(recipes.get(name))
    assert recipes.loads(recipes.dumps(recipe)) == recipe


PAPER = {"paper-wflw": "wflw-98", "paper-300w": "300w-68", "paper-cofw": "cofw-29", "paper-lsp": "lsp-14"}


@pytest.mark.parametrize("name, layout", PAPER.items())
def test_the_papers_recipe_is_its_section_6(name, layout):
    r = recipes.get(name)
    boundary = layout != "lsp-14"
    assert (r.layout, r.network, r.stacks, r.input_size, r.cells, r.has_boundary, r.coordinates) == (
        layout, "paper", 4, 256, 64, boundary, True,
    )  # fmt: skip
    assert (r.optimiser, r.learning_rate, r.weight_decay, r.epochs, r.steps) == ("rmsprop", 1e-4, 1e-5, 240, 0)
    assert r.schedule == "step" and [m * r.epochs for m in r.milestones] == [80, 160] and r.warmup == 0
    assert (r.rotation, r.scale, r.flip, r.shift * 256) == (50, 0.15, 0.5, 25)
    assert min(r.blur, r.noise, r.occlusion) > 0 and (r.light, r.grey, r.low_resolution) == (0, 0, 0)
    assert (r.loss, r.weight_map, r.weight, r.targets, r.sigma, r.decode) == (
        "adaptive_wing", "dilated", 10, "cell", 1.75, "quarter",
    )  # fmt: skip
    assert (r.mask, r.boundary_mask) == ("paper", "paper")
    assert (r.ema, r.clip, r.coordinate_loss, r.precision) == (0, 0, 0, "fp32")
    # the paper's "GTBbox"; COFW by its own boxes
    assert r.crop == ("provided" if layout == "cofw-29" else "gtbox")


@pytest.mark.parametrize("name", ["wflw", "300w", "cofw"])
def test_our_recipe_departs_from_the_papers_where_rows_say_so_and_nowhere_else(name):
    ours, theirs = dataclasses.asdict(recipes.get(name)), dataclasses.asdict(recipes.get(f"paper-{name}"))
    assert {key for key in ours if ours[key] != theirs[key]} == {"name", "decode", "rotation"}
    results = ablate.nme_by_cell(ablate.finished(ROWS), wanted := departures())
    for cell, field in (("centroid", "decode"), ("rotation-30", "rotation")):
        (found,) = [c for c, _ in wanted if c.name == cell and c.fields == {field: ours[field]}][:1]
        assert ablate.change(results, found).verdict == "lower" and len(results[cell]) == 3


def departures():
    """The cells of the committed rows with the recipes that made them."""
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    made = {(r["cell"], r["seed"]): recipes.loads(json.dumps(r["protocol"]["recipe"])) for r in rows}
    return [(cell, made[cell.name, seed]) for seed in range(3) for cell in ablate.TABLES["departures"]]


def test_the_papers_optimiser_and_rates_epoch_by_epoch():
    recipe = recipes.replace(recipes.get("paper-wflw"), network="mobile", width=0.25, input_size=64, stacks=1)
    trainer = Trainer(recipe, 240, Workers())
    (group,) = trainer.optimiser.param_groups
    assert type(trainer.optimiser) is torch.optim.RMSprop and (group["momentum"], group["weight_decay"]) == (0, 1e-5)
    rates = []
    for trainer.step in range(240):
        rates.append(trainer.rate())
    assert rates == pytest.approx([1e-4] * 80 + [1e-5] * 80 + [1e-6] * 80)


@pytest.mark.parametrize("name, parameters", [
    ("paper-wflw", 24_153_036), ("paper-300w", 24_099_156), ("paper-cofw", 24_029_112), ("paper-lsp", 23_998_840),
])  # fmt: skip
def test_the_papers_networks_have_its_parameters(name, parameters):
    with torch.device("meta"):
        network = build(recipes.get(name))
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_recipes_of_older_runs_still_load_and_are_what_they_were():
    """Fields that came later have defaults that change nothing."""
    for name in recipes.RECIPES:
        older = json.loads(recipes.dumps(recipes.get(name)))
        older |= {"rate": older.pop("learning_rate"), "weights": older.pop("sampling")}
        assert recipes.loads(json.dumps(older)) == recipes.get(name)
        for field, was in (("crop", "gtbox"), ("mask", "paper"), ("boundary_mask", "paper")):
            del older[field]
            assert getattr(recipes.loads(json.dumps(older)), field) == was


def test_all_problems_are_named_at_once():
    with pytest.raises(InputError) as caught:
        recipes.replace(recipes.get("mobile"), loss="awing", input_size=100, flip=2.0)
    for word in ("loss 'awing'", "input_size 100", "flip 2 "):
        assert word in str(caught.value)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="did you mean 'paper-wflw'"):
        recipes.get("paper-wlfw")
    with pytest.raises(InputError, match="did you mean 'stacks'"):
        recipes.loads('{"name": "mobile", "stack": 2}')


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"name": 3}', '{"name": "x", "steps": "many"}', '{"name": "x", "compile": 1}']
)
def test_broken_json_is_an_input_error(text):
    with pytest.raises(InputError):
        recipes.loads(text)


def test_recipes_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipes.get("mobile").steps = 3


def test_a_run_can_stand_for_its_recipe(tmp_path):
    recipe = recipes.replace(recipes.get("mobile"), width=0.5, channels={"stacks.0.conv_last": (16, 8)})
    (tmp_path / "recipe.json").write_text(recipes.dumps(recipe))
    assert recipes.get(str(tmp_path)) == recipe


def test_every_number_of_a_recipe_has_a_range_that_is_checked():
    hints = typing.get_type_hints(Recipe)
    numbers = {name for name, hint in hints.items() if hint in (int, float)}
    assert numbers == set(recipes.RANGES)
    for name, (low, high) in recipes.RANGES.items():
        for wrong in (low - 1, high + 1, float("nan")):
            with pytest.raises(InputError, match=f"{name} .* is not in"):
                recipes.replace(recipes.get("mobile"), **{name: wrong})
    for field in ({"sampling": {"a": -1.0}}, {"offsets": {"a": 2.0}}, {"channels": {"stem.0.0": (3, 10**9)}}):
        with pytest.raises(InputError, match="not|not all in"):
            recipes.replace(recipes.get("mobile"), **field)


def test_a_recipe_from_a_file_cannot_ask_for_all_memory():
    text = recipes.dumps(recipes.get("mobile"))
    for wrong in ('"width": 300', '"stacks": 3000'):
        key = wrong.split(":")[0]
        with pytest.raises(InputError, match="is not in"):
            recipes.loads(re.sub(rf"{key}: [0-9.]+", wrong, text))


def test_what_bears_on_the_weights_and_changed_is_named():
    before = recipes.get("small")
    now = recipes.replace(before, rotation=20.0, steps=40, evaluate_every=7, note="other words")
    assert recipes.changes(before, now) == "rotation was 30.0, is 20.0; steps was 0, is 40"
    assert recipes.changes(before, before) == ""
    first, second = (Layout("cat-2", 2, flip_pairs=pairs) for pairs in ([], [(0, 1)]))
    before, now = (recipes.replace(before, layout=layout) for layout in (first, second))
    assert recipes.changes(before, now) == "layout cat-2 is not what it was"


def test_blur_and_low_resolution_were_one_setting_once():
    assert recipes.loads('{"name": "old", "blur": 0.1}').low_resolution == 0.1
    assert recipes.loads('{"name": "new", "blur": 0.1, "low_resolution": 0}').low_resolution == 0
