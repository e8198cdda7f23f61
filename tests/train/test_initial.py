"""Weights of another run: its network comes along, wider layers keep its function, and its terms are handed on."""

import itertools

import pytest
import torch

from edgewing.errors import InputError
from train import checkpoint, recipes
from train.credits import FREE, OWN, RESEARCH, Credits
from train.float_contract import float_contract
from train.initial import say_of_split, start
from train.model import build

NARROW = recipes.replace(recipes.get("mobile"), input_size=64, width=0.5, layout="aflw-19", steps=1)


@pytest.fixture
def source(tmp_path):
    torch.manual_seed(1)
    network = build(NARROW).eval()
    about = float_contract(network, NARROW, "source", Credits(trained_on=("drawn",)))
    checkpoint.save_model(tmp_path / "model.safetensors", network, NARROW, about)
    return tmp_path, network


def test_the_network_of_the_run_comes_along_with_all_its_weights(source):
    said = []
    other = recipes.replace(recipes.get("small"), layout="aflw-19", learning_rate=1.0)
    recipe, network, credits = start(source[0], other, (), said.append)
    assert (recipe.width, recipe.input_size, recipe.learning_rate) == (0.5, 64, 1.0)
    assert all(torch.equal(v, source[1].state_dict()[k]) for k, v in network.state_dict().items())
    assert said == [f"weights of {source[0]}"] and credits == Credits(trained_on=("drawn",))


def test_a_name_is_a_run(source):
    recipe, network, credits = start("edgewing-s", recipes.get("demo"), (), print)
    assert (recipe.features, recipe.input_size, recipe.steps) == (64, 128, 250)
    assert RESEARCH in credits.terms() and "must not be scored" in credits.terms()
    assert network.stacks[0].head.in_channels == 64


def test_another_layout_starts_with_a_new_head_and_says_so(source):
    said = []
    network = start(source[0], recipes.replace(NARROW, layout="300w-68"), (), said.append).network
    assert network.stacks[0].head.out_channels == 69
    assert torch.equal(network.stem[0][0].weight, source[1].stem[0][0].weight)
    assert said[0].endswith("; new: stacks.0.head")


@pytest.mark.parametrize("wider", [{"features": 48}, {"width": 0.75}, {"width": 0.75, "features": 48}])
def test_a_wider_network_starts_where_the_narrower_one_ended(source, wider):
    said = []
    network = start(source[0], recipes.replace(NARROW, **wider), tuple(wider), said.append).network.eval()
    assert "stacks.0.conv_last (in part)" in said[0]
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(network(images)[0], source[1](images)[0], atol=1e-5)


def test_a_layer_without_weights_is_an_error(source):
    with pytest.raises(InputError, match="have no weights there"):
        start(source[0], recipes.replace(NARROW, width=0.25), ("width",), print)
    with pytest.raises(InputError, match="have no weights there"):
        start(source[0], recipes.replace(NARROW, stacks=2), ("stacks",), print)


def test_other_faces_held_out_is_said(source):
    said = []
    start(source[0], recipes.replace(NARROW, seed=3), (), said.append)
    assert "held out others (--seed 0" in said[-1]


def test_drawn_faces_of_two_seeds_share_none():
    drawn, said = recipes.replace(NARROW, data=("heads",)), []
    for ours in (drawn, recipes.replace(drawn, seed=3), recipes.replace(drawn, seed=3, data=("heads", "mine/cats"))):
        say_of_split("free", drawn, ours, said.append)
    assert len(said) == 1  # of the folder


STAGES = {
    "fit": lambda before: Credits(trained_on=("mine/cats",)) + before,
    "labelled": lambda before: Credits(("teacher (weights 0123)",), ("utkface",)) + before,
    "noted": lambda before: before + Credits(notes=("Not to be scored on the test list.",)),
    "packed": lambda before: before,
}


@pytest.mark.parametrize("chain", itertools.product(STAGES, repeat=3))
def test_terms_are_never_lost_on_the_way(chain):
    """Whatever the stages, each a contract that the next one reads: what one of them said, the last one says too."""
    network, credits = build(NARROW), Credits(trained_on=("wflw/train",), notes=("A note.",))
    for stage in chain:
        credits = Credits.of(float_contract(network, NARROW, "run", STAGES[stage](credits)))
    training = float_contract(network, NARROW, "last", credits).training
    assert "wflw/train" in training.trained_on and RESEARCH in training.data_terms and "A note." in training.data_terms
    assert FREE not in training.data_terms
    for sentence in (RESEARCH, "A note.", "Not to be scored on the test list.", "Terms of mine/cats: not stated."):
        assert training.data_terms.count(sentence) <= 1
    assert ("fit" in chain) == ("Terms of mine/cats: not stated." in training.data_terms)
    assert ("labelled" in chain) == bool(training.teachers) == ("utkface" in training.trained_on)
    assert ("noted" in chain) == ("Not to be scored" in training.data_terms)


def test_terms_of_ones_own_pictures_are_what_is_stated():
    own = Credits(trained_on=("mine/cats",))
    assert own.terms() == "Terms of mine/cats: not stated."
    assert own.terms("CC-BY 4.0, ask me.") == "Terms of mine/cats: CC-BY 4.0, ask me."
    assert Credits(trained_on=("drawn",)).terms() == FREE
    assert RESEARCH in (own + Credits(trained_on=("lfpw/trainset",))).terms()


def test_weights_of_drawn_heads_alone_are_free_until_they_learn_from_anything_else():
    heads = Credits(trained_on=("drawn heads",))
    assert heads.terms() == f"{FREE} {OWN}"
    handed_on = Credits.of(float_contract(build(NARROW), NARROW, "free", heads))
    assert handed_on == heads
    for other in ("drawn", "mine/cats", "lfpw/trainset"):
        assert OWN not in (handed_on + Credits(trained_on=(other,))).terms()
    assert RESEARCH in (handed_on + Credits(trained_on=("lfpw/trainset",))).terms()
