"""Ground truth for a whole batch, on the device, from coordinates: landmark heatmaps, boundary map, weight map.

    truth = GroundTruth(recipe)
    target, mask = truth(crop_landmarks)        # (B, C, H, W), (B, C, H, W) bool

Two kinds (arXiv 1904.07399 and its released code, shared in method by both): ``cell`` puts a 7x7 window of a Gaussian
on the cell that contains the landmark and draws curves through those cells, as published; ``subpixel`` centres Gaussian
and curves on the landmark itself. The last channel is the boundary, where the layout has curves.

A landmark that is NaN is not in the picture: its heatmap is empty and curves pass it by. Whether its channel is trained
to be empty or left alone is the recipe's ``absent`` (``counted``).

B batch, N landmarks, C channels (N, + 1 with boundary), H, W heatmap rows and columns, P points of a curve.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from edgewing import layouts
from train.recipes import Recipe

WINDOW = 3  # cells either side of the landmark's, in `cell` targets
MASK_LEVEL = 0.2  # the paper's H^d >= 0.2; the released code has > 0.2 for landmarks,
BOUNDARY_LEVEL = 0.2 / 255  # ... and > this for the boundary, because its map runs from 0 to 255 there
BOUNDARY_REACH = 3.0  # cells; the boundary map is 0 from this distance on
REACH = 4  # cells either side of a piece of curve that are compared with it; > BOUNDARY_REACH + half a piece
NEAR = 1e-4  # cells; curve points closer than this are one point
FAR = -1e6  # cells; where what is not there is drawn


class GroundTruth:
    """Targets and weight maps as a recipe wants them."""

    def __init__(self, recipe: Recipe):
        layout = layouts.get(recipe.layout)
        self.cells, self.stride, self.sigma = recipe.cells, recipe.stride, recipe.sigma
        self.rounded = recipe.targets == "cell"
        self.weight_map = recipe.weight_map
        self.hidden, self.absent = recipe.hidden, recipe.absent
        self.above = torch.gt if recipe.mask == "released" else torch.ge
        self.boundary_above = (torch.ge, MASK_LEVEL) if recipe.boundary_mask == "paper" else (torch.gt, BOUNDARY_LEVEL)
        self.curves = list(layout.curves.values()) if recipe.has_boundary else []
        # A piece of curve must stay shorter than what REACH covers: neighbours lie up to an eighth of the map apart.
        self.pieces = max(4, round(self.cells / 8))

    def counted(self, landmarks: Tensor) -> Tensor | None:
        """(B, C) bool: which channels have a term in the loss; None for all.

        Where absent points are left alone, so is the boundary of a face whose curves lack a point: nobody knows it.
        """
        if self.absent == "empty":
            return None
        there = ~landmarks.isnan().any(dim=-1)
        if not self.curves:
            return there
        of_curves = sorted({point for curve in self.curves for point in curve})
        return torch.cat([there, there[:, of_curves].all(dim=1, keepdim=True)], dim=1)

    def __call__(self, landmarks: Tensor, visibility: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """(B, N, 2) crop landmarks in px -> target (B, C, H, W) and its mask (bool), or None without a weight map.

        visibility: (B, N) uint8; hidden points (1) have a peak of the recipe's ``hidden``. All are seen without it.
        """
        landmarks = torch.where(landmarks.isnan(), FAR * self.stride, landmarks)
        centres = (landmarks.float() - (self.stride - 1) / 2) / self.stride  # cells
        if self.rounded:
            # floor((u + 0.5) / stride): the cell that contains the landmark
            centres = torch.floor((landmarks.float() + 0.5) / self.stride)
        batch, count = centres.shape[:2]
        target = centres.new_empty(batch, count + bool(self.curves), self.cells, self.cells)
        x, y = (gaussian(centres[..., i], self.cells, self.sigma, self.rounded) for i in (0, 1))
        height = y
        if visibility is not None and self.hidden != 1:
            height = torch.where((visibility == 1)[..., None], y * self.hidden, y)
        torch.mul(height[..., :, None], x[..., None, :], out=target[:, :count])
        if self.curves:
            target[:, -1] = boundary_map(centres, self.curves, self.cells, self.pieces)
        if self.weight_map == "none":
            return target, None
        if self.weight_map == "base":
            mask = torch.empty_like(target, dtype=torch.bool)
            self.above(y[..., :, None] * x[..., None, :], MASK_LEVEL, out=mask[:, :count])
            if self.curves:
                above, level = self.boundary_above
                mask[:, -1] = above(target[:, -1], level)
            return target, mask
        mask = torch.empty_like(target, dtype=torch.bool)
        # The 3x3 dilation of a product of two profiles is the product of their dilations, and it is above the level
        # where the one is above the level over the other.
        x, y = (F.max_pool1d(profile, 3, 1, 1) for profile in (x, y))
        self.above(x[..., None, :], MASK_LEVEL / y.clamp(min=1e-9)[..., :, None], out=mask[:, :count])
        if self.curves:
            above, level = self.boundary_above
            mask[:, -1] = above(F.max_pool2d(target[:, -1], 3, 1, 1), level)
        return target, mask


def gaussian(centres: Tensor, cells: int, sigma: float, windowed: bool) -> Tensor:
    """(B, N) centres in cells -> (B, N, cells) profiles of peak 1; a heatmap is the product of two.

    windowed: 0 outside the 7 cells around the centre, as in the released code's 7x7 window.
    """
    distance = torch.arange(cells, device=centres.device, dtype=torch.float32) - centres[..., None]
    profile = torch.exp(-(distance**2) / (2 * sigma**2))
    return profile * (distance.abs() <= WINDOW) if windowed else profile


def boundary_map(points: Tensor, curves: list[tuple[int, ...]], cells: int, pieces: int) -> Tensor:
    """exp(-d^2 / 2) where the distance d to the nearest curve is below 3 cells, else 0.

    points: (B, N, 2) in cells. pieces: straight pieces per gap between points of a curve. Returns (B, cells, cells).
    The distance is that to the polyline, computed for the cells around each piece only. A curve is drawn through those
    of its points that are there (not at FAR).
    """
    batch = points.shape[0]
    starts, ends = [], []
    for count in sorted({len(c) for c in curves}):
        index = torch.tensor([c for c in curves if len(c) == count], device=points.device)  # (K, P)
        lines = spline(points[:, index].flatten(0, 1), pieces).reshape(batch, len(index), -1, 2)
        starts.append(lines[:, :, :-1].flatten(1, 2))
        ends.append(lines[:, :, 1:].flatten(1, 2))
    start, end = torch.cat(starts, dim=1), torch.cat(ends, dim=1)  # (B, Q, 2)
    # The window around each piece's middle; faraway pieces (faces cut by the crop) fall outside and are dropped.
    middle = ((start + end) / 2).clamp(-cells, 2 * cells).round().long()
    steps = torch.arange(-REACH, REACH + 1, device=points.device)
    wx = middle[..., 0, None, None] + steps[None, :]
    wy = middle[..., 1, None, None] + steps[:, None]
    wx, wy = torch.broadcast_tensors(wx, wy)  # (B, Q, 9, 9)
    along = (end - start)[..., None, None, :]
    px, py = wx - start[..., 0, None, None], wy - start[..., 1, None, None]
    length = (along**2).sum(-1).clamp(min=1e-12)
    share = ((px * along[..., 0] + py * along[..., 1]) / length).clamp(0, 1)
    distance = (px - share * along[..., 0]) ** 2 + (py - share * along[..., 1]) ** 2
    inside = (wx >= 0) & (wx < cells) & (wy >= 0) & (wy < cells)
    owners = torch.arange(batch, device=points.device)[:, None, None, None] * cells**2
    # One more cell takes what falls outside, so that shapes stay fixed.
    flat = torch.where(inside, owners + wy * cells + wx, batch * cells**2)
    nearest = torch.full((batch * cells**2 + 1,), BOUNDARY_REACH**2, device=points.device)
    nearest = nearest.scatter_reduce(0, flat.flatten(), distance.flatten(), "amin")[:-1].reshape(batch, cells, cells)
    return torch.where(nearest < BOUNDARY_REACH**2, torch.exp(-nearest / 2), 0.0)


def spline(points: Tensor, pieces: int) -> Tensor:
    """Interpolating splines through the (R, P, 2) points of R curves, sampled: (R, (P - 1) * pieces + 1, 2).

    Cubic with chord-length parameter and not-a-knot ends (what FITPACK's splprep with s=0 gives), quadratic through
    three distinct points, straight through two, a dot at one. Neighbours that coincide count once.
    """
    rows, length, _ = points.shape
    chord = (points[:, 1:] - points[:, :-1]).norm(dim=-1)
    fresh = torch.cat([torch.ones_like(chord[:, :1], dtype=torch.bool), chord > NEAR], dim=1)
    there = points[..., 0] > FAR / 2
    fresh &= there | ~there.any(dim=1, keepdim=True)  # a curve without any point is a dot, far away
    distinct = fresh.sum(dim=1)
    # Distinct points first, in order; what is left over repeats the last of them.
    order = torch.argsort((~fresh).to(torch.int8), dim=1, stable=True)
    packed = points.gather(1, order[..., None].expand(-1, -1, 2)).double()
    return _interpolate(packed, distinct, (length - 1) * pieces + 1).to(points.dtype)


def _interpolate(points: Tensor, count: Tensor, samples: int) -> Tensor:
    """(R, P, 2) points whose first ``count`` (R,) of each row are distinct neighbours -> (R, samples, 2), float64.

    Rows of all counts go through together: to sort them by count would make a GPU's host wait in every step.
    """
    step = (points[:, 1:] - points[:, :-1]).norm(dim=-1)  # (R, P - 1); 0 behind the last point
    slope = (points[:, 1:] - points[:, :-1]) / torch.where(step > 0, step, 1.0)[..., None]
    bend = _second_derivatives(step, slope, count)  # (R, P, 2)
    # The same number of samples in every gap: gaps of a face's curves are much alike in length.
    share = torch.linspace(0, 1, samples, dtype=points.dtype, device=points.device)
    place = share * (count - 1)[:, None]
    gap = torch.minimum(place.floor().long(), (count - 2).clamp(min=0)[:, None])

    def at(values: Tensor, index: Tensor) -> Tensor:
        return values.gather(1, index[..., None].expand(-1, -1, 2))

    h = step.gather(1, gap)[..., None]
    t = (place - gap)[..., None] * h
    here, after = at(bend, gap), at(bend, gap + 1)
    b = at(slope, gap) - h * (2 * here + after) / 6
    return at(points, gap) + t * (b + t * (here / 2 + t * (after - here) / (6 * torch.where(h > 0, h, 1.0))))


def _second_derivatives(step: Tensor, slope: Tensor, count: Tensor) -> Tensor:
    """Of the not-a-knot cubic (parabola of three points, line of two) at its points: step (R, P-1), slope (R, P-1, 2),
    count (R,) -> (R, P, 2), 0 behind the last point."""
    length = step.shape[1] + 1
    if length < 3:
        return slope.new_zeros(len(step), length, 2)
    place = torch.arange(length, device=step.device)
    left, right = F.pad(step, (1, 0)), F.pad(step, (0, 1))  # of the gap before a point, and after it
    inner = (place > 0) & (place < count[:, None] - 1)
    # Not-a-knot: the third derivative does not jump at the second and the last but one point. Of three points these
    # are one, and what is left is a parabola, whose second derivative is the same everywhere.
    three = (count == 3)[:, None]
    ends = (count >= 3)[:, None]
    first, last = ends & (place == 0), ends & (place == count[:, None] - 1)
    second, before = step[:, 1:2], F.pad(step, (2, 0))[:, :length]  # the second gap; the gap before the last one
    main = torch.where(inner, 2 * (left + right), 1.0)
    main = torch.where(first, torch.where(three, 1.0, second), main)
    main = torch.where(last, torch.where(three, 1.0, before), main)
    lower = torch.where(inner, left, torch.where(last, torch.where(three, -1.0, -(before + left)), 0.0))
    upper = torch.where(inner, right, torch.where(first, torch.where(three, -1.0, -(right + second)), 0.0))
    matrix = torch.diag_embed(main) + torch.diag_embed(lower[:, 1:], -1) + torch.diag_embed(upper[:, :-1], 1)
    matrix = matrix + torch.diag_embed(torch.where(last & ~three, left, 0.0)[:, 2:], -2)
    matrix = matrix + torch.diag_embed(torch.where(first & ~three, right, 0.0)[:, :-2], 2)
    wanted = F.pad(6 * (slope[:, 1:] - slope[:, :-1]), (0, 0, 1, 1)) * inner[..., None]
    return torch.linalg.solve_ex(matrix, wanted)[0]  # its check would make the host wait
