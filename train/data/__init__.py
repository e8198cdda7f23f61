"""Labelled faces: one reader per format, and the cache that training reads. numpy and OpenCV only.

A reader is a module with

    SPLITS, the names that ``split`` can have; EXPECTED, what it looks for, in words
    recognises(folder) -> bool
    read(folder, layout, split) -> iterator of Sample, InputError for a sample that is left out, or Note
    annotations(folder, split) -> Path, what ``read`` takes the points from

and a row in READERS; nothing else. Where files say which points they have, `data check` counts them if there are

    lists(folder) -> list of Path, the files (or folders) that ``read`` takes one by one
    layout_of(path) -> Layout
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edgewing import layouts
from edgewing.errors import InputError, unknown
from edgewing.words import counted
from train.data import aflw, coco, cofw, cvat, labelme, lsp, points_csv, pts, wflw
from train.data.frames import Frames
from train.data.samples import Absent, Listing, Note, Sample, Samples, fault, load_image

__all__ = ["READERS", "Listing", "Sample", "Samples", "fault", "load_image", "read_samples"]

READERS = {
    "pts": pts,
    "wflw": wflw,
    "cofw": cofw,
    "aflw": aflw,
    "lsp": lsp,
    "coco": coco,
    "labelme": labelme,
    "cvat": cvat,
    "csv": points_csv,
}


def read_samples(
    folders: str | Path | Iterable[str | Path], layout_name: str, split: str = "train", points_frame: str = "upright"
) -> Listing:
    """All faces of one folder or several (or annotation files), with landmarks of that layout.

    split: ``train`` or ``test``, where a dataset has both in one place, or a subset such as ``challenging`` that the
    dataset's reader knows. points_frame: ``stored`` where the points are of pictures as they are stored, without EXIF's
    turn. Landmarks are pixels of the upright picture, (0, 0) at the centre of the top-left pixel. A bad sample becomes
    a line in ``problems``. The picture itself is opened by ``load_image``: a broken picture, or a point far outside it,
    shows there.
    InputError: a folder is missing, of no known format, or holds no face that can be read.
    """
    layout = layouts.get(layout_name)
    if layout.points < 2:
        raise InputError(f"layout {layout.name} has one point; what is cut out of a picture is the box of two or more")
    listing = Listing(Samples(layout.points))
    for folder in [folders] if isinstance(folders, str | Path) else folders:
        folder = Path(folder)
        (name, reader), *others = _readers(folder)
        if split not in reader.SPLITS:
            raise unknown(f"split of {folder}", split, reader.SPLITS)
        faces, problems = len(listing.samples), len(listing.problems)
        frames, absent, notes = Frames(points_frame), Absent(), []
        if folder.is_dir():
            beside = [path.name for _, other in others if hasattr(other, "layout_of") for path in other.lists(folder)]
            notes += [Note(f"{each} beside it is not read; name the file to read it") for each in beside]
        for found in reader.read(folder, layout, split):
            if isinstance(found, InputError):
                listing.problems.append(str(found))
            elif isinstance(found, Note):
                notes.append(found)
            else:
                absent.look(found.visibility)
                listing.samples.append(frames.upright(found, layout))
        faces, problems = len(listing.samples) - faces, listing.problems[problems:]
        if not faces:
            why = "".join(f"; {note}" for note in notes)
            why += f"; first of {counted(len(problems), 'problems')}: {problems[0]}" if problems else ""
            raise InputError(f"{folder}: no {layout.object} of layout {layout.name} can be read for {split}{why}")
        left_out = f", {len(problems)} left out" if problems else ""
        subset = "" if split in ("train", "test") else f", {split}"
        listing.summary.append(
            f"{reader.annotations(folder, split)}: {counted(faces, layout.several)}{left_out} ({name}{subset})"
        )
        listing.summary += [f"{folder}: {note}" for note in [*notes, *absent.notes(layout.several), *frames.notes()]]
    return listing


def _readers(folder: Path) -> list:
    """(name, reader) of those that find points there; the first one reads them."""
    if not folder.exists():
        raise InputError(f"{folder}: no such folder; check the path")
    found = [(name, reader) for name, reader in READERS.items() if reader.recognises(folder)]
    if found:
        return found
    raise InputError(f"{folder}: no points found; expected {expected()}")


def expected() -> str:
    """What readers look for, in words."""
    return ", ".join(reader.EXPECTED for reader in READERS.values())
