"""Landmarks drawn on a picture: curves thin, points round, smooth at any size of face.

A face of 40 px needs lines thinner than a pixel, which OpenCV does not draw. So each face is enlarged by a whole
number (every pixel repeated), drawn on, and averaged back, which leaves pixels that were not drawn on as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

CURVE = (60, 220, 235)
CURVE_OPACITY = 0.8
SURE, UNSURE = (90, 255, 120), (255, 120, 30)  # RGB of a point with score 1 and 0
RIM = (10, 30, 35)
LINE_WIDTH, RADIUS = 0.006, 0.010  # shares of the face's size
LEAST_LINE_WIDTH, LEAST_RADIUS = 0.45, 0.8  # px
LARGEST_LAYER = 4_000_000  # px of an enlarged face
_SHIFT = 4  # OpenCV takes coordinates in 1/16 px


def draw(
    image: np.ndarray,
    landmarks: np.ndarray,
    edges: Sequence[Sequence[int]] = (),
    scores: np.ndarray | None = None,
    colour: tuple[int, int, int] | None = None,
    radii: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of a (H, W, 3) uint8 RGB image with one face's (N, 2) landmarks, image px, drawn on it.

    edges: pairs of points to join, as a contract's layout has them. scores: (N,) in [0, 1], shown as the points'
    colour. colour: RGB of the points in place of that. radii: (N,) px of a thin circle around each. Points that are not
    finite are left out.
    """
    import cv2

    drawn = image.copy()
    visible = np.flatnonzero(np.isfinite(landmarks).all(axis=1))
    if not len(visible):
        return drawn
    low, high = landmarks[visible].min(axis=0), landmarks[visible].max(axis=0)
    face = float(max(high - low))
    width, radius = max(LINE_WIDTH * face, LEAST_LINE_WIDTH), max(RADIUS * face, LEAST_RADIUS)
    margin = 2 * radius + 2 + (0 if radii is None else float(max(radii[visible])))
    x0, y0 = np.clip(np.floor(low - margin), 0, image.shape[1::-1]).astype(int)
    x1, y1 = np.clip(np.ceil(high + margin) + 1, 0, image.shape[1::-1]).astype(int)
    if x0 >= x1 or y0 >= y1:
        return drawn
    room = int(np.sqrt(LARGEST_LAYER / ((x1 - x0) * (y1 - y0))))
    zoom = int(np.clip(np.ceil(3 / width), 1, max(1, room)))
    size = (int(x1 - x0) * zoom, int(y1 - y0) * zoom)
    layer = cv2.resize(drawn[y0:y1, x0:x1], size, interpolation=cv2.INTER_NEAREST)
    # pixels meet at edges, coordinates are of centres: half a pixel is added before enlarging and taken off after
    enlarged = (landmarks[visible] - [x0, y0] + 0.5) * zoom - 0.5
    fixed = dict(zip(visible.tolist(), np.rint(enlarged * (1 << _SHIFT)).astype(int).tolist()))

    curves = layer.copy()
    for a, b in edges:
        if a in fixed and b in fixed:
            cv2.line(curves, fixed[a], fixed[b], CURVE, max(1, round(width * zoom)), cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(curves, CURVE_OPACITY, layer, 1 - CURVE_OPACITY, 0, layer)
    for i, point in fixed.items():
        tone = colour or between(UNSURE, SURE, 1.0 if scores is None else float(scores[i]))
        if radii is not None:
            around = round(float(radii[i]) * zoom * (1 << _SHIFT))
            cv2.circle(layer, point, around, tone, max(1, round(width * zoom / 2)), cv2.LINE_AA, _SHIFT)
        for reach, fill in ((1.4 * radius, RIM), (radius, tone)):
            cv2.circle(layer, point, round(reach * zoom * (1 << _SHIFT)), fill, -1, cv2.LINE_AA, _SHIFT)
    drawn[y0:y1, x0:x1] = cv2.resize(layer, (int(x1 - x0), int(y1 - y0)), interpolation=cv2.INTER_AREA)
    return drawn


def draw_faces(
    image: np.ndarray, faces: Sequence, edges: Sequence[Sequence[int]] = (), radius: bool = False
) -> np.ndarray:
    """A copy of the image with all faces of a Landmarker on it, the largest on top. radius: with circles of each face's
    own, where the model says how far its points may be off."""
    for face in reversed(faces):
        image = draw(image, face.shown(), edges, face.scores, radii=face.radius if radius else None)
    return image


def between(first: tuple[int, int, int], second: tuple[int, int, int], share: float) -> tuple[int, int, int]:
    """The colour that lies that share of the way from the first to the second."""
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second))
    return red, green, blue
