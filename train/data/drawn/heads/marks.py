"""Landmarks of a head: 300w-68 and wflw-98 in the picture and in space, and whether each is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from train.data.drawn.heads.mesh import Mesh

IRIS = 0.14  # dm from the eyeball's middle to the iris
RIGHT_CORNER, LEFT_CORNER = 9, 18  # the eyes' outer corners among the inner points
NEAR, NEAR_OUTLINE = 0.11, 0.3  # dm: a surface no further before a point is its own; the outline bends away quickly


class Brow:
    """Painted brows: a line and a half thickness over |x| of the template."""

    def __init__(self, line: np.ndarray, rng: np.random.Generator | None = None, male: float = 0.5):
        """line: (5, 2), the default brow; ``rng`` makes it a person's own, as thick as a man's (male: 1) or less."""
        line, n = line.astype(float), np.zeros(6) if rng is None else rng.standard_normal(6)
        line[:, 1] += 0.022 * n[0] + 0.05 * n[1] * (line[:, 0] - 0.32) + 0.018 * n[2] * np.array([-1, 0, 1, 0, -1])
        if rng is not None:  # the rule is of plucked brows: as they grow, they go on at both ends
            ends = np.clip((0.018 + 0.022 * n[3], 0.02 + 0.025 * n[4]), -0.04, 0.07)
            line[:, 0] += np.array([-1, -0.5, 0, 0.5, 1]) * np.where(np.arange(5) < 2, *ends)
        self.x = np.linspace(line[0, 0], line[-1, 0], 33)
        self.y = np.polyval(np.polyfit(line[:, 0], line[:, 1], 3), self.x)
        shape = np.interp(np.linspace(0, 1, 33), [0, 0.12, 0.6, 1], [0.7, 1, 0.85, 0.3])
        self.half = float(np.clip((0.034 + 0.014 * male) * np.exp(0.35 * n[5]), 0.013, 0.09)) * shape

    def points(self, height: float) -> np.ndarray:
        """(5, 2) even steps from inner to outer end, at -1 the lower edge, 1 the upper."""
        x = np.linspace(self.x[0] + 0.006, self.x[-1] - 0.008, 5)  # at its first hairs and its last ones
        return np.stack([x, np.interp(x, self.x, self.y + height * self.half)], 1)

    def for68(self) -> np.ndarray:
        """(10, 2), image left to right."""
        left = self.points(0.5)
        return np.concatenate([(left * (-1, 1))[::-1], left])

    def for98(self) -> np.ndarray:
        """(18, 2): upper edge of five and lower edge of four, right brow from its outer end, left from its inner."""
        upper, lower = self.points(0.9), self.points(-0.9)[:4]
        right = np.concatenate([(upper * (-1, 1))[::-1], lower * (-1, 1)])
        return np.concatenate([right, upper, lower[::-1]])


@dataclass
class Marks:
    """Of one face in its head's own frame, (n, 3) dm. contour: 33 rows of places, from which the view chooses."""

    contour: np.ndarray
    outward: np.ndarray
    brow68: np.ndarray
    brow98: np.ndarray
    inner: np.ndarray
    eyes98: np.ndarray
    pupils: np.ndarray

    @classmethod
    def of(cls, mesh: Mesh, v: np.ndarray, brow: Brow, centres: np.ndarray, turn: np.ndarray) -> Marks:
        """centres: of the eyeballs, left and right; turn: their rotation."""
        pupils = (centres + turn @ (0, 0, IRIS))[::-1]  # image left to right: the right eye first
        return cls(
            mesh.places(v, "contour"),
            mesh.arrays["contour_outward"] * (1.0, -1.0),  # the picture's y is down
            mesh.on_skin(v, brow.for68()),
            mesh.on_skin(v, brow.for98()),
            mesh.places(v, "points"),
            mesh.places(v, "eyes98"),
            pupils,
        )

    def outline(self, count: int, project, roll: float) -> np.ndarray:
        """(count, 3): from the level of the eyes' outer corners to the chin and up again, on either side in even steps
        of the picture: so the markups number the contour, and a turned head's sides have steps of their own."""
        p = project(self.contour.reshape(-1, 3))[:, :2].reshape(*self.contour.shape[:2], 2)
        c, s = np.cos(roll), np.sin(roll)
        out = self.outward @ np.array([[c, -s], [s, c]])  # turned with the head in the picture
        line = self.contour[np.arange(33), (p * out[:, None]).sum(-1).argmax(1)]  # of each row the farthest out
        right, left = (
            _even(_below(half, self.inner[corner][1]), count // 2 + 1, project)
            for half, corner in ((line[16::-1], RIGHT_CORNER), (line[16:], LEFT_CORNER))
        )
        return np.concatenate([right[:0:-1], left])

    def points(self, layout_name: str, project, roll: float) -> np.ndarray:
        """(N, 3) in the head's frame."""
        outline = self.outline(contour_points(layout_name), project, roll)
        if layout_name == "300w-68":
            return np.concatenate([outline, self.brow68, self.inner])
        return np.concatenate([outline, self.brow98, self.inner[:9], self.eyes98, self.inner[21:], self.pupils])


def _below(line: np.ndarray, height: float) -> np.ndarray:
    """(n, 3) of a line that comes up from the chin, as far as that height."""
    above = line[:, 1] > height
    if not above.any():
        return line
    k = max(1, int(above.argmax()))
    low, high = line[k - 1], line[k]
    share = np.clip((height - low[1]) / max(high[1] - low[1], 1e-6), 0, 1)
    return np.vstack([line[:k], low + share * (high - low)])


def _even(line: np.ndarray, count: int, project) -> np.ndarray:
    """(count, 3) from end to end of a line, as far from each other in the picture."""
    flat = project(line)[:, :2]
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(flat, axis=0), axis=1))]
    at = np.linspace(0, length[-1], count)
    return np.stack([np.interp(at, length, line[:, k]) for k in range(3)], 1)


def contour_points(layout_name: str) -> int:
    return 17 if layout_name == "300w-68" else 33


def seen(points, head: np.ndarray, things: np.ndarray, covered: np.ndarray, outline: int = 0) -> np.ndarray:
    """(N,) uint8 visibility: 0 behind the head itself, 1 behind something else, or outside the picture, 2 seen.

    points: (N, 3) x, y in px, 1 / distance in 1 / dm. head, things: (H, W) buffers of 1 / distance of the head, and of
    what else is the nearest there (0: nothing). covered: (H, W) 0 to 1, what was painted before all of it.
    outline: so many first points follow the outline of the head: they are seen where it runs close by.
    """
    h, w = head.shape
    x, y = np.rint(points[:, :2]).astype(int).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    x, y = np.clip(x, 0, w - 1), np.clip(y, 0, h - 1)
    edge = np.arange(len(points)) < outline
    reach, near = np.where(edge, max(1, w // 60), 1), np.where(edge, NEAR_OUTLINE, NEAR)
    steps = [(dx, dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)]
    around = [head[np.clip(y + dy * reach, 0, h - 1), np.clip(x + dx * reach, 0, w - 1)] for dx, dy in steps]
    behind = np.min(around, axis=0) > 1 / (1 / points[:, 2] - near)
    hidden = ~inside | (things[y, x] > points[:, 2]) | (covered[y, x] > 0.5)
    return np.where(behind, 0, np.where(hidden, 1, 2)).astype(np.uint8)
