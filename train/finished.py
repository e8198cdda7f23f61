"""What a command says when a training is over: what it wrote, and what to type next."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Container
from pathlib import Path

import numpy as np

from edgewing import hints, metrics
from train import recipes
from train.data.cache import Cache
from train.evaluate import CALIBRATION, VALIDATION, Faces, score
from train.log import METRICS
from train.preview import draw_run
from train.recipes import Recipe
from train.weights import MODEL

LEARNT = 0.5  # of the error of a guess: a network that errs more has not learnt, and is hard to round to 8 bits


def say_finished(
    run: Path, cache: Cache, recipe: Recipe, command: str, say: Callable[[str], None], goes_on: bool = True
) -> None:
    """recipe: of the whole training. command: what was typed, '' where nobody typed. goes_on: whether the command takes
    the run's weights to begin with."""
    for path in (*draw_run(run, cache), run / MODEL):
        say(f"wrote {path}")
    if not (problem := unlearnt(run)):
        say(hints.next_line("python -m compress quantize", run))
        return
    say(f"{problem}: look at {run / 'preview.png'}, and train longer before you make it smaller")
    if command:
        start = {"--initial": run} if goes_on else {}
        options = start | {"--run": f"{run}-longer"} | dict([longer(recipe)])
        say(hints.next_line(without(command, options), *itertools.chain(*options.items())))


def unlearnt(run: Path) -> str:
    """That the network has not learnt, with the figures; '' where it has.

    It is held against a guess that looks at no picture: each point where it is in the faces for calibration on average.
    What is a small error depends on the layout and on what errors are divided by, and so does the guess."""
    lines = [json.loads(line) for line in (run / METRICS).read_text().splitlines()]
    nme = next((line["nme"] for line in reversed(lines) if "nme" in line), None)
    faces, known = Faces.load(run / VALIDATION), Faces.load(run / CALIBRATION)
    mean = np.ma.masked_invalid(known.landmarks).mean(axis=0).filled(0)
    guess = metrics.summarise(score(recipes.load(run), faces, np.broadcast_to(mean, faces.landmarks.shape)).errors).nme
    if nme is not None and nme <= LEARNT * guess:
        return ""
    found = "no error was measured" if nme is None else f"its error is {nme:.2%}"
    return f"not learnt: {found}, and that of a guess without the picture {guess:.2%}"


def without(command: str, options: Container[str]) -> str:
    """The command less these options, each of one value."""
    words = iter(shlex.split(command))
    kept = []
    for word in words:
        option, equals, _ = word.partition("=")
        if option not in options:
            kept.append(word)
        elif not equals:
            next(words, None)
    return shlex.join(kept)


def longer(recipe: Recipe) -> tuple[str, str]:
    """The option that makes a training twice as long."""
    name = next(name for name in ("minutes", "steps", "epochs") if getattr(recipe, name))
    return f"--{name}", f"{2 * getattr(recipe, name):.10g}"
