"""How far drawn shapes are from real ones: mean shapes after a similarity alignment, by how far the head is turned."""

from __future__ import annotations

import numpy as np

from edgewing import layouts
from edgewing.errors import InputError

NOSE_TIPS = {"300w-68": 30, "wflw-98": 54, "cofw-29": 20}
# Turns are told by the nose tip: its distance from the middle of the eyes along the line through the outer eye corners,
# in units of their distance. 0.15 is a yaw of about 17 degrees, 0.25 of about 27.
TURNS = ((-1.0, 1.0), (-0.05, 0.05), (0.05, 0.15), (0.15, 0.25), (0.25, 1.0))


def _aligned(shapes: np.ndarray, rounds: int = 5) -> np.ndarray:
    """(M, N) complex: (M, N, 2) shapes, centred, of unit size and turned onto their mean (generalised Procrustes)."""
    z = shapes[..., 0] + 1j * shapes[..., 1]
    z = z - z.mean(axis=1, keepdims=True)
    z = z / np.sqrt((abs(z) ** 2).sum(axis=1, keepdims=True))
    mean = z[0]
    for _ in range(rounds):
        turned = z * (z.conj() @ mean / (abs(z) ** 2).sum(axis=1))[:, None]
        mean = turned.mean(axis=0)
        mean = mean / np.sqrt((abs(mean) ** 2).sum())
    return turned


def _turn(shapes: np.ndarray, nose: int, eyes: tuple[tuple[int, ...], ...]) -> np.ndarray:
    left, right = (shapes[:, list(group)].mean(axis=1) for group in eyes)
    across = right - left
    return ((shapes[:, nose] - (left + right) / 2) * across).sum(axis=1) / (across**2).sum(axis=1)


def agreement(drawn: np.ndarray, real: np.ndarray, layout_name: str) -> list[str]:
    """Lines of a table: point distance of the two mean shapes in percent of the real mean's outer eye distance.

    drawn, real: (M, N, 2) landmarks; each face is counted with its mirror image.
    InputError for a layout without outer eye corners and nose tip.
    """
    layout = layouts.get(layout_name)
    if layout_name not in NOSE_TIPS:
        raise InputError(f"shapes of {layout_name!r} cannot be compared; use one of {', '.join(NOSE_TIPS)}")
    eyes = layout.normalisers["inter-ocular"]
    both = []
    for shapes in (drawn, real):
        both.append(np.concatenate([shapes, shapes[:, layout.flip_index] * (-1, 1)]))
    turns = [_turn(shapes, NOSE_TIPS[layout_name], eyes) for shapes in both]
    lines = ["turn of the nose   drawn   real   mean %   largest % (point)   spread drawn, real %"]
    for low, high in TURNS:
        chosen = [shapes[(turn > low) & (turn < high)] for shapes, turn in zip(both, turns)]
        if min(map(len, chosen)) < 10:
            continue
        aligned = [_aligned(shapes) for shapes in chosen]
        mine, true = (shapes.mean(axis=0) for shapes in aligned)
        mine = mine * (np.vdot(mine, true) / np.vdot(mine, mine))
        unit = abs(true[list(eyes[1])].mean() - true[list(eyes[0])].mean()) / 100
        far = abs(mine - true) / unit
        spread = [np.sqrt((abs(a - a.mean(axis=0)) ** 2).mean()) / unit for a in aligned]
        name = "all" if high - low == 2 else f"{low:5.2f} to {high:.2f}"
        counts, worst = f"{len(chosen[0]):7d} {len(chosen[1]):6d}", f"{far.max():11.1f} ({far.argmax()})"
        lines.append(f"{name:16} {counts} {far.mean():8.2f} {worst}     {spread[0]:.1f}, {spread[1]:.1f}")
    return lines
