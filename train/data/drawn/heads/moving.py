"""A drawn head that moves before a camera that stands still: to show what follows a face, and to measure how fast."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from train.data.drawn.heads import stream
from train.data.drawn.heads.mesh import Mesh
from train.data.drawn.heads.render import draw


def frames(number: int, count: int) -> Iterator[np.ndarray]:
    """(SIZE, SIZE, 3) uint8 RGB: the head of that number turns, nods, smiles and blinks; the last frame goes over into
    the first."""
    still = None
    for k in range(count):
        t = k / count
        yaw, pitch, roll = 30 * np.sin(2 * np.pi * t), 7 * np.sin(4 * np.pi * t), 5 * np.sin(2 * np.pi * t + 1)
        scene = draw(stream(number), tuple(np.deg2rad((yaw, pitch, roll))), _acting(t), still)
        still = still or scene.camera
        yield scene.image


def _acting(t: float):
    """What the face does at t of the clip, 0 to 1."""

    def act(mesh: Mesh, _: np.random.Generator) -> tuple[dict[str, float], tuple[float, float]]:
        smile, talk = _bump(t, 0.5, 0.28), _bump(t, 0.85, 0.12) * abs(np.sin(10 * np.pi * t))
        blink = max(_bump(t, at, 0.035) for at in (0.12, 0.48, 0.78))
        units = dict.fromkeys(mesh.units, 0.0)
        for side in ("Left", "Right"):
            units |= {"mouthSmile" + side: 0.9 * smile, "cheekSquint" + side: 0.5 * smile, "eyeBlink" + side: blink}
            units |= {"mouthUpperUp" + side: 0.5 * smile, "mouthLowerDown" + side: 0.4 * smile + 0.3 * talk}
        return units | {"jawOpen": 0.05 * smile + 0.35 * talk}, (0.0, 0.0)

    return act


def _bump(t: float, middle: float, half: float) -> float:
    """From 0 to 1 and back, smoothly."""
    return float(np.cos(np.clip((t - middle) / half, -1, 1) * np.pi / 2) ** 2)
