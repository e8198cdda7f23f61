"""From the folders that a recipe names (or `drawn`) to an open cache."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from edgewing import layouts
from edgewing.errors import InputError
from edgewing.words import counted
from train.data import cache as caches
from train.data.cache import Cache
from train.data.drawn.fresh import Fresh
from train.progress import ProgressLine
from train.recipes import DRAWN, Recipe


def open_cache(recipe: Recipe, root: Path, workers, say: Callable[[str], None]) -> Cache:
    """The cache of the recipe's data below ``root``, built by the first worker where it is not there yet.

    A folder with a meta.json is a cache itself: what a host without OpenCV trains from.
    """
    if not recipe.data:
        raise InputError("no data; name folders of labelled pictures, or `drawn`")
    if workers.rank != 0:
        workers.wait()
    cache = _open(recipe, root, say)
    if workers.rank == 0:
        workers.wait()
    return cache


def _open(recipe: Recipe, root: Path, say: Callable[[str], None]) -> Cache:
    first = Path(recipe.data[0])
    if (first / "meta.json").is_file():
        if len(recipe.data) > 1:
            raise InputError(f"{first} is a cache; name it alone")
        return Cache.open(first)
    layout, size = layouts.get(recipe.layout), caches.dense_enough(recipe.input_size)
    threads = os.cpu_count() or 1
    if drawn := [name for name in recipe.data if name in DRAWN]:
        if len(recipe.data) > 1:
            raise InputError(f"`{drawn[0]}` is trained on alone; name it without other folders")
        if Path(drawn[0]).is_dir():
            raise InputError(f"{drawn[0]}: is a folder here, and the name of faces to draw; the folder is ./{drawn[0]}")
        if recipe.crop != "gtbox":
            raise InputError(
                f"drawn faces have no boxes of a dataset; --crop {recipe.crop} needs one, use --crop gtbox"
            )
        from train.data.drawn import faces, version

        # Drawn faces change with the code that draws them, not with files: its version stands in the name.
        kind = DRAWN[drawn[0]]
        folder = root / f"{drawn[0]}-{recipe.layout}-{recipe.drawn}-{recipe.seed}-{size}-v{version(kind)}"
        if folder.is_dir():
            return Cache.open(folder)
        say(f"drawing {counted(recipe.drawn, 'faces')}")
        samples = faces(recipe.drawn, recipe.layout, recipe.seed, processes=threads, kind=kind)
        return caches.build(samples, folder, layout, size, progress=Progress(recipe.drawn, "drawn"))
    from train.data import read_samples

    listing = read_samples(recipe.data, recipe.layout, points_frame=recipe.points_frame)
    for line in listing.summary:
        say(line)
    for problem in listing.problems[:10]:
        say(f"left out: {problem}")
    if len(listing.problems) > 10:
        say(f"left out: {len(listing.problems) - 10} more")
    progress = Progress(len(listing.samples), "cut out")
    made = {"progress": progress, "threads": threads, "crop": recipe.crop}
    cache = caches.find_or_build(listing.samples, root, layout, size, **made)
    for problem in cache.meta["first_problems"][:10]:
        say(f"left out: {problem}")
    return cache


def fresh_of(recipe: Recipe, cache: Cache) -> Fresh | None:
    """What draws faces while it trains, of the same kind and size as the cache's; None where the cache has them."""
    if not recipe.fresh:
        return None
    size = cache.meta["size"]
    return Fresh(DRAWN[recipe.data[0]], recipe.layout, size, recipe.batch, recipe.seed, recipe.crop)


class Progress:
    """A bar on a terminal, a line for every fifth part elsewhere."""

    def __init__(self, total: int, what: str):
        self.total, self.what, self.line = total, what, ProgressLine(f"{what}, crops", total)

    def __call__(self, done: int, total: int | None) -> None:
        self.line.tell(done=done)
        if done == self.total:
            self.line.close()
        if not self.line.shown and done % max(1, self.total // 5) == 0:
            print(f"{self.what} {done} of {counted(self.total, 'crops')}", flush=True)
