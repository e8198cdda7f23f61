"""Augmentation for a whole batch, on the device: from cached squares and points to the network's crops.

    crops, landmarks = Augment(recipe, cache_size, context)(images, cache_landmarks, generator)

One affine map per face takes rotation, scale, shift and flip together, so a picture is resampled once. Frames: cache
pixels in, crop pixels out, (0, 0) at the centre of the top-left pixel. Amounts are the recipe's, in its comments.

B batch, N landmarks, S cache pixels, T crop pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing import layouts
from train.recipes import Recipe


class Batch(NamedTuple):
    """What a step learns from. crops: (B, 3, T, T) in [0, 1]. landmarks: (B, N, 2) crop px, NaN where there is no
    point. visibility: (B, N) uint8, or None where all are seen. clean: the crops with nothing covered, lit, blurred or
    noisy: what a teacher looks at, who should know better than the student."""

    crops: Tensor
    landmarks: Tensor
    visibility: Tensor | None
    clean: Tensor


# Strengths that the paper does not state: ours, chosen by looking at preview.png, not by measurement.
BLUR_SIGMA = (0.5, 2.0)  # crop pixels
BLUR_KERNEL = 9
LOW_RESOLUTION = (1.5, 4.0)  # how many times fewer pixels each way
NOISE = 0.06  # largest standard deviation, of a range of 1
COVER = (0.1, 0.45)  # sides of the covered rectangle, share of the crop's side
PART = 4  # faces at a time on a CPU: what its second cache holds


class Augment:
    """Random crops of a batch; with ``plain`` the middle of each square, as the protocol ``gtbox`` crops a face."""

    def __init__(self, recipe: Recipe, cache_size: int, context: float):
        self.recipe = recipe
        self.size = recipe.input_size
        self.step = cache_size / context / self.size  # cache pixels per crop pixel
        self.lateral = recipe.lateral * self.size
        self.flip_index = torch.as_tensor(layouts.get(recipe.layout).flip_index)

    def __call__(self, images: Tensor, landmarks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """images (B, S, S, 3) uint8, landmarks (B, N, 2) -> crops (B, 3, T, T) in [0, 1], landmarks (B, N, 2).

        ``generator`` is on the CPU: the same numbers on every device.
        """
        return self.batch(images, landmarks, None, generator)[:2]

    def batch(
        self,
        images: Tensor,
        landmarks: Tensor,
        visibility: Tensor | None,
        generator: torch.Generator,
        share: tuple[int, int] = (0, 1),
    ) -> Batch:
        """As a call, with the points' visibility (B, N) and the clean crops.

        share: (rank, world) of a worker whose faces are every ``world``-th of a batch; numbers are drawn for all of it,
        so that a face looks the same whoever trains on it."""
        r, count, device = self.recipe, len(images), images.device
        rank, world = share

        def draw(*shape: int) -> Tensor:
            return torch.rand(count * world, *shape, generator=generator)[rank::world]

        angle = (draw() * 2 - 1) * math.radians(r.rotation)
        zoom = 1 + (draw() * 2 - 1) * r.scale
        shift = (draw(2) * 2 - 1) * r.shift * self.size
        flip = draw() < r.flip
        light, chance, cover, soft = draw(8), draw(6), draw(7), draw()
        coarse = float(torch.rand(count * world, generator=generator)[0])
        noisy = chance[:, 4] < r.noise
        seeds = torch.randint(1 << 62, (count * world,), generator=generator)[rank::world][noisy].tolist()
        grain = self._grain(seeds, device)
        moves = [v.to(device) for v in (angle, zoom, shift, flip)]
        made, moved, clean, visible = [], [], [], []
        step = PART if device.type == "cpu" else count
        for part in (slice(i, i + step) for i in range(0, count, step)):
            crops, points = self._warp(images[part], landmarks[part], *(v[part] for v in moves))
            clean.append(crops.clone())
            region = self._cover(crops, chance[part, 0] < r.occlusion, cover[part].to(device))
            if visibility is not None:
                visible.append(self._hidden(visibility[part], moves[3][part], points, region))
            self._light(crops, light[part].to(device), chance[part, 1] < r.grey)
            self._soften(crops, chance[part], soft[part], coarse)
            rows = noisy[part].nonzero().flatten()
            strength = chance[part, 5][rows] * NOISE
            before = int(noisy[: part.start].sum())
            crops[rows.to(device)] += grain[before : before + len(rows)] * strength[:, None, None, None].to(device)
            made.append(crops.clamp_(0, 1))
            moved.append(points)
        seen = None if visibility is None else torch.cat(visible)
        return Batch(torch.cat(made), torch.cat(moved), seen, torch.cat(clean))

    def _grain(self, seeds: list[int], device: torch.device) -> Tensor:
        """(len(seeds), 3, T, T): grain for the faces that have it, each from a seed of its own: nobody draws the
        others'. A GPU draws its own in one call a batch: it would wait for the CPU's."""
        shape = 3, self.size, self.size
        if device.type == "cpu":
            drawn = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
            return torch.stack(drawn) if drawn else torch.empty(0, *shape)
        of_batch = torch.Generator(device).manual_seed(seeds[0] if seeds else 0)
        return torch.randn(len(seeds), *shape, generator=of_batch, device=device)

    def plain(self, images: Tensor, landmarks: Tensor) -> tuple[Tensor, Tensor]:
        """The same without chance: nothing turned, moved, mirrored or covered."""
        zero = torch.zeros(len(images), device=images.device)
        return self._warp(images, landmarks, zero, zero + 1, zero[:, None].expand(-1, 2), zero.bool())

    def _warp(self, images, landmarks, angle, zoom, shift, flip):
        size, side = self.size, images.shape[1]
        cos, sin = torch.cos(angle) * zoom * self.step, torch.sin(angle) * zoom * self.step
        sign = 1 - 2 * flip.float()
        # u = linear @ (c - middle of crop - shift) + middle of square, crop -> cache; a flip mirrors the crop's x.
        linear = torch.stack([cos * sign, -sin, sin * sign, cos], dim=-1).reshape(-1, 2, 2)
        middle, centre = (size - 1) / 2, (side - 1) / 2
        offset = centre - (linear @ (middle + shift)[..., None])[..., 0]
        # grid_sample's frame: -1 and 1 are the outer edges of the first and last pixel.
        axis = torch.arange(size, device=images.device, dtype=torch.float32)
        y, x = torch.meshgrid(axis, axis, indexing="ij")
        grid = torch.stack([x, y], dim=-1).reshape(1, -1, 2) @ linear.transpose(1, 2) + offset[:, None]
        grid = ((grid + 0.5) * (2 / side) - 1).reshape(-1, size, size, 2)
        # Channels stay last in memory: no transposed copy of the cached squares.
        source = images.permute(0, 3, 1, 2).float()
        crops = F.grid_sample(source, grid, mode="bilinear", padding_mode="zeros", align_corners=False) / 255
        inverse = torch.linalg.inv(linear)
        moved = (landmarks - offset[:, None]) @ inverse.transpose(1, 2)
        swapped = moved[:, self.flip_index.to(moved.device)]
        # Labels that lie to the right of what they mark lie to the left in a mirror, and no network can learn both.
        swapped[..., 0] += 2 * self.lateral
        return crops, torch.where(flip[:, None, None], swapped, moved)

    def _hidden(self, visibility: Tensor, flip: Tensor, points: Tensor, region: Tensor) -> Tensor:
        """(B, N) visibility of the crops' points: mirrored as they are, and 1 where one was seen and is covered now."""
        visibility = torch.where(flip[:, None], visibility[:, self.flip_index.to(flip.device)], visibility)
        x, y = (points.nan_to_num(nan=0).round().long().clamp(0, self.size - 1)[..., i] for i in (0, 1))
        covered = region[torch.arange(len(points), device=flip.device)[:, None], y, x]
        return torch.where(covered & (visibility == 2), 1, visibility)

    def _cover(self, crops: Tensor, chosen: Tensor, random: Tensor) -> Tensor:
        """A rectangle of one colour, or of the picture itself upside down, over the chosen faces; in place. Returns
        what is covered, (B, T, T) bool."""
        covered = torch.zeros(len(crops), self.size, self.size, dtype=torch.bool, device=crops.device)
        rows = chosen.nonzero().flatten().to(crops.device)
        if not len(rows):
            return covered
        low, high = COVER
        random = random[rows]
        axis = (torch.arange(self.size, device=crops.device) + 0.5) / self.size
        inside = []
        for place, length in ((random[:, 0], random[:, 1]), (random[:, 2], random[:, 3])):
            half = (low + (high - low) * length) / 2
            inside.append((axis[None] - place[:, None]).abs() < half[:, None])
        region = (inside[0][:, :, None] & inside[1][:, None, :])[:, None]
        other = crops[rows].flip(-2)
        filling = torch.where((random[:, 0] < 0.5)[:, None, None, None], random[:, 4:7, None, None], other)
        crops[rows] = torch.where(region, filling, crops[rows])
        covered[rows] = region[:, 0]
        return covered

    def _light(self, crops: Tensor, random: Tensor, grey: Tensor) -> None:
        """Brightness, contrast, colour cast, a light that falls from one side, a tone curve; in place."""
        signed = ((random * 2 - 1) * self.recipe.light)[..., None, None]
        if self.recipe.light > 0:
            mean = crops.mean(dim=(1, 2, 3), keepdim=True)
            gain, contrast = torch.exp(signed[:, :1] + 0.4 * signed[:, 1:4]), torch.exp(signed[:, 4:5])
            crops.mul_(contrast).add_(mean * (gain - contrast))
            ramp = torch.linspace(-1, 1, self.size, device=crops.device)
            crops.mul_(1 + signed[:, 5:6] * ramp[None, None, None, :] + signed[:, 6:7] * ramp[None, None, :, None])
            crops.clamp_(0, 1)
            # x + g x (1 - x): what a gamma does, without a power; monotonic for |g| < 1
            crops.addcmul_(crops * (1 - crops), signed[:, 7:8])
        rows = grey.nonzero().flatten().to(crops.device)
        if len(rows):
            luma = crops.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]
            crops[rows] = (crops[rows] * luma).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)

    def _soften(self, crops: Tensor, chance: Tensor, random: Tensor, coarse: float) -> None:
        """Gaussian blur of some faces, fewer pixels for others: small faces, motion, cheap lenses; in place."""
        rows = (chance[:, 2] < self.recipe.blur).nonzero().flatten()
        if len(rows):
            low, high = BLUR_SIGMA
            sigma = (low + (high - low) * random[rows]).to(crops.device)
            rows = rows.to(crops.device)
            axis = torch.arange(BLUR_KERNEL, device=crops.device) - BLUR_KERNEL // 2
            kernel = torch.exp(-(axis**2) / (2 * sigma[:, None] ** 2))
            kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)[:, None]
            pad = BLUR_KERNEL // 2
            part = crops[rows].flatten(0, 1)[None]
            part = F.conv2d(F.pad(part, (pad, pad, 0, 0), mode="replicate"), kernel[:, :, None], groups=len(kernel))
            part = F.conv2d(F.pad(part, (0, 0, pad, pad), mode="replicate"), kernel[..., None], groups=len(kernel))
            crops[rows] = part.reshape(len(rows), 3, self.size, self.size)
        rows = (chance[:, 3] < self.recipe.low_resolution).nonzero().flatten().to(crops.device)
        if len(rows):
            low, high = LOW_RESOLUTION
            # One factor for a batch: maps of one size go through in one call.
            small = round(self.size / (low + (high - low) * coarse))
            part = F.interpolate(crops[rows], size=small, mode="area")
            crops[rows] = F.interpolate(part, size=self.size, mode="bilinear", align_corners=False)
