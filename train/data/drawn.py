"""Faces that the project draws itself, with exact landmarks in every face layout: no download, no licence.

A renderer, not a cartoon: a parametric 3-D head (``drawn_shape``), painted skin, eyes, lips and brows
(``drawn_paint``), light with cast shadows and a z-buffer (``drawn_raster``), hair, glasses, hands, clutter and the
camera's faults (``drawn_scene``). Landmarks are points of the drawn surface, projected; nothing is fitted afterwards.

    python -m train.data.drawn --sheet faces.png --layout 300w-68

writes a contact sheet of drawn faces with their landmarks, and

    python -m train.data.drawn --compare DIR --layout 300w-68

says how far the mean drawn shape is from that of real faces. numpy and OpenCV only.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgewing import errors, hints, images, layouts
from edgewing.errors import InputError
from edgewing.outputs import Output
from train import data
from train.data.drawn_compare import agreement
from train.data.drawn_render import aim, render, sample_pose
from train.data.drawn_shape import Surface, in_layout, sample

VERSION = 1  # of what the code draws; raised when one number gives another face
LAYOUTS = ("300w-68", "wflw-98", "cofw-29", "aflw-19")


@dataclass
class Drawn:
    """One drawn face. image: (H, W, 3) uint8 RGB. landmarks: (N, 2) float32 image px, 0-based pixel centres.

    Every face is a person of its own: the group is the name.
    """

    name: str
    image: np.ndarray
    landmarks: np.ndarray
    source: str = "drawn"
    group: str = ""

    def __post_init__(self) -> None:
        self.group = self.group or self.name


def draw(seed: int, layout_name: str) -> Drawn:
    """The drawn face of that number, the same every time; only the landmarks depend on the layout.

    InputError for a layout that is unknown or not of a face.
    """
    _check(layout_name)
    rng = _dice(seed)
    image, points = render(sample(rng), sample_pose(rng), rng)
    return Drawn(f"drawn_{seed:06d}", image, in_layout(points, layout_name).astype(np.float32))


def faces(count: int, layout_name: str, seed: int = 0, processes: int = 1) -> Iterator[Drawn]:
    """``count`` faces, numbered from ``seed * 1000003`` on: runs with other seeds share none of them.

    processes: each draws every so many faces; they come in order all the same.
    """
    _check(layout_name)
    paint = functools.partial(draw, layout_name=layout_name)
    if processes == 1:
        yield from map(paint, _numbers(count, seed))
        return
    with multiprocessing.get_context("forkserver").Pool(processes) as pool:
        yield from pool.imap(paint, _numbers(count, seed), chunksize=8)


def shapes(count: int, layout_name: str, seed: int = 0) -> np.ndarray:
    """(count, N, 2) float32: the landmarks of ``faces(count, layout_name, seed)``, without drawing them."""
    _check(layout_name)
    found = np.empty((count, layouts.get(layout_name).points, 2), np.float32)
    for k, number in enumerate(_numbers(count, seed)):
        rng = _dice(number)
        surface = Surface(sample(rng))
        found[k] = in_layout(aim(surface, sample_pose(rng), rng)[1], layout_name)
    return found


def _check(layout_name: str) -> None:
    layouts.get(layout_name)
    if layout_name not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise InputError(f"layout {layout_name!r} cannot be drawn: not points of a face; use one of {known}")


def _numbers(count: int, seed: int) -> range:
    return range(seed * 1_000_003, seed * 1_000_003 + count)


def _dice(number: int) -> np.random.Generator:
    return np.random.default_rng([int(number), 68])


def sheet(layout_name: str, seed: int, rows: int = 5, columns: int = 8, marks: bool = True) -> np.ndarray:
    """(rows * SIZE, columns * SIZE, 3) uint8 RGB: a contact sheet with the landmarks drawn on it."""
    tiles = []
    for face in faces(rows * columns, layout_name, seed):
        tile = face.image.copy()
        for point in face.landmarks if marks else ():
            cv2.circle(tile, tuple(int(v) for v in np.rint(point * 8)), 9, (0, 255, 0), -1, cv2.LINE_AA, 3)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m train.data.drawn",
        description="Look at drawn faces: a contact sheet with their landmarks, or their mean shape and real faces'.",
        epilog="example: python -m train.data.drawn --sheet faces.png --layout wflw-98 --seed 3",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument("--sheet", type=Output, metavar="FILE", help="write a contact sheet (.png, .jpg)")
    task.add_argument("--compare", type=Path, metavar="DIR", help="compare 3000 shapes with the real faces of a folder")
    parser.add_argument("--layout", default="300w-68", help=f"one of {', '.join(LAYOUTS)}")
    parser.add_argument("--seed", type=int, default=0, help="another number, other faces")
    parser.add_argument("--plain", action="store_true", help="a sheet without landmarks")
    with errors.command(parser, argv) as options:
        if options.compare:
            real = data.read(options.compare, options.layout)
            marks = np.stack([face.landmarks for face in real.samples])
            mine = shapes(3000, options.layout, options.seed)
            print("\n".join(real.summary + agreement(mine, marks, options.layout)))
        else:
            picture = sheet(options.layout, options.seed, marks=not options.plain)
            images.write(options.sheet, picture)
            print(f"wrote {options.sheet}: {picture.shape[1]} x {picture.shape[0]} px, {options.layout}")
            print(hints.next_line(f"python -m train fit drawn --layout {options.layout} --recipe demo --run demo"))


if __name__ == "__main__":
    main()
