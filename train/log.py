"""What a run says while it runs: metrics.jsonl, TensorBoard, a progress bar, and the faces that it is worst at.

F faces, N landmarks.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from edgewing import files, metrics
from train import preview
from train.evaluate import Faces, Scores, append_metrics
from train.progress import ProgressLine

METRICS = "metrics.jsonl"
TELL_SECONDS = 30  # between lines where there is no terminal


class Log:
    """The record of one run: metrics.jsonl, TensorBoard, and a bar (plain lines where stderr is no terminal).

    record: counts that a checkpoint keeps, so that a run that was stopped says the same as one that was not: the last
    losses, seconds, seconds of processor time. It is changed in place. steps: None where time says when to stop. done:
    the share of the run that is over.
    """

    def __init__(
        self, run: Path, steps: int | None, record: dict, say: Callable[[str], None], done: Callable[[], float]
    ):
        self.run, self.path, self.steps, self.say = run, run / METRICS, steps, say
        self.record, self.done = record, done
        record.setdefault("loss", [])
        self.start = time.monotonic() - record.get("seconds", 0.0)
        self.cpu = time.process_time() - record.get("cpu_seconds", 0.0)
        self.began, self.told, self.first, self.seen = time.monotonic(), time.monotonic(), done(), 0
        self.nme = math.nan
        self.warned = torch.cuda.is_available()  # of threads that wait for each other: a GPU has none
        self.board = None
        with contextlib.suppress(ImportError):  # a GPU host may have torch, numpy and safetensors alone
            from torch.utils.tensorboard import SummaryWriter

            self.board = SummaryWriter(str(run / "tensorboard"))
        self.line = ProgressLine("", steps)

    def step(self, step: int, loss: float, rate: float, batch: int) -> None:
        self.record["loss"] = (self.record["loss"] + [loss])[-50:]
        self.record |= {"seconds": time.monotonic() - self.start, "cpu_seconds": time.process_time() - self.cpu}
        self.seen += batch
        finite = [value for value in self.record["loss"] if math.isfinite(value)]
        mean = sum(finite) / len(finite) if finite else math.nan
        known = "" if math.isnan(self.nme) else f"  NME {self.nme:.2%}"
        self.line.tell(f"{'steps' if self.steps else self.place(step)}  loss {mean:.3f}{known}", step)
        speed = self.seen / (time.monotonic() - self.began)
        share = self.done()
        if step % 50 == 0 or share >= 1:
            seconds = {name: self.record[name] for name in ("seconds", "cpu_seconds")}
            append_metrics(self.path, step=step, loss=mean, rate=rate, images_per_s=speed, **seconds)
            if self.board:
                self.board.add_scalar("loss", mean, step)
                self.board.add_scalar("rate", rate, step)
        if not self.line.shown and (time.monotonic() - self.told > TELL_SECONDS or share >= 1):
            self.told = time.monotonic()
            left = max(0.0, 1 - share) * (self.told - self.began) / (share - self.first) / 60
            self.say(f"{self.place(step)}  loss {mean:.3f}  {speed:.0f} crops/s  {left:.1f} min left")
            self._warn()

    def _warn(self) -> None:
        line = "" if self.warned else crowded(os.getloadavg()[0], os.cpu_count() or 1, torch.get_num_threads())
        if line:
            self.warned = True
            self.say(line)

    def place(self, step: int) -> str:
        return f"step {step}" + (f"/{self.steps}" if self.steps else f", {self.done():.0%}")

    def evaluate(self, step: int, faces: Faces, scores: Scores) -> None:
        summary = metrics.summarise(scores.errors)
        self.nme = summary.nme
        worst = np.argsort(-scores.errors, kind="stable")[: preview.WORST]
        append_metrics(
            self.path, step=step, faces=summary.faces, nme=summary.nme, fr10=summary.fr10, auc10=summary.auc10,
            normaliser=scores.normaliser, **({"pck": scores.pck} if scores.pck else {}),
            median=float(np.median(scores.errors)), seconds=time.monotonic() - self.start,
            cpu_seconds=time.process_time() - self.cpu,
            worst=[[str(faces.names[i]), round(float(scores.errors[i]), 5)] for i in worst],
        )  # fmt: skip
        sheet = preview.draw_worst(self.run, faces, scores, worst)
        if self.board:
            self.board.add_scalar("validation/nme", summary.nme, step)
            if scores.pck:
                self.board.add_scalar("validation/pck", scores.pck["share"], step)
            if sheet is not None:
                with contextlib.suppress(ImportError):  # TensorBoard writes pictures with Pillow
                    self.board.add_image("validation/worst", sheet, step, dataformats="HWC")
        if not self.line.shown:
            pck = f"  PCK@{scores.pck['threshold']:g} {scores.pck['share']:.2%}" if scores.pck else ""
            self.say(
                f"{self.place(step)}  validation NME {summary.nme:.2%} ({scores.normaliser})"
                f"  FR10 {summary.fr10:.2%}{pck}"
            )

    def close(self) -> None:
        self.line.close()
        if self.board:
            self.board.close()


def crowded(load: float, cores: int, threads: int) -> str:
    """What to say where other processes hold cores that a training of several threads counts on, else ''.

    Its threads meet after every operation, and all wait for the one that has no core.
    load: runnable processes, over the last minute.
    """
    if threads == 1 or load < cores + 0.5:
        return ""
    return (
        f"warning: other work holds cores of this machine (load {load:.1f}, {cores} cores), and {threads} threads that "
        "wait for each other are slower than one: stop with Ctrl-C, and go on with OMP_NUM_THREADS=1 before the command"
    )


def rewind(run: Path, step: int) -> None:
    """Drop the lines of metrics.jsonl that a killed process wrote after the step its run goes on from, or in half."""
    path = run / METRICS
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            if json.loads(line)["step"] <= step:
                kept.append(line + "\n")
    files.write(path, "".join(kept).encode())
