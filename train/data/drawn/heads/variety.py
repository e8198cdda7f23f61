"""What each kind of variety is worth: drawn heads without it, as many as with all of it.

Trained alike, the difference of their errors on photographs is what the variety buys (models/variety.sh).
"""

from __future__ import annotations

import numpy as np

from edgewing.errors import InputError
from train.data.cache import Cache
from train.data.drawn.heads import DRAWN_HEADS, stream
from train.data.drawn.heads.render import sit

LACKS = {  # name -> whether this sitter has it
    "turned": lambda one: abs(np.rad2deg(one.camera.pose[0])) > 25,
    "tilted": lambda one: np.rad2deg(np.abs(one.camera.pose[1:])).max() > 15,
    "open-mouths": lambda one: max(one.units[name] for name in ("jawOpen", "mouthUpperUpLeft", "mouthFunnel")) > 0.1,
    "ages": lambda one: not 0.45 < one.who.age < 0.65,
    "dark-skin": lambda one: one.who.tone.mean() < 0.2,
    "beards": lambda one: one.beard > 0.2,
    "make-up": lambda one: one.painted,
    "near-cameras": lambda one: one.camera.distance < 9,
}


def without(cache: Cache, most: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Name -> faces of the cache, as many for each, ``most`` or what is left: ``all``, and ``no-NAME`` for those of
    LACKS. Raises InputError: the faces are not drawn heads."""
    if [source["name"] for source in cache.meta["sources"]] != [DRAWN_HEADS]:
        raise InputError(f"{cache.folder}: not drawn heads alone; name a cache that `train fit heads` drew")
    numbers = (int(name.split("_")[1]) for name in cache.names(np.arange(len(cache))))
    has = np.array([[has(one) for has in LACKS.values()] for one in (sit(stream(number)) for number in numbers)])
    left = {"all": np.arange(len(cache))} | {f"no-{name}": np.flatnonzero(~h) for name, h in zip(LACKS, has.T)}
    rng, count = np.random.default_rng(seed), min(most, *map(len, left.values()))
    return {name: np.sort(rng.choice(found, count, replace=False)) for name, found in left.items()}
