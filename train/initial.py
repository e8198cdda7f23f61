"""What a training starts from: the weights of another run, or ImageNet's, with the credits that they hand on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

from edgewing.errors import InputError
from train import recipes
from train.blocks import StackedHourglass
from train.checkpoint import load_model
from train.credits import Credits
from train.data.catalogue import IMAGENET
from train.lite0 import imagenet_weights
from train.model import build
from train.recipes import DRAWN, NETWORK, Recipe

ENCODER = "imagenet"  # what --initial takes beside runs


class Start(NamedTuple):
    """recipe: with the network of the run that the weights are of. network: with those weights."""

    recipe: Recipe
    network: StackedHourglass
    credits: Credits


def start(source: str, recipe: Recipe, given: Collection[str], say: Callable[[str], None]) -> Start:
    """source: a run (its folder, a file of weights, a name), or ``imagenet`` for the encoder of `--network lite0`.

    The run's network comes along: fields of the recipe that say what the network is are the run's, but for those in
    ``given``, which the user has named. InputError where weights and network do not fit.
    """
    if source == ENCODER:
        if recipe.network != "lite0":
            raise InputError(f"--initial {ENCODER} is for --network lite0, the recipe has {recipe.network}")
        network = build(recipe)
        imagenet_weights(network)
        say("weights of EfficientNet-Lite0 trained on ImageNet; decoder and head are new")
        return Start(recipe, network, Credits(trained_on=(IMAGENET,)))
    loaded = load_model(source)
    own = {name: getattr(loaded.recipe, name) for name in NETWORK if name not in given}
    recipe = recipes.replace(recipe, **own)
    network, new = _grown(source, loaded.network, recipe, recipe.layout != loaded.recipe.layout)
    say(f"weights of {source}" + (f"; new: {', '.join(sorted(new))}" if new else ""))
    say_of_split(source, loaded.recipe, recipe, say)
    return Start(recipe, network, Credits.of(loaded.contract))


def _grown(source: str, theirs: StackedHourglass, recipe: Recipe, other_layout: bool) -> tuple[StackedHourglass, set]:
    """The recipe's network with these weights, and the names of what is new in it.

    A wider layer takes a narrower one as its first channels and listens to none of the new ones yet, so that it
    computes the same. Only the heads of another layout start anew; any other layer without weights is an error, since
    the rest would have to learn it all again.
    """
    network = build(recipe)
    ours, weights = network.state_dict(), theirs.state_dict()
    new, unfit = set(), set()
    for name, value in ours.items():
        layer, old = name.rpartition(".")[0], weights.get(name)
        of_points = other_layout and (".head" in layer or ".carry_heatmaps" in layer or layer.endswith(".coord"))
        if of_points and (old is None or old.shape != value.shape):
            new.add(layer)
            continue
        if old is None or old.ndim != value.ndim or any(a > b for a, b in zip(old.shape, value.shape)):
            unfit.add(layer)
            continue
        if old.shape != value.shape:
            value[: len(old)] = 0
            new.add(f"{layer} (in part)")
        value[tuple(slice(n) for n in old.shape)] = old
    if unfit:
        raise InputError(
            f"--initial {source}: {len(unfit)} layers of the recipe's network have no weights there "
            f"({', '.join(sorted(unfit)[:3])} ...); leave the options that change the network away"
        )
    return network, new


def say_of_split(source: str, theirs: Recipe, ours: Recipe, say: Callable[[str], None]) -> None:
    """Which identities are held out depends on seed and share alone: with the same, nothing that is validated on here
    was learnt there. Nor with drawn faces of another seed, which are others."""
    if theirs.data and DRAWN.keys() >= {*theirs.data, *ours.data} and theirs.seed != ours.seed:
        return
    if (theirs.seed, theirs.validation) != (ours.seed, ours.validation):
        say(
            f"warning: {source} held out others (--seed {theirs.seed} --validation {theirs.validation:g}): "
            "where its data are used here again, it has learnt what this run validates on"
        )
