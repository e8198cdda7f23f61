"""What lies about the head: hair, hats, scarves, masks of cloth; each a sheet of triangles in the head's own frame.

Hair and hats grow on a grid over the scalp, 72 columns from the front over the left and 40 places from the crown down.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import cv2
import numpy as np

from train.data.drawn.heads import shading
from train.data.drawn.heads.mesh import Mesh, mesh
from train.data.drawn.heads.people import Person

COLUMNS, DOWN = 72, 40
_TURN = np.linspace(0, 2 * np.pi, COLUMNS + 1)[:-1]
ANGLE = abs((np.rad2deg(_TURN) + 180) % 360 - 180)  # from the front
_STEP = 0.09  # dm between places of a column
_LOWEST = 7.25  # of the template: below, hair hangs


@dataclass
class Sheet:
    """material: of ``shading``. alpha: (V,), where it is below the noise at uv nothing is there."""

    material: int
    vertices: np.ndarray
    triangles: np.ndarray
    alpha: np.ndarray
    uv: np.ndarray
    template: np.ndarray
    occlusion: np.ndarray


@functools.cache
def _grid() -> np.ndarray:
    """Two triangles for each cell of the scalp's grid, closed around."""
    i, j = np.meshgrid(np.arange(COLUMNS), np.arange(DOWN - 1), indexing="ij")
    a, b = i * DOWN + j, (i + 1) % COLUMNS * DOWN + j
    return np.stack([a, b + 1, b, a, a + 1, b + 1], -1).reshape(-1, 3).astype(np.int32)


def _plain(rows: int, columns: int) -> np.ndarray:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = i * columns + j
    return np.stack([a, a + 1, a + columns, a + 1, a + columns + 1, a + columns], -1).reshape(-1, 3).astype(np.int32)


def _between(grid: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(72, n, 3) of (72, 40, 3) at fractional places down each column."""
    k = np.clip(at.astype(int), 0, DOWN - 2)
    g = (at - k)[..., None]
    rows = np.arange(COLUMNS)[:, None]
    return grid[rows, k] * (1 - g) + grid[rows, k + 1] * g


def _until(height: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(72,) fractional place of each column where the template's grid comes down to a height."""
    below = height < end[:, None]
    last = np.maximum(np.where(below.any(1), below.argmax(1), DOWN - 1), 4)
    rows = np.arange(COLUMNS)
    above, under = height[rows, last - 1], height[rows, last]
    part = np.clip((above - end) / np.where(above > under, above - under, 1), 0, 1)
    return last - 1 + np.where(above > under, part, 1)


def _outward(base: np.ndarray, back: float) -> np.ndarray:
    out = base - (0, base[:, 0, 1].mean() - 0.75, back)
    return out / np.linalg.norm(out, axis=2, keepdims=True)


def _wave(rng: np.random.Generator) -> np.ndarray:
    return np.interp(np.linspace(0, 1, COLUMNS + 1)[:-1], np.linspace(0, 1, 13), np.r_[rng.normal(0, 1, 12), 0])


@dataclass
class Cut:
    """How a person's hair is worn. line: (72,) template height of the hairline. scalp: (V,) paint below the hair."""

    style: str
    line: np.ndarray
    wave: np.ndarray
    scalp: np.ndarray
    curly: bool = False
    hidden: bool = False  # the hairline, by a hat


def cut(who: Person, rng: np.random.Generator) -> Cut:
    man, m = who.male > 0.5, mesh()
    styles = {"bald": 0.1, "buzz": 0.14, "short": 0.61} if man else {"bald": 0.02, "buzz": 0.03, "short": 0.25}
    styles |= {"long": (1 - sum(styles.values())) * 0.68, "tied": (1 - sum(styles.values())) * 0.32}
    style = str(rng.choice(list(styles), p=list(styles.values())))
    line = np.array([7.98, 7.97, 7.90, 7.78, 7.55, 7.28, 7.45, 7.35, 7.1, 6.9, 6.85])
    line[:4] += rng.normal(0, 0.05)
    if man and who.age > 0.55 and rng.random() < 0.45:  # receding
        line[:5] += rng.uniform(0.05, 0.35) * np.array([0.6, 0.9, 1.2, 0.8, 0.3])
    if who.male < 0.4:
        line[5] += 0.15
    wave = _wave(rng)
    line = np.interp(ANGLE, [0, 22, 38, 52, 63, 74, 86, 100, 120, 150, 180], line) + 0.02 * wave
    scalp = np.zeros(len(m.template))
    if style != "bald":
        t = m.template
        around = np.degrees(np.arctan2(abs(t[:, 0]), t[:, 2] - 0.35))
        order = np.argsort(ANGLE, kind="stable")
        above = t[:, 1] - np.interp(around, ANGLE[order], line[order])
        scalp = np.clip(above / 0.10 + 0.3, 0, 1) * (m.arrays["ears"] < 76) * (m.part == 0)
        scalp *= rng.uniform(0.45, 0.85) if style == "buzz" else 0.9
    return Cut(style, line, wave, scalp, bool(rng.random() < 0.15 + 0.5 * who.race[0]))


def hairline(m: Mesh, v: np.ndarray, worn: Cut) -> np.ndarray:
    """(n, 3) where hair begins, from the person's right ear over the forehead to the left one."""
    height = m.places(m.template, "hair")[..., 1]
    found = _between(m.places(v, "hair"), _until(height, worn.line)[:, None])[:, 0]
    front = np.flatnonzero(ANGLE <= 78)
    return found[front[np.argsort((_TURN[front] + np.pi) % (2 * np.pi))]]


def _ends(worn: Cut, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """(72,) template height where each column ends, and whether there is a fringe."""
    end, wave = worn.line.copy(), worn.wave
    fringe = bool(rng.random() < (0.3 if worn.style == "short" else 0.35))
    if fringe:
        low = rng.uniform(7.5, 7.85) + rng.normal(0, 0.12) * np.sin(_TURN) + 0.03 * wave
        end = np.where(ANGLE < 48, np.minimum(end, low), end)
    if worn.style == "long":
        opening = rng.uniform(46, 80)
        soft = (ANGLE > opening - 12) & (ANGLE <= opening)
        end = np.where(soft, np.minimum(end, rng.uniform(6.9, 7.6)), end)
        end = np.where(ANGLE > opening, rng.uniform(5.2, 6.7) + 0.05 * wave, end)
    return end, fringe


def hair(m: Mesh, v: np.ndarray, worn: Cut, rng: np.random.Generator) -> list[Sheet]:
    """Two sheets, the outer one thinner; none on bald and shorn heads."""
    if worn.style in ("bald", "buzz"):
        return []
    thick = rng.uniform(0.04, 0.2) if worn.style == "short" else rng.uniform(0.07, 0.18)
    if worn.curly and rng.random() < 0.6:
        thick = rng.uniform(0.1, 0.4 if worn.style == "short" else 0.2)  # long and thick would cover the face
    thick *= 0.5 if worn.style == "tied" else 1
    base, height = m.places(v, "hair"), m.places(m.template, "hair")[..., 1]
    out = _outward(base, base[:, 3, 2].mean() * 0.6 + 0.1)
    end, fringe = _ends(worn, rng)
    surface = _until(height, np.maximum(end, _LOWEST))
    hang = np.where(ANGLE > 40, np.maximum(0, _LOWEST - end), 0)
    s = np.linspace(0, 1, DOWN)
    along = s * (surface * _STEP + hang)[:, None]  # dm from the crown
    on = np.minimum(along / _STEP, surface[:, None])
    q, o = _between(base, on), _between(out, on)
    down = np.maximum(0, along - surface[:, None] * _STEP)
    lift = thick * np.clip(along / 0.35, 0.25, 1) * (1 + 0.25 * worn.wave)[:, None]
    tip = np.clip((1 - s) / (0.25 + 0.6 * thick), 0.5 if fringe else 0.15, 1)
    q = q + o * np.where((hang == 0)[:, None], lift * tip, lift)[..., None]
    q[..., 1] -= down
    sideways = o[:, -1:] * (1, 0, 1)
    curl = rng.uniform(0, 0.05) * np.sin(rng.uniform(3, 9) * down + rng.uniform(0, 6) + 2 * worn.wave[:, None])
    away = rng.uniform(-0.02, 0.12) * down - 0.03 * down**2 + curl * np.clip(down / 0.3, 0, 1)
    q += sideways * away[..., None]
    alpha = np.clip((1 - s) / rng.uniform(0.08, 0.3), 0, 1) * rng.uniform(0.92, 1.0) + 0.03
    alpha[-1] = 0
    alpha = np.tile(alpha, (COLUMNS, 1)).ravel()
    across = np.repeat((np.arange(COLUMNS) / COLUMNS * 6)[:, None], DOWN, 1) + rng.normal(0, 0.15)
    uv = np.stack([across, along * rng.uniform(0.2, 0.5)], 2).reshape(-1, 2)
    q, shade = q.reshape(-1, 3), np.tile(0.35 + 0.65 * s, COLUMNS)
    over = q - q.mean(0)
    over = q + over / (np.linalg.norm(over, axis=1, keepdims=True) + 1e-9) * rng.uniform(0.01, 0.03)
    place = np.tile((0.0, 8.0, 0.3), (len(q), 1))
    sheets = [
        Sheet(shading.HAIR, p, _grid(), alpha * dense, uv + shift, place, shade)
        for p, dense, shift in ((q, 1.0, 0.0), (over, 0.55, 0.37))
    ]
    return sheets + ([_bun(m, v, worn, rng)] if worn.style == "tied" else [])


def _ball(middle: np.ndarray, radii: np.ndarray, material: int, rng: np.random.Generator) -> Sheet:
    """A rough ellipsoid with soft edges of strands."""
    a, b = np.meshgrid(np.linspace(0, 2 * np.pi, 19), np.linspace(0.05, np.pi - 0.05, 11))
    p = np.stack([np.sin(b) * np.cos(a), np.cos(b), np.sin(b) * np.sin(a)], -1)
    p = middle + p * radii * (1 + 0.05 * np.sin(5 * a + rng.uniform(0, 6)) * np.sin(b))[..., None]
    n = p.size // 3
    uv = np.stack([a / 2, b / 3], -1).reshape(-1, 2)
    return Sheet(
        material,
        p.reshape(-1, 3),
        _plain(11, 19),
        np.full(n, 0.99),
        uv,
        np.tile((0.0, 8.0, 0.3), (n, 1)),
        np.full(n, 0.7),
    )


def _bun(m: Mesh, v: np.ndarray, worn: Cut, rng: np.random.Generator) -> Sheet:
    """A knot of hair at the back, or on the crown."""
    base = m.places(v, "hair")
    at = base[COLUMNS // 2, rng.integers(4, 20)]
    out = at - (0, base[:, 0, 1].mean() - 0.75, 0.3)
    r = rng.uniform(0.18, 0.34)
    return _ball(
        at + out / np.linalg.norm(out) * r * 0.8, np.full(3, r) * rng.uniform(0.85, 1.15, 3), shading.HAIR, rng
    )


def braids(m: Mesh, v: np.ndarray, rng: np.random.Generator) -> list[Sheet]:
    """One from behind an ear down to the chest, or two."""
    base, height = m.places(v, "hair"), m.places(m.template, "hair")[..., 1]
    roots = _between(base, _until(height, np.full(COLUMNS, rng.uniform(6.95, 7.2)))[:, None])[:, 0]
    column, turns, sides = int(rng.integers(20, 26)), rng.uniform(4, 8), [1, -1]  # a column is 5 degrees
    thick, down, forward, aside = (
        rng.uniform(0.09, 0.17),
        rng.uniform(1.0, 2.2),
        rng.uniform(0.3, 0.9),
        rng.normal(0.1, 0.1),
    )
    s, around = np.meshgrid(np.linspace(0, 1, 41), np.linspace(0, 2 * np.pi, 13), indexing="ij")
    bulge, swing = abs(np.sin(np.pi * turns * s)), np.sin(np.pi * turns * s)
    radius = thick * (0.6 + 0.4 * bulge) * (1 - 0.4 * s)
    across = np.stack([around / 6 + 0.5 * bulge, s * turns / 4], -1).reshape(-1, 2)  # strands go over each other
    n, made = s.size, []
    for side in sides if rng.random() < 0.5 else sides[: int(rng.integers(2)) + 1][-1:]:
        x = side * (0.06 + aside * s + 0.25 * thick * swing) + radius * np.cos(around)
        z = forward * s * (2 - s) - 0.05 + radius * np.sin(around)
        p = roots[column * side % COLUMNS] + np.stack([x, -down * s, z], -1).reshape(-1, 3)
        place, shade = np.tile((0.0, 8.0, 0.3), (n, 1)), (0.1 + 0.6 * bulge).ravel()
        made.append(Sheet(shading.HAIR, p, _plain(41, 13), np.full(n, 0.99), across, place, shade))
    return made


def hat(m: Mesh, v: np.ndarray, scarf: bool, rng: np.random.Generator) -> list[Sheet]:
    """A cap, with a peak or without, or a scarf about head and neck."""
    if scarf:
        end = np.interp(ANGLE, [0, 30, 50, 62, 80, 180], [7.93, 7.85, 7.55, 5.9, 5.6, 5.6]) + rng.normal(0, 0.03)
    else:
        end = np.interp(ANGLE, [0, 60, 120, 180], [7.72, 7.66, 7.5, 7.35]) + rng.normal(0, 0.06)
    base, height = m.places(v, "hair"), m.places(m.template, "hair")[..., 1]
    below = height < np.maximum(end, 7.2)[:, None]
    last = np.where(below.any(1), below.argmax(1), DOWN - 1)[:, None]
    hangs = (end < 7.2)[:, None]
    steps = np.arange(DOWN)
    at = np.where(hangs, np.minimum(steps / 26, 1) * last, steps / (DOWN - 1) * last)
    p = _between(base, at) + rng.uniform(0.10, 0.17) * _between(_outward(base, 0.3), at)
    down = np.where(hangs, np.clip((steps - 26) / (DOWN - 27), 0, 1) * (7.2 - end)[:, None], 0)
    close = 0.35 * np.clip(down / 1.2, 0, 1)
    p[..., 1] -= down
    p[..., 0] *= 1 - close
    p[..., 2] += close * (ANGLE < 110)[:, None]
    uv = m.places(m.template, "hair").reshape(-1, 3)[:, :2] * 0.3
    n = COLUMNS * DOWN
    made = [Sheet(shading.SOLID, p.reshape(-1, 3), _grid(), np.ones(n), uv, p.reshape(-1, 3), np.ones(n))]
    if not scarf and rng.random() < 0.6:
        made.append(_peak(p))
    return made


def _peak(cap: np.ndarray) -> Sheet:
    signed = (np.rad2deg(_TURN) + 180) % 360 - 180
    columns = np.argsort(signed)
    columns = columns[abs(signed[columns]) <= 50]
    bow = np.clip(np.cos(np.deg2rad(signed[columns]) * 1.7), 0, 1)
    out = np.stack([0 * bow, -0.12 * bow, 0.55 * bow], 1)
    ring = (cap[columns, -1] + np.linspace(0, 1, 5)[:, None, None] * out).reshape(-1, 3)
    n = len(ring)
    return Sheet(shading.SOLID, ring, _plain(5, len(columns)), np.ones(n), ring[:, [0, 2]] * 0.3, ring, np.ones(n))


def mask(m: Mesh, v: np.ndarray, rng: np.random.Generator) -> Sheet:
    """A shell of cloth before nose, mouth and chin."""
    gx, gy = np.meshgrid(np.linspace(-0.66, 0.66, 27), np.linspace(6.05, 7.2, 23))
    p = m.on_skin(v, np.stack([gx.ravel(), gy.ravel()], 1)).reshape(23, 27, 3).astype(np.float32)
    z = np.ascontiguousarray(p[..., 2])
    hull = cv2.GaussianBlur(cv2.dilate(z, np.ones((5, 5))), (0, 0), 1.5)
    p[..., 2] = np.maximum(z + 0.02, hull - 0.02)
    p = cv2.GaussianBlur(p, (0, 0), 0.8).reshape(-1, 3).astype(float)
    top = rng.uniform(6.92, 7.14) - 0.5 * np.clip(abs(gx) - 0.08, 0, 1)
    low = rng.uniform(6.2, 6.34) + 0.35 * np.clip(abs(gx) - 0.15, 0, 1)
    inside = np.minimum(np.minimum(top - gy, gy - low), rng.uniform(0.48, 0.6) - abs(gx))
    alpha = (inside / 0.02 + 0.5).ravel()
    place = np.stack([gx.ravel(), gy.ravel(), p[:, 2]], 1)
    return Sheet(shading.MASK, p, _plain(23, 27), alpha, p[:, :2] * 0.4, place, np.ones(len(p)))
