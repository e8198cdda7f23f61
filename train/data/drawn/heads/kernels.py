"""Loops over triangles and vertices that numpy has no words for, compiled by numba on the first call and kept."""

from __future__ import annotations

import math

import numpy as np
from numba import njit


@njit(cache=True)
def add_targets(v, which, weights, start, index, delta, scale):
    """Move (V, 3) vertices in place by sparse targets ``which``, each times its weight."""
    for n in range(which.shape[0]):
        k = which[n]
        f = weights[n] * scale[k]
        for i in range(start[k], start[k + 1]):
            j = index[i]
            for c in range(3):
                v[j, c] += f * delta[i, c]


@njit(cache=True, error_model="numpy")
def raster(p, triangles, cull, alpha, uv, noise, depth, ids, bary, first):
    """Write where triangles are the nearest: their number from ``first`` on, and two barycentrics.

    p: (V, 3) x, y in px and 1 / distance. cull: triangles seen from behind are left out. alpha: (V,); where it is not
    above the noise at uv, a pixel of the triangle is not there.
    """
    h, w = depth.shape
    n = noise.shape[0] - 1
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        if alpha[a] <= 0 and alpha[b] <= 0 and alpha[c] <= 0:
            continue
        x0, y0, z0 = p[a, 0], p[a, 1], p[a, 2]
        x1, y1, z1 = p[b, 0], p[b, 1], p[b, 2]
        x2, y2, z2 = p[c, 0], p[c, 1], p[c, 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0 or (cull and area > 0):
            continue
        left, right = max(0, math.ceil(min(x0, x1, x2))), min(w - 1, math.floor(max(x0, x1, x2))) + 1
        top, bottom = max(0, math.ceil(min(y0, y1, y2))), min(h - 1, math.floor(max(y0, y1, y2))) + 1
        if left >= right or top >= bottom:  # most are smaller than a pixel
            continue
        solid = alpha[a] >= 1 and alpha[b] >= 1 and alpha[c] >= 1
        x1, y1, x2, y2 = (x1 - x0) / area, (y1 - y0) / area, (x2 - x0) / area, (y2 - y0) / area
        for y in range(top, bottom):
            for x in range(left, right):
                w1 = (x - x0) * y2 - (y - y0) * x2
                w2 = (y - y0) * x1 - (x - x0) * y1
                w0 = 1.0 - w1 - w2
                if min(w0, w1, w2) < -1e-6:
                    continue
                z = w0 * z0 + w1 * z1 + w2 * z2
                if z <= depth[y, x]:
                    continue
                if not solid:
                    u = int((w0 * uv[a, 0] + w1 * uv[b, 0] + w2 * uv[c, 0]) * (n + 1)) & n
                    v = int((w0 * uv[a, 1] + w1 * uv[b, 1] + w2 * uv[c, 1]) * (n + 1)) & n
                    if w0 * alpha[a] + w1 * alpha[b] + w2 * alpha[c] <= noise[v, u]:
                        continue
                depth[y, x] = z
                ids[y, x] = first + t
                bary[y, x, 0] = w1
                bary[y, x, 1] = w2


@njit(cache=True, fastmath=True)
def normals(p, triangles):
    """(V, 3) unit normals of vertices, weighted by area."""
    out = np.zeros_like(p)
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ux, uy, uz = p[b, 0] - p[a, 0], p[b, 1] - p[a, 1], p[b, 2] - p[a, 2]
        vx, vy, vz = p[c, 0] - p[a, 0], p[c, 1] - p[a, 1], p[c, 2] - p[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for k in (a, b, c):
            out[k, 0] += nx
            out[k, 1] += ny
            out[k, 2] += nz
    for k in range(out.shape[0]):
        out[k] /= np.sqrt((out[k] ** 2).sum()) + 1e-12
    return out


def buffers(height: int, width: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Empty depth, triangle numbers (-1: none) and barycentrics."""
    return np.full((height, width), -1e9), np.full((height, width), -1, np.int32), np.zeros((height, width, 2))


def front_view(p: np.ndarray, triangles: np.ndarray, height: int, width: int) -> tuple[np.ndarray, ...]:
    """Depth, triangle numbers and barycentrics of whole triangles, seen from both sides."""
    made = buffers(height, width)
    whole = np.ones(len(p))
    raster(p, triangles, False, whole, np.zeros((len(p), 2)), np.zeros((2, 2), np.float32), *made, 0)
    return made
