"""Faces that the project draws itself, with exact landmarks: no download, no terms of others.

Two kinds. Cartoons, the default, in every face layout: a parametric 3-D head (``cartoons.shape``), painted skin, eyes,
lips and brows (``cartoons.paint``), light with cast shadows and a z-buffer (``cartoons.raster``), hair, glasses, hands,
clutter and the camera's faults (``cartoons.scene``).

Heads: MakeHuman's under CC0 (``heads``), in two layouts, with visibility, pose, expression and gaze. They need numba.

The command is in ``__main__``. Either kind is imported where it is drawn: heads load nothing of the cartoons, whose
proportions were measured on photographs.
"""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Iterator

import cv2
import numpy as np

from edgewing import layouts
from edgewing.errors import InputError
from train.data.drawn.face import Drawn

VERSION = 1  # of the cartoons; heads have their own
LAYOUTS = ("300w-68", "wflw-98", "cofw-29", "aflw-19")
KINDS = {"cartoons": LAYOUTS, "heads": ("300w-68", "wflw-98")}  # and the layouts of each


def draw(seed: int, layout_name: str) -> Drawn:
    """The drawn face of that number, the same every time; only the landmarks depend on the layout.

    InputError for a layout that is unknown or not of a face.
    """
    from train.data.drawn.cartoons.render import render, sample_pose
    from train.data.drawn.cartoons.shape import in_layout, sample

    _check(layout_name)
    rng = _dice(seed)
    image, points = render(sample(rng), sample_pose(rng), rng)
    return Drawn(f"drawn_{seed:06d}", image, in_layout(points, layout_name).astype(np.float32))


def faces(count: int, layout_name: str, seed: int = 0, processes: int = 1, kind: str = "cartoons") -> Iterator[Drawn]:
    """``count`` faces, numbered from ``seed * 1000003`` on: runs with other seeds share none of them.

    processes: each draws every so many faces; they come in order all the same, and are the same.
    kind: ``cartoons``, or ``heads``, which are ``heads.Head``.
    """
    if kind not in KINDS:
        raise InputError(f"kind {kind!r} of drawn faces: use one of {', '.join(KINDS)}")
    _check(layout_name, KINDS[kind])
    draw_one = functools.partial(paint, kind=kind, layout_name=layout_name)
    if processes == 1:
        yield from map(draw_one, _numbers(count, seed))
        return
    with multiprocessing.get_context("forkserver").Pool(processes, cv2.setNumThreads, (1,)) as pool:
        yield from pool.imap(draw_one, _numbers(count, seed), chunksize=8)


def paint(number: int, kind: str, layout_name: str) -> Drawn:
    """The face of that number and kind."""
    if kind == "cartoons":
        return draw(number, layout_name)
    from train.data.drawn.heads import head  # compiles

    return head(number, layout_name)


def version(kind: str) -> int:
    """Of what the code of a kind draws; raised when one number gives another face."""
    if kind == "cartoons":
        return VERSION
    from train.data.drawn.heads import VERSION as OF_HEADS

    return OF_HEADS


def _check(layout_name: str, drawable: tuple[str, ...] = LAYOUTS) -> None:
    layouts.get(layout_name)
    if layout_name not in drawable:
        known = ", ".join(drawable)
        raise InputError(f"layout {layout_name!r} cannot be drawn: not points of a face; use one of {known}")


def _numbers(count: int, seed: int) -> range:
    return range(seed * 1_000_003, seed * 1_000_003 + count)


def _dice(number: int) -> np.random.Generator:
    return np.random.default_rng([int(number), 68])
