"""COCO keypoints: one JSON file with ``images``, ``annotations`` and ``categories``, pictures below its folder.

An annotation's ``keypoints`` are x, y, v three by three, v 0 (no such point), 1 (hidden but marked) or 2 (seen); x and
y count pixels from 0 at the centre of the top-left one. Its ``bbox`` is x, y, width, height. Texts and truth values
that an annotation has beside COCO's own keys (``"pose": "profile"``) become attributes, by which results can be told.

A folder may hold one such file for each split, whose names then have ``train``, ``val`` or ``test`` in them, or one for
all, in which the key ``split`` of an image or of an annotation says which it is of, or the picture's folder. All
objects of a picture are one group; or of a person, where a ``frames.csv`` (train.data.identities) beside the file or
above names the picture's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data import splits
from train.data.objects import Files, Objects, ends, is_finite, json_of, loose
from train.data.samples import Note, Sample

SPLITS = splits.SPLITS
EXPECTED = "JSON of COCO"
_LARGEST_FILE = 512 << 20  # COCO's own largest has 240 MB; one of this size takes 5 GB while it is parsed
_KEYS = {
    "id", "image_id", "category_id", "iscrowd", "num_keypoints", "keypoints", "bbox", "area", "segmentation", "split",
}  # fmt: skip
_MOST_VALUES = 20  # of a text, before it is an identity and no attribute


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every object with keypoints; InputErrors ``file: annotation 7: reason`` are yielded for those left out, and one
    for all crowds and objects without a point. InputError, raised: no such file, or not of this format.
    """
    path = annotations(folder, split)
    yield from objects(path, parsed(path), layout, split)


def objects(path: Path, content: dict, layout: Layout, split: str = "") -> Iterator[Sample | InputError | Note]:
    """As ``read``, of a file that was parsed."""
    made, images, told = Objects(layout, path, split), _images(path, content), _told(content["annotations"])
    orders, mixed, others = _orders(content, layout)
    for number, annotation in enumerate(content["annotations"]):
        if annotation.get("iscrowd"):
            made.skipped["crowds"] += 1
        elif (order := orders.get(_category(annotation), slice(None))) is None:
            made.skipped["objects of a category whose points are others"] += 1
        elif not annotation.get("keypoints") or annotation.get("num_keypoints") == 0:
            made.skipped["objects without points"] += 1
        else:
            try:
                image = images.get(key if isinstance(key := annotation.get("image_id"), int | str) else None)
                if image is None:
                    raise InputError(f"image_id {str(key)[:40]!r} is not in images")
                name = str(image.get("file_name", ""))
                if not made.wanted(name, str(annotation.get("split") or image.get("split") or "")):
                    continue
                points, box = _points(annotation["keypoints"], layout)[order], _box(annotation.get("bbox"))
                about, size = _attributes(annotation, told), (image.get("width"), image.get("height"))
                yield made.sample(name, path.parent, points, annotation.get("id"), box, about, size)
            except InputError as error:
                yield type(error)(f"{path}: annotation {annotation.get('id', number)}: {error}")
    if mixed:
        yield Note(f"objects of several categories are read as one: {mixed}")
    if others:
        yield Note(f"{path.name}: names of its points are not the layout's, so they are taken in its order: {others}")
    yield from made.ending(path)


def layout_of(path: Path) -> Layout:
    """As many points as the objects of a file have, most of them if they differ. InputError where none has any."""
    counts = Counter(
        len(a["keypoints"]) // 3 for a in parsed(path)["annotations"] if isinstance(a.get("keypoints"), list)
    )
    if not any(counts):
        raise InputError(f"{path}: no object in it has keypoints")
    return Layout("any", counts.most_common(1)[0][0])


def _orders(content: dict, layout: Layout) -> tuple[dict[object, list[int] | slice | None], str, str]:
    """Category's id -> where in its annotations the layout's points are, None for those of other points; the names of
    categories that nothing tells apart; and points that the layout calls otherwise. Names count where one category has
    all of the layout's, in whatever order, case and spelling of spaces; else the layout may call the points otherwise
    than the file."""
    used = {_category(a) for a in content["annotations"] if a.get("keypoints") and not a.get("iscrowd")}
    entries = content.get("categories")
    listed = [c for c in entries if isinstance(c, dict)] if isinstance(entries, list) else []
    categories = {key: c for c in listed if (key := key_of(c.get("id"))) is not None and key in used}
    if None in used and len(listed) == 1:  # of the only one, then
        categories[None] = listed[0]
    orders: dict[object, list[int] | slice | None] = {}
    alike = len(set(map(loose, layout.names))) < len(layout.names)  # then only how they are written tells them apart
    written, others = str if alike else loose, ""
    wanted = list(map(written, layout.names))
    for key, category in categories.items():
        names = category.get("keypoints")
        names = [written(str(name)) for name in names] if isinstance(names, list) else []
        orders[key] = [names.index(n) for n in wanted] if sorted(names) == sorted(wanted) != [] else None
        differ = (f"{theirs} is {ours}" for theirs, ours in zip(names, wanted) if theirs != ours)
        others = others or ", ".join(differ)[:120]
    if any(order is not None for order in orders.values()):
        return orders, "", ""
    kinds = dict.fromkeys(str(c.get("name"))[:40] for c in categories.values())
    return {}, ", ".join(kinds) if len(kinds) > 1 else "", others


def _category(annotation: dict) -> str | None:
    return key_of(annotation.get("category_id"))


def key_of(value: object) -> str | None:
    """An id as text: 1, 1.0 and "1" are one. None for what is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | str) else None


def _points(flat: object, layout: Layout) -> np.ndarray:
    """(N, 3) x, y, visibility."""
    if not isinstance(flat, list) or len(flat) != 3 * layout.points:
        count = counted(len(flat), "numbers") if isinstance(flat, list) else "no list"
        raise InputError(f"keypoints: {count}, expected 3 for each of {counted(layout.points, 'points')}")
    points = _numbers(flat, "keypoints").reshape(-1, 3)
    if wrong := set(points[:, 2].tolist()) - {0.0, 1.0, 2.0}:
        raise InputError(f"a visibility of {min(wrong):g}; expected 0, 1 or 2")
    return points


def _box(bbox) -> np.ndarray | None:
    if bbox is None:
        return None
    values = _numbers(bbox, "bbox")
    if len(values) != 4 or not (values[2:] > 0).all():
        raise InputError("bbox is not x, y, width, height, the last two above 0")
    return np.concatenate([values[:2], values[:2] + values[2:]])


def _numbers(values, what: str) -> np.ndarray:
    if not isinstance(values, list) or not all(map(is_finite, values)):
        raise InputError(f"{what} are not finite numbers")
    return np.array(values, float)


def _images(path: Path, content: dict) -> dict[int | str, dict]:
    """The ``images`` part by id."""
    images = content["images"]
    if not all(isinstance(image.get("id"), int | str) for image in images):
        raise InputError(f"{path}: images: an id is not a whole number or a text")
    found = {image["id"]: image for image in images}
    if len(found) != len(images):
        again = Counter(image["id"] for image in images).most_common(1)[0]
        raise InputError(f"{path}: images: the id {again[0]!r} is there {again[1]} times; give each its own")
    return found


def _attributes(annotation: dict, told: set[str]) -> dict[str, int]:
    values = ((key, value) for key, value in annotation.items() if key in told)
    return {f"{key} {value}" if isinstance(value, str) else key: int(bool(value)) for key, value in values}


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
    text = ends(path)
    return b'"images"' in text and (b'"annotations"' in text or b'"keypoints"' in text)


def parsed(path: Path) -> dict:
    """The whole file. InputError where it is not of this format."""
    return json_of(path, _LARGEST_FILE, ("images", "annotations"), "COCO keypoints")


_FILES = Files((".json",), _looks_like)
recognises, lists, annotations = _FILES.recognises, _FILES.lists, _FILES.annotations
