"""Teachers: several are one mean, and stacks are matched last to last."""

import pytest
import torch

from train import recipes
from train.checkpoint import load_model, save_model
from train.credits import Credits
from train.float_contract import float_contract
from train.model import build
from train.teacher import Teacher

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.25, layout="aflw-19", steps=1)


def saved(path, seed, **fields):
    recipe = recipes.replace(RECIPE, **fields)
    torch.manual_seed(seed)
    network = build(recipe).eval()
    for head in (stack.head for stack in network.stacks):
        torch.nn.init.normal_(head.weight)  # so that heatmaps are not all zero
    path.mkdir()
    save_model(
        path / "model.safetensors",
        network,
        recipe,
        float_contract(network, recipe, path.name, Credits(trained_on=("drawn",))),
    )
    return path


def test_several_teachers_are_their_mean_at_the_students_size(tmp_path):
    one, two = saved(tmp_path / "one", 1), saved(tmp_path / "two", 2, input_size=96)
    crops = torch.rand(2, 3, 64, 64)
    alone = [Teacher(run, RECIPE)(crops, 16)[0] for run in (one, two)]
    both = Teacher([one, two], RECIPE)
    assert both(crops, 16)[0].shape == (2, 20, 16, 16)  # the boundary is taught too
    assert torch.allclose(both(crops, 16)[0], (alone[0] + alone[1]) / 2, atol=1e-6)
    assert [name.split()[0] for name in both.credits.teachers] == ["one", "two"]
    assert both.credits.trained_on == ("drawn",)


@pytest.mark.parametrize("stacks, expected", [(1, [3]), (2, [1, 3]), (4, [0, 1, 2, 3])])
def test_stacks_are_matched_last_to_last(tmp_path, stacks, expected):
    teacher = Teacher(saved(tmp_path / "deep", 3, stacks=4), RECIPE)
    crops = torch.rand(1, 3, 64, 64)
    every, matched = teacher(crops, 16, 4), teacher(crops, 16, stacks)
    found = [next(i for i, e in enumerate(every) if torch.equal(e, m)) for m in matched]
    assert found == expected


def test_credits_add_up_without_repeating():
    both = Credits(("a",), ("x", "y")) + Credits(("b", "a"), ("y", "z"))
    assert both == Credits(("a", "b"), ("x", "y", "z"))


def test_a_note_of_the_recipe_stands_with_the_terms_of_the_data(tmp_path):
    run = saved(tmp_path / "noted", 1, note="Not to be scored on the test list.")
    terms = load_model(run).contract.training.data_terms
    assert terms.endswith("Not to be scored on the test list.") and terms != "Not to be scored on the test list."
