"""The square that a face is cut from, by the protocols of the literature; training and `bench accuracy` share them.

- ``gtbox``: from the tight box of the true landmarks, this project's default and the paper's "GTBbox" row.
- ``provided``: from the dataset's own box, same factor (edgewing.geometry). What a detector's box would do.
- ``released``: what the paper's released code does with the dataset's box, which looks at the labels twice. The box is
  grown by 5 % and a square of 200 (w + h) / divisor taken around it, the divisor 250 lowered in steps of 10 until all
  landmarks lie in [10, 440] of 450 px of it; the middle 360 of the 450 are the crop, or all 450 where a landmark would
  lie outside [5, 250] of 256. Where neither look finds anything it is ``provided``, but for the least side.

4.36 % on WFLW is what the released code gives with the list's boxes, 4.21 % with boxes from landmarks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from edgewing import geometry
from edgewing.errors import InputError
from edgewing.geometry import FACTOR, LEAST, Crop
from train.data.samples import Sample, load_image

_GROWN = 1.05
_WHOLE, _MIDDLE, _SIZE = 450, 360, 256  # px of the released code's crop, of its middle, of what the network sees
_FIRST_DIVISOR, _STEP = 250, 10
_INSIDE_WHOLE, _INSIDE_MIDDLE = (10, 440), (5, 250)


def square(sample, size: int, protocol: str = "gtbox", factor: float = FACTOR, least: float = LEAST) -> Crop:
    """The crop of a sample (``landmarks`` (N, 2) image px, and ``box`` (4,) or None) as size x size pixels.

    factor, least: of edgewing.geometry; a file's contract may have others. ``released`` has its own.
    InputError: the protocol needs a box of the dataset and there is none, or it is empty.
    """
    return CROPS[protocol](sample, size, factor, least)


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of so many, evenly spaced over them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def cut(
    samples: Iterable[Sample],
    size: int,
    protocol: str = "gtbox",
    factor: float = FACTOR,
    least: float = LEAST,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(size, size, 3) uint8 RGB crops of samples and their (N, 2) landmarks in crop px. One that cannot be read or
    cropped is left out, and ``say`` is told."""
    crops, landmarks = [], []
    for sample in samples:
        try:
            crop = square(sample, size, protocol, factor, least)
            crops.append(geometry.warp(load_image(sample), crop.to_image, size))
        except InputError as error:
            say(f"left out: {error}")
            continue
        landmarks.append(geometry.apply(crop.to_crop, sample.landmarks))
    return crops, landmarks


def _gtbox(sample, size: int, factor: float, least: float) -> Crop:
    return geometry.crop_from_landmarks(sample.landmarks, size, factor, least)


def _provided(sample, size: int, factor: float, least: float) -> Crop:
    return geometry.crop_from_box(_box(sample, "provided"), size, factor, least)


def _released(sample, size: int, factor: float, least: float) -> Crop:
    x0, y0, x1, y1 = (float(v) for v in _box(sample, "released"))
    width, height = _GROWN * (x1 - x0), _GROWN * (y1 - y0)
    if not (np.isfinite([x0, y0, x1, y1]).all() and width > 0 and height > 0):
        raise InputError(f"empty or broken box {x0:g},{y0:g},{x1:g},{y1:g}; expected x0 < x1 and y0 < y1 in pixels")
    centre = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    for divisor in range(_FIRST_DIVISOR, 0, -_STEP):
        side = 200 * (width + height) / divisor
        seen = (sample.landmarks - (centre - side / 2)) * _WHOLE / side  # the released code's frame: no half pixels
        if _INSIDE_WHOLE[0] <= np.nanmin(seen) and np.nanmax(seen) <= _INSIDE_WHOLE[1]:
            break
    middle = (seen - (_WHOLE - _MIDDLE) / 2) * _SIZE / _MIDDLE
    if _INSIDE_MIDDLE[0] <= np.nanmin(middle) and np.nanmax(middle) <= _INSIDE_MIDDLE[1]:
        side *= _MIDDLE / _WHOLE
    return Crop((float(centre[0]), float(centre[1])), side, size)


def _box(sample, protocol: str) -> np.ndarray:
    box = getattr(sample, "box", None)  # drawn faces have none
    if box is None:
        raise InputError(f"{sample.name}: no box of the dataset for --crop {protocol}; use --crop gtbox")
    return box


CROPS: dict[str, Callable[..., Crop]] = {"gtbox": _gtbox, "provided": _provided, "released": _released}
