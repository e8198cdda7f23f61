"""`python -m compress distill`: a student from one teacher or several.

The student learns from the labels and, in equal parts (--distillation), from its teachers' heatmaps of the same crops
before anything covers or blurs them, through the same loss, stack by stack where both have the same number. Pictures
without points (--unlabelled) get theirs from the teachers, in several views, mirrored and at several scales; a face
is kept only where the views agree (--consistency). Pictures whose points are of another layout (98 for 68, 68 for 98)
are unlabelled ones with a hint: the teachers' labels move to where the hand marked, less what lies between the two
conventions (compress/conventions.py). Machine-made labels can be replaced in the same way (--correct).
Labels belong to the weights that made them: with a better teacher everything is labelled anew.

A teacher that is an .onnx file of others (compress/foreign.json) labels, and teaches no heatmaps; its layout may be
another one where a point map exists.
"""

from __future__ import annotations

import argparse
import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import islice
from operator import add
from pathlib import Path

import numpy as np

from compress import conventions, pseudo
from compress.pseudo import Labeller, Labels, Picture
from edgewing import files, layouts
from edgewing.errors import InputError
from edgewing.geometry import landmark_box
from edgewing.layouts import Layout
from train import recipes
from train.checkpoint import MODEL, run_folder
from train.credits import Credits
from train.data import READERS, Listing, pictures, read_samples
from train.data import cache as caches
from train.data.cache import Cache
from train.data.contents import Contents
from train.data.samples import Sample, load_image
from train.data.walk import walk
from train.options import LABELLED, LAYOUTS, add_fields, from_options
from train.recipes import Recipe
from train.sources import open_cache
from train.workers import Workers

EXAMPLE = """runs/m data/lfpw/trainset data/helen/trainset --unlabelled data/utkface --recipe small --run s
  python -m compress distill pfld_ghostone_112.onnx data/WFLW --layout wflw-98 --recipe small --run w98"""
# Share of the landmark box's longer side that views may lie apart on average. What it keeps of a source is printed.
CONSISTENCY = 0.01
LARGEST_LABELS = 1024 * files.MIB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", metavar="TEACHER|DIR", nargs="+", help=f"runs or .onnx files, then {LABELLED}")
    parser.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    parser.add_argument(
        "--recipe", default="small", help=f"{', '.join(recipes.RECIPES)}, or a run's path (default: %(default)s)"
    )
    parser.add_argument("--layout", default="300w-68", help=LAYOUTS)
    parser.add_argument("--unlabelled", nargs="+", default=[], metavar="DIR", help="folders of pictures or tar files")
    parser.add_argument(
        "--correct", nargs="+", default=[], metavar="SOURCE", help="labelled sources whose labels teachers replace"
    )
    parser.add_argument(
        "--consistency",
        type=float,
        default=CONSISTENCY,
        metavar="SHARE",
        help="how far views may lie apart, as a share of the face (default: %(default)s)",
    )
    parser.add_argument("--initial", metavar="RUN", help="start from this run's weights (default: a new network)")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="of decoded pictures (default: %(default)s)")
    add_fields(parser)


def main(
    sources: list[str], run: str, recipe: str, layout: str, correct: list[str], consistency: float, initial: str | None,
    cache: Path, command: str = "", **fields,
) -> None:  # fmt: skip
    teachers, data = _apart(sources)
    given = {name for name in recipes.NETWORK if fields.get(name) is not None}
    fields |= {"layout": layouts.given(layout), "data": data, "corrected": correct}
    wanted = from_options(recipes.get(recipe), fields)
    distill(teachers, wanted, run_folder(run), cache, consistency, initial, given, command)


def _apart(sources: list[str]) -> tuple[list[str], list[str]]:
    """Teachers (runs, weights, .onnx files) and folders of labelled faces."""
    teachers = [s for s in sources if Path(s).suffix in (".onnx", ".safetensors") or (Path(s) / MODEL).is_file()]
    data = [s for s in sources if s not in teachers]
    if not teachers:
        raise InputError(f"{sources[0]}: no teacher; name a run (with {MODEL} in it) or an .onnx file first")
    if not data:
        raise InputError(f"no labelled pictures beside {teachers[0]}; name folders after the teachers")
    return teachers, data


def distill(
    teachers: list[str], recipe: Recipe, folder: Path, root: Path, consistency: float, initial: str | None = None,
    given: Collection[str] = (), command: str = "",
) -> None:  # fmt: skip
    """Label what needs labels, build the cache, train, write ``folder``. initial, given: as train.initial has them.
    command: what was typed."""
    from train.finished import say_finished
    from train.initial import start
    from train.loop import fit
    from train.teacher import Teacher

    with Workers.join() as workers:
        say = print if workers.rank == 0 else (lambda text: None)
        network, given_on = None, Credits()
        if initial:
            recipe, network, given_on = start(initial, recipe, given, say)
        cache, credits = prepared(teachers, recipe, root, consistency, workers, say)
        ours = [source for source in teachers if Path(source).suffix.lower() != ".onnx"]
        teacher = Teacher(ours, recipe) if ours and recipe.distillation else None
        fit(recipe, cache, folder, workers, network, teacher, say, credits + given_on)
        if workers.rank == 0:
            say_finished(folder, cache, recipe, command, say)


@dataclass
class Face:
    """A face with its picture, as the cache takes it."""

    image: np.ndarray
    landmarks: np.ndarray
    group: str
    source: str
    name: str


def prepared(
    teachers: list[str], recipe: Recipe, root: Path, consistency: float, workers: Workers, say: Callable[[str], None]
) -> tuple[Cache, Credits]:
    """The cache of labelled, corrected and newly labelled faces, and whom to name for the labels.

    Each worker labels its share; the first then cuts out all faces."""
    if not (recipe.unlabelled or recipe.corrected):
        return open_cache(recipe, root, workers, say), Credits()
    listing = read_samples(recipe.data, recipe.layout, points_frame=recipe.points_frame)
    for line in [*listing.summary, *(f"left out: {problem}" for problem in listing.problems[:10])]:
        say(line)
    known = sorted({sample.source for sample in listing.samples})
    for source in recipe.corrected:
        if source not in known:
            raise InputError(f"--correct {source}: no such source; the data are {', '.join(known)}")
    layout, size, crop = layouts.get(recipe.layout), caches.dense_enough(recipe.input_size), recipe.crop
    if recipe.unlabelled and crop != "gtbox":
        raise InputError(f"--crop {crop}: pictures of --unlabelled have no boxes of a dataset; use --crop gtbox")
    whole = caches.fingerprint(listing.samples, crop, root)
    labellers = [Labeller(teacher, layout) for teacher in teachers]
    what = f"{whole} {recipe.corrected} {recipe.unlabelled_names} {consistency} "
    what += "moved to marks" + "".join(_stamp(Path(folder), root) for folder in recipe.unlabelled)
    place = caches.cache_folder(root, pseudo.key(labellers, what), size)
    (there,) = workers.agree(place.is_dir())
    if not there:
        faces = _Faces(listing.samples, recipe, labellers, root, consistency, workers, say)
        faces.label()
        if workers.rank == 0:
            caches.build(faces, place, layout, size, threads=os.cpu_count() or 1, crop=crop)
            faces.report()
        workers.wait()
    return Cache.open(place), reduce(add, (labeller.credits for labeller in labellers))


class _Faces:
    """All faces of a cache in order, labels by teachers where they are wanted."""

    def __init__(self, samples, recipe: Recipe, labellers, root: Path, consistency: float, workers: Workers, say):
        self.samples, self.recipe, self.labellers, self.root = samples, recipe, labellers, root
        self.consistency, self.workers, self.say = consistency, workers, say
        self.lines: list[str] = []

    def label(self) -> None:
        """Make all labels that are not there yet, each worker its share."""
        for source in self._sources():
            if source in self.recipe.corrected:
                mine = self._members(source)[self.workers.rank :: self.workers.world]
                self._make(source, self._pictures(self.samples[i] for i in mine))
        for folder, source in zip(self.recipe.unlabelled, self.recipe.unlabelled_names):
            self._make(source, self._found(folder, self.workers.share))

    def _sources(self) -> list[str]:
        return list(dict.fromkeys(sample.source for sample in self.samples))

    def _members(self, source: str) -> list[int]:
        return [i for i in range(len(self.samples)) if self.samples[i].source == source]

    def __iter__(self) -> Iterator[Sample | Face]:
        for source in self._sources():
            members = self._members(source)
            if source not in self.recipe.corrected:
                yield from (self.samples[i] for i in members)
                continue
            labels = self._labels(source)
            by_name = dict(zip(labels.names, range(len(labels.names))))
            for sample in (self.samples[i] for i in members):
                place = by_name.get(sample.name)
                if place is not None and labels.spread[place] <= self.consistency:
                    absent = (sample.visibility == 0) | np.isnan(labels.landmarks[place]).any(axis=-1)
                    sample.landmarks = labels.landmarks[place]
                    sample.landmarks[absent], sample.visibility[absent] = np.nan, 0
                    yield sample
        for folder, source in zip(self.recipe.unlabelled, self.recipe.unlabelled_names):
            labels = self._labels(source)
            labels = self._moved_to_marks(folder, source, labels)
            kept = {n: i for i, n in enumerate(labels.names) if labels.spread[i] <= self.consistency}
            for picture in self._found(folder):
                if picture.name in kept:
                    name = f"{source}/{picture.name.removeprefix(f'{source}/')}"
                    yield Face(picture.image, labels.landmarks[kept[picture.name]], name, source, name)

    def _pictures(self, samples: Iterable[Sample]) -> Iterator[Picture]:
        for sample in samples:
            try:
                yield Picture(sample.name, load_image(sample), landmark_box(sample.landmarks))
            except InputError as error:
                self.lines.append(f"left out: {error}")

    def _found(self, folder: str, share: tuple[int, int] = (0, 1)) -> Iterator[Picture]:
        """The pictures of a folder, or a worker's share of them; where they have points, of whatever layout, these say
        where the face is."""
        if (labelled := self._labelled(folder)) is not None:
            rank, world = share
            yield from self._pictures(islice(labelled[1].samples, rank, None, world))
            return
        for found in pictures.read(folder, share):
            if isinstance(found, InputError):
                self.lines.append(f"left out: {found}")
            else:
                yield Picture(*found)

    def _moved_to_marks(self, folder: str, source: str, labels: Labels) -> Labels:
        """The labels; moved to points of another layout where these are at hand, and then no view needs to agree."""
        layout, labelled = layouts.get(self.recipe.layout), self._labelled(folder)
        if labelled is None or labelled[0] == layout:
            return labels
        marks = {sample.name: sample.landmarks for sample in labelled[1].samples}
        theirs = np.stack([marks[name] for name in labels.names])
        moved = conventions.translate(labels.landmarks, theirs, labelled[0], layout)
        if moved is None:
            return labels
        self.lines.append(f"{source}: labels moved to its points of {labelled[0].name}; all faces kept")
        return Labels(labels.names, moved, np.zeros_like(labels.spread))

    def _labelled(self, folder: str) -> tuple[Layout, Listing] | None:
        return _labelled(folder, self.recipe.points_frame, layouts.get(self.recipe.layout))

    def _place(self, source: str) -> Path:
        """Where the labels of a source lie, below the cache's root: these teachers' for these pictures."""
        stamp = "".join(
            _stamp(Path(f), self.root)
            for f, n in zip(self.recipe.unlabelled, self.recipe.unlabelled_names)
            if n == source
        )
        stamp = stamp or caches.fingerprint((s for s in self.samples if s.source == source), root=self.root)
        return self.root / f"labels-{pseudo.key(self.labellers, f'{source} {stamp} {self.recipe.layout}')[:16]}.npz"

    def _make(self, source: str, pictures_: Iterator[Picture]) -> None:
        """The labels of a source, unless they are there. Each worker labels its share of pictures into a file of its
        own, which stays until all are done; the first puts them together."""
        path, workers = self._place(source), self.workers
        (there,) = workers.agree(path.is_file())
        if there:
            return
        teachers = ", ".join(labeller.credits.teachers[0] for labeller in self.labellers)
        self.say(f"{source}: labels by {teachers}")
        told = [0]

        def progress(done: int) -> None:
            if done - told[0] >= 500:
                told[0] = done
                self.say(f"labelled {done * workers.world} faces of {source}")

        parts = [path.with_suffix(f".{rank}-of-{workers.world}.npz") for rank in range(workers.world)]
        if not parts[workers.rank].is_file():  # else from a run that was stopped while others still labelled
            _write(parts[workers.rank], pseudo.label(pictures_, self.labellers, progress))
        workers.wait()
        if workers.rank == 0:
            made = [_read(part) for part in parts]
            names = [name for labels in made for name in labels.names]
            _write(
                path, Labels(names, *(np.concatenate([getattr(m, k) for m in made]) for k in ("landmarks", "spread")))
            )
            for part in parts:
                part.unlink()
        workers.wait()

    def _labels(self, source: str) -> Labels:
        labels = _read(self._place(source))
        kept = float((labels.spread <= self.consistency).mean())
        self.lines.append(
            f"{source}: {kept:.1%} of {len(labels.names)} faces kept, views at most {self.consistency:g} apart"
        )
        return labels

    def report(self) -> None:
        for line in self.lines:
            self.say(line)


def _labelled(folder: str, points_frame: str, own: Layout) -> tuple[Layout, Listing] | None:
    """The faces of a folder with points, in the layout (``own``, or one of the package) that has most of them, which is
    the one they were marked in (a reader may give fewer through a point map); None where there are only pictures.
    InputError: what is wrong with the folder whatever the layout, such as two pictures of one name."""
    path = Path(folder)
    if not path.is_dir() or not any(reader.recognises(path) for reader in READERS.values()):
        return None
    reasons = set()
    for layout in sorted({own, *layouts.table().values()}, key=lambda layout: -layout.points):
        try:
            return layout, read_samples(folder, layout, points_frame=points_frame)
        except InputError as error:  # of another layout
            reasons.add(str(error))
    if len(reasons) == 1:
        raise InputError(reasons.pop())
    return None


def _stamp(folder: Path, root: Path) -> str:
    """Names and contents of the files of a folder."""
    with Contents(root) as contents:
        found = [here / name for here, names in walk(folder) for name in names]
        return "".join(f"{path.relative_to(folder)} {contents.digest(path).hex()}\0" for path in found)


def _write(path: Path, labels: Labels) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, names=np.array(labels.names), landmarks=labels.landmarks, spread=labels.spread)
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, buffer.getvalue())


def _read(path: Path) -> Labels:
    try:
        arrays = files.arrays(path, LARGEST_LABELS)
        return Labels(arrays["names"].tolist(), arrays["landmarks"], arrays["spread"])
    except files.BROKEN_ARRAYS as error:
        raise InputError(f"{path}: not labels ({error}); delete the file, they are made again") from None
