"""One drawn face from a plan and a pose: surface, skin, light, hair, what is behind and before it, the camera."""

from __future__ import annotations

import cv2
import numpy as np

from edgewing import geometry
from train.data.drawn.cartoons import scene
from train.data.drawn.cartoons.paint import Painter
from train.data.drawn.cartoons.raster import (
    HAIR,
    SKIN,
    TEXTURE_H,
    TEXTURE_W,
    Camera,
    Canvas,
    Light,
    grid_cell,
    look_up,
    normals,
    rotation,
    shade,
    texture_map,
)  # fmt: skip
from train.data.drawn.cartoons.shape import COLUMNS, ROWS, Plan, Surface

SIZE = 256  # px of a drawn image's side
_SHRINK = np.array([[COLUMNS / TEXTURE_W], [ROWS / TEXTURE_H]], np.float32)  # texture px to grid


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
        lights.append(
            Light(direction / np.linalg.norm(direction), colour, ambient, rng.uniform(0.05, 0.5), hard, gloss)
        )
    return lights


def aim(surface: Surface, pose: tuple[float, float, float], rng: np.random.Generator) -> tuple[Camera, np.ndarray]:
    """The camera that puts the landmarks' box near the middle of the image at a photograph's usual share of it, and
    the face's (100, 2) points in its image."""
    camera = Camera(rotation(*pose), float(np.exp(rng.uniform(np.log(7), np.log(40)))))
    points = surface.landmarks(camera.rotation, camera.project)
    box = geometry.landmark_box(points[:96])
    side = (box[2:] - box[:2]).mean()
    camera.scale = float(SIZE * rng.uniform(0.50, 0.60) / side)
    middle = SIZE / 2 - 0.5 + rng.uniform(-0.05, 0.05, 2) * SIZE
    camera.shift = tuple((middle - (box[:2] + box[2:]) / 2 * camera.scale).tolist())
    return camera, points * camera.scale + camera.shift


def render(plan: Plan, pose: tuple[float, float, float], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One face of a plan at yaw, pitch, roll (radians) -> (SIZE, SIZE, 3) uint8 RGB, (100, 2) points in image px."""
    surface = Surface(plan)
    camera, points = aim(surface, pose, rng)
    lights = _lights(rng)
    view = camera.view(surface.vertices)
    normal = normals(view)
    diffuse, shine = shade(view, normal, lights)
    painter = Painter(surface, rng)
    painter.choose(lights[0].direction[0])
    painter.paint()
    level = diffuse[ROWS // 2 :, COLUMNS // 4 : -COLUMNS // 4].mean(axis=(0, 1))

    image = scene.background(SIZE, rng)
    hair = scene.Hair(surface, painter.hair, painter.female, plan.age, rng)
    hair.curtain(image, camera, surface, level, rng)
    scene.body(image, camera, surface, painter.skin, level, rng)
    canvas = Canvas(SIZE)
    facing = cv2.resize(normal[2], (TEXTURE_W, TEXTURE_H)) > -0.15
    skin_px = camera.flatten(view)
    dense = canvas.splat(skin_px, view[..., 2], facing, SKIN)
    if hair.mask.any():
        painter.roots(hair.mask, hair.colour)
        shell = view + cv2.merge(list(normal * hair.thickness))
        canvas.splat(camera.flatten(shell), shell[..., 2], hair.mask & facing, HAIR)
    layer, texel = (a.ravel() for a in canvas.resolve())

    head = np.zeros((3, SIZE * SIZE), np.float32)
    pixel = np.flatnonzero(layer == SKIN)
    where = texture_map(skin_px, dense, texel[pixel], pixel, SIZE)
    coarse = (where + np.float32(0.5)) * _SHRINK - np.float32(0.5)
    colour = look_up(cv2.merge([*painter.texture, painter.gloss]), where)
    head[:, pixel] = colour[:3] * look_up(diffuse, coarse) + look_up(shine, coarse) * colour[3]
    pixel = np.flatnonzero(layer == HAIR)
    cell = grid_cell(texel[pixel])
    lit = diffuse.reshape(-1, 3)[cell] + np.float32(hair.gloss) * shine.reshape(-1, 3)[cell]
    head[:, pixel] = hair.colours(texel[pixel]) * lit.T
    _put_on(image, head, (layer >= 0).astype(np.float32).reshape(SIZE, SIZE))
    if rng.random() < 0.14:
        scene.glasses(image, camera, surface, level, rng)
    if rng.random() < 0.10:
        scene.in_front(image, points, painter.skin, level, rng)
    return scene.develop(image, rng), points


def _put_on(image: np.ndarray, head: np.ndarray, covered: np.ndarray) -> None:
    """Lay the (3, pixels) head over the picture, in place, where ``covered`` is 1, with an outline one pixel soft.

    The head's colour is grown outward by a pixel, then blended by the blurred coverage.
    """
    weight = cv2.GaussianBlur(covered, (3, 3), 0.7)
    rim = np.flatnonzero((weight > 0).ravel() & (covered.ravel() == 0))
    share = np.maximum(cv2.blur(covered, (3, 3)).ravel()[rim], np.float32(1e-3))
    for plane in head:
        plane[rim] = cv2.blur(plane.reshape(covered.shape), (3, 3)).ravel()[rim] / share
    image += (head.reshape(image.shape) - image) * weight
