"""Augmentation for a whole batch, on the device: from cached squares and points to the network's crops.

    crops, landmarks = Augment(recipe, cache_size, context)(images, cache_landmarks, generator)

One affine map per face takes rotation, scale, shift and flip together, so a picture is resampled once. Frames: cache
pixels in, crop pixels out, (0, 0) at the centre of the top-left pixel. Amounts are the recipe's, in its comments.

B batch, N landmarks, S cache pixels, T crop pixels.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing import layouts
from train.recipes import Recipe

# Strengths that the paper does not state. Half of what makes a face unrecognisable on a contact sheet.
BLUR_SIGMA = (0.5, 2.0)  # crop pixels
BLUR_KERNEL = 9
LOW_RESOLUTION = (1.5, 4.0)  # how many times fewer pixels each way
NOISE = 0.06  # largest standard deviation, of a range of 1
COVER = (0.1, 0.45)  # sides of the covered rectangle, share of the crop's side


class Augment:
    """Random crops of a batch; with ``plain`` the middle of each square, as the protocol ``gtbox`` crops a face."""

    def __init__(self, recipe: Recipe, cache_size: int, context: float):
        self.recipe = recipe
        self.size = recipe.input_size
        self.step = cache_size / context / self.size  # cache pixels per crop pixel
        self.flip_index = torch.as_tensor(layouts.get(recipe.layout).flip_index)

    def __call__(self, images: Tensor, landmarks: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """images (B, S, S, 3) uint8, landmarks (B, N, 2) -> crops (B, 3, T, T) in [0, 1], landmarks (B, N, 2).

        ``generator`` is on the CPU: the same numbers on every device.
        """
        r, count, device = self.recipe, len(images), images.device

        def draw(*shape: int) -> Tensor:
            return torch.rand(count, *shape, generator=generator)

        angle = (draw() * 2 - 1) * math.radians(r.rotation)
        zoom = 1 + (draw() * 2 - 1) * r.scale
        shift = (draw(2) * 2 - 1) * r.shift * self.size
        flip = draw() < r.flip
        light = draw(9)
        chance = draw(6)
        cover = draw(7)
        crops, landmarks = self._warp(images, landmarks, *(v.to(device) for v in (angle, zoom, shift, flip)))
        crops = self._cover(crops, (chance[:, 0] < r.occlusion).to(device), cover.to(device))
        if r.light > 0 or r.grey > 0:
            crops = self._light(crops, light.to(device), (chance[:, 1] < r.grey).to(device))
        crops = self._soften(crops, chance, draw(2))
        noisy = (chance[:, 4] < r.noise).nonzero().flatten()
        if len(noisy):
            grain = torch.randn(len(noisy), *crops.shape[1:], generator=generator).to(device)
            crops[noisy.to(device)] += grain * (chance[noisy, 5] * NOISE).to(device)[:, None, None, None]
        return crops.clamp_(0, 1), landmarks

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
        return crops, torch.where(flip[:, None, None], swapped, moved)

    def _cover(self, crops: Tensor, chosen: Tensor, random: Tensor) -> Tensor:
        """A rectangle of one colour, or of a neighbour's picture, over the chosen faces."""
        low, high = COVER
        axis = (torch.arange(self.size, device=crops.device) + 0.5) / self.size
        inside = []
        for place, length in ((random[:, 0], random[:, 1]), (random[:, 2], random[:, 3])):
            half = (low + (high - low) * length) / 2
            inside.append((axis[None] - place[:, None]).abs() < half[:, None])
        region = (inside[0][:, :, None] & inside[1][:, None, :])[:, None] & chosen[:, None, None, None]
        colour = random[:, 4:7, None, None]
        filling = torch.where((random[:, 0] < 0.5)[:, None, None, None], colour, crops.roll(1, 0).flip(-2))
        return torch.where(region, filling, crops)

    def _light(self, crops: Tensor, random: Tensor, grey: Tensor) -> Tensor:
        """Brightness, contrast, colour cast and gamma, and a light that falls from one side."""
        amount = self.recipe.light
        signed = ((random * 2 - 1) * amount)[..., None, None]
        gain = torch.exp(signed[:, :1] + 0.4 * signed[:, 1:4])
        mean = crops.mean(dim=(1, 2, 3), keepdim=True)
        crops = (crops - mean) * torch.exp(signed[:, 4:5]) + mean * gain
        ramp = torch.linspace(-1, 1, self.size, device=crops.device)
        crops = crops * (1 + signed[:, 5:6] * ramp[None, None, None, :] + signed[:, 6:7] * ramp[None, None, :, None])
        crops = crops.clamp(1e-4, 1) ** torch.exp(signed[:, 7:8])
        luma = (crops * crops.new_tensor([0.299, 0.587, 0.114])[None, :, None, None]).sum(dim=1, keepdim=True)
        return torch.where(grey[:, None, None, None], luma, crops)

    def _soften(self, crops: Tensor, chance: Tensor, random: Tensor) -> Tensor:
        """Gaussian blur of some faces, fewer pixels for others: small faces, motion, cheap lenses."""
        blurred = (chance[:, 2] < self.recipe.blur).nonzero().flatten()
        if len(blurred):
            low, high = BLUR_SIGMA
            sigma = (low + (high - low) * random[blurred, 0]).to(crops.device)
            axis = torch.arange(BLUR_KERNEL, device=crops.device) - BLUR_KERNEL // 2
            kernel = torch.exp(-(axis**2) / (2 * sigma[:, None] ** 2))
            kernel = (kernel / kernel.sum(dim=1, keepdim=True)).repeat_interleave(3, dim=0)[:, None]
            part = crops[blurred.to(crops.device)].flatten(0, 1)[None]
            pad = BLUR_KERNEL // 2
            part = F.conv2d(F.pad(part, (pad, pad, 0, 0), mode="replicate"), kernel[:, :, None], groups=len(kernel))
            part = F.conv2d(F.pad(part, (0, 0, pad, pad), mode="replicate"), kernel[..., None], groups=len(kernel))
            crops[blurred.to(crops.device)] = part.reshape(len(blurred), 3, self.size, self.size)
        coarse = (chance[:, 3] < self.recipe.blur).nonzero().flatten()
        if len(coarse):
            low, high = LOW_RESOLUTION
            # One factor for a batch: maps of one size go through in one call.
            small = round(self.size / (low + (high - low) * float(random[0, 1])))
            part = F.interpolate(crops[coarse.to(crops.device)], size=small, mode="area")
            crops[coarse.to(crops.device)] = F.interpolate(part, size=self.size, mode="bilinear", align_corners=False)
        return crops
