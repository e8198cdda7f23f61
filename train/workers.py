"""The processes of one training: alone, or those that torchrun started, on one machine or several.

    with Workers.join() as workers:
        ...

B batch, C channels, H, W rows and columns.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

# The first worker cuts out faces while the others wait, and one may label longer than another: a million faces take
# hours. A worker that dies is noticed by torchrun, which ends the others; nobody waits for this.
PATIENCE = datetime.timedelta(days=1)


@dataclass
class Workers:
    """This process among those that torchrun started; alone without it."""

    rank: int = 0
    world: int = 1
    device: torch.device = torch.device("cpu")

    @classmethod
    @contextlib.contextmanager
    def join(cls):
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if "RANK" not in os.environ:
            yield cls(device=device)
            return
        if device.type == "cuda":
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            torch.cuda.set_device(device)
        store, rank, world = next(torch.distributed.rendezvous("env://"))
        # torchrun keeps one store over restarts: without a prefix the new workers find the addresses of the dead.
        store = torch.distributed.PrefixStore(f"start-{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
        torch.distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo", store=store, rank=rank, world_size=world, timeout=PATIENCE
        )
        try:
            yield cls(rank, world, device)
        finally:
            torch.distributed.destroy_process_group()

    @property
    def share(self) -> tuple[int, int]:
        """Which part of a list is this worker's: items ``rank``, ``rank`` + ``world`` ..."""
        return self.rank, self.world

    def agree(self, *flags: bool) -> list[bool]:
        """Each flag: whether all workers say so. One of them alone may neither skip a step nor stop: the others would
        wait for it without an end."""
        if self.world == 1:
            return list(flags)
        value = torch.tensor(flags, dtype=torch.int32, device=self.device)
        torch.distributed.all_reduce(value, torch.distributed.ReduceOp.MIN)
        return value.bool().tolist()

    def wait(self) -> None:
        """Until all workers are here."""
        if self.world > 1:
            torch.distributed.barrier()

    def spread(self, count: int, work: Callable[[np.ndarray], np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """(count, *shape) float32 on all workers, each having done its share: ``work`` takes indices, gives their rows.

        Rows are added to zeros, so nothing is lost or rounded.
        """
        mine = np.arange(count)[self.rank :: self.world]
        rows = np.zeros((count, *shape), np.float32)
        if len(mine):
            rows[mine] = work(mine)
        if self.world == 1:
            return rows
        whole = torch.from_numpy(rows).to(self.device)
        torch.distributed.all_reduce(whole)
        return whole.cpu().numpy()

    def parallel(self, forward: nn.Module, network: nn.Module) -> nn.Module:
        """``forward`` (``network``, or what is wrapped around it) with gradients averaged over workers, and batch norms
        over the whole batch: the same steps as one process takes with it."""
        if self.world == 1:
            return forward
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(network)  # in place: the network itself is none
            return nn.parallel.DistributedDataParallel(forward, device_ids=[self.device])
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SyncedBatchNorm
        return nn.parallel.DistributedDataParallel(forward)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over all workers; each worker's gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        torch.distributed.all_reduce(total)
        return total


class SyncedBatchNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all workers, on CPUs, which torch's own does not know. Statistics in float32.

    Parameters and buffers are those of BatchNorm2d, and in evaluation it is one.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = x.numel() / x.shape[1]
        sums = torch.cat([wide.sum(dim=(0, 2, 3)), wide.new_tensor([count])])
        sums = _Sum.apply(sums)
        total = sums[-1].detach()
        mean = sums[:-1] / total
        # Second pass around the mean: the difference of two large sums would lose what is small.
        centred = wide - mean[:, None, None]
        variance = _Sum.apply((centred**2).sum(dim=(0, 2, 3))) / total
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
