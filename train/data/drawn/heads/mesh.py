"""heads.npz: the shape of a person, expressions and gaze. Decimetres; x to the person's left, y up, z forward."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import cv2
import numpy as np

from train.data.drawn.heads.kernels import add_targets, front_view

FILE = Path(__file__).parents[1] / "heads.npz"
SKIN, LEFT_EYE, RIGHT_EYE, UPPER_TEETH, LOWER_TEETH, TONGUE, LASHES, HAIR_CARDS, SHIRT = range(9)  # parts
_PAIRS = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"), ("concave", "convex"),
    ("compress", "uncompress"),
)  # fmt: skip
_LEFT_OUT = ("head-trans", "neck-trans", "torso", "measure-neck-height", "breast", "trunk")


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Radians. yaw > 0 turns the face to the right of the picture, pitch > 0 down, roll > 0 against the clock."""
    (cy, cp, cr), (sy, sp, sr) = np.cos((yaw, pitch, roll)), np.sin((yaw, pitch, roll))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


class Mesh:
    """What heads.npz holds. template: the mean young head, in whose frame hair, brows and paint are."""

    def __init__(self):
        with np.load(FILE) as file:
            self.arrays = d = {key: file[key] for key in file.files}
        self.base = d["vertices"].astype(float)
        self.names = [str(name) for name in d["names"]]
        self.number = {name: k for k, name in enumerate(self.names)}
        self.triangles, self.kind, self.part = d["triangles"].astype(np.int32), d["kind"], d["part"]
        self.tip, self.bridge, self.chin, self.ear = (int(k) for k in d["named"])
        self.other = d["other"].astype(int)
        delta = d["delta"].copy()
        for k, name in enumerate(self.names):  # eyeballs are turned, not bent
            if name.startswith("unit/eyeLook"):
                s = slice(d["start"][k], d["start"][k + 1])
                delta[s][np.isin(self.part[d["index"][s]], (LEFT_EYE, RIGHT_EYE))] = 0
        self._packed = d["start"].astype(np.int64), d["index"].astype(np.int64), delta, d["scale"].astype(float)
        races = [name for name in self.names if re.fullmatch("macro/(african|asian|caucasian)-(fe)?male-young", name)]
        self.template = self.moved(self.base, dict.fromkeys(races, 1 / 6))
        self.sliders = self._sliders()
        self.units = [name[5:] for name in self.names if name.startswith("unit/")]
        self.eyeballs = [np.flatnonzero(self.part == k) for k in (LEFT_EYE, RIGHT_EYE)]
        self._front = self._front_table()

    def moved(self, vertices: np.ndarray, weights: dict[str, float]) -> np.ndarray:
        """A copy, moved by targets; names that the file lacks (they move nothing) are passed over."""
        chosen = [(self.number[name], w) for name, w in weights.items() if w and name in self.number]
        vertices = vertices.copy()
        if chosen:
            which, weight = zip(*chosen)
            add_targets(vertices, np.array(which), np.array(weight, float), *self._packed)
        return vertices

    def _sliders(self) -> list[tuple[str, list[tuple[str | None, str]]]]:
        """Name, and (low target, high target) of the person's left and right: from -1 to 1."""
        seen, found = set(), []
        for name in self.names:
            folder, stem = name.split("/")
            if folder in ("macro", "unit", "asym") or name in seen or stem.startswith((*_LEFT_OUT, "r-")):
                continue
            low = next((pair for pair in _PAIRS if stem.endswith(f"-{pair[0]}")), None)
            partner = name[: -len(low[0])] + low[1] if low else ""
            if partner in self.number:
                sides = [(name, partner)]
                seen.update((name, partner))
            elif low or stem.endswith(tuple(f"-{high}" for _, high in _PAIRS)):
                continue
            else:
                sides = [(None, name)]
            if stem.startswith("l-"):
                sides.append(tuple(n and n.replace("/l-", "/r-") for n in sides[0]))
            found.append((name, sides))
        return found

    def express(self, v: np.ndarray, units: dict[str, float], gaze: tuple[float, float]):
        """Vertices with units (0 to 1) and eyeballs turned about their middles; the middles (left, right), the turn.

        gaze: degrees to the person's left, up.
        """
        v = self.moved(v, {f"unit/{name}": w for name, w in units.items()})
        turn = rotation(np.deg2rad(gaze[0]), -np.deg2rad(gaze[1]), 0)
        centres = []
        for ball in self.eyeballs:
            c = (v[ball].min(0) + v[ball].max(0)) / 2
            v[ball] = (v[ball] - c) @ turn.T + c
            centres.append(c)
        return v, np.array(centres), turn

    def _front_table(self):
        """Template front view: (x, y) of a grid -> triangle and barycentrics."""
        t = self.template
        skin = np.flatnonzero((self.kind == SKIN) & (t[self.triangles].mean(1)[:, 2] > 0.3))
        p = np.stack([(t[:, 0] + 0.75) / 0.005, (t[:, 1] - 6.0) / 0.005, t[:, 2]], 1)
        _, ids, b = front_view(p, self.triangles[skin], 401, 301)
        # holes beside the face take the nearest triangle
        _, near = cv2.distanceTransformWithLabels(
            (ids < 0).astype(np.uint8), cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL
        )
        at = np.zeros(near.max() + 1, int)
        at[near[ids >= 0]] = np.flatnonzero(ids >= 0)
        return skin[ids].ravel()[at[near]], b.reshape(-1, 2)[at[near]]

    def on_skin(self, v: np.ndarray, xy: np.ndarray) -> np.ndarray:
        """(n, 3) of ``v`` where the template's front view has the points (x, y)."""
        x = np.clip(np.rint((xy[:, 0] + 0.75) / 0.005).astype(int), 0, 300)
        y = np.clip(np.rint((xy[:, 1] - 6.0) / 0.005).astype(int), 0, 400)
        t, b = self._front[0][y, x], self._front[1][y, x]
        w = np.stack([1 - b.sum(1), b[:, 0], b[:, 1]], 1)
        return (v[self.triangles[t]] * w[..., None]).sum(1)

    def places(self, v: np.ndarray, name: str) -> np.ndarray:
        """Places of ``v`` that the file keeps as NAME_index and NAME_weight."""
        index, weight = self.arrays[f"{name}_index"], self.arrays[f"{name}_weight"]
        return (v[index] * weight.astype(float)[..., None]).sum(-2)


@functools.cache
def mesh() -> Mesh:
    return Mesh()
