"""COCO keypoints: one JSON file with ``images``, ``annotations`` and ``categories``, pictures below its folder.

An annotation's ``keypoints`` are x, y, v three by three, v 0 (no such point), 1 (hidden but marked) or 2 (seen); x and
y count pixels from 0 at the centre of the top-left one. Its ``bbox`` is x, y, width, height. Texts and truth values
that an annotation has beside COCO's own keys (``"pose": "profile"``) become attributes, by which results can be told.

A folder may hold one such file for each split, whose names then have ``train``, ``val`` or ``test`` in them, or one for
all. All objects of a picture are one group; or of a person, where a ``frames.csv`` (train.data.identities) beside the
file or above names the picture's.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from edgewing import files
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train.data.identities import Identities
from train.data.objects import SPLITS as SPLITS
from train.data.objects import file_of_split
from train.data.samples import Note, Sample, fault

_LARGEST_FILE = 512 << 20  # COCO's own largest has 240 MB; one of this size takes 5 GB while it is parsed
_HEAD = 1 << 16
_KEYS = {"id", "image_id", "category_id", "iscrowd", "num_keypoints", "keypoints", "bbox", "area", "segmentation"}
_MOST_VALUES = 20  # of a text, before it is an identity and no attribute


def recognises(folder: Path) -> bool:
    if folder.is_file():
        return folder.suffix.lower() == ".json" and _looks_like(folder)
    return bool(lists(folder))


def lists(folder: Path) -> list[Path]:
    """The annotation files in the folder or in ``annotations/`` below it."""
    found = sorted(path for depth in ("", "annotations/") for path in folder.glob(f"{depth}*.json"))
    return [path for path in found if path.is_file() and _looks_like(path)]


def annotations(folder: Path, split: str) -> Path:
    """The file of that split. InputError where the folder has none for it, or several."""
    return file_of_split(folder, lists(folder), split) if folder.is_dir() else folder


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every object with keypoints; InputErrors ``file: annotation 7: reason`` are yielded for those left out, and one
    for all crowds and objects without a point. InputError, raised: no such file, or not of this format.
    """
    path = annotations(folder, split)
    yield from objects(path, parsed(path), layout)


def objects(path: Path, content: dict, layout: Layout) -> Iterator[Sample | InputError | Note]:
    """As ``read``, of a file that was parsed."""
    pictures = _Pictures(path, content["images"])
    source = "/".join(path.resolve().parent.parts[-2:])
    told = _told(content["annotations"])
    skipped: Counter[str] = Counter()
    identities = Identities(path.parent, ())
    for number, annotation in enumerate(content["annotations"]):
        if annotation.get("iscrowd"):
            skipped["crowds"] += 1
        elif not annotation.get("keypoints") or annotation.get("num_keypoints") == 0:
            skipped["objects without points"] += 1
        else:
            try:
                yield _sample(annotation, pictures, layout, source, told, identities)
            except InputError as error:
                yield InputError(f"{path}: annotation {annotation.get('id', number)}: {error}")
    if skipped:
        yield InputError(f"{path}: {' and '.join(f'{n} {what}' for what, n in skipped.items())}")
    yield from map(Note, identities.named())


def layout_of(path: Path) -> Layout:
    """As many points as the objects of a file have, most of them if they differ. InputError where none has any."""
    counts = Counter(
        len(a["keypoints"]) // 3 for a in parsed(path)["annotations"] if isinstance(a.get("keypoints"), list)
    )
    if not any(counts):
        raise InputError(f"{path}: no object in it has keypoints")
    return Layout("any", counts.most_common(1)[0][0])


def _sample(
    annotation: dict, pictures: _Pictures, layout: Layout, source: str, told: set[str], identities: Identities
) -> Sample:
    flat = annotation["keypoints"]
    if not isinstance(flat, list) or len(flat) != 3 * layout.points:
        count = len(flat) / 3 if isinstance(flat, list) else 0
        raise InputError(f"{count:g} keypoints, layout {layout.name} has {layout.points}")
    points = _numbers(flat, "keypoints").reshape(-1, 3)
    visibility = points[:, 2]
    if not np.isin(visibility, (0, 1, 2)).all():
        raise InputError(f"a visibility of {visibility[~np.isin(visibility, (0, 1, 2))][0]:g}; expected 0, 1 or 2")
    landmarks = np.where(visibility[:, None] > 0, points[:, :2], np.nan)
    if reason := fault(landmarks, visibility=visibility):
        raise InputError(reason)
    name, image = pictures.find(annotation.get("image_id"))
    place = PurePosixPath(name)
    person = identities.person(pictures.folder / place.parent, place.stem)
    return Sample(
        image,
        landmarks.astype(np.float32),
        person or f"{source}:{name}",
        source,
        f"{source}/{name}:{annotation.get('id')}",
        _box(annotation.get("bbox")),
        {
            f"{key} {value}" if isinstance(value, str) else key: int(bool(value))
            for key, value in annotation.items()
            if key in told
        },
        visibility.astype(np.uint8),
    )


def _box(bbox) -> np.ndarray | None:
    if bbox is None:
        return None
    values = _numbers(bbox, "bbox")
    if len(values) != 4 or not (values[2:] > 0).all():
        raise InputError("bbox is not x, y, width, height")
    return np.concatenate([values[:2], values[:2] + values[2:]]).astype(np.float32)


def _numbers(values, what: str) -> np.ndarray:
    if not isinstance(values, list) or not all(type(v) in (int, float) and math.isfinite(v) for v in values):
        raise InputError(f"{what} are not finite numbers")
    return np.array(values, float)


class _Pictures:
    """image id -> its name and file, by the ``images`` part of the file."""

    def __init__(self, path: Path, images: list[dict]):
        if not all(isinstance(image.get("id"), int | str) for image in images):
            raise InputError(f"{path}: images: an id is not a whole number or a text")
        self.names = {image.get("id"): str(image.get("file_name", "")) for image in images}
        if len(self.names) != len(images):
            raise InputError(f"{path}: {len(images) - len(self.names)} images have the id of another one")
        # COCO has annotations/person_keypoints_val2017.json beside val2017/; others have images/, or all in one folder.
        above = path.parent.parent
        last = path.stem.rsplit("_", 1)[-1]
        places = path.parent, path.parent / "images", above, above / "images", above / last, above / "images" / last
        self.places = [place for place in places if place.is_dir()]
        self.folder = path.parent

    def find(self, number) -> tuple[str, Path]:
        name = self.names.get(number) if isinstance(number, int | str) else None
        if not name:
            raise InputError(f"image_id {str(number)[:40]!r} is not in images")
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or "\0" in name:
            raise InputError(f"the picture {name[:200]!r} is outside {self.folder}")
        for place in self.places:
            if (place / parts).is_file():
                return str(parts), place / parts
        raise InputError(f"no picture {name[:200]}")


def _told(annotations: list[dict]) -> set[str]:
    """The keys beside COCO's whose values are few texts or truth values: what results can be told by."""
    values: dict[str, set] = {}
    for annotation in annotations:
        for key, value in annotation.items():
            if key not in _KEYS:
                values.setdefault(key, set()).add(value if isinstance(value, str | bool) else None)
    return {key for key, found in values.items() if None not in found and len(found) <= _MOST_VALUES}


def _looks_like(path: Path) -> bool:
    """COCO's three lists may come in any order, so a large file is known by its first and last bytes."""
    with files.reading(path, 1 << 40) as (file, size):
        head = file.read(_HEAD)
        file.seek(max(0, size - _HEAD))
        text = head + file.read(_HEAD)
    return b'"images"' in text and (b'"annotations"' in text or b'"keypoints"' in text)


def parsed(path: Path) -> dict:
    """The whole file. InputError where it is not of this format."""
    try:
        content = json.loads(files.read(path, _LARGEST_FILE).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({str(error)[:100]})") from None
    for part in ("images", "annotations"):
        entries = content.get(part) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise InputError(f"{path}: no list of {part}; expected COCO keypoints")
    return content
