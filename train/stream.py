"""Which faces make up which batch: a function of seed and step alone, so that a run can go on from any step."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from train.data.cache import Cache
from train.data.drawn.fresh import Fresh

CPU = torch.device("cpu")
RESIDENT = 0.25  # share of a GPU's free memory that a cache may take: several trainings share one


class Stream:
    """Faces in epochs; in each, every face comes as often as its weight says (a weight of 1.5: once or twice).

    indices: faces of the cache to draw from. weights: (len(indices),).
    """

    def __init__(self, indices: np.ndarray, weights: np.ndarray, batch: int, seed: int):
        self.indices, self.weights, self.batch, self.seed = indices, weights, batch, seed
        self.per_epoch = float(weights.sum())
        self._lock = threading.Lock()
        self._epochs: dict[int, np.ndarray] = {}
        # Epochs differ in length where weights are broken numbers: where each one starts, found as we go.
        self._starts = [0]

    def steps(self, epochs: float) -> int:
        """Batches in so many epochs, at least one."""
        return max(1, round(epochs * self.per_epoch / self.batch))

    def faces(self, step: int) -> np.ndarray:
        """(batch,) indices into the cache: entries step * batch ... of all epochs in a row."""
        with self._lock:
            start, end = step * self.batch, (step + 1) * self.batch
            while self._starts[-1] < end:
                epoch = len(self._starts) - 1
                self._starts.append(self._starts[-1] + len(self._epoch(epoch)))
            first = int(np.searchsorted(self._starts, start, side="right")) - 1
            parts, place = [], start
            while place < end:
                order = self._epoch(first)
                offset = place - self._starts[first]
                parts.append(order[offset : offset + end - place])
                place += len(parts[-1])
                first += 1
            for old in [e for e in self._epochs if e < first - 2]:
                del self._epochs[old]
            return np.concatenate(parts)

    def _epoch(self, epoch: int) -> np.ndarray:
        if epoch not in self._epochs:
            random = np.random.default_rng([self.seed, epoch])
            times = np.floor(self.weights + random.random(len(self.weights))).astype(int)
            self._epochs[epoch] = random.permutation(np.repeat(self.indices, times))
        return self._epochs[epoch]


def batches(
    cache: Cache,
    stream: Stream,
    first: int,
    last: int,
    rank: int = 0,
    world: int = 1,
    device: torch.device = CPU,
) -> Iterator[tuple]:
    """(step, faces, images, landmarks, visibility) of this worker's share, tensors on the device, read one batch ahead
    in a thread; from the GPU's own memory where the whole cache has room there."""
    images = _resident(cache, device)

    def read(step: int):
        faces = stream.faces(step)[rank::world]
        if images is not None:
            pixels, landmarks = images[torch.from_numpy(faces).to(device)], cache.landmarks(faces)
        else:
            pixels, landmarks = cache.read(faces)
            pixels = torch.from_numpy(pixels).to(device)
        return step, faces, pixels, *(torch.from_numpy(a).to(device) for a in (landmarks, cache.visibility(faces)))

    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(read, first)
        for step in range(first, last):
            current = ahead.result()
            if step + 1 < last:
                ahead = pool.submit(read, step + 1)
            yield current


def drawn_batches(
    fresh: Fresh, first: int, last: int, rank: int = 0, world: int = 1, device: torch.device = CPU
) -> Iterator[tuple]:
    """As ``batches``, of faces that are drawn for it, and None for their places in a cache."""
    for step, *made in fresh.batches(first, last, (rank, world)):
        yield step, None, *(torch.from_numpy(part).to(device) for part in made)


def _resident(cache: Cache, device: torch.device) -> Tensor | None:
    """(M, S, S, 3) uint8, all pictures on a GPU; None on a CPU, or where they would take too much."""
    size = cache.meta["size"]
    if device.type != "cuda" or len(cache) * size**2 * 3 > RESIDENT * torch.cuda.mem_get_info(device)[0]:
        return None
    images = torch.empty(len(cache), size, size, 3, dtype=torch.uint8, device=device)
    for start in range(0, len(cache), 256):
        part = np.arange(start, min(start + 256, len(cache)))
        images[start : start + len(part)] = torch.from_numpy(cache.read(part)[0])
    return images
