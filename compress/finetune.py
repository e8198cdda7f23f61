"""`python -m compress prune`: a run in, a pruned and fine-tuned run out, with the source as its teacher.

Channels go by dependency groups; the rest is fine-tuned with the run as teacher, for a third of its steps at half its
rate on its own data. The pruned start is kept in the new run (pruned.safetensors): a run that was interrupted goes on
from the same network.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from compress import importance as importances
from compress.prune import prune
from edgewing.errors import InputError
from train import checkpoint, recipes
from train.__main__ import add_fields, from_options
from train.checkpoint import Loaded, load_model, run_folder
from train.evaluate import CALIBRATION, VALIDATION, Faces, errors
from train.model import StackedHourglass, build, macs, parameters
from train.recipes import Recipe

PRUNED = "pruned.safetensors"
KEY = "edgewing.pruned"
SHARE = 3  # of the source's steps one in so many is spent on fine-tuning, at half its rate
FIXED = ("network", "block", "stacks", "width", "input_size", "heatmap_size", "boundary", "coordinates")

PURPOSE = "remove channels and fine-tune, the run itself as teacher"
EXAMPLE = "runs/demo --run demo-s --macs 0.7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", type=Path, help="the run's folder")
    parser.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    parser.add_argument(
        "--macs", type=float, default=0.7, metavar="SHARE", help="multiply-accumulates to keep (default: %(default)s)"
    )
    names = ", ".join(importances.TABLE)
    parser.add_argument("--importance", default="taylor", metavar="NAME", help=f"{names} (default: %(default)s)")
    parser.add_argument("--data", nargs="+", metavar="DIR", help="folders of labelled faces (default: the run's own)")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="where decoded faces are kept (default: %(default)s)"
    )
    add_fields(parser)


def main(options: argparse.Namespace) -> None:
    def changed(recipe):
        if options.epochs is not None and options.steps is None:
            options.steps = 0  # or the source's steps would win
        return from_options(recipe, options, data=tuple(options.data or recipe.data))

    run(options.source, run_folder(options.run), options.macs, options.importance, options.cache, changed)


def run(
    source: Path, folder: Path, budget: float, importance: str, root: Path, recipe_of: Callable[[Recipe], Recipe]
) -> None:
    """Prune the run ``source`` to ``budget`` of its multiply-accumulates, fine-tune, write ``folder``.

    root: of the caches. recipe_of: what the command line changes in the recipe of the fine-tuning.
    """
    from train.loop import Workers, fit
    from train.preview import draw_run
    from train.sources import open_cache
    from train.teacher import Teacher

    if not source.is_dir():
        raise InputError(f"{source}: no such run; train one with: python -m train fit drawn --run {source.name}")
    if folder.resolve() == source.resolve():
        raise InputError(f"--run {folder}: is the run to prune; choose another name")
    loaded = load_model(source)
    faces = Faces.load(source / VALIDATION)
    recipe = recipe_of(shortened(loaded.recipe))
    for name in FIXED:
        if getattr(recipe, name) != getattr(loaded.recipe, name):
            raise InputError(
                f"--{name.replace('_', '-')}: pruning keeps the network of {source}; train another run instead"
            )
    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        if workers.rank == 0:
            start(source, folder, loaded, recipe, budget, importance, say)
        if workers.world > 1:
            import torch.distributed

            torch.distributed.barrier()
        pruned, widths = _read(folder / PRUNED)
        recipe = recipes.replace(recipe, channels=widths.channels)
        cache = open_cache(recipe, root, workers, say)
        how = f"{recipe.steps} steps" if recipe.steps else f"{recipe.epochs:g} epochs"
        say(f"fine-tuning for {how} at rate {recipe.rate:g}, teacher {source}; on {workers.device}")
        if (recipe.data, recipe.seed, recipe.validation) != tuple(
            getattr(loaded.recipe, name) for name in ("data", "seed", "validation")
        ):
            say(f"other data or seed than {source}: this run holds out other faces than that one")
        fit(recipe, cache, folder, workers, pruned, Teacher(source, recipe), say)
        if workers.rank == 0:
            for path in draw_run(folder, cache):
                say(f"wrote {path}")
            rows = (
                (source.name, loaded),
                ("pruned", Loaded(*_read(folder / PRUNED), None)),
                (folder.name, load_model(folder)),
            )
            for line in table(rows, faces):
                say(line)
            say(f"wrote {folder / checkpoint.MODEL}")
            say(f"next: python -m compress quantize {folder}")


def shortened(recipe: Recipe) -> Recipe:
    """The source's recipe for fine-tuning: a third of its steps and of its warm-up, half its rate."""
    return dataclasses.replace(
        recipe,
        steps=max(1, recipe.steps // SHARE) if recipe.steps else 0,
        epochs=recipe.epochs / SHARE,
        warmup=recipe.warmup // SHARE,
        rate=recipe.rate / 2,
    )


def start(
    source: Path,
    folder: Path,
    loaded: Loaded,
    recipe: Recipe,
    budget: float,
    importance: str,
    say: Callable[[str], None],
) -> None:
    """Write the pruned network that fine-tuning starts from, unless an interrupted run has left it."""
    how = {"source": checkpoint.digest(loaded.network), "macs": budget, "importance": importance}
    path = folder / PRUNED
    if path.exists():
        _, metadata = checkpoint.load(path)
        if metadata.get(KEY) != json.dumps(how):
            raise InputError(
                f"{path}: was pruned from other weights or in another way; choose another --run, or delete it"
            )
        say(f"{path}: pruned already")
        return
    if (folder / "recipe.json").exists():
        raise InputError(f"{folder}: is a run that was not pruned; choose another --run")
    pruned = prune(loaded.network, loaded.recipe, budget, importance, Faces.load(source / CALIBRATION))
    share = pruned.macs[1] / pruned.macs[0]
    say(f"pruned {source} by {importance}: {share:.1%} of the multiply-accumulates are left")
    metadata = {checkpoint.RECIPE_KEY: recipes.dumps(pruned.recipe), KEY: json.dumps(how)}
    checkpoint.save(path, pruned.network.state_dict(), metadata)


def _read(path: Path) -> tuple[StackedHourglass, Recipe]:
    tensors, metadata = checkpoint.load(path)
    recipe = recipes.loads(metadata.get(checkpoint.RECIPE_KEY, ""), f"recipe in {path}")
    network = build(recipe)
    checkpoint.fill(network, tensors, str(path))
    return network.eval(), recipe


def table(rows, faces: Faces) -> list[str]:
    """Lines for (name, (network, recipe, ...)): parameters, multiply-accumulates, NME on the source's faces."""
    lines = [f"{'':16} parameters       MACs  NME on {len(faces)} validation faces"]
    for name, (network, recipe, _) in rows:
        cost = macs(network, recipe.input_size) / 1e6
        nme = errors(network, recipe, faces).mean()
        lines.append(f"{name:16} {parameters(network):10,} {cost:8.1f} M  {nme:.2%}")
    return lines
