"""What the skin shows: tone, blotches, eyes, brows, lips, teeth, stubble, make-up, painted into the head's texture.

Everything is painted from the same curves as the landmarks, in texture px. Colours are RGB from 0 to 1, reflectance
as a camera would encode it.
"""

from __future__ import annotations

import cv2
import numpy as np

from train.data.drawn.cartoons.brush import Window, blend, patch, polygons_mask, soften, strokes_mask, tint
from train.data.drawn.cartoons.raster import TEXTURE_H, TEXTURE_W, to_texture
from train.data.drawn.cartoons.shape import IRIS_RADIUS, LEFT_BROW, LEFT_EYE, RIGHT_BROW, RIGHT_EYE, Surface, smooth

# Reflectance of skin from the lightest to the darkest, as photographs show it.
TONES = np.array([(0.96, 0.80, 0.72), (0.90, 0.70, 0.58), (0.80, 0.59, 0.45), (0.66, 0.46, 0.33), (0.48, 0.32, 0.22),
                  (0.31, 0.20, 0.14)])  # fmt: skip
HAIR = np.array([(0.05, 0.04, 0.04), (0.10, 0.07, 0.05), (0.22, 0.14, 0.09), (0.40, 0.26, 0.15), (0.68, 0.52, 0.32),
                 (0.45, 0.20, 0.10), (0.55, 0.54, 0.53), (0.85, 0.84, 0.82)])  # fmt: skip
IRISES = np.array([(0.14, 0.08, 0.05), (0.25, 0.15, 0.08), (0.30, 0.26, 0.14), (0.30, 0.42, 0.52), (0.38, 0.44, 0.42)])


_ANGLES = np.linspace(0, 2 * np.pi, 24, endpoint=False)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)


class Painter:
    """Paints a face's texture.

    texture: (3, TEXTURE_H, TEXTURE_W) float32 RGB planes. gloss: (TEXTURE_H, TEXTURE_W) factor of the highlight.
    """

    def __init__(self, surface: Surface, rng: np.random.Generator):
        self.surface, self.plan, self.rng = surface, surface.plan, rng
        t = float(np.clip(rng.beta(0.9, 1.3), 0, 1)) * (len(TONES) - 1)
        tone = TONES[int(t)] + (TONES[min(int(t) + 1, 5)] - TONES[int(t)]) * (t - int(t))
        self.skin = np.clip(tone * (1 + 0.06 * rng.standard_normal()) + 0.02 * rng.standard_normal(3), 0.06, 0.98)
        self.dark = t / (len(TONES) - 1)
        pick = rng.random()
        first = 2 if self.dark > 0.5 else len(HAIR)
        self.hair = HAIR[int(pick * first)] if rng.random() > 0.25 * self.plan.age else HAIR[6 + int(rng.integers(2))]
        self.hair = np.clip(self.hair * (1 + 0.15 * rng.standard_normal()) + 0.01 * rng.standard_normal(3), 0.01, 0.95)
        self.female = rng.random() < 0.5
        self.texture = np.empty((3, TEXTURE_H, TEXTURE_W), np.float32)
        self.gloss = np.ones((TEXTURE_H, TEXTURE_W), np.float32)

    def px(self, points: np.ndarray) -> np.ndarray:
        """(K, 2) plan points -> texture px."""
        return to_texture(self.surface.locate(np.asarray(points, float)))

    def _lines(self, starts: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
        """Straight strokes in texture px between (K, 2) plan points."""
        return list(np.stack([self.px(starts), self.px(ends)], axis=1))

    def _mask(self, polygons: list[np.ndarray], soft: float = 0.0) -> tuple[np.ndarray, Window]:
        return polygons_mask(polygons, soft, TEXTURE_H, TEXTURE_W)

    def _strokes(self, lines: list[np.ndarray], thick: int, soft: float) -> tuple[np.ndarray, Window]:
        return strokes_mask(lines, thick, soft, TEXTURE_H, TEXTURE_W)

    def _blend(self, mask: np.ndarray, window: Window, colour, alpha: float = 1.0) -> None:
        blend(self.texture, mask, window, colour, alpha)

    def _darken(self, mask: np.ndarray, window: Window, factor) -> None:
        tint(self.texture, mask, window, factor)

    def _blobs(self, centres, radius, factor, soft: float) -> None:
        """Soft elliptic stains of one size: the skin times factor."""
        rings = np.asarray(centres)[:, None, :] + _CIRCLE * radius
        self._darken(*self._mask(list(self.px(rings.reshape(-1, 2)).reshape(rings.shape)), soft), factor)

    def _curves(self, curves: list, thick: int, soft: float, factor) -> None:
        """Smooth lines, each through as many plan points: the skin times factor."""
        lines = np.concatenate([smooth(np.asarray(curve, float), 14) for curve in curves])
        self._darken(*self._strokes(list(self.px(lines).reshape(-1, 14, 2)), thick, soft), factor)

    def paint(self) -> None:
        """The whole face."""
        self._base()
        self._folds()
        self._nose()
        self._mouth()
        for side, (eye, brow) in enumerate(((LEFT_EYE, LEFT_BROW), (RIGHT_EYE, RIGHT_BROW))):
            self._eye(self.plan.points[eye], self.plan.points[96 + side], 1 if side else -1)
            self._brow(self.plan.points[brow], 1 if side else -1)

    def _base(self) -> None:
        rng, p = self.rng, self.plan.points
        blotch = patch("coarse", TEXTURE_H // 4, TEXTURE_W // 4, rng)
        fine = patch("fine", TEXTURE_H, TEXTURE_W, rng)
        rough = min(abs(rng.normal(0.0, 0.02)), 0.04) + 0.02 * self.plan.age
        tint_ = rng.normal(0, 0.012, 3) + np.array([0.02, -0.01, -0.015]) * rng.random()
        grain = 1 + np.float32(rough) * fine
        for plane, tone, t in zip(self.texture, self.skin, tint_):
            cv2.resize(((1 + blotch * np.float32(t)) * np.float32(tone)), (TEXTURE_W, TEXTURE_H), dst=plane)
            plane *= grain
        red = np.array([0.97, 0.86, 0.86]) ** (rng.random() * 1.6 * (1 - 0.6 * self.dark))
        self._blobs([(-0.43, 0.42), (0.43, 0.42)], (0.2, 0.16), red, 14)
        self._blobs([p[54] + (0, -0.02)], (0.13, 0.1), red, 9)
        if rng.random() < 0.12 and self.dark < 0.5:  # freckles
            count = int(rng.integers(60, 200))
            spots = np.stack([rng.normal(0, 0.4, count), rng.normal(0.25, 0.2, count)], axis=1)
            self._darken(*self._strokes(self._lines(spots, spots + (0.008, 0)), 2, 0.6),
                         np.array([0.8, 0.7, 0.62]))  # fmt: skip
        if not self.female and rng.random() < 0.75:
            self._beard()

    def _beard(self) -> None:
        rng, p = self.rng, self.plan.points
        kind = rng.choice(4, p=(0.5, 0.25, 0.12, 0.13))  # stubble, full, moustache, goatee
        cheek = p[57, 1] + rng.uniform(-0.12, 0.1)
        tip = p[79, 1] - 0.07
        full = np.concatenate([p[2:31], [(0.45, cheek), (0.2, tip), (0, tip - 0.03), (-0.2, tip), (-0.45, cheek)]])
        full[:29] += (full[:29] - (0, 0.5)) * (0.06, 0.12)
        lip = p[[76, 77, 78, 79, 80, 81, 82]]
        tache = np.concatenate([lip * (1.2, 1) + (0, 0.02), lip[::-1] * (1.0, 0.8) + (0, 0.2 * p[57, 1] + 0.03)])
        chin = np.concatenate(
            [p[[86, 85, 84]] + (0, 0.03), p[[12, 13, 14, 16, 18, 19, 20]][::-1] * (0.7, 1) + (0, 0.03)]
        )
        polygons = ([full], [full], [tache], [tache, chin])[kind]
        mask, window = self._mask([self.px(a) for a in polygons], 7 if kind < 2 else 3)
        hairs = patch("fine", *mask.shape, rng) if kind == 0 else patch("strands", *mask.shape, rng)
        strength = rng.uniform(0.1, 0.5) if kind == 0 else rng.uniform(0.6, 0.95)
        dark = np.minimum(self.hair, 0.55 * self.skin) if kind == 0 else self.hair  # stubble is a shadow
        colour = dark.astype(np.float32)[:, None, None] * (1 + np.float32(0.2) * np.clip(hairs, -1.5, 1.5))
        self._blend(mask * np.clip(1.05 + 0.35 * hairs, 0.3, 1), window, colour, strength)
        self.gloss[window] *= 1 - 0.8 * mask * strength

    def _folds(self) -> None:
        rng, p, age, smile = self.rng, self.plan.points, self.plan.age, self.plan.smile
        depth = np.clip(0.15 + 0.5 * age + 0.45 * smile, 0, 0.95)
        fold = np.array([0.72, 0.60, 0.56])
        folds, corners, under, outer = [], [], [], []
        for sign, wing, corner in ((-1, 98, 76), (1, 99, 82)):
            start, end = p[wing] + (sign * 0.02, 0.0), p[corner] + (sign * 0.07, 0.0)
            folds.append([start, (start + end) / 2 + (sign * (0.04 + 0.05 * smile), -0.01), end])
            corners.append([p[corner] + (sign * 0.01, 0.0), p[corner] + (sign * 0.05, 0.06)])
            eye = p[LEFT_EYE if sign < 0 else RIGHT_EYE]
            under.append(eye[[4, 5, 6, 7, 0] if sign > 0 else [0, 7, 6, 5, 4]] + (0, 0.05 + 0.02 * age))
            tail = eye[4 if sign > 0 else 0]
            outer += [[tail + (sign * 0.04, dy), tail + (sign * 0.14, 2.2 * dy)] for dy in (-0.04, 0.0, 0.04)]
        self._curves(folds, 3, 2.0, fold ** (depth * 1.3))
        self._curves(corners, 2, 1.5, fold ** (0.5 * depth))
        self._curves(under, 5, 3.0, fold ** (0.35 + 0.5 * age))
        sockets = [p[eye].mean(axis=0) + (0, -0.02) for eye in (LEFT_EYE, RIGHT_EYE)]
        self._blobs(sockets, (0.19, 0.12), np.array([0.88, 0.80, 0.80]) ** rng.uniform(0, 1.2), 5)
        if age > 0.45 or smile > 0.6:
            self._curves(outer, 1, 0.8, fold ** (0.7 * depth))
        if age > 0.45:
            x = np.linspace(-0.42, 0.42, 5)
            lines = [np.stack([x, y + rng.normal(0, 0.012, 5)], axis=1) for y in (-0.62, -0.53, -0.44)]
            self._curves(lines, 2, 1.2, fold ** (age - 0.3))

    def _nose(self) -> None:
        p, rng = self.plan.points, self.rng
        deep = np.array([0.32, 0.20, 0.17])
        wide = abs(p[55, 0] - p[57, 0])
        holes, curves = [], []
        for sign, wing, base in ((-1, 98, 56), (1, 99, 58)):
            end = p[55 if sign < 0 else 59]
            hole = p[base] * 0.75 + end * 0.25 + (0, -0.012)
            ring = _CIRCLE * (0.30 * wide, 0.022) + hole
            ring[:, 1] -= sign * (ring[:, 0] - hole[0]) * 0.25
            holes.append(self.px(ring))
            curves.append([p[wing] + (-sign * 0.03, -0.07), p[wing] + (sign * 0.008, -0.02),
                           p[wing] + (sign * 0.005, 0.03), end + (sign * 0.012, 0.005)])  # fmt: skip
        self._darken(*self._mask(holes, 1.1), deep * rng.uniform(0.9, 2.0))
        self._curves(curves, 2, 1.4, np.array([0.62, 0.48, 0.44]))
        self._curves([p[55:60] + (0, 0.004)], 3, 1.6, np.array([0.72, 0.60, 0.57]))
        self._blobs([p[57] + (0, 0.06)], (0.05, 0.05), np.array([0.86, 0.8, 0.8]), 3)

    def _mouth(self) -> None:
        p, rng, gap = self.plan.points, self.rng, self.plan.gap
        outer = np.concatenate([smooth(p[76:83], 25), smooth(p[[82, 83, 84, 85, 86, 87, 76]], 25)[1:-1]])
        inner = np.concatenate([smooth(p[88:93], 17), smooth(p[[92, 93, 94, 95, 88]], 17)[1:-1]])
        lip = self.skin * np.array([0.86, 0.60, 0.60]) + rng.normal(0, 0.015, 3)
        strength = rng.uniform(0.45, 0.95)
        if self.female and rng.random() < 0.55:
            lip = np.array([rng.uniform(0.45, 0.85), rng.uniform(0.08, 0.42), rng.uniform(0.12, 0.45)])
            strength = rng.uniform(0.5, 1.0)
        elif self.dark > 0.5 and rng.random() < 0.6:
            lip = self.skin * np.array([0.75, 0.62, 0.66])
        mask, window = self._mask([self.px(outer)], 1.0)
        self._blend(mask, window, lip, strength)
        self.gloss[window] += mask * rng.uniform(0, 1.2)
        upper = np.concatenate([smooth(p[76:83], 25), smooth(p[88:93], 17)[::-1]])
        self._darken(*self._mask([self.px(upper)], 0.8), 1 - 0.22 * rng.random())
        self._curves([p[83:88] + (0, 0.025)], 4, 2.5, np.array([0.78, 0.70, 0.68]))
        if gap > 0.015:
            self._cavity(inner)
        line = [p[76] * 0.6 + p[88] * 0.4, *p[[88, 89, 90, 91, 92]], p[82] * 0.6 + p[92] * 0.4]
        self._curves([line], 2, 0.7, np.array([0.35, 0.22, 0.22]) if gap < 0.03 else np.array([0.6, 0.5, 0.5]))

    def _cavity(self, inner: np.ndarray) -> None:
        p, rng, gap = self.plan.points, self.rng, self.plan.gap
        mask, window = self._mask([self.px(inner)])
        inside = np.empty((3, *mask.shape), np.float32)
        inside[:] = (np.array([0.16, 0.05, 0.05]) * rng.uniform(0.4, 1.6))[:, None, None]
        origin = np.array([window[1].start, window[0].start])
        teeth = np.zeros(mask.shape, np.uint8)
        show = rng.random() < 0.93
        length = min(rng.uniform(0.07, 0.11), gap * rng.uniform(0.6, 1.3)) if show else 0
        edge = smooth(p[88:93], 17)
        row = np.concatenate([edge + (0, -0.02), edge[::-1] * (1, 1) + (0, length)])
        rows = [row]
        if gap > 0.08 and rng.random() < 0.5:
            low = smooth(p[[92, 93, 94, 95, 88]], 17)
            rows.append(np.concatenate([low + (0, 0.02), low[::-1] - (0, rng.uniform(0.02, 0.05))]))
        for part in rows if show else ():
            cv2.fillPoly(teeth, [np.rint((self.px(part) - origin) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        shown = teeth * np.float32(1 / 255)
        white = np.array([0.90, 0.87, 0.80]) * rng.uniform(0.7, 1.05)
        across = np.linspace(-1, 1, mask.shape[1], dtype=np.float32)
        ivory = white.astype(np.float32)[:, None, None] * (1 - 0.45 * across**2)
        gaps = 1 - 0.22 * (np.abs(np.sin(across * np.pi * rng.uniform(3.6, 4.6))) < 0.16)
        ivory = ivory * gaps.astype(np.float32)
        if gap > 0.15 and rng.random() < 0.7:  # tongue
            centre = self.px(p[94:95] + (0, -0.03))[0] - origin
            axes = (int(0.3 * mask.shape[1]), max(int(0.25 * mask.shape[0]), 1))
            tongue = np.zeros(mask.shape, np.uint8)
            cv2.ellipse(tongue, (int(centre[0]), int(centre[1])), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
            tongue = soften(tongue, 2) * np.float32(1 / 255)
            inside += (np.array([0.55, 0.25, 0.24], np.float32)[:, None, None] - inside) * tongue
        inside += (ivory - inside) * shown
        self._blend(mask, window, inside)
        self.gloss[window] *= 1 - 0.8 * mask

    def _eye(self, eye: np.ndarray, pupil: np.ndarray, sign: int) -> None:
        rng = self.rng
        order = [0, 1, 2, 3, 4]
        top, bottom = smooth(eye[order], 21), smooth(eye[[4, 5, 6, 7, 0]], 21)
        mask, window = self._mask([self.px(np.concatenate([top, bottom[1:-1]]))])
        origin = np.array([window[1].start, window[0].start])
        ball = np.empty((3, *mask.shape), np.float32)
        white = np.array([0.98, 0.95, 0.93]) * (1 - 0.12 * self.dark) * rng.uniform(0.85, 1.15)
        ball[:] = white[:, None, None] * (1 - 0.2 * np.linspace(-1, 1, mask.shape[1]) ** 2)
        iris = self.iris_colour

        shadow = np.linspace(0.62, 1.25, mask.shape[0], dtype=np.float32).clip(0, 1)[:, None]  # of the upper lid
        discs = (  # radius, colour, centre, softness
            (IRIS_RADIUS, iris * 0.45, pupil, 0.8),
            (IRIS_RADIUS * 0.84, iris, pupil, 0.9),
            (IRIS_RADIUS * rng.uniform(0.32, 0.5), np.full(3, 0.02), pupil, 0.6),
            (0.015 * rng.uniform(0.5, 1.4), np.array([1.6, 1.6, 1.5]), pupil + self.highlight, 0.5),
        )
        rings = self.px(np.concatenate([_CIRCLE * radius + centre for radius, _, centre, _ in discs])) - origin
        for ring, (_, colour, _, soft) in zip(np.rint(rings * 16).astype(np.int32).reshape(4, -1, 2), discs):
            spot = np.zeros(mask.shape, np.uint8)
            cv2.fillPoly(spot, [ring], 255, cv2.LINE_AA, 4)
            weight = cv2.GaussianBlur(spot, (0, 0), soft) * np.float32(1 / 255)
            ball += (colour.astype(np.float32)[:, None, None] - ball) * weight
        ball *= shadow
        corner = np.array([0.72, 0.42, 0.40]) * self.skin.max()
        self._blend(mask, window, ball)
        inner, inward = (eye[0], 1) if sign > 0 else (eye[4], -1)
        spot = np.array([(0, 0), (inward * 0.03, -0.008), (inward * 0.03, 0.012)]) + inner
        self._blend(*self._mask([self.px(spot)], 0.7), corner, 0.8)
        made_up = self.female and self.liner
        ink = np.array([0.10, 0.08, 0.08]) if made_up else np.array([0.42, 0.32, 0.30])
        self._darken(*self._strokes([self.px(top + (0, -0.004))], 2 if made_up else 1, 0.6), ink)
        self._darken(*self._strokes([self.px(bottom + (0, 0.006))], 1, 0.8), ink**0.4)
        crease = eye[order] + np.array([(0, -0.01), (0, -0.035), (0, -0.045), (0, -0.04), (0, -0.015)]) * self.crease
        self._curves([crease], 2, 1.1, np.array([0.55, 0.42, 0.40]))
        self._curves([crease + (0, -0.03)], 5, 3, np.array([0.84, 0.74, 0.74]))
        if made_up:
            lid = np.concatenate([top, smooth(eye[order] + (0, -0.07), 21)[::-1]])
            self._blend(*self._mask([self.px(lid)], 2.5), self.shadow_colour, 0.5)
        count = 13
        roots = smooth(eye[order], count)
        spread = np.linspace(-1, 1, count)
        length = 0.04 if made_up else 0.02
        tips = roots + np.stack([spread * length * 0.8, np.full(count, -length)], axis=1)
        lashes = self._lines(roots, tips)
        self._darken(*self._strokes(lashes, 1, 0.5), ink**0.8)

    def _brow(self, brow: np.ndarray, sign: int) -> None:
        rng = self.rng
        top, bottom = (brow[:5], brow[[8, 7, 6, 5, 4]]) if sign > 0 else (brow[[4, 3, 2, 1, 0]], brow[[5, 6, 7, 8, 0]])
        inner_low = bottom[0]
        bottom = np.concatenate([[inner_low], bottom[1:4], [top[4]]])
        polygon = np.concatenate([smooth(top, 17), smooth(bottom, 17)[::-1]])
        mask, window = self._mask([self.px(polygon)], 1.6)
        strand = patch("fine", *mask.shape, rng)
        self._blend(mask * np.clip(0.75 + 0.3 * strand, 0, 1), window, self.brow_colour, self.brow_strength)
        t = rng.random(36)
        a = smooth(bottom, 50)[(t * 46).astype(int)]
        b = smooth(top, 50)[np.minimum((t * 46).astype(int) + 4, 49)]
        f = rng.uniform(0, 0.5, (36, 1))
        hairs = self._lines(a + (b - a) * f, a + (b - a) * (f + 0.6).clip(0, 1.05))
        self._blend(*self._strokes(hairs, 1, 0.5), self.brow_colour * 0.7, self.brow_strength)

    def roots(self, mask: np.ndarray, colour: np.ndarray) -> None:
        """Darken the skin towards the hair: mask (TEXTURE_H, TEXTURE_W) bool of where the hair lies."""
        near = cv2.blur(cv2.resize(mask.astype(np.uint8) * 255, None, fx=0.5, fy=0.5), (7, 7))
        alpha = cv2.resize(near, (TEXTURE_W, TEXTURE_H)) * np.float32(0.9 / 255)
        rows = slice(0, int(np.flatnonzero(alpha.any(axis=1))[-1]) + 1)
        self._blend(alpha[rows], (rows, slice(None)), colour)

    def choose(self, light_side: float) -> None:
        """Draw the choices that both eyes and brows share; light_side is the sign of the main light's x."""
        rng = self.rng
        index = 0 if self.dark > 0.55 else int(rng.choice(5, p=(0.3, 0.25, 0.12, 0.2, 0.13)))
        self.iris_colour = np.clip(IRISES[index] * rng.uniform(0.7, 1.4), 0, 1)
        self.highlight = np.array([0.02 * np.sign(light_side), -0.022]) + rng.normal(0, 0.006, 2)
        self.liner = rng.random() < 0.6
        self.crease = rng.uniform(0.4, 1.6)
        self.shadow_colour = np.clip(self.skin * rng.uniform(0.3, 0.9) + rng.normal(0, 0.08, 3), 0, 1)
        dark = np.minimum(self.hair, 0.45 * self.skin)
        self.brow_colour = np.where(rng.random() < 0.8, dark, self.hair)
        self.brow_strength = rng.uniform(0.35, 0.95)
