"""The drawn head: a plan of 100 points in the face's plane, a surface that lifts it to 3-D, and its landmarks.

Units: the distance of the outer eye corners is 1 (about 9 cm). x goes right, y down, z towards the camera; the origin
lies between the outer eye corners. The plan's first 98 points are those of ``wflw-98``, the last two the widest points
of the nose wings. Proportions: ``HALF`` is the mean of 690 near-frontal faces of LFPW's and HELEN's training sets
(iBUG markup), made symmetric and rounded to 0.005; the depths are anthropometric guesses, tuned so that the mean shape
of turned drawn faces agrees with LFPW's.

The surface is a grid: rows from the top of the skull to the chin, columns by angle around the head, 0 in the middle of
the face and 90 degrees on the jaw line. A row is half an ellipse whose ends lie on the plan's contour, so the frontal
outline is the plan's, by construction; behind it the skull, the ears and the underside of the jaw go on.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from edgewing import layouts

ROWS, COLUMNS = 104, 112  # vertices of the coarse surface
REACH = np.deg2rad(128.0)  # angle of the first and the last column
ANGLES = np.linspace(-REACH, REACH, COLUMNS, dtype=np.float32)
_ROW_NUMBERS = np.arange(ROWS, dtype=float)
ABOVE = 44  # rows above the first contour point

# The half of the face with x >= 0: contour from the ear to the chin (300w-68 points 16 to 8), brow, nose, eye, lips.
HALF = {
    "contour": [(0.800, 0.005), (0.785, 0.215), (0.755, 0.425), (0.715, 0.630), (0.640, 0.820), (0.515, 0.985),
                (0.365, 1.115), (0.195, 1.220), (0.0, 1.250)],
    "brow": [(0.140, -0.185), (0.280, -0.235), (0.425, -0.255), (0.555, -0.232), (0.652, -0.155)],
    "bridge": [(0.0, -0.020), (0.0, 0.125), (0.0, 0.265), (0.0, 0.410)],
    "base": [(0.0, 0.540), (0.085, 0.515), (0.162, 0.488)],
    # inner corner, upper lid inner / middle / outer, outer corner, lower lid outer / middle / inner
    "eye": [(0.220, 0.020), (0.305, -0.045), (0.358, -0.058), (0.413, -0.048), (0.500, 0.0), (0.420, 0.038),
            (0.370, 0.048), (0.317, 0.041)],
    "upper lip": [(0.0, 0.700), (0.083, 0.680), (0.200, 0.702), (0.315, 0.747)],  # outer edge, middle to corner
    "lower lip": [(0.0, 0.893), (0.090, 0.884), (0.205, 0.838)],
    "inner lips": [(0.0, 0.772), (0.085, 0.766), (0.268, 0.752)],  # closed: both edges
    "wing": [(0.195, 0.440)],
}  # fmt: skip
ROUND = np.array(
    [(-1.0, 0.9), (-0.3, 0.5), (0.0, 0.62), (0.4, 0.85), (0.8, 1.0), (1.25, 1.0)]
)  # y, how flat: 1 is an ellipse
BROW_THICKNESS = (0.070, 0.076, 0.077, 0.070)  # inner to outer, at the points 38, 39, 40, 41 of wflw-98

# Depth of the middle line (y, z) without nose and lips, and of the contour points 16 to 8.
PROFILE = np.array([
    (-1.45, -0.95), (-1.25, -0.36), (-1.0, -0.12), (-0.75, 0.0), (-0.5, 0.06), (-0.2, 0.07), (0.0, 0.02),
    (0.3, 0.05), (0.54, 0.09), (0.75, 0.12), (0.9, 0.08), (1.0, 0.05), (1.13, 0.10), (1.25, 0.0),
])  # fmt: skip
JAW_DEPTH = np.array([-0.84, -0.83, -0.80, -0.72, -0.60, -0.42, -0.24, -0.09, 0.0])
# Ridge of the nose: (y, height above the face); y is stretched with the plan's nose.
NOSE = np.array([(-0.12, 0.0), (-0.02, 0.065), (0.125, 0.14), (0.265, 0.205), (0.38, 0.27), (0.43, 0.275), (0.49, 0.20),
                 (0.54, 0.04), (0.60, 0.0)])  # fmt: skip

CONTOUR, LEFT_BROW, RIGHT_BROW = slice(0, 33), slice(33, 42), slice(42, 51)
BRIDGE, BASE, LEFT_EYE, RIGHT_EYE = slice(51, 55), slice(55, 60), slice(60, 68), slice(68, 76)
OUTER_LIPS, INNER_LIPS, PUPILS, WINGS = slice(76, 88), slice(88, 96), slice(96, 98), slice(98, 100)
ALL_LIPS, NOSE_POINTS = np.r_[OUTER_LIPS, INNER_LIPS], np.r_[BRIDGE, BASE, WINGS]
IRIS_RADIUS = 0.063


@functools.cache
def _spline(count: int, samples: int) -> np.ndarray:
    """(samples, count): weights of a Catmull-Rom spline through ``count`` points."""
    t = np.linspace(0, count - 1, samples)
    base = np.minimum(t.astype(int), count - 2)
    f = t - base
    weights = np.zeros((samples, count))
    cubic = (
        (-f + 2 * f**2 - f**3) / 2,
        (2 - 5 * f**2 + 3 * f**3) / 2,
        (f + 4 * f**2 - 3 * f**3) / 2,
        (f**3 - f**2) / 2,
    )
    for offset, weight in zip((-1, 0, 1, 2), cubic):
        np.add.at(weights, (np.arange(samples), np.clip(base + offset, 0, count - 1)), weight)
    return weights


def smooth(points: np.ndarray, samples: int) -> np.ndarray:
    """(samples, D): a Catmull-Rom curve through (K, D) points, passing through each of them."""
    return _spline(len(points), samples) @ points


@functools.cache
def neutral() -> np.ndarray:
    """(100, 2) the symmetric mean plan: mouth closed, eyes open, looking ahead."""
    half = {name: np.array(points) for name, points in HALF.items()}
    mirror = np.array([-1.0, 1.0])
    plan = np.zeros((100, 2))
    side = smooth(half["contour"], 17)
    plan[CONTOUR] = np.concatenate([side[:-1] * mirror, side[::-1]])
    upper = half["brow"]
    lower = np.array([(upper[0] + upper[1]) / 2 * (0.2, 0.2) + upper[0] * 0.8, upper[1], upper[2], upper[3]])
    lower = lower + np.stack([np.zeros(4), BROW_THICKNESS], axis=1)
    plan[RIGHT_BROW] = np.concatenate([upper, lower[::-1]])
    plan[LEFT_BROW] = np.concatenate([upper[::-1], lower]) * mirror
    plan[BRIDGE] = half["bridge"]
    plan[BASE] = np.concatenate([half["base"][:0:-1] * mirror, half["base"]])
    eye = half["eye"]
    plan[RIGHT_EYE] = eye
    plan[LEFT_EYE] = eye[[4, 3, 2, 1, 0, 7, 6, 5]] * mirror
    up, low, inner = half["upper lip"], half["lower lip"], half["inner lips"]
    plan[OUTER_LIPS] = np.concatenate([up[:0:-1] * mirror, up, low[:0:-1], low * mirror])
    plan[INNER_LIPS] = np.concatenate([inner[:0:-1] * mirror, inner, inner[1::-1], inner[1:2] * mirror])
    plan[PUPILS] = [(-0.36, -0.005), (0.36, -0.005)]
    plan[WINGS] = np.concatenate([half["wing"] * mirror, half["wing"]])
    return plan


@dataclass(frozen=True)
class Plan:
    """One face in its own plane.

    points: (100, 2). gap: how far the lips are apart. openness: (2,) of the left and right eye, 0 closed.
    smile, age: 0 to 1. relief: factors of the nose's height, lips, brow ridge, cheeks, chin; depth: factor of all z.
    """

    points: np.ndarray
    gap: float = 0.0
    openness: tuple[float, float] = (1.0, 1.0)
    smile: float = 0.0
    age: float = 0.3
    relief: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)
    depth: float = 1.0


def sample(rng: np.random.Generator) -> Plan:
    """A random person with a random expression. Standard deviations are tuned to LFPW's training set."""
    p = neutral().copy()
    n = rng.standard_normal(48)
    below = np.clip(p[:, 1], 0, None)
    smile, gap = _mouth(p, n, rng)
    openness = _eyes(p, n, smile, rng)
    _brows(p, n, gap)
    _identity(p, n, below)
    relief = tuple(np.clip(1 + 0.2 * n[37:42], 0.5, 1.6))
    return Plan(p, gap, tuple(openness), smile, float(rng.beta(1.2, 2.0)), relief, float(1 + 0.07 * n[42]))


def _mouth(p: np.ndarray, n: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Smile and gap of a random mood, and what they do to lips, chin and nose, in place."""
    side = np.sign(p[:, 0])
    mood = rng.random()
    smile = max(0.0, 0.75 + 0.3 * n[0]) if mood < 0.45 else max(0.0, 0.12 * n[0])
    if mood < 0.45:
        gap = abs(0.09 + 0.04 * n[1]) if rng.random() < 0.65 else 0.0
    else:
        gap = (0.0, abs(0.02 * n[1]), abs(0.06 * n[1]), 0.1 + abs(0.13 * n[1]))[rng.choice(4, p=(0.5, 0.2, 0.17, 0.13))]
    gap = min(gap, 0.55)
    pucker = max(0.0, n[2] - 0.9) * (smile < 0.3)

    lower = np.r_[83:88, 93:96]
    upper = np.r_[77:82, 89:92]
    middle = 0.765
    p[lower, 1] = middle + (p[lower, 1] - middle) * (1 + 0.22 * n[3] - 0.2 * smile)
    p[upper, 1] = middle + (p[upper, 1] - middle) * (1 + 0.28 * n[4] - 0.25 * smile)
    across = 1 - (np.abs(p[:, 0]) / 0.33) ** 2
    stretch = 0.95 + 0.085 * n[5] + 0.19 * smile - 0.3 * pucker - 0.12 * max(gap - 0.1, 0)
    p[ALL_LIPS, 1] -= smile * 0.085 * (1 - across[ALL_LIPS]) - smile * 0.01
    p[upper, 1] -= 0.25 * gap * across[upper].clip(0.35)
    p[lower, 1] += 0.8 * gap * across[lower].clip(0.35)
    p[[76, 82, 88, 92], 1] += 0.3 * max(gap - 0.1, 0)
    p[ALL_LIPS, 0] *= stretch
    drop = max(gap - 0.05, 0) * 0.75
    p[CONTOUR, 1] += drop * np.clip((p[CONTOUR, 1] - 0.5) / 0.7, 0, 1)
    p[CONTOUR, 0] += side[CONTOUR] * 0.035 * smile * np.exp(-(((p[CONTOUR, 1] - 0.7) / 0.3) ** 2))
    p[np.r_[BASE, WINGS], 0] *= 1 + 0.08 * smile
    p[BASE, 1] -= 0.02 * smile
    return smile, gap


def _eyes(p: np.ndarray, n: np.ndarray, smile: float, rng: np.random.Generator) -> np.ndarray:
    """How far the two eyes are open; lids and pupils, in place."""
    openness = np.clip(np.full(2, 1.17 + 0.19 * n[6] - 0.22 * smile) + 0.04 * n[7:9], 0.25, 1.7)
    blink = rng.random()
    if blink < 0.06:
        openness = np.array([0.06, 0.06]) * rng.random()
    elif blink < 0.08:
        openness[int(rng.integers(2))] = 0.05
    squint, tilt, gaze = 0.012 * smile, 0.018 * n[9], np.clip(n[10:12] * (0.035, 0.012), -0.09, 0.09)
    for eye, pupil, fraction, sign in ((LEFT_EYE, 96, openness[0], -1), (RIGHT_EYE, 97, openness[1], 1)):
        e = p[eye]
        top, bottom = (e[1:4], e[[7, 6, 5]])
        bottom[:, 1] -= squint
        e[1:4, 1] = bottom[:, 1] + (top[:, 1] - bottom[:, 1]) * fraction
        e[[7, 6, 5]] = bottom
        centre = np.array([0.36 * sign, 0.0])
        e[:] = centre + (e - centre) * (1 + 0.045 * n[12], 1 + 0.045 * n[12])
        e[:, 1] -= tilt * sign * (e[:, 0] - centre[0]) / 0.14
        p[pupil] = centre + (gaze[0], gaze[1] - 0.006)
        # the pupil stays between the lids where the eye is nearly shut
        p[pupil, 1] = np.clip(p[pupil, 1], e[2, 1] * 0.9 + e[6, 1] * 0.1, e[2, 1] * 0.1 + e[6, 1] * 0.9)
    return openness


def _brows(p: np.ndarray, n: np.ndarray, gap: float) -> None:
    raise_, furrow = 0.03 * n[13] + 0.02 * n[14] * (gap > 0.1), 0.02 * n[15] + 0.012 * n[16]
    for brow, sign in ((LEFT_BROW, -1), (RIGHT_BROW, 1)):
        b = p[brow]
        outward = (np.abs(b[:, 0]) - 0.4) / 0.27
        b[:, 1] += -raise_ - furrow * outward * 1.2 + 0.012 * n[17] * (1 - outward**2) + 0.012 * n[18 + (sign > 0)]
        b[:, 0] = sign * (0.4 + (np.abs(b[:, 0]) - 0.4) * (1 + 0.07 * n[20]) + 0.012 * n[21])
    lower_left, lower_right = np.r_[38:42], np.r_[47:51]
    p[lower_left, 1] += 0.016 * n[22]
    p[lower_right, 1] += 0.016 * n[22]


def _identity(p: np.ndarray, n: np.ndarray, below: np.ndarray) -> None:
    """Lengths below the eyes, widths, nose, mouth, jaw, in place. below: how far each point was under the eyes."""
    p[NOSE_POINTS, 1] *= 1 + 0.07 * n[23]
    p[NOSE_POINTS, 0] *= 1 + 0.13 * n[24]
    shift = 0.41 * 0.07 * n[23] * 0.7 + 0.028 * n[25]
    p[ALL_LIPS, 1] += shift
    p[CONTOUR, 1] += (shift * 0.9 + 0.045 * n[26]) * (np.clip(p[CONTOUR, 1], 0, 1.25) / 1.25) ** 2
    p[:, 1] += below * 0.035 * n[27]
    y = np.clip(p[CONTOUR, 1] / 1.25, 0, 1)
    width = 1 + 0.055 * n[28] + 0.055 * n[29] * (y - 0.4) + 0.05 * n[30] * np.sin(np.pi * y)
    p[CONTOUR, 0] *= width
    p[CONTOUR, 1] += 0.03 * n[31] * np.sin(np.pi * y) ** 2
    # no face is symmetric
    p[:, 0] += 0.012 * n[32] * below + 0.006 * n[33] * (p[:, 1] < -0.1)
    p[ALL_LIPS, 1] += 0.05 * n[34] * p[ALL_LIPS, 0]
    p[NOSE_POINTS, 0] += 0.012 * n[35] * below[NOSE_POINTS]
    # annotators slide along the contour: so does the drawn face's first point
    p[CONTOUR, 1] += 0.045 * n[36] * (1 - y) ** 2


class Surface:
    """The head's surface over a plan.

    vertices: (ROWS, COLUMNS, 3) float32 in face units. Rows and columns may be fractional in ``at``.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        points = plan.points
        left, right = points[0:17], points[32:15:-1]  # ear to chin
        middle, half = (left + right) / 2, (right[:, 0] - left[:, 0]) / 2
        jaw = smooth(np.stack([middle[:, 0], middle[:, 1], half], axis=1), ROWS - ABOVE)
        # the skull: a quarter of an ellipse over the first contour point
        t = np.linspace(0, 1, ABOVE + 1)[:-1] * np.pi / 2
        top = jaw[0, 1] - 1.42 * np.cos(t) * (1.25 - 0.25 * np.cos(t))
        bulge = np.sin(t) ** 0.75 * (1 + 0.09 * np.sin(2 * t))
        skull = np.stack([np.full(ABOVE, jaw[0, 0]), top, jaw[0, 2] * bulge], axis=1)
        rows = np.concatenate([skull, jaw])
        self.centre, self.height, self.half = rows[:, 0], rows[:, 1], np.maximum(rows[:, 2], 1e-3)
        self.height = np.maximum.accumulate(self.height + np.arange(ROWS) * 1e-5)
        chin = self.height[-1]
        profile = PROFILE[:, 0] + (chin - 1.25) * np.clip(PROFILE[:, 0] / 1.25, 0, 1)
        front = np.interp(self.height, profile, PROFILE[:, 1])
        ends = np.interp(np.arange(ROWS), np.linspace(ABOVE, ROWS - 1, 9), JAW_DEPTH)
        front[-1] = ends[-1]
        self.round = np.interp(self.height, ROUND[:, 0], ROUND[:, 1])
        self.front, self.ends = front * plan.depth, ends * plan.depth
        self.vertices = self._lift(np.arange(ROWS)[:, None], ANGLES[None, :])

    def _lift(self, rows: np.ndarray, angles: np.ndarray) -> np.ndarray:
        """(..., 3) float32 from whole rows and angles that broadcast against each other."""
        sine, cosine = np.sin(angles), np.cos(angles)
        half, ends, height = self.half[rows], self.ends[rows], self.height[rows]
        x = self.centre[rows] + half * sine
        below = np.clip((rows - ABOVE) / (ROWS - 1 - ABOVE), 0, 1)
        back = np.where(rows < ABOVE, 1.05, 1.05 - 0.35 * below)
        # the skull's rows are closed rings, the jaw's go back to the neck and a little up
        z = ends + np.where(cosine > 0, (self.front[rows] - ends) * np.abs(cosine) ** self.round[rows], back * cosine)
        y = height + np.where(cosine < 0, 0.35 * cosine * below, 0)
        x, y = np.broadcast_arrays(x, y)
        face = cosine > 0.1
        z = z + np.where(face, self._relief(x, y), 0)
        ear = np.exp(-(((np.abs(angles) - np.deg2rad(101)) / 0.13) ** 2) - ((height - 0.22) / 0.24) ** 4)
        x = x + np.sign(angles) * 0.15 * ear
        return np.stack(np.broadcast_arrays(x, y, z), axis=-1).astype(np.float32)

    def _relief(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Depth that features add over the bare face: nose, brows, sockets, cheeks, lips, chin."""
        p, (nose, lips, brows, cheeks, chin) = self.plan.points, self.plan.relief
        x, y = x.astype(np.float32), y.astype(np.float32)

        def bump(cx: float, cy: float, sx: float, sy: float) -> np.ndarray:
            return np.exp(-(((x - np.float32(cx)) / sx) ** 2) - ((y - np.float32(cy)) / sy) ** 2)

        stretch = p[57, 1] / 0.54  # the nose's own length
        ridge = np.interp(y, NOSE[:, 0] * stretch, NOSE[:, 1]).astype(np.float32)
        wide = (p[59, 0] - p[55, 0]) / 0.324
        spread = np.interp(y, np.array([-0.1, 0.1, 0.3, 0.42, 0.5]) * stretch, [0.13, 0.105, 0.11, 0.125, 0.14])
        spread = (spread * wide).astype(np.float32)
        line = np.interp(y, p[[51, 52, 53, 54, 57], 1], p[[51, 52, 53, 54, 57], 0]).astype(np.float32)
        z = nose * ridge * np.exp(-(np.abs((x - line) / spread) ** 2.2))
        for wing in p[WINGS]:
            z = z + 0.085 * nose * bump(wing[0] * 0.75, wing[1] + 0.02, 0.065 * wide, 0.065)
        for eye, brow in ((p[LEFT_EYE], p[35]), (p[RIGHT_EYE], p[44])):
            cx, cy = eye.mean(axis=0)
            z = z - 0.075 * bump(cx, cy - 0.01, 0.19, 0.13) + 0.05 * bump(cx, cy, 0.12, 0.07)
            z = z + 0.05 * brows * bump(1.15 * cx, brow[1] + 0.04, 0.27, 0.08)
            z = z + 0.06 * cheeks * bump(1.3 * cx, 0.38, 0.22, 0.2)
        for part, height in ((p[76:83], 0.05), (p[[82, 83, 84, 85, 86, 87, 76]], 0.06)):
            along = (part[:, 0].max() - part[:, 0].min()) * 0.36
            z = z + height * lips * bump(part[:, 0].mean(), part[2:5, 1].mean() * 0.6 + p[90, 1] * 0.4, along, 0.055)
        for corner in p[[76, 82]]:
            z = z - 0.055 * bump(corner[0] * 1.08, corner[1], 0.1, 0.09)
        z = z + 0.05 * chin * bump(p[16, 0], p[16, 1] - 0.14, 0.17, 0.10)
        return z

    def locate(self, points: np.ndarray) -> np.ndarray:
        """(K, 2) plan points -> (K, 2) fractional column and row of the grid, by the frontal view."""
        y = points[:, 1]
        half, centre = np.interp(y, self.height, self.half), np.interp(y, self.height, self.centre)
        sine = np.maximum(np.minimum((points[:, 0] - centre) / half, 1), -1)
        places = np.empty((len(points), 2))
        places[:, 0] = (np.arcsin(sine) / REACH + 1) * ((COLUMNS - 1) / 2)
        places[:, 1] = np.interp(y, self.height, _ROW_NUMBERS)
        return places

    def at(self, places: np.ndarray) -> np.ndarray:
        """(K, 3) points of the drawn (bilinear) surface at fractional columns and rows."""
        column, row = np.clip(places[:, 0], 0, COLUMNS - 1.001), np.clip(places[:, 1], 0, ROWS - 1.001)
        c, r = column.astype(int), row.astype(int)
        u, v = (column - c)[:, None], (row - r)[:, None]
        m = self.vertices
        return (m[r, c] * (1 - u) + m[r, c + 1] * u) * (1 - v) + (m[r + 1, c] * (1 - u) + m[r + 1, c + 1] * u) * v

    def landmarks(self, rotation: np.ndarray, project) -> np.ndarray:
        """(100, 2) image points of the plan; the contour is the outline that this view shows.

        rotation: (3, 3) head to camera. project: (..., 3) head points -> (..., 2) image points. The annotators of
        300-W mark the visible outline: each contour point is the outermost point of its row between cheek and jaw
        line, seen along the outline's own normal; and they space them evenly between ear and chin, on each side.
        """
        image = project(self.at(self.locate(self.plan.points)))
        contour = self.plan.points[CONTOUR]
        tangent = np.gradient(contour, axis=0)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        rows = np.interp(contour[:, 1], self.height, np.arange(ROWS))
        rows[[0, 32]] = np.maximum(rows[[0, 32]], 0)
        side = np.sign(np.arange(33) - 16)
        angles = np.deg2rad(np.linspace(32, 90, 59))
        columns = (side[:, None] * angles[None, :] / REACH + 1) / 2 * (COLUMNS - 1)
        places = np.stack([columns, np.broadcast_to(rows[:, None], columns.shape)], axis=-1)
        candidates = project(self.at(places.reshape(-1, 2))).reshape(33, -1, 2)
        # the plan's normals turned by the head's roll; x of a contour normal points away from the face's middle
        across = rotation[:2, 1] / np.linalg.norm(rotation[:2, 1])
        frame = np.array([[across[1], across[0]], [-across[0], across[1]]])
        outward = normal * np.sign((normal * (contour - contour.mean(axis=0))).sum(axis=1, keepdims=True)) @ frame.T
        best = (candidates * outward[:, None, :]).sum(axis=-1).argmax(axis=1)
        outline = candidates[np.arange(33), best]
        image[CONTOUR] = np.concatenate([_even(outline[:17])[:-1], _even(outline[16:])])
        return image


def _even(curve: np.ndarray) -> np.ndarray:
    """(K, 2) points at equal distances along the smooth curve through (K, 2) points, from its first to its last."""
    fine = smooth(curve, 8 * len(curve))
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    at = np.linspace(0, length[-1], len(curve))
    return np.stack([np.interp(at, length, fine[:, 0]), np.interp(at, length, fine[:, 1])], axis=1)


def in_layout(points: np.ndarray, layout_name: str) -> np.ndarray:
    """(N, 2) landmarks of a layout from the (100, 2) points of a face; the caller knows that the layout is drawn."""
    brow = lambda a, b: (points[a] + points[b]) / 2  # noqa: E731 - COFW and AFLW mark the ends between both edges
    if layout_name == "cofw-29":
        first = [(brow(33, 41) + points[33]) / 2, (brow(46, 47) + points[46]) / 2, brow(37, 38), brow(42, 50)]
        rest = [35, 40, 44, 48, 60, 72, 64, 68, 62, 66, 70, 74, 96, 97, 98, 99, 54, 57, 76, 82, 79, 90, 94, 85, 16]
        return np.concatenate([first, points[rest]])
    if layout_name == "aflw-19":
        ends = [points[33], brow(35, 40), brow(37, 38), brow(42, 50), brow(44, 48), points[46]]
        eyes = [60, 96, 64, 68, 97, 72, 98, 54, 99, 76]
        return np.concatenate([ends, points[eyes], [(points[90] + points[94]) / 2], points[[82, 16]]])
    return points[layouts.get("wflw-98").map_to(layout_name)]
