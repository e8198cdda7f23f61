"""`python -m train fit`: train a network on folders of labelled pictures (or on `drawn` faces) and write a run folder.

On several GPUs: torchrun --nproc-per-node 2 -m -- train fit data/WFLW --layout wflw-98 --recipe paper-wflw --run paper
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Collection
from pathlib import Path

from edgewing import layouts
from train import recipes
from train.options import LABELLED, LAYOUTS, add_fields, from_options
from train.recipes import Recipe
from train.runs import run_folder

LAYOUT = "300w-68"
EXAMPLE = """drawn --layout 300w-68 --recipe demo --run demo
  python -m train fit data/lfpw/trainset data/ytf/train --layout 300w-68 --recipe mobile --run first --steps 3000"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help=f"{LABELLED}. Or a name: `heads` or `drawn`, faces that edgewing draws itself",
    )
    parser.add_argument("--layout", default=LAYOUT, help=LAYOUTS)
    parser.add_argument(
        "--recipe", default="mobile", help=f"{', '.join(recipes.RECIPES)}, or a run's path (default: %(default)s)"
    )
    parser.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    parser.add_argument(
        "--initial",
        metavar="RUN",
        help="start from this run's weights, or `imagenet` for --network lite0 (default: a new network)",
    )
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="of decoded pictures (default: %(default)s)")
    add_fields(parser)


def main(recipe: str, layout: str, run: str, initial: str | None, cache: Path, command: str = "", **fields) -> None:
    given = {name for name in recipes.NETWORK if fields.get(name) is not None}
    wanted = from_options(recipes.get(recipe), {**fields, "layout": layouts.given(layout)})
    train(wanted, run_folder(run), cache, initial, given, command)


def train(
    recipe: Recipe, folder: Path, root: Path, initial: str | None = None, given: Collection[str] = (), command: str = ""
) -> None:
    """Read, cache, train; from the weights of the run ``initial`` where one is named, whose network comes along but for
    the fields ``given``. command: what was typed."""
    from train.finished import say_finished
    from train.initial import start
    from train.loop import Workers, fit
    from train.sources import open_cache

    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        network, credits = None, None
        if initial:
            recipe, network, credits = start(initial, recipe, given, say)
        cache = open_cache(recipe, root, workers, say)
        changed = {
            f.name: getattr(recipe, f.name)
            for f in dataclasses.fields(Recipe)
            if getattr(recipe, f.name) != getattr(recipes.get(recipe.name), f.name)
        }
        say(
            f"recipe {recipe.name}"
            + "".join(f", {k} {_short(v)}" for k, v in changed.items())
            + f"; on {workers.device}"
        )
        layout = layouts.get(recipe.layout)
        if recipe.flip and not layout.flip_pairs:
            mirrored = f"note: {recipe.flip:.0%} of the pictures are mirrored"
            say(f"{mirrored}, and layout {layout} has no flip_pairs: --flip 0 mirrors none")
        fit(recipe, cache, folder, workers, network, say=say, credits=credits)
        if workers.rank == 0:
            say_finished(folder, cache, recipe, command, say)


def _short(value):
    """A field's value for a line to read: not every number of offsets by point."""
    if isinstance(value, dict):
        return {k: f"{len(v)} numbers" if isinstance(v, tuple) and len(v) > 2 else v for k, v in value.items()}
    return value
