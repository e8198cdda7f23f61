"""Landmark layouts: how many points, which mirror into which, which curves join them, how errors are normalised.

The data are in ``layouts.json`` beside this file (point numbering: iBUG 300-W, WFLW, COFW, AFLW-19, LSP).
Curves are those that the boundary channel of the Adaptive Wing paper (arXiv 1904.07399) is drawn from.

N: number of landmarks.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources

import numpy as np

from edgewing.errors import InputError, unknown


@dataclass(frozen=True)
class Layout:
    """A set of named points.

    name: ``300w-68``, ``wflw-98``, ``cofw-29``, ``aflw-19`` or ``lsp-14``.
    points: N.
    flip_pairs: pairs of points that change places in a mirrored image; all others keep theirs.
    curves: curve name -> points in order; empty where the layout has no boundary.
    normalisers: name -> two groups of points whose means are the two ends of the normalising distance,
        ``landmarks`` for sqrt(w h) of the tight landmark box, ``dataset`` for a box that the dataset brings.
    """

    name: str
    points: int
    flip_pairs: tuple[tuple[int, int], ...]
    curves: dict[str, tuple[int, ...]]
    normalisers: dict[str, tuple[tuple[int, ...], tuple[int, ...]] | str]
    default_normaliser: str
    maps: dict[str, tuple[int, ...]]
    point_names: tuple[str, ...] = ()

    @property
    def has_boundary(self) -> bool:
        return bool(self.curves)

    @property
    def channels(self) -> int:
        """Heatmap channels: one per landmark, and the boundary last where there is one."""
        return self.points + self.has_boundary

    @property
    def flip_index(self) -> np.ndarray:
        """(N,) int: point i of a mirrored face is point ``flip_index[i]`` of the original; an involution."""
        index = np.arange(self.points)
        for a, b in self.flip_pairs:
            index[a], index[b] = b, a
        return index

    @property
    def edges(self) -> list[tuple[int, int]]:
        """Neighbouring points along the curves, for drawing."""
        return sorted({pair for curve in self.curves.values() for pair in zip(curve, curve[1:])})

    def map_to(self, name: str) -> np.ndarray:
        """(M,) int: for each point of layout ``name`` the index of ours that means the same."""
        if name == self.name:
            return np.arange(self.points)
        if name not in self.maps:
            raise InputError(f"layout {self.name!r} has no map to {name!r}; known: {', '.join(self.maps) or 'none'}")
        return np.asarray(self.maps[name])


@functools.cache
def table() -> dict[str, Layout]:
    """All layouts by name."""
    raw = json.loads((resources.files("edgewing") / "layouts.json").read_text())
    return {
        name: Layout(
            name=name,
            points=v["points"],
            flip_pairs=tuple(map(tuple, v["flip_pairs"])),
            curves={curve: tuple(points) for curve, points in v["curves"].items()},
            normalisers={
                key: ends if isinstance(ends, str) else tuple(map(tuple, ends))
                for key, ends in v["normalisers"].items()
            },
            default_normaliser=v["default_normaliser"],
            maps={target: tuple(index) for target, index in v.get("maps", {}).items()},
            point_names=tuple(v.get("names", ())),
        )
        for name, v in raw.items()
    }


def get(name: str) -> Layout:
    """The layout of that name; InputError with the nearest name if there is none."""
    if name not in table():
        raise unknown("layout", name, table())
    return table()[name]
