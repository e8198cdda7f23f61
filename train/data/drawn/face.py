"""What drawing a face gives, whoever draws it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass
class Drawn:
    """One drawn face. image: (H, W, 3) uint8 RGB. landmarks: (N, 2) float32 image px, 0-based pixel centres.

    Every face is a person of its own: the group is the name.
    """

    name: str
    image: np.ndarray
    landmarks: np.ndarray
    source: str = "drawn"
    group: str = ""

    def __post_init__(self) -> None:
        self.group = self.group or self.name
