"""Network, averaged weights, optimiser and step of one run: one step, a checkpoint, and going on from it.

B batch, N landmarks, C channels, H, W heatmap rows and columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgewing import layouts
from edgewing.errors import InputError
from train import checkpoint, recipes
from train.blocks import StackedHourglass
from train.decode import Decode
from train.heatmaps import FAR, GroundTruth
from train.loss import heatmap_loss
from train.model import build
from train.recipes import Recipe
from train.teacher import Teacher
from train.workers import Workers

CHECKPOINT = "checkpoint.safetensors"
LEARNT_UNIT = 2.0  # cache px; what a parameter of 1 is worth, so that the network's learning rate serves offsets too
RECORD = "edgewing.record"
ASSUMED = "edgewing.assumed"  # the checkpoint's key for what a resume takes for granted beside the recipe


class Trainer:
    """What a checkpoint holds, and the step that changes it."""

    def __init__(
        self,
        recipe: Recipe,
        steps: int,
        workers: Workers,
        initial: StackedHourglass | None = None,
        teacher: Teacher | None = None,
        offsets: np.ndarray | None = None,
        wrap: Callable[[nn.Module], nn.Module] | None = None,
    ):
        """offsets: (sources, N, 2) cache px of plan.Plan. wrap: see loop.fit."""
        self.recipe, self.steps, self.workers = recipe, steps, workers
        self.device = device = workers.device
        self.teacher = teacher.to(device) if teacher else None
        torch.manual_seed(recipe.seed)
        memory = torch.channels_last if recipe.channels_last else torch.contiguous_format
        # Weights that were loaded come in evaluation mode, in which batch norms would learn nothing.
        self.network = (initial or build(recipe)).train().to(device, memory_format=memory)
        self.average = build(recipe).to(device, memory_format=memory).eval().requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.optimiser = _optimiser(recipe, self.network)
        self.points = layouts.get(recipe.layout).points
        planned = np.zeros((1, self.points, 2), np.float32) if offsets is None else offsets
        self.planned_offsets = torch.from_numpy(planned).to(device)
        self.learnt = torch.zeros_like(self.planned_offsets).requires_grad_() if recipe.learn_offsets else None
        if self.learnt is not None:
            self.optimiser.add_param_group({"params": [self.learnt], "weight_decay": 0.0})
        # It also skips steps whose gradients are not finite, on a GPU without waiting for it.
        self.scaled = recipe.precision == "fp16" and device.type == "cuda"
        self.scaler = torch.amp.GradScaler(device.type, **({} if self.scaled else {"init_scale": 1.0}))
        self.truth = GroundTruth(recipe)
        self.decode = Decode(recipe.how, recipe.cells, recipe.cells, 1.0).to(device)
        self.step = 0
        self.record: dict = {}  # what train.log counts over all starts of the run
        wrap = wrap or (torch.compile if recipe.compile else lambda network: network)
        self.forward = workers.parallel(wrap(self.network), self.network)

    def done(self) -> float:
        """Share of the run that is over: of its steps, or of its minutes."""
        if self.recipe.minutes:
            return self.record.get("seconds", 0.0) / (60 * self.recipe.minutes)
        return self.step / max(1, self.steps)

    def offsets(self) -> Tensor:
        """(sources, N, 2) cache px, what is added to landmarks; a gradient flows to what is learnt of it."""
        if self.learnt is None:
            return self.planned_offsets
        first = torch.zeros_like(self.learnt[:1])
        return self.planned_offsets + LEARNT_UNIT * torch.cat([first, self.learnt[1:]])

    def learnt_offsets(self, side: float) -> list[list[float]]:
        """A row a source, x and y of each point as shares of the crop's side, in the frame of --offsets."""
        found = -self.offsets().detach().cpu().numpy() / side
        found[..., 0] += self.recipe.lateral
        return found.reshape(len(found), -1).round(6).tolist()

    def rate(self) -> float:
        """The learning rate of the coming step."""
        r, done = self.recipe, self.done()
        warm = min(1.0, (self.step + 1) / r.warmup) if r.warmup else 1.0
        if r.schedule == "step":
            return r.learning_rate * warm * 0.1 ** sum(done >= share for share in r.milestones)
        return r.learning_rate * warm * (0.5 * (1 + math.cos(math.pi * min(1.0, done))) * 0.99 + 0.01)

    def loss(
        self, crops: Tensor, landmarks: Tensor, visibility: Tensor | None = None, clean: Tensor | None = None
    ) -> Tensor:
        """What a Batch of train.augment has -> scalar, float32. Without ``clean`` a teacher sees what the student does.

        A teacher's word counts for every channel: it was trained to know which points are there, or it guesses better
        than nobody.
        """
        r = self.recipe
        target, mask = self.truth(landmarks.detach(), visibility)
        half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(r.precision)
        with torch.autocast(self.device.type, half or torch.bfloat16, enabled=half is not None):
            outputs = self.forward(crops)
        outputs = [o.float() for o in outputs]
        total = heatmap_loss(outputs, target, mask, r.loss, r.weight, self.truth.counted(landmarks), r.loss_constants)
        if self.teacher is not None:
            with torch.autocast(self.device.type, half or torch.bfloat16, enabled=half is not None):
                shown = self.teacher(crops if clean is None else clean, r.cells, len(outputs))
            taught = sum(
                heatmap_loss([o], h, mask, r.loss, r.weight, None, r.loss_constants) for o, h in zip(outputs, shown)
            )
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
    ) -> Tensor:
        """One step; the loss, on the device: to read it is to wait for the step.

        NaN where the gradients were not finite on any worker: the network then stays as it was.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        statistics = [b for name, b in self.network.named_buffers() if "running" in name or "batches" in name]
        before = _flat(statistics)
        loss = self.loss(crops, landmarks, visibility, clean)
        self.step += 1
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimiser)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip or math.inf)
        fine = norm.isfinite()
        self.scaler.step(self.optimiser)
        self.scaler.update(None if self.scaled else 1.0)
        if statistics:  # a step that is thrown away leaves no trace in them
            kept = torch.where(fine, _flat(statistics), before).split([b.numel() for b in statistics])
            torch._foreach_copy_(statistics, [part.view_as(b) for part, b in zip(kept, statistics)])
        self._average()
        return torch.where(fine, loss.detach(), math.nan)

    @torch.no_grad()
    def _average(self) -> None:
        # Young averages follow closely: the decay grows with the step, as in TensorFlow's EMA.
        decay = min(self.recipe.ema, (1 + self.step) / (10 + self.step)) if self.recipe.ema else 0.0
        pairs = list(zip(self.average.state_dict().values(), self.network.state_dict().values()))
        means, news = zip(*(pair for pair in pairs if pair[0].is_floating_point()))
        torch._foreach_lerp_(means, news, 1 - decay)
        for mean, new in pairs:
            if not mean.is_floating_point():
                mean.copy_(new)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a run needs to go on, by name."""
        found = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        found |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        if self.learnt is not None:
            found["offsets.learnt"] = self.learnt.detach()
        for i, state in self.optimiser.state_dict()["state"].items():
            found |= {f"optimiser.{i}.{k}": torch.as_tensor(v) for k, v in state.items() if v is not None}
        return found

    def save(self, path: Path, assumed: dict[str, str]) -> None:
        """assumed: what a resume takes for granted beside the recipe, by the words that a message names it with."""
        metadata = {"step": str(self.step), checkpoint.RECIPE_KEY: recipes.dumps(self.recipe)}
        metadata |= {ASSUMED: json.dumps(assumed), RECORD: json.dumps(self.record)}
        if self.scaled:
            metadata["scaler"] = json.dumps(self.scaler.state_dict())
        checkpoint.save_tensors(path, self.tensors(), metadata)

    def resume(self, path: Path, assumed: dict[str, str]) -> None:
        """Go on from a checkpoint. InputError where its recipe or anything that was assumed is another one now."""
        tensors, metadata = checkpoint.load_tensors(path)
        theirs = recipes.loads(metadata.get(checkpoint.RECIPE_KEY, ""), f"recipe in {path}")
        if changed := recipes.changes(theirs, self.recipe):
            raise InputError(f"{path}: {changed} now; bring it back, or choose another --run")
        before = json.loads(metadata.get(ASSUMED, "{}"))
        changed = [what for what, value in assumed.items() if before.get(what) != value]
        if changed:
            raise InputError(
                f"{path}: {' and '.join(changed)} changed since this run began, and it would go on with others; "
                "bring them back, or choose another --run"
            )
        for prefix, network in (("network.", self.network), ("average.", self.average)):
            part = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
            checkpoint.fill(network, part, str(path))
        if self.learnt is not None:
            with torch.no_grad():
                self.learnt.copy_(tensors["offsets.learnt"])
        state: dict[int, dict] = {}
        for key, value in tensors.items():
            if key.startswith("optimiser."):
                _, index, name = key.split(".", 2)
                state.setdefault(int(index), {})[name] = value
        self.optimiser.load_state_dict({"state": state, "param_groups": self.optimiser.state_dict()["param_groups"]})
        if "scaler" in metadata and self.scaled:
            self.scaler.load_state_dict(json.loads(metadata["scaler"]))
        self.step, self.record = int(metadata["step"]), json.loads(metadata.get(RECORD, "{}"))


def _optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimiser == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    # Decay belongs to convolutions; on norms and biases it only fights the loss.
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    fused = next(network.parameters()).device.type == "cuda"
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, fused=fused)


def _flat(buffers: list[Tensor]) -> Tensor:
    """All their numbers in a row, float32: counters of batches stay far below what that holds exactly."""
    return torch.cat([b.reshape(-1).float() for b in buffers]) if buffers else torch.empty(0)
