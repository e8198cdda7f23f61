"""From the head's surface to pixels: projection, light with cast shadows, a z-buffer of splatted texels.

The coarse grid of ``cartoons.shape`` is enlarged to one sample a texel (TEXTURE_H x TEXTURE_W); the nearest sample of
each pixel wins, and its texture coordinate is corrected to the pixel's centre through the surface's Jacobian.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.drawn.cartoons.shape import COLUMNS, ROWS

TEXTURE_W, TEXTURE_H = 384, 288
_TEXELS = TEXTURE_W * TEXTURE_H
SKIN, HAIR = 0, 1  # layers of the z-buffer
_ENLARGE = np.array([TEXTURE_W / COLUMNS, TEXTURE_H / ROWS])
_LAYER = 2**19  # key = depth * _LAYER + layer * _TEXELS + texel, exact in a float64


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) head to camera, radians. Yaw turns the nose to the right of the image, pitch up, roll clockwise."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return tilt @ nod @ turn


PIVOT = np.array([0.0, 0.4, -0.5])  # the head turns about this point, in face units


@dataclass
class Camera:
    """Perspective at a distance (face units): scale px per face unit at the pivot's depth, shift px."""

    rotation: np.ndarray
    distance: float
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def view(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) head points in the camera's axes, pivot at the origin."""
        return (points - PIVOT.astype(points.dtype)) @ self.rotation.T.astype(points.dtype)

    def flatten(self, view: np.ndarray) -> np.ndarray:
        """(..., 2) image px of camera points."""
        factor = self.scale * self.distance / (self.distance - view[..., 2:])
        return view[..., :2] * factor + np.array(self.shift, view.dtype)

    def project(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) image px of head points."""
        return self.flatten(self.view(points))


def normals(view: np.ndarray) -> np.ndarray:
    """(3, ROWS, COLUMNS) outward unit normals of a (ROWS, COLUMNS, 3) grid in camera axes."""
    ax, ay, az = cv2.split(cv2.Sobel(view, cv2.CV_32F, 1, 0, ksize=3, borderType=cv2.BORDER_REPLICATE))
    dx, dy, dz = cv2.split(cv2.Sobel(view, cv2.CV_32F, 0, 1, ksize=3, borderType=cv2.BORDER_REPLICATE))
    n = np.stack([ay * dz - az * dy, az * dx - ax * dz, ax * dy - ay * dx])
    return n / (np.sqrt((n * n).sum(axis=0)) + np.float32(1e-9))


@dataclass
class Light:
    """direction: unit, from the face to the light, camera axes. colour, ambient: (3,) factors. hardness: 0 to 1 of
    the cast shadow's depth. gloss: strength of the highlight."""

    direction: np.ndarray
    colour: np.ndarray
    ambient: np.ndarray
    wrap: float
    hardness: float
    gloss: float


def cast_shadow(view: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """(ROWS, COLUMNS) float32, 1 where the light reaches a vertex, by a depth buffer seen from the light."""
    side = np.cross(direction, (0.0, 1.0, 0.3))
    side /= np.linalg.norm(side)
    axes = np.stack([side, np.cross(direction, side), direction]).astype(np.float32)
    local = view.reshape(-1, 3) @ axes.T
    cell = np.clip((local[:, :2] + 2.2) * (56 / 4.4), 0, 55).astype(np.int64)
    index = cell[:, 1] * 56 + cell[:, 0]
    depth = np.full(56 * 56, -9, np.float32)
    np.maximum.at(depth, index, local[:, 2])
    lit = (depth[index] - local[:, 2] < 0.11).astype(np.float32).reshape(ROWS, COLUMNS)
    return cv2.GaussianBlur(lit, (7, 7), 1.6)


def shade(view: np.ndarray, normal: np.ndarray, lights: list[Light]) -> tuple[np.ndarray, np.ndarray]:
    """Diffuse and highlight, both (ROWS, COLUMNS, 3) float32, of a grid with (3, ROWS, COLUMNS) normals."""
    diffuse = np.zeros((3, ROWS, COLUMNS), np.float32)
    shine = np.zeros((3, ROWS, COLUMNS), np.float32)
    sky = np.float32(0.85) - np.float32(0.15) * normal[1]  # less ambient light from below
    for light in lights:
        direction = light.direction.astype(np.float32)
        colour, ambient = (v.astype(np.float32)[:, None, None] for v in (light.colour, light.ambient))
        lambert = np.maximum(
            (np.tensordot(direction, normal, 1) + np.float32(light.wrap)) / np.float32(1 + light.wrap), 0
        )
        if light.hardness:
            lambert *= 1 - np.float32(light.hardness) * (1 - cast_shadow(view, light.direction))
        half = direction + np.array([0, 0, 1], np.float32)
        half /= np.linalg.norm(half)
        diffuse += lambert * colour + sky * ambient
        if light.gloss:
            power = np.maximum(np.tensordot(half, normal, 1), 0)
            for _ in range(5):  # to the 32nd
                power = power * power
            shine += power * np.float32(light.gloss) * np.minimum(lambert, 1) * colour
    return cv2.merge(list(diffuse)), cv2.merge(list(shine))


def _dense(grid: np.ndarray) -> np.ndarray:
    return cv2.resize(grid, (TEXTURE_W, TEXTURE_H), interpolation=cv2.INTER_LINEAR)


def to_texture(places: np.ndarray) -> np.ndarray:
    """Fractional grid columns and rows -> texture px, the enlargement that ``_dense`` does."""
    return places * _ENLARGE + (0.5 * _ENLARGE - 0.5)


class Canvas:
    """A z-buffer of texel keys. One layer at a time is splatted into it."""

    def __init__(self, size: int):
        self.size = size
        self.keys = np.full(size * size, -1.0)

    def splat(self, image: np.ndarray, depth: np.ndarray, visible: np.ndarray, layer: int) -> np.ndarray:
        """Put a coarse grid with image px (ROWS, COLUMNS, 2), depth and a texel mask in; -> dense (2, texels) px."""
        x, y, z = (_dense(np.ascontiguousarray(a, np.float32)).ravel() for a in (image[..., 0], image[..., 1], depth))
        high = np.float32(self.size - 0.5)
        low = np.float32(-0.5)
        texels = np.flatnonzero(visible.ravel() & (x > low) & (x < high) & (y > low) & (y < high))
        half = np.float32(0.5)
        pixel = (y[texels] + half).astype(np.int32) * self.size + (x[texels] + half).astype(np.int32)
        key = ((z[texels] + 8) * 2048).astype(np.int64) * _LAYER + (layer * _TEXELS + texels)
        np.maximum.at(self.keys, pixel, key.astype(np.float64))
        return np.stack([x, y])

    def resolve(self) -> tuple[np.ndarray, np.ndarray]:
        """Layer (size, size) int8, -1 where nothing is, and texel (size, size) int64; one-pixel holes are closed."""
        keys = self.keys.reshape(self.size, self.size)
        square = np.ones((3, 3), np.uint8)
        closed = cv2.erode(cv2.dilate(keys, square), square)
        keys = np.where(closed - keys > 0.06 * 2048 * _LAYER, closed, keys).astype(np.int64)
        code = keys & (_LAYER - 1)
        hair = code >= _TEXELS
        return np.where(keys < 0, -1, hair).astype(np.int8), code - hair * _TEXELS


def texture_map(image: np.ndarray, dense: np.ndarray, texel: np.ndarray, pixel: np.ndarray, size: int) -> np.ndarray:
    """(2, K) float32 texture px at the centres of K pixels: of each its texel, moved by the projection's Jacobian.

    image: (ROWS, COLUMNS, 2) px of the grid. dense: (2, texels) from ``splat``. texel, pixel: (K,) int, flat.
    """
    du = cv2.Sobel(image, cv2.CV_32F, 1, 0, ksize=1) * np.float32(COLUMNS / TEXTURE_W / 2)
    dv = cv2.Sobel(image, cv2.CV_32F, 0, 1, ksize=1) * np.float32(ROWS / TEXTURE_H / 2)
    det = du[..., 0] * dv[..., 1] - du[..., 1] * dv[..., 0]
    det = np.where(np.abs(det) < 0.02, np.float32(np.inf), det)
    inverse = np.stack([dv[..., 1] / det, -dv[..., 0] / det, -du[..., 1] / det, du[..., 0] / det]).reshape(4, -1)
    row, column = np.divmod(texel.astype(np.int32), np.int32(TEXTURE_W))
    y, x = np.divmod(pixel.astype(np.int32), np.int32(size))
    rx, ry = x - dense[0][texel], y - dense[1][texel]
    xx, xy, yx, yy = inverse[:, grid_cell(texel)]
    u = np.clip(xx * rx + xy * ry, -1.2, 1.2) + column
    v = np.clip(yx * rx + yy * ry, -1.2, 1.2) + row
    return np.stack([u, v]).astype(np.float32)


def grid_cell(texel: np.ndarray) -> np.ndarray:
    """(K,) flat index of the grid's vertex beside each flat texel index."""
    row, column = np.divmod(texel.astype(np.int32), np.int32(TEXTURE_W))
    return (row * ROWS) // TEXTURE_H * COLUMNS + (column * COLUMNS) // TEXTURE_W


def look_up(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(C, K) float32: what a (h, w, C) picture shows, bilinear, at (2, K) px of its own."""
    count = where.shape[1]
    wide = 256  # remap wants a picture: the list is folded into rows
    folded = np.zeros((-(-count // wide) * wide, 2), np.float32)
    folded[:count] = where.T
    seen = cv2.remap(picture, folded.reshape(-1, wide, 2), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(seen.reshape(-1, picture.shape[2])[:count].T)
