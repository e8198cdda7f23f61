"""What a recipe and a cache of faces mean together, before anything is built: who is trained on, how often, how long.

    plan(recipe, cache).steps

Pure: nothing is written and nothing random is drawn, so that every mistake in a recipe is found before work begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgewing import layouts
from edgewing.errors import InputError, unknown
from edgewing.words import counted
from train.data.cache import Cache
from train.recipes import Recipe
from train.stream import Stream

ENDLESS = 10**9  # steps, where time says when to stop
FEW = 30  # validation faces; a mean over fewer says little


@dataclass(frozen=True)
class Plan:
    """train, validation: indices into the cache. stream: which of them make up which batch. steps: of one batch.

    offsets: (sources, N, 2) cache px, what is added to a source's landmarks so that they lie where the network's shall.
    warnings: lines for the user.
    """

    train: np.ndarray
    validation: np.ndarray
    stream: Stream
    steps: int
    offsets: np.ndarray
    warnings: tuple[str, ...] = ()


def plan(recipe: Recipe, cache: Cache, workers: int = 1) -> Plan:
    """InputError, in one line, for whatever of the recipe does not fit the faces."""
    points = layouts.get(recipe.layout).points
    if cache.meta["points"] != points:
        raise InputError(
            f"the cache has layout {cache.meta['layout']} with {counted(cache.meta['points'], 'points')}, "
            f"the recipe {recipe.layout} with {points}"
        )
    if cache.meta["crop"] != recipe.crop:
        raise InputError(f"the cache has crops by {cache.meta['crop']}, the recipe by {recipe.crop}; use --crop")
    if recipe.batch % workers:
        raise InputError(f"a batch of {recipe.batch} is not shared evenly by {workers} workers; use --batch")
    names = [source["name"] for source in cache.meta["sources"]]
    for name in (*recipe.sampling, *recipe.offsets):
        if name not in names:
            raise unknown("source in --sampling or --offsets", name, names)
    train, validation = _split(recipe, cache, names)
    weights = np.array([recipe.sampling.get(name, 1.0) for name in names])[cache.sources[train]]
    if not weights.sum() > 0:
        raise InputError("--sampling leaves nothing to train on: all sources that are there have 0; raise one")
    stream = Stream(train, weights, recipe.batch, recipe.seed)
    side = cache.meta["size"] / cache.meta["context"]  # of the crop, cache px
    offsets = np.zeros((len(names), points, 2), np.float32)
    for row, name in zip(offsets, names):
        of_source = recipe.offsets.get(name, recipe.lateral)
        if isinstance(of_source, tuple):
            row[:] = -side * np.reshape(of_source, (points, 2))
            row[:, 0] += side * recipe.lateral
        else:
            row[:, 0] = side * (recipe.lateral - of_source)
    if (recipe.learn_offsets or recipe.minutes) and workers > 1:
        raise InputError("learn_offsets and minutes are for one process; train without torchrun, or without them")
    steps = ENDLESS if recipe.minutes else recipe.steps or stream.steps(recipe.epochs)
    return Plan(train, validation, stream, steps, offsets, _warnings(validation))


def _split(recipe: Recipe, cache: Cache, names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train and to validate on. What teachers labelled is trained on: as a measure it would praise them."""
    train, validation = cache.split(recipe.validation, recipe.seed)
    by_teachers = [names.index(n) for n in (*recipe.unlabelled_names, *recipe.corrected) if n in names]
    made = np.isin(cache.sources[validation], by_teachers)
    train, validation = np.sort(np.concatenate([train, validation[made]])), validation[~made]
    if len(validation):
        return train, validation
    if recipe.validation == 0:
        raise InputError("--validation 0 keeps nothing out of training to see how the run does; give a share above 0")
    if by_teachers and np.isin(cache.sources, by_teachers).all():
        raise InputError("teachers labelled all: nothing is left to validate on; add a folder with its own labels")
    groups = len(np.unique(cache.groups))
    raise InputError(
        f"{counted(len(cache), 'crops')} of {counted(groups, 'identities')}: none can be kept out of training to "
        "validate on; add pictures of other people (who is who: docs/datasets.md)"
    )


def _warnings(validation: np.ndarray) -> tuple[str, ...]:
    if len(validation) >= FEW:
        return ()
    return (
        f"only {len(validation)} to validate on: errors and gates on so few mean little; "
        f"add pictures, or keep more of them out of training (--validation) until there are {FEW}",
    )
