"""The training loop: from a cache of faces to a run folder. CPU, one GPU, or several under torchrun.

    fit(recipe, cache, Path("runs/first"), Workers())

A run can be stopped at any moment and goes on with the same command: batches and augmentation are functions of seed and
step, everything else is in checkpoint.safetensors.

B batch, N landmarks, C channels, H, W heatmap rows and columns.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgewing import commands, files, layouts
from edgewing.errors import InputError, Stopped
from edgewing.words import counted
from train import checkpoint, preview, recipes
from train.augment import Augment
from train.blocks import StackedHourglass
from train.credits import Credits
from train.data.cache import Cache
from train.evaluate import CALIBRATION, VALIDATION, Faces, predict, score
from train.float_contract import float_contract
from train.log import Log, rewind
from train.plan import Plan, plan
from train.recipes import Recipe
from train.sources import fresh_of
from train.stream import batches, drawn_batches
from train.teacher import Teacher
from train.trainer import CHECKPOINT, Trainer
from train.weights import LOCK, refuse_strange
from train.workers import Workers

CALIBRATION_FACES = 256
VALIDATION_FACES = 256
OFFSETS = "offsets.json"  # source -> x and y of each point, as --offsets takes them
READ = 10  # steps of a GPU from one look at its losses to the next
BROKEN_IN_A_ROW = 20  # steps without a finite loss before a run gives up
SAVE_SECONDS = 300  # between checkpoints; losing more than five minutes is not worth the disk


def _tells_of_the_disk(fit):
    """A full disk or a folder that may not be written is one line: what was written whole stays whole."""

    @functools.wraps(fit)
    def wrapped(recipe: Recipe, cache: Cache, run: Path, *arguments, **named):
        try:
            return fit(recipe, cache, run, *arguments, **named)
        except OSError as error:
            raise InputError(
                f"{error.filename or run}: cannot be written ({error.strerror or error}); the last checkpoint is "
                "intact: make room, or name another --run, and type the same command"
            ) from None

    return wrapped


@_tells_of_the_disk
def fit(
    recipe: Recipe,
    cache: Cache,
    run: Path,
    workers: Workers,
    initial: StackedHourglass | None = None,
    teacher: Teacher | None = None,
    say: Callable[[str], None] = print,
    credits: Credits | None = None,
    wrap: Callable[[StackedHourglass], nn.Module] | None = None,
) -> None:
    """Train and leave a run folder: recipe.json, model.safetensors, metrics.jsonl, faces/, tensorboard/, pictures.

    initial: weights to start from (fine-tuning); a new network without it. teacher: what the recipe's
    ``distillation`` listens to beside the labels. credits: of weights and labels that others gave, for the contract.
    wrap: around the network where it is trained, not where it is evaluated or saved (compress.fakequant).
    Raises InputError, and Stopped where a signal ended it early: what was learnt until then is kept.
    """
    planned = plan(recipe, cache, workers.world)
    credits = (teacher.credits if teacher else Credits()) + (credits or Credits())
    assumed = assumed_by(cache, initial, credits)
    trainer = Trainer(recipe, planned.steps, workers, initial, teacher, planned.offsets, wrap)
    augment = Augment(recipe, cache.meta["size"], cache.meta["context"])
    sources = Credits(trained_on=tuple(source["name"] for source in cache.meta["sources"]))
    contract = functools.partial(float_contract, recipe=recipe, name=run.resolve().name, credits=sources + credits)
    contract(trainer.average)  # what cannot be described is found now, and not after hours
    head = workers.rank == 0
    with _alone(run) if head else contextlib.nullcontext(), _signals() as signals:
        going_on = (run / CHECKPOINT).exists()
        if going_on:
            trainer.resume(run / CHECKPOINT, assumed)
            say(f"{run}: going on from step {trainer.step}, {trainer.done():.0%} done")
        elif head:
            prepare(run, recipe, cache, augment, planned)
        if head:
            rewind(run, trainer.step)
        if head and not going_on:
            preview.draw_preview(run, cache)
        for line in (*planned.warnings, _in_words(recipe, planned)):
            say(line)
        workers.wait()  # until the first has written the faces
        _steps(trainer, planned, cache, augment, run, workers, assumed, signals, say)
    if head:
        if recipe.learn_offsets:
            found = trainer.learnt_offsets(cache.meta["size"] / cache.meta["context"])
            named = {source["name"]: row for source, row in zip(cache.meta["sources"], found)}
            files.write(run / OFFSETS, (json.dumps(named) + "\n").encode())
        last = trainer.average
        checkpoint.save_model(run / checkpoint.MODEL, last, recipe, contract(last), cache.meta["fingerprint"])
    workers.wait()  # until the first has written the model: what follows may read it


def _steps(
    trainer: Trainer,
    planned: Plan,
    cache: Cache,
    augment: Augment,
    run: Path,
    workers: Workers,
    assumed: dict[str, str],
    signals: list[int],
    say: Callable[[str], None],
) -> None:
    """From the trainer's step to the plan's last one. Raises Stopped when there is a signal, after a checkpoint."""
    recipe, steps, head = trainer.recipe, planned.steps, workers.rank == 0
    faces = Faces.load(run / VALIDATION)
    log = Log(run, None if recipe.minutes else steps, trainer.record, say, trainer.done) if head else None
    losses = _Losses(run, cache, recipe, log, say)
    sources = torch.from_numpy(cache.sources.astype(np.int64)).to(workers.device)
    # A GPU that is asked for every loss stands still until its next step is prepared. Workers agree as often.
    often = READ if workers.device.type == "cuda" else 1
    steps = trainer.step if trainer.done() >= 1 else steps  # of minutes that are over, none is left
    feed = trainer.step, steps, *workers.share, workers.device
    fresh, last, saved = fresh_of(recipe, cache), True, time.monotonic()
    stream = drawn_batches(fresh, *feed) if fresh else batches(cache, planned.stream, *feed)
    for step, chosen, images, landmarks, visibility in stream:
        generator = torch.Generator().manual_seed((recipe.seed << 32) + step)
        source = 0 if chosen is None else sources[torch.from_numpy(chosen).to(workers.device)]
        landmarks = landmarks + trainer.offsets()[source]
        loss = trainer.update(*augment.batch(images, landmarks, visibility, generator, workers.share))
        losses.pending.append((trainer.step, loss, trainer.rate(), chosen))
        evaluate = trainer.step % recipe.evaluate_every == 0
        if not (evaluate or trainer.step == steps or trainer.step % often == 0):
            continue
        losses.read()
        (going_on,) = workers.agree(not signals)
        last = trainer.done() >= 1
        if evaluate or last:
            predicted = _predicted(trainer, faces, workers)
            if head:
                log.evaluate(trainer.step, faces, score(recipe, faces, predicted))
        if head and (last or not going_on or time.monotonic() - saved > SAVE_SECONDS):
            trainer.save(run / CHECKPOINT, assumed)
            saved = time.monotonic()
        if last or not going_on:
            break
    if head:
        log.close()
    if not last:
        place = f"{trainer.done():.0%} done" if recipe.minutes else f"of {steps}"
        text = f"stopped at step {trainer.step} {place}; the same command goes on from here"
        raise Stopped(text, signals[0] if signals else signal.SIGTERM)


def _predicted(trainer: Trainer, faces: Faces, workers: Workers) -> np.ndarray:
    """(F, N, 2) landmarks by the averaged weights, each worker having done its share."""

    def share(rows: np.ndarray) -> np.ndarray:
        return predict(trainer.average, trainer.recipe, faces.crops[rows])[0]

    return workers.spread(len(faces), share, faces.landmarks.shape[1:])


class _Losses:
    """Losses that wait on the device, with their steps, rates and faces, until they are read together."""

    def __init__(self, run: Path, cache: Cache, recipe: Recipe, log: Log | None, say: Callable[[str], None]):
        self.run, self.cache, self.recipe, self.log, self.say = run, cache, recipe, log, say
        self.pending: list[tuple[int, Tensor, float, np.ndarray | None]] = []
        self.broken = self.skipped = 0  # steps in a row, and of all, without a finite loss

    def read(self) -> None:
        """Tell what is pending. Raises InputError after BROKEN_IN_A_ROW steps that changed nothing."""
        values = torch.stack([loss for _, loss, _, _ in self.pending]).tolist()
        for value, (step, _, rate, chosen) in zip(values, self.pending):
            # NaN is what a step without finite gradients gives on every worker: all count alike, and give up together.
            self.broken = self.broken + 1 if math.isnan(value) else 0
            if self.broken:
                self.skipped += 1
                self.say(
                    f"step {step - 1}: the loss is not finite, step skipped ({self.skipped} so far); "
                    f"faces: {_named(self.cache, chosen)}"
                )
            if self.broken >= BROKEN_IN_A_ROW:
                raise InputError(
                    f"{self.run}: {self.broken} steps in a row without a finite loss; lower --learning-rate "
                    f"({self.recipe.learning_rate:g}); the last batch: {_named(self.cache, chosen, self.recipe.batch)}"
                )
            if self.log:
                self.log.step(step, value, rate, self.recipe.batch)
        self.pending.clear()


def _in_words(recipe: Recipe, planned: Plan) -> str:
    known = counted(len(planned.train), layouts.get(recipe.layout).several)
    long = counted(recipe.minutes, "minutes") if recipe.minutes else counted(planned.steps, "steps")
    return (
        f"{'other drawn faces at every step' if recipe.fresh else known} to train on, {len(planned.validation)} to "
        f"validate on, {recipe.crop} crops, {long} of {recipe.batch}"
    )


def assumed_by(cache: Cache, initial: StackedHourglass | None, credits: Credits) -> dict[str, str]:
    """What a resume takes for granted beside the recipe, by the words that a message names it with."""
    return {
        "the data (pictures, labels or who is who)": cache.meta["fingerprint"],
        "the weights of --initial": checkpoint.digest(initial) if initial else "",
        "who labelled": " ".join((*credits.teachers, *credits.trained_on)),
    }


def _named(cache: Cache, chosen: np.ndarray | None, most: int = 8) -> str:
    if chosen is None:
        return "drawn for this step"
    return ", ".join(cache.names(chosen[:most])) + (" ..." if len(chosen) > most else "")


def prepare(run: Path, recipe: Recipe, cache: Cache, augment: Augment, planned: Plan) -> None:
    """The parts of a run folder that are there before the first step."""
    random = np.random.default_rng(recipe.seed)
    parts = (CALIBRATION, planned.train, CALIBRATION_FACES), (VALIDATION, planned.validation, VALIDATION_FACES)
    for name, indices, count in parts:
        chosen = np.sort(random.permutation(indices)[:count])
        crops, landmarks = [], []
        for part in np.array_split(chosen, max(1, len(chosen) // 64)):
            tensors = (torch.from_numpy(a) for a in cache.read(part))
            images, points = augment.plain(*tensors)
            crops.append((images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
            landmarks.append(points.numpy())
        names, visibility = np.array(cache.names(chosen)), cache.visibility(chosen)
        Faces(np.concatenate(crops), np.concatenate(landmarks), names, visibility).save(run / name)
    files.write(run / "recipe.json", (recipes.dumps(recipe) + "\n").encode())
    files.write(run / "data.json", (json.dumps(cache.meta, indent=1) + "\n").encode())


@contextlib.contextmanager
def _alone(run: Path) -> Iterator[None]:
    """The run folder, made and held for this process: two that train one run write over each other's work."""
    refuse_strange(run)
    run.mkdir(parents=True, exist_ok=True)
    with open(run / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{run}: another process trains it; wait for that one, or name another --run") from None
        yield


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
    """The list that SIGTERM (Slurm, spot machines), SIGHUP (a terminal is closed) or Ctrl-C is noted in until the step
    is finished. A second one ends at once; who listened before listens again afterwards."""
    found: list[int] = []
    before = {}

    def note(number: int, _) -> None:
        found.append(number)
        signal.signal(number, before[number])

    with contextlib.suppress(ValueError):  # only a main thread can listen
        for number in (signal.SIGINT, *filter(commands.heard, commands.ENDED_BY)):
            before[number] = signal.getsignal(number)
            signal.signal(number, note)
    try:
        yield found
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
