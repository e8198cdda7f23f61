"""Groups of faces that belong together (a person, a photograph), and the validation split that never cuts one."""

from __future__ import annotations

import hashlib

import numpy as np


def group_id(name: str) -> int:
    """31 bits of a hash of a group's name: no table of names is held, and two caches agree. Two groups that share an id
    (one pair is expected among 65,000 groups) stay on one side of a split together, which does no harm."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=4).digest()
    return int.from_bytes(digest, "little") & 0x7FFFFFFF


def split(
    groups: np.ndarray, fraction: float, seed: int, sources: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(train, validation) indices, both sorted int64, with no group on both sides.

    groups: (M,) integers (group_id). sources: (M,) integers, one stratum if None. A group is held out if a number drawn
    from ``seed`` and itself alone is below ``fraction``: it stays on its side whatever else is read beside it, so that
    another training with the same seed and fraction never learns what this one is measured on. Of every source with two
    groups or more at least one is held out, and never all. A group that spans sources counts for its first.
    """
    names, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    chances = _chances(names, seed)
    held_out = chances < fraction
    strata = np.zeros(len(names), int) if sources is None else np.asarray(sources)[first]
    for stratum in np.unique(strata) if fraction > 0 else ():
        members = np.flatnonzero(strata == stratum)
        held_out[members[chances[members].argmin()]] = True
        held_out[members[chances[members].argmax()]] = False
    chosen = held_out[inverse]
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)


def _chances(groups: np.ndarray, seed: int) -> np.ndarray:
    """(G,) float64 in [0, 1), each from its group and the seed: splitmix64's last steps (Steele and others, 2014)."""
    of_seed = np.uint64(seed * 0xD1342543DE82EF95 % 2**64)
    z = groups.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + of_seed
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return (z ^ (z >> np.uint64(31))) / 2.0**64
