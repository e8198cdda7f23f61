"""Brushes of the drawn faces: noise, soft masks, and colour laid on planar float32 images.

Pictures being drawn are planes: (3, H, W) float32 RGB, 0 to 1, for numpy is several times faster along rows than along
colours. A mask comes with its window, a pair of slices of rows and columns.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

Window = tuple[slice, slice]


@functools.cache
def noise() -> dict[str, np.ndarray]:
    """Tileable float32 noise of standard deviation 1: fine, coarse (features of about 24 px), strands (vertical)."""
    rng = np.random.default_rng(20190423)
    white = rng.standard_normal((1024, 1024)).astype(np.float32)

    def unit(a: np.ndarray) -> np.ndarray:
        return ((a - a.mean()) / a.std()).astype(np.float32)

    tiled = np.tile(white, (2, 2))[256:-256, 256:-256]
    blur = lambda sx, sy: unit(cv2.GaussianBlur(tiled, (0, 0), sx, sigmaY=sy)[256:-256, 256:-256])  # noqa: E731
    coarse = unit(blur(24, 24) + 0.5 * blur(8, 8))
    return {
        "white": white,
        "fine": blur(1.2, 1.2),
        "coarse": coarse,
        "strands": unit(blur(0.8, 14) + 0.7 * blur(3, 20)),
    }


def patch(kind: str, height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """(height, width) float32: a random piece of the noise of that kind, at most 1024 px a side."""
    bank = noise()[kind]
    y, x = rng.integers(0, 1024 - height + 1), rng.integers(0, 1024 - width + 1)
    return bank[y : y + height, x : x + width]


def soften(mask: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur, or the stack blur of the same width where that is many times faster."""
    if sigma < 1.6:
        return cv2.GaussianBlur(mask, (0, 0), sigma)
    side = 2 * int(2.4 * sigma) + 1
    return cv2.stackBlur(mask, (side, side))


def _window(points: np.ndarray, margin: int, height: int, width: int) -> tuple[np.ndarray, Window]:
    """The first x, y and the window of a box around (K, 2) points, cut to the picture but never empty."""
    low, high, size = points.min(axis=0) - margin, points.max(axis=0) + (margin + 1), (width, height)
    x0, y0 = (min(max(int(v), 0), n - 1) for v, n in zip(low, size))
    x1, y1 = (min(max(int(v) + 1, first + 1), n) for v, first, n in zip(high, (x0, y0), size))
    return np.array([x0, y0]), (slice(y0, y1), slice(x0, x1))


def polygons_mask(polygons: list[np.ndarray], soft: float, height: int, width: int) -> tuple[np.ndarray, Window]:
    """Mask (float32, 0 to 1) of filled (K, 2) polygons in px, antialiased and blurred by soft px."""
    first, window = _window(np.concatenate(polygons), int(3 * soft) + 3, height, width)
    mask = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.rint((polygon - first) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return (soften(mask, soft) if soft else mask) * np.float32(1 / 255), window


def strokes_mask(
    lines: list[np.ndarray], thick: int, soft: float, height: int, width: int
) -> tuple[np.ndarray, Window]:
    """The same of open (K, 2) lines of a thickness in px."""
    stacked = np.concatenate(lines)
    first, window = _window(stacked, int(3 * soft) + thick + 3, height, width)
    mask = np.zeros((window[0].stop - window[0].start, window[1].stop - window[1].start), np.uint8)
    fixed = np.rint((stacked - first) * 16).astype(np.int32)
    ends = np.cumsum([len(line) for line in lines])
    cv2.polylines(mask, [fixed[b - len(line) : b] for line, b in zip(lines, ends)], False, 255, thick, cv2.LINE_AA, 4)
    return (soften(mask, soft) if soft else mask) * np.float32(1 / 255), window


def _planar(colour) -> np.ndarray:
    colour = np.asarray(colour, np.float32)
    return colour[:, None, None] if colour.ndim == 1 else colour


def blend(planes: np.ndarray, mask: np.ndarray, window: Window, colour, alpha: float = 1.0) -> None:
    """Lay a colour, (3,) or (3, h, w), on the planes through a mask, in place."""
    part = planes[:, window[0], window[1]]
    part += (_planar(colour) - part) * (mask if alpha == 1 else mask * np.float32(alpha))


def tint(planes: np.ndarray, mask: np.ndarray, window: Window, factor) -> None:
    """Multiply the planes by a factor, a number or (3,), where the mask is 1, in place."""
    part = planes[:, window[0], window[1]]
    if np.ndim(factor) == 0:
        part *= 1 - np.float32(1 - factor) * mask
    else:
        part *= 1 - (1 - _planar(factor)) * mask


def fill(planes: np.ndarray, polygon: np.ndarray, colour, soft: float = 0.0, alpha: float = 1.0):
    """Paint a polygon (px) into the planes, in place; -> its mask and window."""
    mask, window = polygons_mask([polygon], soft, *planes.shape[1:])
    blend(planes, mask, window, colour, alpha)
    return mask * np.float32(alpha), window
