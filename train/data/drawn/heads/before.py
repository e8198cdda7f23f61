"""What is painted before the head in the picture: glasses, fingers, a phone, flat things."""

from __future__ import annotations

import cv2
import numpy as np

from train.data.drawn.heads.camera import Camera
from train.data.drawn.heads.mesh import Mesh
from train.data.drawn.heads.people import colour

_FINE = 3  # bits of a pixel's fraction that OpenCV draws with


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.rint(points * (1 << _FINE)).astype(np.int32)


def _filled(picture: np.ndarray, points: np.ndarray, paint) -> None:
    cv2.fillPoly(picture, [_fixed(points)], paint, cv2.LINE_AA, _FINE)


def _loops(m: Mesh, v: np.ndarray, centres: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """(40, 3) of the rim before each eye, left and right."""
    middle, half = centres.mean(0), (centres[0, 0] - centres[1, 0]) / 2
    rx, ry, square = half * rng.uniform(0.62, 0.88), half * rng.uniform(0.42, 0.8), rng.uniform(2, 6)
    plane, drop = max(v[m.bridge][2] + 0.02, centres[:, 2].max() + 0.26), rng.uniform(-0.02, 0.06)
    c, s = (f(np.linspace(0, 2 * np.pi, 41)[:-1]) for f in (np.cos, np.sin))
    found = []
    for side, centre in zip((1, -1), centres):
        x = middle[0] + side * max(half, rx + 0.07) + np.sign(c) * abs(c) ** (2 / square) * rx
        y = centre[1] - drop + np.sign(s) * abs(s) ** (2 / square) * ry
        found.append(np.stack([x, y, plane - 0.35 * (x - middle[0]) ** 2], 1))
    return found


def glasses(picture, covered, m: Mesh, v, centres, camera: Camera, depth, gain: float, rng) -> np.ndarray:
    """The picture with glasses or sunglasses; ``covered`` is raised in place where nothing is seen through them."""
    size, loops = picture.shape[0], _loops(m, v, centres, rng)
    dark = rng.random() < 0.3
    opaque = rng.uniform(0.7, 0.98) if dark else rng.uniform(0, 0.12)
    shine = (0.5 / max(gain, 0.2),) * 3
    glass = tuple(float(c) for c in 0.01 + rng.random(3) * 0.03) if dark else shine
    flat = [camera.project(loop)[:, :2] for loop in loops]
    lens = picture.copy()
    for q in flat:
        _filled(lens, q, glass)
        if dark:
            _filled(covered, q, 1.0)
    out = picture * np.float32(1 - opaque) + lens * np.float32(opaque)
    if rng.random() < 0.5:
        streak, share = out.copy(), np.float32(rng.uniform(0.1, 0.6))
        k = rng.integers(0, 40)
        for q in flat:
            _filled(streak, q[(k + np.array([0, 6, 20, 27])) % 40], shine)
        out = out * (1 - share) + streak * share
    paint = tuple(float(c) for c in (np.full(3, 0.006) if rng.random() < 0.6 else rng.random(3) ** 2 * 0.5))
    width = max(1, round(size / 240 * rng.choice([1, 2, 2, 3, 4])))
    bridge = np.stack([loops[1][np.argmax(loops[1][:, 0])], loops[0][np.argmin(loops[0][:, 0])]])
    lines = [(q, True) for q in flat] + [(camera.project(bridge)[:, :2], False)]
    for loop, ear, side in ((loops[0], m.ear, 1), (loops[1], m.other[m.ear], -1)):
        lines += [(part, False) for part in _arm(loop, v[ear], side, camera, depth)]
    for points, closed in lines:
        for target, value in ((out, paint), (covered, 1.0)):
            cv2.polylines(target, [_fixed(points)], closed, value, width, cv2.LINE_AA, _FINE)
    return out


def _arm(loop: np.ndarray, ear: np.ndarray, side: int, camera: Camera, depth: np.ndarray) -> list[np.ndarray]:
    """Pieces in the picture of the arm from the rim to the ear that the head does not hide."""
    hinge, end, s = loop[np.argmax(loop[:, 0] * side)], ear + (side * 0.06, 0.12, -0.12), np.linspace(0, 1, 24)
    arm = hinge + s[:, None] * (end - hinge)
    arm[:, 0] += side * 0.05 * np.sin(np.pi * s)
    p = camera.project(arm)
    x, y = np.clip(np.rint(p[:, :2]).astype(int).T, 0, len(depth) - 1)
    free = p[:, 2] >= depth[y, x] - 1e-4
    return [p[k : k + 2, :2] for k in range(23) if free[k] and free[k + 1]]


def locks(picture, covered, hairline: np.ndarray, camera: Camera, paint: np.ndarray, fringe: bool, rng) -> np.ndarray:
    """The picture with strands of hair that fall from the hairline over forehead, cheeks and outline.

    hairline: (n, 3) places where hair begins, from one ear over the forehead to the other. paint: linear RGB, lit.
    fringe: many short ones in the middle, else a few of any length.
    """
    flat = camera.project(hairline)[:, :2]
    wide = np.linalg.norm(flat[-1] - flat[0])
    down = np.array([np.sin(camera.pose[2]), np.cos(camera.pose[2])])
    across, count = np.array([down[1], -down[0]]), int(rng.integers(10, 22) if fringe else rng.integers(1, 7))
    layer, bright = np.zeros(picture.shape[:2], np.uint8), np.zeros(picture.shape[:2], np.uint8)
    length, parting, s = rng.uniform(0.18, 0.42), rng.uniform(-0.5, 0.5), np.linspace(0, 1, 12)[:, None]
    for _ in range(count):
        place = rng.uniform(0.22, 0.78) if fringe else rng.random()
        start = flat[int(place * (len(flat) - 1))]
        reach = length * rng.uniform(0.75, 1.2) if fringe else rng.uniform(0.2, 1.1)
        aside = np.sign(place - 0.5 - 0.3 * parting) * rng.uniform(0, 0.35) + rng.normal(0, 0.1)
        wave, phase = rng.normal(0, 0.02) * wide, rng.uniform(3, 9)
        for _ in range(rng.integers(4, 16)):
            at = start + across * rng.normal(0, 0.025) * wide
            end, bow = reach * rng.uniform(0.8, 1.05), aside + rng.normal(0, 0.03)
            line = at + wide * (end * s * down + bow * s**1.5 * across) + wave * np.sin(phase * s) * across
            shade = int(rng.integers(70, 256))
            cv2.polylines(layer, [_fixed(line)], False, 255, 1, cv2.LINE_AA, _FINE)
            cv2.polylines(bright, [_fixed(line)], False, shade, 1, cv2.LINE_AA, _FINE)
    alpha = (layer * np.float32(rng.uniform(0.6, 1.0) / 255))[..., None]
    np.maximum(covered, np.float32(1) * (cv2.blur(layer, (3, 3)) > 140), out=covered)
    tone = paint.astype(np.float32) * (bright * np.float32(1.2 / 255))[..., None]
    return picture * (1 - alpha) + tone * alpha


def _held(layer, shape, centre, wide, gain: float, rng) -> None:
    """A microphone, or a cup, before the mouth."""
    paint = tuple(float(c) / max(gain, 0.2) * 0.8 for c in (np.full(3, 0.02) if rng.random() < 0.5 else colour(rng)))
    r, angle = wide[0] * rng.uniform(0.08, 0.2), rng.uniform(-0.8, 0.8)
    end = centre + np.array([np.sin(angle), np.cos(angle)]) * 6 * r
    middle = tuple(int(x) for x in centre)
    for target, value in ((shape, paint), (layer, 1.0)):
        cv2.line(target, middle, tuple(int(x) for x in end), value, max(1, int(r * rng.uniform(0.7, 2.4))))
        cv2.ellipse(target, middle, (int(r), int(1.2 * r)), float(np.degrees(-angle)), 0, 360, value, -1)
    cv2.circle(shape, tuple(int(x) for x in centre - 0.3 * r), max(1, int(0.3 * r)), tuple(2 * c for c in paint), -1)


def thing(picture, covered, box: np.ndarray, tone, gain: float, noise, rng) -> np.ndarray:
    """The picture with fingers or something flat before the face of that box. tone: of skin, linear RGB, lit."""
    size, wide = picture.shape[0], box[2:] - box[:2]
    side = rng.choice((-1, 1))
    centre = (box[:2] + box[2:]) / 2 + np.array([side * rng.uniform(0.1, 0.6), rng.uniform(-0.2, 0.65)]) * wide
    layer, shape = np.zeros((size, size), np.float32), np.zeros((size, size, 3), np.float32)
    kind = rng.random()
    if kind < 0.25:
        _held(layer, shape, (box[:2] + box[2:]) / 2 + wide * rng.normal((0, 0.3), (0.12, 0.1)), wide, gain, rng)
        shape, layer = cv2.GaussianBlur(shape, (0, 0), 1.0), cv2.GaussianBlur(layer, (0, 0), 0.8)
    elif kind < 0.7:
        _fingers(layer, shape, centre, wide, tone, rng)
        shape, layer = cv2.GaussianBlur(shape, (0, 0), 1.2), cv2.GaussianBlur(layer, (0, 0), 0.8)
    else:
        sides = float(wide[0] * rng.uniform(0.15, 0.6)), float(wide[1] * rng.uniform(0.15, 0.7))
        corners = cv2.boxPoints((tuple(float(x) for x in centre), sides, float(rng.uniform(0, 180))))
        _filled(shape, corners, tuple(float(c) / max(gain, 0.2) * 0.8 for c in colour(rng)))
        _filled(layer, corners, 1.0)
        shape *= 0.7 + 0.6 * cv2.resize(noise, (size, size))[..., None]
    np.maximum(covered, layer, out=covered)
    return picture * (1 - layer[..., None]) + shape * layer[..., None]


def _fingers(layer, shape, centre, wide, tone, rng) -> None:
    """Four fingers and the back of a hand that comes from below."""
    angle = rng.uniform(-0.9, 0.9) + np.pi / 2
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    w = wide[0] * rng.uniform(0.065, 0.085)
    back = centre + along * w * 5
    for target, value in ((shape, tuple(float(c) * 0.75 for c in tone)), (layer, 1.0)):
        axes = (int(w * 5.5), int(w * 4.6))
        cv2.ellipse(target, tuple(int(x) for x in back), axes, float(np.degrees(angle)), 0, 360, value, -1, cv2.LINE_AA)
    for k, length in enumerate((0.27, 0.31, 0.33, 0.26)):
        start = centre + across * (k - 1.5) * w * 2.1 + along * w * 2
        end = start - along * wide[1] * length * rng.uniform(0.8, 1.05) + across * (k - 1.5) * w * 0.5
        _finger(layer, shape, start, end, w, tone)


def _finger(layer, shape, start: np.ndarray, end: np.ndarray, w: float, tone) -> None:
    ends = tuple(tuple(int(x) for x in _fixed(p)) for p in (start, end))
    for share, bright in ((1.0, 0.55), (0.8, 0.8), (0.45, 0.95)):
        paint = tuple(float(c) * bright for c in tone)
        cv2.line(shape, *ends, paint, max(1, int(2 * w * share)), cv2.LINE_AA, _FINE)
    cv2.line(layer, *ends, 1.0, max(1, int(2 * w)), cv2.LINE_AA, _FINE)


def phone(picture, covered, box: np.ndarray, tone, gain: float, rng) -> np.ndarray:
    """The picture with a phone held to an ear, seen from its edge to its back, and the fingers about it."""
    wide, side, angle = box[2:] - box[:2], rng.choice((-1, 1)), rng.normal(0, 0.25)
    centre = (box[:2] + box[2:]) / 2 + np.array([side * rng.uniform(0.48, 0.66), rng.uniform(0.0, 0.25)]) * wide
    along, across = np.array([-np.sin(angle), np.cos(angle)]), np.array([np.cos(angle), np.sin(angle)])
    broad, high = wide[0] * rng.uniform(0.1, 0.45), wide[1] * rng.uniform(0.75, 1.0)
    layer, shape = np.zeros(picture.shape[:2], np.float32), np.zeros(picture.shape, np.float32)
    paint = np.full(3, 0.012) if rng.random() < 0.6 else colour(rng) / max(gain, 0.2) * 0.8
    slab = np.array(
        [x * broad * across + y * high * along for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5))]
    )
    for scale, bright in ((1.0, 2.5), (0.94, 1.0)):
        _filled(shape, centre + scale * slab, tuple(float(c) * bright for c in paint))
    _filled(layer, centre + slab, 1.0)
    for k in range(int(rng.integers(0, 4)) if broad > 0.25 * wide[0] else 0):
        lens = centre + slab[0] * 0.7 + along * k * 0.14 * high
        cv2.circle(shape, tuple(int(x) for x in lens), max(1, int(0.04 * high)), (0.004, 0.004, 0.006), -1, cv2.LINE_AA)
    w = wide[0] * rng.uniform(0.06, 0.08)
    for k in range(4):
        start = centre + side * across * (0.5 * broad + w) + along * ((k - 0.3) * 2.1 * w)
        _finger(layer, shape, start, start - side * across * (broad * rng.uniform(0.5, 0.9) + w), w, tone)
    shape, layer = cv2.GaussianBlur(shape, (0, 0), 0.9), cv2.GaussianBlur(layer, (0, 0), 0.6)
    np.maximum(covered, layer, out=covered)
    return picture * (1 - layer[..., None]) + shape * layer[..., None]
