"""Drawn faces that never come twice: processes draw the coming batches while a network learns from the present one.

Which face is drawn is a function of seed and step alone, so a run can be stopped and go on, and any number of processes
draws the same.
"""

from __future__ import annotations

import collections
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

import cv2
import numpy as np

from edgewing import layouts
from edgewing.errors import InputError
from train.data import drawn
from train.data.cache import CONTEXT, cut
from train.data.samples import visibility_of

FIRST = 1 << 80  # numbers of faces that no cache has: those of ``drawn.faces`` are far below
PER_SEED = 1 << 48
CHUNK = 8  # faces that a process draws at a time
AHEAD = 2  # batches that are drawn before they are asked for


@dataclass(frozen=True)
class Fresh:
    """kind: of ``drawn.KINDS``. size: side of the squares, px, as a cache has them."""

    kind: str
    layout: str
    size: int
    batch: int
    seed: int
    crop: str = "gtbox"

    def numbers(self, step: int) -> range:
        """Of the faces of a step: no other step, and no other seed, has any of them."""
        first = FIRST + self.seed * PER_SEED + step * self.batch
        return range(first, first + self.batch)

    def batches(self, first: int, last: int, share: tuple[int, int] = (0, 1), processes: int = 0) -> Iterator[tuple]:
        """(step, images, landmarks, visibility) of every ``world``-th face of the steps from ``first`` to before
        ``last``: (B, S, S, 3) uint8, (B, N, 2) float32 cache px, (B, N) uint8.

        share: (rank, world). processes: 0 for as many as this machine has cores for each worker.
        """
        rank, world = share
        processes = processes or max(1, (os.cpu_count() or 1) // world)
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(processes, context, _begin) as pool:
            steps, drawing = iter(range(first, last)), collections.deque()

            def order(count: int) -> None:
                for step in itertools.islice(steps, count):
                    mine = self.numbers(step)[rank::world]
                    parts = [mine[k : k + CHUNK] for k in range(0, len(mine), CHUNK)]
                    drawing.append((step, [pool.submit(_draw, self, part) for part in parts]))

            try:
                order(AHEAD + processes * CHUNK // self.batch)
                while drawing:
                    step, parts = drawing.popleft()
                    made = _gathered(parts)
                    order(1)
                    yield step, *made
            finally:
                pool.shutdown(wait=False, cancel_futures=True)


def _gathered(parts: list[Future]) -> tuple[np.ndarray, ...]:
    try:
        drawn_parts = [part.result() for part in parts]
    except BrokenProcessPool:
        raise InputError(
            "a process that draws faces was ended from outside (too little memory?); the same command goes on from "
            "the last checkpoint"
        ) from None
    return tuple(np.concatenate(rows) for rows in zip(*drawn_parts))


def _begin() -> None:
    """Of a process that draws: signals are the trainer's to answer, and it ends when the trainer does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    trainer = multiprocessing.parent_process()
    threading.Thread(target=lambda: (trainer.join(), os._exit(1)), daemon=True).start()


def _draw(fresh: Fresh, numbers: range) -> tuple[np.ndarray, ...]:
    layout, rows = layouts.get(fresh.layout), []
    for number in numbers:
        face = drawn.paint(number, fresh.kind, fresh.layout)
        image, landmarks = cut(face, layout, fresh.size, CONTEXT, fresh.crop)
        rows.append((image, landmarks, visibility_of(face)))
    return tuple(np.stack(column) for column in zip(*rows))
