"""`python -m compress prune`: a run in, a pruned and fine-tuned run out, with the source as its teacher.

Channels go by dependency groups until a share of the multiply-accumulates is left. --latency SHARE looks for the share
of them that leaves that share of the time: int8 TFLite files of networks pruned more and less are timed on this machine
beside the run's own. For another machine give --macs, and time what comes out there. What is left is fine-tuned with
the run as teacher, for a third of its steps at half its rate on its own data.

With --rounds N channels go in N steps of the same proportion, each fine-tuned before the next: all but the last share
half of the steps, in runs of their own within the new one (round-1, round-2, ...). The pruned start of each is kept
(pruned.safetensors): the same command goes on where an interrupted one stopped, from the same network.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from compress.prune import prune
from compress.speed import share_of_macs
from edgewing import layouts
from edgewing.errors import InputError
from edgewing.words import counted
from targets.progress import Progress, silence
from train import checkpoint, recipes, runs
from train.blocks import StackedHourglass
from train.checkpoint import Loaded, load_model, run_folder
from train.evaluate import CALIBRATION, VALIDATION, Faces, evaluate
from train.model import build, macs, parameters
from train.options import LABELLED, add_fields, from_options
from train.recipes import Recipe
from train.weights import refuse_strange

PRUNED = "pruned.safetensors"
MACS = 0.7  # kept where neither --macs nor --latency says otherwise
KEY = "edgewing.pruned"
SHARE = 3  # of the source's steps one in so many is spent on fine-tuning, at half its rate

EXAMPLE = "runs/first --run first-s --macs 0.5 --rounds 3"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    share = parser.add_mutually_exclusive_group()
    share.add_argument("--macs", type=float, metavar="SHARE", help=f"multiply-accumulates to keep (default: {MACS})")
    share.add_argument(
        "--latency", type=float, metavar="SHARE", help="time to keep, of an int8 TFLite file on this machine"
    )
    parser.add_argument("--rounds", type=int, default=1, metavar="N", help="steps to prune in (default: %(default)s)")
    add_fields(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """What every fine-tuning of a run takes: the run, the new one, faces, their cache."""
    parser.add_argument("source", metavar="RUN", help=runs.ABOUT)
    parser.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    parser.add_argument("--data", nargs="+", metavar="DIR", help=f"{LABELLED} (default: the run's)")
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="where decoded pictures are kept (default: %(default)s)"
    )


def main(
    source: str, run: str, cache: Path, macs: float | None, latency: float | None, rounds: int, command: str = "",
    **fields,
) -> None:  # fmt: skip
    wanted = Wanted(macs, latency, rounds)
    fine_tune(runs.find(source), run_folder(run), wanted, cache, changes(fields), command)


def changes(fields: Mapping[str, object]) -> Callable[[Recipe], Recipe]:
    """What the command line changes in the recipe of the fine-tuning."""

    def changed(recipe: Recipe) -> Recipe:
        return from_options(recipe, {**fields, "data": fields["data"] or recipe.data})

    return changed


def opened(source: Path, folder: Path, recipe_of: Callable[[Recipe], Recipe], purpose: str) -> tuple[Loaded, Recipe]:
    """The run to fine-tune, and the recipe that ``recipe_of`` makes of its own, for a network that stays as it is.

    Labels that teachers made are not at hand, and their sources leave the recipe. purpose: what keeps the network.
    InputError: its own folder as the new one, or another network asked for.
    """
    if folder.resolve() == source.resolve():
        raise InputError(f"--run {folder}: is the run itself; choose another name")
    loaded = load_model(source)
    recipe = recipe_of(labelled_alone(loaded.recipe))
    for name in recipes.NETWORK:
        if getattr(recipe, name) != getattr(loaded.recipe, name):
            option = name.replace("_", "-")
            raise InputError(f"--{option}: {purpose} keeps the network of {source}; train another run instead")
    return loaded, recipe


def labelled_alone(recipe: Recipe) -> Recipe:
    """The recipe without what only `distill` can read: faces that teachers labelled, and labels that they corrected."""
    gone = set(recipe.unlabelled_names)
    return dataclasses.replace(
        recipe,
        unlabelled=(),
        corrected=(),
        sampling={name: value for name, value in recipe.sampling.items() if name not in gone},
        # A corrected source has its own labels again, whose offset the recipe does not know.
        offsets={name: value for name, value in recipe.offsets.items() if name not in gone | set(recipe.corrected)},
    )


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How to prune: the shares of the multiply-accumulates and of the time to keep (the first is found by the second
    where both are given), the rounds. InputError where one is out of range."""

    macs: float | None = None
    latency: float | None = None
    rounds: int = 1

    def __post_init__(self):
        for option, share in (("macs", self.macs), ("latency", self.latency)):
            if share is not None and not 0 < share < 1:
                raise InputError(f"--{option} {share:g}: give the share to keep, between 0 and 1")
        if self.rounds < 1:
            raise InputError(f"--rounds {self.rounds}: give 1 or more")

    @property
    def share(self) -> float:
        return MACS if self.macs is None else self.macs


def fine_tune(
    source: Path, folder: Path, wanted: Wanted, root: Path, recipe_of: Callable[[Recipe], Recipe], command: str = ""
) -> None:
    """Prune the run ``source``, fine-tune, write ``folder``.

    root: of the caches. recipe_of: what the command line changes in the recipe of the fine-tuning. command: what was
    typed.
    """
    from train.finished import say_finished
    from train.loop import Workers, fit
    from train.sources import open_cache
    from train.teacher import Teacher

    loaded, recipe = opened(source, folder, lambda own: recipe_of(shortened(own)), "pruning")
    faces = Faces.load(source / VALIDATION)
    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        if workers.rank == 0 and wanted.latency:
            wanted = by_time(source, folder, loaded, wanted, say)
        if (recipe.data, recipe.seed, recipe.validation) != tuple(
            getattr(loaded.recipe, name) for name in ("data", "seed", "validation")
        ):
            say(f"other data or seed than {source}: this run holds out others than that one")
        cache = None
        for number in range(1, wanted.rounds + 1):
            last = number == wanted.rounds
            target = folder if last else folder / f"round-{number}"
            before = loaded if number == 1 else load_model(folder / f"round-{number - 1}")
            ours = recipe if wanted.rounds == 1 else part(recipe, wanted.rounds, last)
            if workers.rank == 0:
                start(source, target, loaded, before, wanted, number, say)
            workers.wait()
            pruned, widths = _read(target / PRUNED)
            ours = recipes.replace(ours, channels=widths.channels)
            cache = cache or open_cache(ours, root, workers, say)
            if last or not (target / checkpoint.MODEL).exists():
                say(f"fine-tuning {in_words(ours)}, teacher {source}; on {workers.device}")
                fit(ours, cache, target, workers, pruned, Teacher(source, ours), say)
        if workers.rank == 0:
            cut = Loaded(*_read(folder / PRUNED), None)
            for line in table(((source.name, loaded), ("pruned", cut), (folder.name, load_model(folder))), faces):
                say(line)
            say_finished(folder, cache, recipe, command, say, goes_on=False)


def in_words(recipe: Recipe) -> str:
    """How long a fine-tuning is, and how fast it learns."""
    how = counted(recipe.steps, "steps") if recipe.steps else counted(recipe.epochs, "epochs")
    return f"for {how} at learning rate {recipe.learning_rate:g}"


def by_time(source: Path, folder: Path, loaded: Loaded, wanted: Wanted, say: Callable[[str], None]) -> Wanted:
    """With the share of the multiply-accumulates that leaves the share of the time: what an unfinished run was pruned
    to, else found now."""
    begun = (folder if wanted.rounds == 1 else folder / "round-1") / PRUNED
    if begun.exists():
        how = json.loads(checkpoint.load_tensors(begun)[1].get(KEY, "{}"))
        return dataclasses.replace(wanted, macs=how.get("macs"))
    faces = Faces.load(source / CALIBRATION)
    with Progress("latency") as progress, silence(False):
        share, ratio = share_of_macs(loaded, wanted.latency, faces, progress)
    say(f"{share:.1%} of the multiply-accumulates take {ratio:.1%} of the time of {source}, both int8 TFLite, 1 thread")
    return dataclasses.replace(wanted, macs=share)


def part(recipe: Recipe, rounds: int, last: bool) -> Recipe:
    """The recipe of one round of several: the last has half of the steps, the others share the other half."""
    share = 0.5 if last else 0.5 / (rounds - 1)
    return dataclasses.replace(
        recipe,
        steps=max(1, round(recipe.steps * share)) if recipe.steps else 0,
        epochs=recipe.epochs * share,
        warmup=round(recipe.warmup * share),
    )


def shortened(recipe: Recipe) -> Recipe:
    """The source's recipe for fine-tuning: a third of its steps and of its warm-up, half its rate."""
    return dataclasses.replace(
        recipe,
        steps=max(1, recipe.steps // SHARE) if recipe.steps else 0,
        epochs=recipe.epochs / SHARE,
        warmup=recipe.warmup // SHARE,
        learning_rate=recipe.learning_rate / 2,
    )


def start(
    source: Path, folder: Path, loaded: Loaded, before: Loaded, wanted: Wanted, number: int, say: Callable[[str], None]
) -> None:
    """Write the pruned network that a round's fine-tuning starts from, unless an interrupted run has left it.

    before: the network that this round prunes; loaded: the source, whose cost the shares are of.
    """
    how = {"source": checkpoint.digest(loaded.network), "macs": wanted.share}
    if wanted.latency:
        how["latency"] = wanted.latency
    if wanted.rounds > 1:
        how |= {"round": number, "rounds": wanted.rounds}
    path = folder / PRUNED
    if path.exists():
        _, metadata = checkpoint.load_tensors(path)
        if metadata.get(KEY) != json.dumps(how):
            raise InputError(
                f"{path}: was pruned from other weights or in another way; choose another --run, or delete it"
            )
        say(f"{path}: pruned already")
        return
    refuse_strange(folder)
    if (folder / "recipe.json").exists():
        raise InputError(f"{folder}: is a run that was not pruned; choose another --run")
    whole = macs(loaded.network, loaded.recipe.input_size)
    target = whole * wanted.share ** (number / wanted.rounds)
    pruned = prune(before.network, before.recipe, target, Faces.load(source / CALIBRATION))
    of = f"{source}, round {number} of {wanted.rounds}," if wanted.rounds > 1 else str(source)
    say(f"pruned {of}: {pruned.macs[1] / whole:.1%} of the multiply-accumulates are left")
    metadata = {checkpoint.RECIPE_KEY: recipes.dumps(pruned.recipe), KEY: json.dumps(how)}
    checkpoint.save_tensors(path, pruned.network.state_dict(), metadata)


def _read(path: Path) -> tuple[StackedHourglass, Recipe]:
    tensors, metadata = checkpoint.load_tensors(path)
    recipe = recipes.loads(metadata.get(checkpoint.RECIPE_KEY, ""), f"recipe in {path}")
    network = build(recipe)
    checkpoint.fill(network, tensors, str(path))
    return network.eval(), recipe


def table(rows, faces: Faces) -> list[str]:
    """Lines for (name, (network, recipe, ...)): parameters, multiply-accumulates, NME on the source's faces."""
    lines = []
    for name, (network, recipe, _) in rows:
        cost, scores = macs(network, recipe.input_size) / 1e6, evaluate(network, recipe, faces)
        what = layouts.get(recipe.layout).several
        how = f"{len(faces)} validation {what}, {recipe.crop} crops, divided by {scores.normaliser}"
        lines.append(f"{name:16} {parameters(network):10,} {cost:8.1f} M  {scores.errors.mean():.2%}")
    return [f"{'':16} parameters       MACs  NME on {how}", *lines]
