"""The colour of every pixel in linear light: what the surface is made of, and the light on it.

Materials are functions of a place on the template, compiled into one loop over pixels. Each returns red, green, blue,
gloss, its sharpness, the share of occlusion, and two slopes that tilt the normal. All are inlined: as calls, with the
numbers of ``Style`` copied to each, they took twice as long.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from train.data.drawn.heads.people import Person

SKIN, EYE, TEETH, TONGUE, LASH, HAIR, CLOTH, SOLID, MASK = range(9)  # materials
LIPS, MOUTH, OCCLUSION, SCALP, BEARD, CHEEK, RING, FOLD = range(8)  # columns of a vertex's paint
PAINTS = 8


class Style(NamedTuple):
    """Numbers of one face's paint: no arrays, whose references numba would count for every pixel."""

    shift_x: float  # of the noises
    shift_y: float
    shift_z: float
    redness: float
    blotch: float
    grain: float
    freckles: float
    rings: float  # dark ones about the eyes
    shadow: float  # on the lids
    shadow_red: float
    shadow_green: float
    shadow_blue: float
    lips: float
    gloss: float
    wet: float
    brows: float
    brow_ends: float  # dm from the first hair to full growth
    beard: float
    bump: float
    folds: float
    iris: float  # radians of the ball
    pupil: float  # share of the iris
    veins: float
    lid_shade: float
    white: float
    teeth: float
    teeth_blue: float
    mouth_light: float
    strands: float  # how fine
    strands_gloss: float
    curly: float
    stripes: float  # per dm, 0 for none
    cast: float  # strength of the cast shadow
    depth: float  # red that comes through skin at the shadow's edge


def style(who: Person, beard: float, curly: bool, painted: bool, rng: np.random.Generator) -> Style:
    """Drawn for a person with so much beard, in ``painted`` make-up or not."""
    u = rng.uniform
    made = {
        "shift_x": u(0, 5),
        "shift_y": u(0, 5),
        "shift_z": u(0, 5),
        "redness": float(abs(rng.normal(0.25, 0.25))),
        "blotch": u(0.2, 1.0),
        "grain": u(0.1, 0.7),
        "freckles": u(0.3, 1) if rng.random() < 0.12 else 0.0,
        "rings": u(0.0, 0.35),
        "shadow": u(0, 0.7) if painted else 0.0,
        "shadow_red": 0.4 * u(0, 1) ** 2,
        "shadow_green": 0.4 * u(0, 0.6) ** 2,
        "shadow_blue": 0.4 * u(0, 1) ** 2,
        "lips": u(0.25, 0.95),
        "gloss": u(0.05, 0.6) ** 1.5,
        "wet": u(0, 1),
        "brows": u(0.35, 1.15),
        "brow_ends": u(0.03, 0.1),
        "beard": beard,
        "bump": u(0.05, 0.7) * (0.5 + who.age),
        "folds": max(0.0, rng.normal(0.1, 0.15) + 1.2 * max(0, who.age - 0.6)),
        "iris": u(0.43, 0.52),
        "pupil": u(0.22, 0.5),
        "veins": u(0, 1),
        "lid_shade": u(0.25, 0.7),
        "white": u(0.3, 0.6),
        "teeth": u(0.6, 1.1),  # the shades of teeth are lighter than light skin is
        "teeth_blue": u(0.7, 1.0),
        "mouth_light": u(0.5, 1.0),
        "strands": u(1.5, 4),
        "strands_gloss": u(0, 0.5),
        "curly": float(curly),
        "stripes": u(8, 40) if rng.random() < 0.3 else 0.0,
        "cast": u(0.4, 1.0),
        "depth": u(0, 1.5),
    }
    return Style(**{name: float(value) for name, value in made.items()})


# rows of a face's colours, (10, 3) linear RGB
TONE, LIP, HAIR_TONE, BROW_TONE, BEARD_TONE, IRIS_TONE, SHIRT_TONE, STRIPE_TONE, HAT_TONE, MASK_TONE = range(10)


@njit(fastmath=True, inline="always")
def _look(texture, u, v, c):
    """Channel of a (n, n, 3) texture that repeats, n a power of 2; bilinear."""
    n = texture.shape[0]
    x, y = u * n, v * n
    ix, iy = math.floor(x), math.floor(y)
    fx, fy = x - ix, y - iy
    last = np.uint64(n - 1)  # a signed index is looked at whether it counts from the end
    x0, y0, x1, y1 = np.uint64(ix) & last, np.uint64(iy) & last, np.uint64(ix + 1) & last, np.uint64(iy + 1) & last
    a = texture[y0, x0, c] * (1 - fx) + texture[y0, x1, c] * fx
    b = texture[y1, x0, c] * (1 - fx) + texture[y1, x1, c] * fx
    return a * (1 - fy) + b * fy


@njit(fastmath=True, inline="always")
def _clouds(noise, u, v):
    """As ``_look``, all three channels: clouds and their two slopes."""
    n = noise.shape[0]
    x, y = u * n, v * n
    ix, iy = math.floor(x), math.floor(y)
    fx, fy = x - ix, y - iy
    last = np.uint64(n - 1)  # a signed index is looked at whether it counts from the end
    x0, y0, x1, y1 = np.uint64(ix) & last, np.uint64(iy) & last, np.uint64(ix + 1) & last, np.uint64(iy + 1) & last
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    return (
        a * noise[y0, x0, 0] + b * noise[y0, x1, 0] + c * noise[y1, x0, 0] + d * noise[y1, x1, 0],
        a * noise[y0, x0, 1] + b * noise[y0, x1, 1] + c * noise[y1, x0, 1] + d * noise[y1, x1, 1],
        a * noise[y0, x0, 2] + b * noise[y0, x1, 2] + c * noise[y1, x0, 2] + d * noise[y1, x1, 2],
    )


@njit(fastmath=True, inline="always")
def _smooth(a, b, x):
    t = min(1.0, max(0.0, (x - a) / (b - a)))
    return t * t * (3 - 2 * t)


@njit(fastmath=True, inline="always")
def _over(colour, other, share):
    return (
        colour[0] * (1 - share) + other[0] * share,
        colour[1] * (1 - share) + other[1] * share,
        colour[2] * (1 - share) + other[2] * share,
    )


@njit(fastmath=True, inline="always")
def _row(colours, k, f):
    return colours[k, 0] * f, colours[k, 1] * f, colours[k, 2] * f


@njit(fastmath=True, inline="always")
def _brow(tx, ty, brow, strand, style):
    """Share of the brow's hair at a place; brow: (3, 33) |x|, middle, half thickness."""
    ax = abs(tx)
    t = (ax - brow[0, 0]) / (brow[0, 32] - brow[0, 0]) * 32
    if t < 0 or t >= 32:
        return 0.0
    k = int(t)
    middle = brow[1, k] + (t - k) * (brow[1, k + 1] - brow[1, k])
    half = brow[2, k] + (t - k) * (brow[2, k + 1] - brow[2, k])
    away = ty - middle
    if abs(away) > 1.2 * half:
        return 0.0
    slope = 0.8 - 2.4 * (ax - 0.15)
    hairs = _look(strand, (ax - away * slope) * 2.2 + style.shift_y, away * 0.7 + style.shift_x, 0)
    ends = _smooth(0.0, style.brow_ends, ax - brow[0, 0]) * _smooth(0.0, style.brow_ends, brow[0, 32] - ax)
    return min(
        0.96, style.brows * ends * _smooth(1.15, 0.35, abs(away) / half) * min(1.0, max(0.0, 0.25 + 1.5 * hairs))
    )


@njit(fastmath=True, inline="always")
def _skin(m, noise, strand, style, colours, brow):
    tx, ty, tz = m[6], m[7], m[8]
    lip, inside, occ = _smooth(0.35, 0.65, m[11 + LIPS]), m[11 + MOUTH], m[11 + OCCLUSION]
    s0, s1 = style.shift_x, style.shift_y
    ax = abs(tx)
    low = _look(noise, tx * 0.35 + s0, ty * 0.35 + s1 + tz * 0.21, 0) - 0.5
    fine, du, dv = _clouds(noise, tx * 3.0, ty * 3.0 + tz * 2.0)
    fine -= 0.5
    red = style.redness * m[11 + CHEEK] + 0.15 * low + 0.06 * fine
    tone = (1 + 0.25 * style.blotch * low + 0.2 * style.grain * fine) * (1 - style.rings * m[11 + RING])
    if style.freckles > 0:
        spots = _smooth(0.62, 0.72, _look(noise, tx * 4.1 + style.shift_z, ty * 4.1, 0))
        tone *= 1 - 0.35 * style.freckles * spots * min(1.0, 1.5 * m[11 + CHEEK] + 0.2)
    tint = _row(colours, TONE, tone)
    colour = (tint[0] * (1 + 0.3 * red), tint[1] * (1 - 0.35 * red), tint[2] * (1 - 0.3 * red))
    if style.shadow > 0 and ty > 7.36 and ty < 7.53 and tz > 0.9:
        share = (
            style.shadow * _smooth(0.25, 0.05, abs(ax - 0.3)) * _smooth(7.36, 7.40, ty) * (1 - _smooth(7.44, 7.53, ty))
        )
        colour = _over(colour, (style.shadow_red, style.shadow_green, style.shadow_blue), share)
    if lip > 0:
        f = 1 + 0.25 * (_look(strand, tx * 3.0, ty * 0.4, 0) - 0.5)
        colour = _over(colour, _row(colours, LIP, f), lip * style.lips)
    if inside > 0.3:
        f = _smooth(0.3, 0.8, inside)
        colour = _over(colour, (0.25, 0.05, 0.05), f)
        occ *= 1 - 0.6 * f
    gloss = (style.gloss * (0.7 + 0.6 * fine + 0.5 * _smooth(0.2, 0.0, ax)) + 0.5 * lip * style.wet) * (1 - inside)
    if ty > 7.3 and ty < 7.78 and ax < 0.62 and tz > 0.8:
        share = _brow(tx, ty, brow, strand, style)
        colour = _over(colour, _row(colours, BROW_TONE, 1.0), share)
        gloss *= 1 - share
    if m[11 + SCALP] > 0:
        share = min(0.95, m[11 + SCALP] * (0.55 + 0.9 * _look(noise, tx * 3.1, ty * 3.1 + tz * 2.3, 0)))
        colour = _over(colour, _row(colours, HAIR_TONE, 1.0), share)
        gloss *= 1 - share
    share = m[11 + BEARD] * style.beard
    if share > 0.01:
        hairs = _look(strand, tx * 1.7 + 0.2 * fine, ty * 0.5 + 0.1, 0)
        share = min(0.95, share * (1 - lip) * max(0.0, 0.35 + 1.2 * hairs) * (0.8 + 0.5 * fine))
        colour = _over(colour, _row(colours, BEARD_TONE, 1.0), share)
        gloss *= 1 - share
    fold = 0.0
    if style.folds * m[11 + FOLD] > 0.01:
        fold = style.folds * m[11 + FOLD] * math.cos(ty * 60 + 6 * _look(noise, tx * 0.5 + s0, ty * 0.5, 0))
    du, dv = style.bump * 2 * du, style.bump * 2 * dv + 0.35 * fold
    return colour[0], colour[1], colour[2], gloss, 14.0 + 16 * lip, occ, du, dv


@njit(fastmath=True, inline="always")
def _eye(tx, ty, tz, centres, strand, style, colours):
    """The ball by its own direction; its paint turns with it, because the template's ball is turned back."""
    e = 0 if tx > 0 else 1
    x, y, z = tx - centres[e, 0], ty - centres[e, 1], tz - centres[e, 2]
    angle = math.acos(min(1.0, max(-1.0, z / (math.sqrt(x * x + y * y + z * z) + 1e-9))))
    around, rim = math.atan2(y, x), style.iris
    occ = style.lid_shade + (1 - style.lid_shade) * _smooth(0.055, -0.02, y)
    if angle < rim * style.pupil:
        return 0.004, 0.004, 0.004, 1.0, 130.0, occ, 0.0, 0.0
    if angle < rim:
        f = 0.65 + 0.7 * _look(strand, around * 0.32 + 0.5, angle * 0.4, 0)
        f *= 1 - 0.75 * _smooth(0.8, 1.0, angle / rim)
        c = _row(colours, IRIS_TONE, f)
        return c[0], c[1], c[2], 1.0, 130.0, occ, 0.0, 0.0
    vein = style.veins * _smooth(0.55, 0.8, _look(strand, angle * 0.3, around * 0.9, 0)) * _smooth(0.5, 0.9, angle)
    f = style.white * (1 - 0.12 * _smooth(0.6, 1.2, angle)) * (1 - 0.6 * _smooth(rim * 1.12, rim, angle))
    return f, f * 0.94 * (1 - 0.3 * vein), f * 0.9 * (1 - 0.3 * vein), 1.0, 130.0, occ, 0.0, 0.0


@njit(fastmath=True, inline="always")
def _teeth(tx, tz, strand, style):
    gap = _smooth(0.0, 0.006, abs(((abs(tx) + 0.0425) / 0.085) % 1.0 - 0.5) * 0.085)  # between teeth of 8.5 mm
    f = (0.85 + 0.2 * _look(strand, tx * 1.1 + 0.3, 0.3, 0)) * (0.7 + 0.3 * gap) * style.teeth
    occ = _smooth(0.7, 1.2, tz) * style.mouth_light
    return f, f * 0.94, f * style.teeth_blue, 0.4, 40.0, occ, 0.0, 0.0


@njit(fastmath=True, inline="always")
def _hair(u, v, occ, noise, strand, style, colours):
    if style.curly > 0.5:
        st = min(1.0, max(0.0, 0.5 + 2.2 * (_look(noise, u * 2.3 + style.shift_x, v * 2.3 + style.shift_y, 0) - 0.5)))
    else:
        st = _look(strand, u * style.strands, v * 0.25 + style.shift_y, 0)
    low = _look(noise, u * 0.6 + style.shift_x, v * 0.12 + style.shift_y, 0)
    f = max(0.15, 0.45 + 0.75 * st + 0.5 * (low - 0.5))
    c, shade = _row(colours, HAIR_TONE, f), 0.35 + 0.65 * _smooth(0.1, 0.7, occ)
    return c[0], c[1], c[2], style.strands_gloss * (0.3 + 1.2 * st), 12.0, shade, 0.8 * (st - 0.5), 0.0


@njit(fastmath=True, inline="always")
def _cloth(kind, tx, ty, u, v, noise, style, colours):
    if kind == 6:
        f = 1 + 0.2 * (_look(noise, tx * 2.0, ty * 2.0, 0) - 0.5)
        row = STRIPE_TONE if style.stripes > 0 and math.sin(ty * style.stripes) > 0 else SHIRT_TONE
    elif kind == 8:
        f, row = 1 + 0.12 * math.sin(ty * 55.0), MASK_TONE
    else:
        f, row = 1 + 0.25 * (_look(noise, u * 3.0, v * 3.0, 0) - 0.5), HAT_TONE
    c = _row(colours, row, f)
    return c[0], c[1], c[2], 0.0, 20.0, 1.0, 0.0, 0.0


@njit(fastmath=True, inline="always")
def _material(k, m, noise, strand, style, colours, brow, centres):
    """m: what ``shade`` has of the place."""
    if k == 0:
        return _skin(m, noise, strand, style, colours, brow)
    if k == 1:
        return _eye(m[6], m[7], m[8], centres, strand, style, colours)
    if k == 2:
        return _teeth(m[6], m[8], strand, style)
    if k == 3:
        occ = m[11 + OCCLUSION] * _smooth(0.6, 1.4, m[8]) * style.mouth_light
        return 0.42, 0.12, 0.12, 0.3, 25.0, occ, 0.0, 0.0
    if k == 4:
        return 0.01, 0.008, 0.007, 0.0, 20.0, 1.0, 0.0, 0.0
    if k == 5:
        return _hair(m[9], m[10], m[11 + OCCLUSION], noise, strand, style, colours)
    return _cloth(k, m[6], m[7], m[9], m[10], noise, style, colours)


@njit(fastmath=True, inline="always")
def _shadow(m, d, depth, to_light):
    """Share of the first light that is cut off at a place, by its shadow map."""
    n = depth.shape[0]
    x = int(m[0] * to_light[0, 0] + m[1] * to_light[0, 1] + m[2] * to_light[0, 2] + to_light[0, 3])
    y = int(m[0] * to_light[1, 0] + m[1] * to_light[1, 1] + m[2] * to_light[1, 2] + to_light[1, 3])
    if x < 2 or y < 2 or x > n - 3 or y > n - 3:
        return 0.0
    z = m[0] * to_light[2, 0] + m[1] * to_light[2, 1] + m[2] * to_light[2, 2] + 0.045 + 0.05 * (1 - max(0.0, d))
    hit = 0.0
    for j in range(-1, 2):
        for i in range(-1, 2):
            if depth[y + j, x + i] > z:
                hit += 1.0
    return hit / 9.0


@njit(fastmath=True, inline="always")
def _light(k, m, made, lights, depth, to_light, style):
    """Linear RGB that comes from a place of material ``made``."""
    gloss, power, occ = made[3], made[4], made[5]
    wrap = 0.25 if k == 0 else 0.3 if k == 2 or k == 5 else 0.0  # light goes into skin, teeth and hair
    nx, ny, nz = m[3] + made[6], m[4] + made[7], m[5]
    length = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
    nx, ny, nz = nx / length, ny / length, nz / length
    if k >= 4 and nz < 0:
        nx, ny, nz = -nx, -ny, -nz
    f, ao = 0.5 + 0.5 * ny, occ if k == 2 or k == 3 else 0.08 + 0.92 * occ if k == 0 else 0.25 + 0.75 * occ
    er = (lights[0, 3] * f + lights[1, 3] * (1 - f)) * ao
    eg = (lights[0, 4] * f + lights[1, 4] * (1 - f)) * ao
    eb = (lights[0, 5] * f + lights[1, 5] * (1 - f)) * ao
    sr, sg, sb = 0.0, 0.0, 0.0
    for i in range(2, lights.shape[0]):
        dx, dy, dz = lights[i, 0], lights[i, 1], lights[i, 2]
        d = nx * dx + ny * dy + nz * dz
        lit = max(0.0, (d + wrap) / (1 + wrap))
        if lit == 0.0:
            continue
        cast = style.cast * (0.5 if k == 2 else 1.0)  # the lips throw light back on the teeth
        seen = 1 - cast * _shadow(m, d, depth, to_light) if i == 2 else 1.0
        red = 1 + 0.25 * _smooth(0.45, 0.1, lit) * style.depth if k == 0 else 1.0
        lit *= seen * (0.25 + 0.75 * occ if k == 0 else 0.6 + 0.4 * occ)
        er += lights[i, 3] * lit * red
        eg += lights[i, 4] * lit
        eb += lights[i, 5] * lit
        if gloss > 0 and d > 0:
            s = max(0.0, (nx * dx + ny * dy + nz * (dz + 1)) / math.sqrt(dx * dx + dy * dy + (dz + 1) * (dz + 1)))
            if s < 0.6:  # to the power of 12 and more
                continue
            graze = 0.06 + 0.6 * (1 - max(0.0, nz)) ** 4
            s = s**power * gloss * seen * (power + 8) / 40 * (0.25 + graze)
            sr, sg, sb = sr + s * lights[i, 3], sg + s * lights[i, 4], sb + s * lights[i, 5]
    return made[0] * er + sr, made[1] * eg + sg, made[2] * eb + sb


@njit(cache=True, fastmath=True, error_model="numpy")
def shade(ids, bary, triangles, kind, at, noise, strand, style, colours, brow, centres, lights, depth, to_light, out):
    """Fill (H, W, 4) linear RGB and cover. at: (V, 19) place and normal in view space, place on the template, texture
    coordinates, paint. lights: (L, 6) direction and colour; the first two are the sky's and the ground's, the third
    casts the shadow."""
    h, w = ids.shape
    m = np.empty(at.shape[1], np.float32)
    for y in range(h):
        for x in range(w):
            t = ids[y, x]
            if t < 0:
                continue
            w1, w2 = bary[y, x, 0], bary[y, x, 1]
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            for i in range(m.shape[0]):
                m[i] = at[a, i] + w1 * (at[b, i] - at[a, i]) + w2 * (at[c, i] - at[a, i])
            k = kind[t]
            made = _material(k, m, noise, strand, style, colours, brow, centres)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = _light(k, m, made, lights, depth, to_light, style)
            out[y, x, 3] = 1.0
