import dataclasses

import pytest

from edgewing.errors import InputError
from train import recipes


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_every_recipe_is_legal_and_survives_json(name):
    recipe = recipes.check(recipes.get(name))
    assert recipes.loads(recipes.dumps(recipe)) == recipe


def test_the_papers_recipe_is_its_section_6():
    for name, layout in (("paper-wflw", "wflw-98"), ("paper-300w", "300w-68"), ("paper-cofw", "cofw-29")):
        r = recipes.get(name)
        assert (r.layout, r.network, r.stacks, r.input_size, r.cells, r.has_boundary) == (
            layout,
            "paper",
            4,
            256,
            64,
            True,
        )
        assert (r.optimiser, r.rate, r.weight_decay, r.epochs) == ("rmsprop", 1e-4, 1e-5, 240)
        assert r.schedule == "step" and [m * r.epochs for m in r.milestones] == [80, 160]
        assert (r.rotation, r.scale, r.flip, r.shift * 256) == (50, 0.15, 0.5, 25)
        assert (r.loss, r.weight_map, r.weight, r.targets, r.sigma, r.decode) == (
            "adaptive_wing", "dilated", 10, "cell", 1.75, "quarter",
        )  # fmt: skip
        assert r.ema == 0 and r.coordinate_loss == 0
    assert not recipes.get("paper-lsp").has_boundary


def test_all_problems_are_named_at_once():
    with pytest.raises(InputError) as caught:
        recipes.replace(recipes.get("mobile"), loss="awing", input_size=100, flip=2.0)
    for word in ("loss 'awing'", "input_size 100", "flip 2.0"):
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
