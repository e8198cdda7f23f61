"""The training loop: from a cache of faces to a run folder. CPU, one GPU, or several under torchrun.

    fit(recipe, cache, Path("runs/first"))

A run can be stopped at any moment and goes on with the same command: batches and augmentation are functions of seed and
step, everything else is in checkpoint.safetensors.

B batch, N landmarks, C channels, H, W heatmap rows and columns.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgewing import layouts
from edgewing.errors import InputError
from train import checkpoint, preview, recipes
from train.augment import Augment
from train.data.cache import Cache
from train.decode import Decode
from train.describe import describe
from train.evaluate import CALIBRATION, VALIDATION, Faces, predict, score
from train.heatmaps import FAR, GroundTruth
from train.log import Log, rewind
from train.loss import heatmap_loss
from train.model import StackedHourglass, build
from train.recipes import Recipe
from train.stream import Stream, batches
from train.teacher import Credits, Teacher
from train.workers import Workers

CHECKPOINT = "checkpoint.safetensors"
CALIBRATION_FACES = 256
VALIDATION_FACES = 256
BROKEN_IN_A_ROW = 20  # steps without a finite loss before a run gives up
SAVE_SECONDS = 300  # between checkpoints; losing more than five minutes is not worth the disk


class Trainer:
    """Network, averaged weights, optimiser and step of one run; what a checkpoint holds."""

    def __init__(
        self,
        recipe: Recipe,
        steps: int,
        device: torch.device,
        initial: StackedHourglass | None = None,
        teacher: Teacher | None = None,
    ):
        self.recipe, self.steps, self.device = recipe, steps, device
        self.teacher = teacher.to(device) if teacher else None
        torch.manual_seed(recipe.seed)
        layout = device.type == "cuda" or recipe.channels_last
        memory = torch.channels_last if layout and recipe.channels_last else torch.contiguous_format
        # Weights that were loaded come in evaluation mode, in which batch norms would learn nothing.
        self.network = (initial or build(recipe)).train().to(device, memory_format=memory)
        self.average = build(recipe).to(device, memory_format=memory).eval().requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = _optimiser(recipe, self.network)
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "fp16" and device.type == "cuda")
        self.truth = GroundTruth(recipe)
        self.decode = Decode(recipe.how, recipe.cells, recipe.cells, 1.0).to(device)
        self.points = layouts.get(recipe.layout).points
        self.step = 0
        self.agree: Callable[..., list[bool]] = lambda *flags: list(flags)
        self.forward: nn.Module | Callable = torch.compile(self.network) if recipe.compile else self.network

    def rate(self) -> float:
        """The learning rate of the coming step."""
        r, done = self.recipe, self.step / max(1, self.steps)
        warm = min(1.0, (self.step + 1) / r.warmup) if r.warmup else 1.0
        if r.schedule == "step":
            return r.rate * warm * 0.1 ** sum(done >= share for share in r.milestones)
        return r.rate * warm * (0.5 * (1 + math.cos(math.pi * min(1.0, done))) * 0.99 + 0.01)

    def loss(
        self, crops: Tensor, landmarks: Tensor, visibility: Tensor | None = None, clean: Tensor | None = None
    ) -> Tensor:
        """What a Batch of train.augment has -> scalar, float32. Without ``clean`` a teacher sees what the student does.

        A teacher's word counts for every channel: it was trained to know which points are there, or it guesses better
        than nobody.
        """
        r = self.recipe
        target, mask = self.truth(landmarks, visibility)
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(r.precision)
        with torch.autocast(self.device.type, half or torch.bfloat16, enabled=half is not None):
            outputs = self.forward(crops)
        outputs = [o.float() for o in outputs]
        total = heatmap_loss(outputs, target, mask, r.loss, r.weight, self.truth.counted(landmarks))
        if self.teacher is not None:
            shown = self.teacher(crops if clean is None else clean, r.cells, len(outputs))
            taught = sum(heatmap_loss([o], h, mask, r.loss, r.weight) for o, h in zip(outputs, shown))
            total = (1 - r.distillation) * total + r.distillation * taught
        if r.coordinate_loss:
            total = total + r.coordinate_loss * sum(self.distance(o[:, : self.points], landmarks) for o in outputs)
        return total

    def distance(self, heatmaps: Tensor, landmarks: Tensor) -> Tensor:
        """Mean distance in cells between decoded and true landmarks, over those that lie inside the map."""
        true = (torch.where(landmarks.isnan(), FAR, landmarks) - (self.recipe.stride - 1) / 2) / self.recipe.stride
        predicted, _ = self.decode(heatmaps)
        inside = ((true >= 0) & (true <= self.recipe.cells - 1)).all(dim=-1)
        error = ((predicted - true) ** 2).sum(dim=-1).add(1e-4).sqrt()
        return (error * inside).sum() / inside.sum().clamp(min=1)

    def update(
        self, crops: Tensor, landmarks: Tensor, visibility: Tensor | None = None, clean: Tensor | None = None
    ) -> float:
        """One step; the loss, or NaN where it was not finite on any worker, and then nothing changes but the step."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        before = _statistics(self.network)
        loss = self.loss(crops, landmarks, visibility, clean)
        value = loss.item()
        self.step += 1
        if not self.agree(math.isfinite(value))[0]:
            _restore(before)
            return math.nan
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        if self.recipe.clip:
            self.scaler.unscale_(self.optimiser)
            nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self._average()
        return value

    @torch.no_grad()
    def _average(self) -> None:
        # Young averages follow closely: the decay grows with the step, as in TensorFlow's EMA.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step)) if self.recipe.ema else 0.0
        for mean, new in zip(self.average.state_dict().values(), self.network.state_dict().values()):
            if mean.is_floating_point():
                mean.lerp_(new, 1 - decay)
            else:
                mean.copy_(new)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a run needs to go on, by name."""
        found = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        found |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for i, state in self.optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None}
        return found

    def save(self, path: Path) -> None:
        metadata = {"step": str(self.step), checkpoint.RECIPE_KEY: recipes.dumps(self.recipe)}
        if self.scaler.is_enabled():
            metadata["scaler"] = json.dumps(self.scaler.state_dict())
        checkpoint.save(path, self.tensors(), metadata)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint; InputError where it is another recipe's."""
        tensors, metadata = checkpoint.load(path)
        if recipes.loads(metadata.get(checkpoint.RECIPE_KEY, ""), f"recipe in {path}") != self.recipe:
            raise InputError(f"{path}: belongs to another recipe; choose another --run, or delete that folder")
        for prefix, network in (("network.", self.network), ("average.", self.average)):
            part = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            checkpoint.fill(network, part, str(path))
        state: dict[int, dict] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, index, name = key.split(".", 2)
                state.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})
        if "scaler" in metadata and self.scaler.is_enabled():
            self.scaler.load_state_dict(json.loads(metadata["scaler"]))
        self.step = int(metadata["step"])


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
    ``distillation`` listens to beside the labels. credits: who made labels, named in the contract with the teacher.
    Sources that the recipe calls unlabelled or corrected are trained on, never validated on. wrap: around it where it
    is trained, not where it is evaluated or saved (compress.fakequant).
    """
    if cache.meta["layout"] != recipe.layout:
        raise InputError(f"the cache has layout {cache.meta['layout']}, the recipe {recipe.layout}")
    if recipe.batch % workers.world:
        raise InputError(f"a batch of {recipe.batch} is not shared evenly by {workers.world} workers; use --batch")
    if cache.meta["crop"] != recipe.crop:
        raise InputError(f"the cache has crops by {cache.meta['crop']}, the recipe by {recipe.crop}; use --crop")
    train, validation = cache.split(recipe.validation, recipe.seed)
    names = [source["name"] for source in cache.meta["sources"]]
    by_teachers = [names.index(n) for n in (*recipe.unlabelled_names, *recipe.corrected) if n in names]
    made = np.isin(cache.sources[validation], by_teachers)
    train, validation = np.sort(np.concatenate([train, validation[made]])), validation[~made]
    if not len(validation):
        raise InputError("teachers labelled all faces: none is left to validate on; add a folder with its own labels")
    for name in (*recipe.weights, *recipe.offsets):
        if name not in names:
            raise InputError(f"weights or offsets name {name!r}, but the data are {', '.join(names)}")
    side = cache.meta["size"] / cache.meta["context"]  # of the crop, cache px
    moves = np.array([side * (recipe.lateral - recipe.offsets.get(n, recipe.lateral)) for n in names], np.float32)
    weights = np.array([recipe.weights.get(name, 1.0) for name in names])[cache.sources[train]]
    stream = Stream(train, weights, recipe.batch, recipe.seed)
    steps = recipe.steps or stream.steps(recipe.epochs)
    trainer = Trainer(recipe, steps, workers.device, initial, teacher)
    if wrap:
        trainer.forward = wrap(trainer.network)
    augment = Augment(recipe, cache.meta["size"], cache.meta["context"])
    head = workers.rank == 0
    if (run / CHECKPOINT).exists():
        trainer.resume(run / CHECKPOINT)
        if head:
            for left in run.glob(".*.part*"):  # by a process that was killed while it wrote
                left.unlink(missing_ok=True)
            rewind(run, trainer.step)
        say(f"{run}: going on from step {trainer.step} of {steps}")
    elif head:
        prepare(run, recipe, cache, augment, train, validation)
        rewind(run, 0)
        preview.draw_preview(run, cache)
    trainer.agree = workers.agree
    trainer.forward = workers.parallel(trainer.forward, trainer.network)
    say(
        f"{len(train)} faces to train on, {len(validation)} to validate on, {recipe.crop} crops, "
        f"{steps} steps of {recipe.batch}"
    )
    workers.wait()  # until the first has written the faces
    faces = Faces.load(run / VALIDATION)
    stopping = _stop_signal()
    log = Log(run, steps, say) if head else None
    saved, broken, skipped = time.monotonic(), 0, 0
    for step, chosen, *read in batches(cache, stream, trainer.step, steps, workers.rank, workers.world):
        generator = torch.Generator().manual_seed((recipe.seed << 32) + step)
        read[1][..., 0] += moves[cache.sources[chosen], None]
        images, landmarks, visibility = (torch.from_numpy(a).to(workers.device, non_blocking=True) for a in read)
        loss = trainer.update(*augment.batch(images, landmarks, visibility, generator, workers.share))
        broken = broken + 1 if math.isnan(loss) else 0
        if broken:
            skipped += 1
            say(f"step {step}: the loss is not finite, step skipped ({skipped} so far); faces: {_first(cache, chosen)}")
        if broken >= BROKEN_IN_A_ROW:
            names = ", ".join(cache.names(chosen))
            raise InputError(
                f"{run}: {broken} steps in a row without a finite loss; lower --rate ({recipe.rate:g}); "
                f"the last batch: {names}"
            )
        (going_on,) = workers.agree(not stopping.is_set())
        last = trainer.step == steps
        if head:
            log.step(trainer.step, loss, trainer.rate(), recipe.batch)
        if trainer.step % recipe.evaluate_every == 0 or last:
            predicted = workers.spread(
                len(faces),
                lambda rows: predict(trainer.average, recipe, faces.crops[rows])[0],
                faces.landmarks.shape[1:],
            )
            if head:
                log.evaluate(trainer.step, faces, score(recipe, faces, predicted))
        if not head:
            if not going_on:
                sys.exit(0)
            continue
        if last or not going_on or time.monotonic() - saved > SAVE_SECONDS:
            trainer.save(run / CHECKPOINT)
            saved = time.monotonic()
        if not going_on and not last:
            log.close()
            say(f"stopped at step {trainer.step} of {steps}; the same command goes on from here")
            sys.exit(0)
    if head:
        log.close()
        credits = (teacher.credits if teacher else Credits()) + (credits or Credits())
        sources = list(dict.fromkeys([*names, *credits.trained_on]))
        contract = describe(trainer.average, recipe, run.resolve().name, sources, list(credits.teachers))
        checkpoint.save_model(run / checkpoint.MODEL, trainer.average, recipe, contract)


def _first(cache: Cache, chosen: np.ndarray, most: int = 8) -> str:
    return ", ".join(cache.names(chosen[:most])) + (" ..." if len(chosen) > most else "")


def prepare(run: Path, recipe: Recipe, cache: Cache, augment: Augment, train: np.ndarray, validation: np.ndarray):
    """The parts of a run folder that are there before the first step."""
    run.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(recipe.seed)
    for name, indices, count in ((CALIBRATION, train, CALIBRATION_FACES), (VALIDATION, validation, VALIDATION_FACES)):
        chosen = np.sort(random.permutation(indices)[:count])
        crops, landmarks = [], []
        for part in np.array_split(chosen, max(1, len(chosen) // 64)):
            tensors = (torch.from_numpy(a) for a in cache.read(part))
            images, points = augment.plain(*tensors)
            crops.append((images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
            landmarks.append(points.numpy())
        names, visibility = np.array(cache.names(chosen)), cache.visibility(chosen)
        Faces(np.concatenate(crops), np.concatenate(landmarks), names, visibility).save(run / name)
    (run / "recipe.json").write_text(recipes.dumps(recipe) + "\n")
    (run / "data.json").write_text(json.dumps(cache.meta, indent=1) + "\n")


class _stop_signal:
    """SIGTERM (Slurm, spot machines) is remembered until the step is finished."""

    def __init__(self):
        self.seen = False
        with contextlib.suppress(ValueError):  # only a main thread can listen
            signal.signal(signal.SIGTERM, self._note)

    def _note(self, *_) -> None:
        self.seen = True

    def is_set(self) -> bool:
        return self.seen


def _optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay)
    # Decay belongs to convolutions; on norms and biases it only fights the loss.
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=recipe.rate)


def _statistics(network: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Buffers and their values: batch statistics must not keep a step that is thrown away."""
    return [(b, b.clone()) for name, b in network.named_buffers() if "running" in name or "batches" in name]


def _restore(saved: list[tuple[Tensor, Tensor]]) -> None:
    for buffer, value in saved:
        buffer.copy_(value)
