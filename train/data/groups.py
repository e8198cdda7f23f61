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

    groups: (M,) integers or strings. sources: (M,) integers, one stratum if None. About ``fraction`` of each source's
    faces go to validation: whole groups in an order drawn from ``seed`` until that many are reached, at least one
    group, never the last one of a source. A group that spans sources counts for its first.
    """
    names, first, inverse, counts = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    held_out = np.zeros(len(names), bool)
    strata = np.zeros(len(names), int) if sources is None else np.asarray(sources)[first]
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        order = np.random.default_rng([seed, int(stratum)]).permutation(members)
        before = np.cumsum(counts[order]) - counts[order]
        wanted = fraction * counts[order].sum()
        held_out[order[:-1][before[:-1] < wanted]] = True
    chosen = held_out[inverse]
    return np.flatnonzero(~chosen), np.flatnonzero(chosen)
