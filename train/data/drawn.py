"""Faces that the project draws itself, with exact landmarks in every face layout: no download, no licence.

A renderer, not a cartoon: a parametric 3-D head (``drawn_shape``), painted skin, eyes, lips and brows
(``drawn_paint``), light with cast shadows and a z-buffer (``drawn_raster``), hair, glasses, hands, clutter and the
camera's faults (``drawn_scene``). Landmarks are points of the drawn surface, projected; nothing is fitted afterwards.

    python -m train.data.drawn --sheet faces.png --layout 300w-68

writes a contact sheet of drawn faces with their landmarks. numpy and OpenCV only; one core draws about 50 faces a second.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from edgewing import errors, geometry, layouts
from edgewing.errors import InputError
from train.data import drawn_scene as scene
from train.data.drawn_paint import Painter
from train.data.drawn_raster import TEXTURE_H, TEXTURE_W, Camera, Canvas, Light, grid_cell, look_up, normals
from train.data.drawn_raster import rotation, shade, texture_map
from train.data.drawn_shape import COLUMNS, ROWS, Plan, Surface, in_layout, sample

LAYOUTS = ("300w-68", "wflw-98", "cofw-29", "aflw-19")
SIZE = 256  # px of a drawn image's side
_SHRINK = np.array([[COLUMNS / TEXTURE_W], [ROWS / TEXTURE_H]], np.float32)  # texture px to grid


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


def sample_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch, roll in radians: mostly near the camera's axis as in photographs, to 60 degrees of yaw either way."""
    yaw = rng.normal(0, 17) if rng.random() < 0.85 else rng.uniform(-60, 60)
    pitch, roll = rng.normal(0, 9), rng.normal(0, 9)
    return tuple(np.deg2rad(np.clip((yaw, pitch, roll), (-60, -28, -40), (60, 28, 40))))


def _lights(rng: np.random.Generator) -> list[Light]:
    """One main light and sometimes a second, weaker one."""
    lights = []
    for k in range(1 + (rng.random() < 0.3)):
        direction = np.array([rng.normal(0, 0.75), rng.normal(-0.45, 0.45), rng.uniform(0.25, 1.2)])
        colour = (rng.uniform(0.45, 1.1) if k == 0 else rng.uniform(0.1, 0.6)) * np.exp(rng.normal(0, 0.09, 3))
        ambient = np.exp(rng.normal(0, 0.06, 3)) * (rng.uniform(0.25, 0.75) if k == 0 else 0)
        hard = float(np.clip(rng.normal(0.4, 0.35), 0, 0.95)) if k == 0 else 0.0
        gloss = float(abs(rng.normal(0, 0.18)))
        lights.append(Light(direction / np.linalg.norm(direction), colour, ambient, rng.uniform(0.05, 0.5), hard, gloss))
    return lights


def _aim(surface: Surface, pose: tuple[float, float, float], rng: np.random.Generator, size: int):
    """The camera that puts the landmarks' box near the middle of the image at a photograph's usual share of it, and
    the face's (100, 2) points in its image."""
    camera = Camera(rotation(*pose), float(np.exp(rng.uniform(np.log(7), np.log(40)))))
    points = surface.landmarks(camera.rotation, camera.project)
    box = geometry.landmark_box(points[:96])
    side = (box[2:] - box[:2]).mean()
    camera.scale = float(size * rng.uniform(0.50, 0.60) / side)
    middle = size / 2 - 0.5 + rng.uniform(-0.05, 0.05, 2) * size
    camera.shift = tuple((middle - (box[:2] + box[2:]) / 2 * camera.scale).tolist())
    return camera, points * camera.scale + camera.shift


def render(plan: Plan, pose: tuple[float, float, float], rng: np.random.Generator, size: int = SIZE):
    """One face of a plan at yaw, pitch, roll (radians) -> (size, size, 3) uint8 RGB, (100, 2) points in image px."""
    surface = Surface(plan)
    camera, points = _aim(surface, pose, rng, size)
    lights = _lights(rng)
    view = camera.view(surface.vertices)
    normal = normals(view)
    diffuse, shine = shade(view, normal, lights)
    painter = Painter(surface, rng)
    painter.choose(lights[0].direction[0])
    painter.paint()
    level = diffuse[ROWS // 2 :, COLUMNS // 4 : -COLUMNS // 4].mean(axis=(0, 1))

    canvas = Canvas(size)
    skin_px = camera.flatten(view)
    facing = cv2.resize(normal[2], (TEXTURE_W, TEXTURE_H)) > -0.15
    dense = {0: canvas.splat(skin_px, view[..., 2], facing, 0)}
    pixels = {0: skin_px}
    hair = scene.Hair(surface, painter.hair, painter.female, plan.age, rng)
    if hair.mask.any():
        painter.roots(hair.mask, hair.colour)
        outer = view + cv2.merge(list(normal * hair.thickness))
        pixels[1] = camera.flatten(outer)
        dense[1] = canvas.splat(pixels[1], outer[..., 2], hair.mask & facing, 1)
    layer, texel = canvas.resolve()

    image = scene.background(size, rng)
    hair.curtain(image, camera, surface, level, rng)
    scene.body(image, camera, surface, painter.skin, level, rng)
    head = np.zeros((3, size * size), np.float32)
    flat, texel = layer.ravel(), texel.ravel()
    for index in dense:
        pixel = np.flatnonzero(flat == index)
        own = texel[pixel]
        if index == 0:
            where = texture_map(pixels[0], dense[0], own, pixel, size)
            coarse = (where + np.float32(0.5)) * _SHRINK - np.float32(0.5)
            colour = look_up(cv2.merge([*painter.texture, painter.gloss]), where)
            head[:, pixel] = colour[:3] * look_up(diffuse, coarse) + look_up(shine, coarse) * colour[3]
        else:
            cell = grid_cell(own)
            lit = diffuse.reshape(-1, 3)[cell] + np.float32(hair.gloss) * shine.reshape(-1, 3)[cell]
            head[:, pixel] = hair.colours(own) * lit.T
    # soften the outline by one pixel: grow the head's colour outward, then blend by the blurred coverage
    covered = (layer >= 0).astype(np.float32)
    weight = cv2.GaussianBlur(covered, (3, 3), 0.7)
    rim = np.flatnonzero((weight > 0).ravel() & (flat < 0))
    share = np.maximum(cv2.blur(covered, (3, 3)).ravel()[rim], np.float32(1e-3))
    for plane in head:
        plane[rim] = cv2.blur(plane.reshape(size, size), (3, 3)).ravel()[rim] / share
    image += (head.reshape(3, size, size) - image) * weight

    if rng.random() < 0.14:
        scene.glasses(image, camera, surface, level, rng)
    if rng.random() < 0.10:
        scene.in_front(image, points, painter.skin, level, rng)
    return scene.develop(image, rng), points


def draw(seed: int, layout_name: str) -> Drawn:
    """The drawn face of that number, the same every time; only the landmarks depend on the layout.

    InputError for a layout that is unknown or not of a face.
    """
    layouts.get(layout_name)
    if layout_name not in LAYOUTS:
        raise InputError(f"layout {layout_name!r} cannot be drawn: not points of a face; use one of {', '.join(LAYOUTS)}")
    rng = np.random.default_rng([int(seed), 68])
    image, points = render(sample(rng), sample_pose(rng), rng)
    return Drawn(f"drawn_{seed:06d}", image, in_layout(points, layout_name).astype(np.float32))


def faces(count: int, layout_name: str, seed: int = 0) -> Iterator[Drawn]:
    """``count`` faces, numbered from ``seed * 1000003`` on: runs with other seeds share none of them."""
    for k in range(count):
        yield draw(seed * 1_000_003 + k, layout_name)


def sheet(layout_name: str, seed: int, rows: int = 5, columns: int = 8, marks: bool = True) -> np.ndarray:
    """(rows * SIZE, columns * SIZE, 3) uint8 RGB: a contact sheet with the landmarks drawn on it."""
    tiles = []
    for face in faces(rows * columns, layout_name, seed):
        tile = face.image.copy()
        for point in face.landmarks if marks else ():
            cv2.circle(tile, tuple(int(v) for v in np.rint(point * 8)), 9, (0, 255, 0), -1, cv2.LINE_AA, 3)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m train.data.drawn",
        description="Write a contact sheet of drawn faces with their landmarks.",
        epilog="example: python -m train.data.drawn --sheet faces.png --layout wflw-98 --seed 3",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--sheet", type=Path, required=True, help="PNG to write")
    parser.add_argument("--layout", default="300w-68", help=f"one of {', '.join(LAYOUTS)}")
    parser.add_argument("--seed", type=int, default=0, help="another number, other faces")
    parser.add_argument("--plain", action="store_true", help="without landmarks")
    options = parser.parse_args()
    with errors.command():
        picture = sheet(options.layout, options.seed, marks=not options.plain)
        done, data = cv2.imencode(".png", picture[..., ::-1])
        beside = options.sheet.with_name(options.sheet.name + ".part")
        try:
            beside.write_bytes(data.tobytes())
            os.replace(beside, options.sheet)
        except OSError as error:
            raise InputError(f"cannot write {options.sheet}: {error.strerror}; name a file in a folder you may write to")
        print(f"wrote {options.sheet}: {picture.shape[1]} x {picture.shape[0]} px, {options.layout}")
        print(f"next: python -m train fit drawn --layout {options.layout} --recipe demo --run demo")


if __name__ == "__main__":
    main()
