"""Which number is which point, drawn on the mean of drawn heads: `train layout show NAME --picture FILE`."""

from __future__ import annotations

import numpy as np

from edgewing import expression
from edgewing.errors import unknown
from edgewing.layouts import Layout

WIDTH, MARGIN, TEXT = 1000, 50, 15  # px
APART = np.array((19, 15))  # of a number from its point, px
CLOSE = 8  # px; a number here would hide another point


def numbered(layout: Layout) -> str:
    """An SVG. InputError for a layout whose mean face is not known."""
    readers = expression.readers()
    known = {expression.POSE: readers["pose"].shape, expression.UNITS: readers["units"].shape}
    if layout.name not in known:
        raise unknown("layout with a mean face to draw on", layout.name, known)
    face = known[layout.name].astype(float)
    face = MARGIN + (face - face.min(axis=0)) * (WIDTH - 2 * MARGIN) / np.ptp(face[:, 0])
    height = round(face[:, 1].max() + MARGIN)
    lines = [
        f'<line x1="{face[a][0]:.0f}" y1="{face[a][1]:.0f}" x2="{face[b][0]:.0f}" y2="{face[b][1]:.0f}"/>'
        for a, b in layout.edges
    ]
    dots = [f'<circle cx="{x:.0f}" cy="{y:.0f}" r="3"/>' for x, y in face]
    places = enumerate(_places(face, layout))
    texts = [f'<text x="{x:.0f}" y="{y + TEXT / 3:.0f}">{number}</text>' for number, (x, y) in places]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-label="the {layout.points} points of {layout.name} and their numbers">',
            f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
            '<g stroke="#9ab" stroke-width="1.5">', *lines, "</g>",
            '<g fill="#06c">', *dots, "</g>",
            f'<g font-family="sans-serif" font-size="{TEXT}" text-anchor="middle" fill="#111">', *texts, "</g>",
            "</svg>", "",
        ]
    )  # fmt: skip


def _places(face: np.ndarray, layout: Layout) -> np.ndarray:
    """(N, 2) where numbers stand: away from the middle of the part that the point belongs to, beside a line that goes
    down, below a point that is alone or too close to another."""
    places = face + (0, APART[1])
    for part in _parts(layout):
        points = sorted({point for name in part for point in layout.curves[name]})
        away = face[points] - face[points].mean(axis=0)
        if np.ptp(away[:, 0]) < np.ptp(away[:, 1]) / 20:
            away = np.array([[1.0, 0.0]])
        places[points] = face[points] + APART * away / np.linalg.norm(away, axis=1, keepdims=True)
    near = np.linalg.norm(places[:, None] - face[None], axis=-1).min(axis=1) < CLOSE
    places[near] = face[near] + (0, APART[1])
    return places


def _parts(layout: Layout) -> list[list[str]]:
    """Names of curves: those that share a point, such as both lids of an eye, are one part."""
    parts: list[list[str]] = []
    for name, curve in layout.curves.items():
        of = next((p for p in parts if any(set(curve) & set(layout.curves[other]) for other in p)), None)
        parts.append([name]) if of is None else of.append(name)
    return parts
