"""Which data sets lie in a folder, and how many pictures and faces of each part of them can be read."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edgewing import files, images, layouts
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data import READERS, aflw, cofw, expected, ibug, lsp, pictures, pts, samples, wflw
from train.data.catalogue import DATASETS, Dataset
from train.data.frames import Frames
from train.data.objects import loose
from train.data.samples import Absent, Missing, Note, Sample, Unlabelled

PROBLEMS_KEPT = 3
OF_SPLITS = {  # sets whose parts are splits: their readers, and what finds their files
    "WFLW": (wflw, wflw.lists),
    "COFW": (cofw, cofw.files_of),
    "COFW-68": (cofw, cofw.files_of_68),
    "AFLW-19": (aflw, aflw.files_of),
}


@dataclass
class Count:
    """Of one part: pictures that are there, faces (of 300-VW: videos) that can be read, and why others cannot."""

    pictures: int = 0
    faces: int = 0
    left_out: int = 0
    missing: int = 0  # of those left out, for their pictures are not there
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unlabelled: int = 0
    frames: Frames = field(default_factory=lambda: Frames("upright"))
    absent: Absent = field(default_factory=Absent)

    def add(self, found: Iterator[Sample | InputError]) -> Count:
        """Counts what a reader yields; what it raises is the part's problem. A cell of a MATLAB file is a picture."""
        seen = set()
        try:
            for item in found:
                if isinstance(item, Note):
                    self.notes.append(str(item))
                    continue
                if isinstance(item, Unlabelled):
                    self.unlabelled += 1
                    self.pictures += 1
                elif isinstance(item, InputError):
                    self.refuse(item)
                if isinstance(item, InputError):
                    continue
                self.faces += 1
                seen.add(str(item.image))
                self.frames.look(item.image)
                self.absent.look(item.visibility)
        except InputError as error:
            self.problems.append(str(error))
        self.pictures += len(seen)
        return self

    @property
    def there(self) -> int:
        """What an official count is compared with."""
        return self.faces + self.unlabelled

    def refuse(self, error: InputError) -> None:
        self.left_out += 1
        self.missing += isinstance(error, Missing)
        if len(self.problems) < PROBLEMS_KEPT:
            self.problems.append(str(error))


@dataclass
class Finding:
    """One data set in one folder. dataset: None for points or pictures that belong to no public set known here.

    parts: name -> count, in the order shown. layout: '' for pictures without points. places: where its files lie.
    notes: what else is to be said of it, such as who is who. points: how many, where no layout here has them.
    """

    folder: Path
    dataset: Dataset | None
    layout: str
    parts: dict[str, Count]
    places: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    points: int = 0

    def official(self, part: str) -> int | None:
        return self.dataset.parts.get(part) if self.dataset else None

    @property
    def complete(self) -> bool:
        """Whether every part reaches its official count, and where it has none, no picture is missing."""
        return all(
            not count.missing if self.official(name) is None else count.there == self.official(name)
            for name, count in self.parts.items()
        )


def find(folder: str | Path) -> list[Finding]:
    """All that is recognised in a folder, or in an annotation file. InputError: there is none, or nothing in it."""
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; check the path")
    if folder.is_file():
        found = [*_files(folder)]
    else:
        found = [*_of_splits(folder), *_lsp(folder), *_files(folder), *_pts(folder)]
        found = found or [*_unlabelled(folder)]
    if not found:
        raise InputError(f"{folder}: no data set and no pictures; expected {expected()}, or pictures")
    if len(found) > 1:
        for finding in found:
            # of a folder with several sets, the folders in it that training would be given
            inside = {place.relative_to(folder).parts[:1] for place in finding.places}
            finding.places = {folder.joinpath(*first) for first in inside}
    else:
        found[0].places = {folder}
    return found


def _of_splits(folder: Path) -> Iterator[Finding]:
    for name, (reader, files_of) in OF_SPLITS.items():
        if found := files_of(folder):
            yield _by_split(folder, name, reader, found)


def _lsp(folder: Path) -> Iterator[Finding]:
    for path in lsp.files_of(folder):
        try:
            extended = lsp.read_joints(path)[1]
        except InputError:
            extended = False  # the reason is found again, and shown, when its faces are counted
        finding = _by_split(path.parent, "LSP extended" if extended else "LSP", lsp, [path])
        finding.folder = folder
        yield finding


def _by_split(folder: Path, name: str, reader, annotations: list[Path]) -> Finding:
    """Parts that are splits of a reader."""
    dataset = DATASETS[name]
    layout = layouts.get(dataset.layout)
    parts = {part: Count().add(reader.read(folder, layout, part)) for part in dataset.parts}
    return Finding(folder, dataset, layout.name, parts, {path.parent for path in annotations})


def _files(folder: Path) -> Iterator[Finding]:
    """Files of labelling programs, whose points they name or number themselves: a part for each."""
    for reader in (reader for reader in READERS.values() if hasattr(reader, "layout_of")):
        for path in reader.lists(folder) if folder.is_dir() else [folder] * reader.recognises(folder):
            count, layout = Count(), None
            try:
                layout = reader.layout_of(path)
                count.add(reader.read(path, layout, ""))
            except InputError as error:
                count.refuse(error)
            part = path.relative_to(folder).as_posix() if path != folder else path.resolve().name
            points, names = (layout.points, set(map(loose, layout.names))) if layout else (0, set())
            known = layouts.table().items()
            fits = (name for name, of in known if of.points == points and names <= set(map(loose, of.names)))
            place = path if path.is_dir() else path.parent
            yield Finding(folder, None, next(fits, ""), {part: count}, {place}, points=points)


def _pts(folder: Path) -> Iterator[Finding]:
    """300W, 300VW, Menpo and others, told apart by the names of folders and by their numbers of points."""
    top = folder.resolve().parts
    found: dict[tuple, Finding] = {}
    identities = pts.identities_of(folder)
    for here, shown, points in pts.scan(folder):
        below = here.relative_to(folder).parts
        if not points and ibug.collection(top + below) is None:
            continue  # pictures alone are no set of points
        seen: set[str] = set()
        for stem, name in sorted(points.items()):
            try:
                count = pts.points_of(here / name)
            except InputError:
                count = 0  # the reason is found again, and kept, when the points are read
            dataset, part = _place(top + below, count)
            layout = next((n for n, known in layouts.table().items() if known.points == count), "")
            own = 0 if dataset or layout else count  # points of a layout of one's own
            key = (dataset,) if dataset else (None, layout or own)
            parts = _expected(dataset, top)
            finding = found.setdefault(key, Finding(folder, DATASETS.get(dataset), layout, parts, points=own))
            finding.places.add(here)
            counted = finding.parts.setdefault(part if dataset else "/".join([top[-1], *below]), Count())
            try:
                if stem not in shown:
                    raise Missing(f"{here / name}: no picture beside it")
                if layout or part != "profile":
                    known = Layout("any", own) if own else layouts.get(layout or finding.layout or "300w-68")
                    landmarks = pts.read_points(here / name, known)
                    counted.absent.look(samples.seen(landmarks))
            except InputError as error:
                counted.refuse(error)
                continue
            counted.pictures += 1
            counted.frames.look(shown[stem])
            identities.group(here, stem, points)
            once = finding.dataset is not None and finding.dataset.unit == "videos" and part in seen
            counted.faces += not once
            seen.add(part)
        if points:
            for stem in sorted(shown.keys() - points.keys()):
                counted.pictures += 1
                counted.refuse(InputError(f"{shown[stem]}: no .pts beside this picture"))
        else:
            dataset, part = _place(top + below, 0)
            finding = found.setdefault((dataset,), Finding(folder, DATASETS[dataset], "", _expected(dataset, top)))
            counted = finding.parts.setdefault(part, Count())
            counted.pictures += len(shown)
            for picture in shown.values():
                counted.refuse(InputError(f"{picture}: no .pts beside this picture"))
    for finding, notes in zip(found.values(), [identities.notes()]):
        finding.notes += notes
    yield from found.values()


def _place(parts: tuple[str, ...], count: int | InputError) -> tuple[str | None, str]:
    """The data set and the part of it that a folder's .pts files belong to."""
    video = ibug.video(parts)
    if video is not None:
        return "300VW", f"category {ibug.category(video)}" if ibug.category(video) else "train"
    collection = ibug.collection(parts)
    if collection in DATASETS["300W private"].parts:
        return "300W private", collection
    if collection:
        return "300W", collection
    if ibug.is_menpo(parts):
        return "Menpo", "profile" if count == 39 else "semi-frontal"
    return None, parts[-1]


def _expected(name: str | None, top: tuple[str, ...]) -> dict[str, Count]:
    """The parts that should be there: of 300W those of the collection that was named, else all."""
    if name is None:
        return {}
    named = top[-1].lower()
    parts = [part for part in DATASETS[name].parts if named == part.split("/")[0]]
    if name in ("300W", "300W private"):
        parts = parts or [part for part in DATASETS[name].parts if part == ibug.collection(top[-2:])]
    elif name == "300VW" and ibug.video((*top[-1:], "annot")):
        return {}  # one video was named
    return {part: Count() for part in parts or DATASETS[name].parts}


def _unlabelled(folder: Path) -> Iterator[Finding]:
    """Pictures without points, in folders and tar files; names in a tar are counted, nothing is unpacked."""
    parts: dict[str, Count] = {}
    for path in pictures.files_of(folder):
        where, number = (path, _in_tar(path)) if path.suffix.lower() == pictures.SHARD else (path.parent, 1)
        counted = parts.setdefault(where.relative_to(folder.parent).as_posix(), Count())
        if isinstance(number, InputError):
            counted.refuse(number)
        else:
            counted.pictures += number
    if parts:
        yield Finding(folder, None, "", parts)


def _in_tar(path: Path) -> int | InputError:
    try:
        with files.reading(path, pictures.LARGEST_SHARD * files.MIB) as (file, _):
            with tarfile.open(fileobj=file, mode="r:") as tar:
                return sum(m.isfile() and Path(m.name).suffix.lower() in images.SUFFIXES for m in tar)
    except (tarfile.TarError, EOFError) as error:
        return InputError(f"{path}: not a tar file, or cut off ({error}); copy it again")
    except InputError as error:
        return error
