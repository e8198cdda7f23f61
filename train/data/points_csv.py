"""Tables of points as any spreadsheet saves them, in one of two forms.

Wide, one row an object: ``file, x0, y0, x1, y1 ...`` or ``file, x0, y0, v0, x1 ...``; in place of the numbers the
points' names (``left_eye_x``, ``x_left_eye``). A box may be in columns x_min, y_min, x_max, y_max, or box_x0, box_y0,
box_x1, box_y1, or bbox_x, bbox_y, bbox_w, bbox_h. Without a header the points are in the layout's order, and there is
no box.

Long, one row a point: ``file, point, x, y`` and perhaps ``v``; and ``object`` where a picture has several.

A column ``split`` says train, val or test; one called subset, or a picture's folder, may.

v is 0 (no such point), 1 (hidden but marked) or 2 (seen). A point without a place has 0, and so have, where there is no
v, points at 0 0 or -1 -1, which programs write for those that nobody set. Numbers have a point, or between semicolons
and tabs a comma. Pixels count from 0 at the centre of the top-left one.
"""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgewing import files, images
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted
from train.data import objects, splits
from train.data.objects import Files, Objects
from train.data.samples import Note, Sample, unset
from train.data.tables import Rows, decoded, text_of

SPLITS = splits.SPLITS
EXPECTED = "CSV of points"
_LARGEST_FILE = 256 << 20
_HEAD = 1 << 16
_FILE = ("file", "file_name", "filename", "image", "image_name", "picture", "path", "name")
_POINT = ("point", "label", "landmark", "keypoint")
_OBJECT = ("object", "instance", "id")
_SAYS = {"stated": "split", "subset": "subset"}
_SIZED = ("_w", "_width")  # where the third column of a box ends so, its last two are no corner
_CORNERS = (("x_min", "y_min", "x_max", "y_max"), ("xmin", "ymin", "xmax", "ymax"))
_OF_A_BOX = (
    *_CORNERS,
    ("x0", "y0", "x1", "y1"),
    ("x1", "y1", "x2", "y2"),
    *(corner + size for corner in (("x", "y"), ("left", "top")) for size in (("w", "h"), ("width", "height"))),
)
_BOXES = (*_CORNERS, *(tuple(before + name for name in of) for before in ("box_", "bbox_") for of in _OF_A_BOX))
_COLUMN = re.compile(r"([xyv])(\d+)|([xyv])[ _.](.+)|(.+)[ _.]([xyv])", re.IGNORECASE)
_MISSING = ("", "-", "na", "n/a", "nan", "none", "null", "?")


@dataclass
class _Columns:
    """Where things are in a row. wide: (axis, label, column) of each. header: whether the first row is one. says: what
    ``Objects.wanted`` goes by."""

    header: bool
    file: int = 0
    wide: list[tuple[str, str, int]] = field(default_factory=list)
    long: dict[str, int] = field(default_factory=dict)
    box: tuple[int, ...] = ()
    sized: bool = False  # the box's last two columns are its width and height
    says: dict[str, int] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)


def read(folder: Path, layout: Layout, split: str) -> Iterator[Sample | InputError | Note]:
    """Every object; InputErrors ``file:line: reason`` are yielded for those left out, and one for labels that are no
    points. InputError, raised: no such file, or not of this format.
    """
    path = annotations(folder, split)
    made = Objects(layout, path, split)
    rows, columns, body = _opened(path)
    if columns.header and columns.unread:
        yield Note(f"{path.name}: columns that are not read: {', '.join(columns.unread)[:200]}")
    found = _long if columns.long or (not columns.header and _is_long(body, layout, path)) else _wide
    yield from found(path, rows.delimiter, columns, body, made)
    yield from made.ending(path)


def layout_of(path: Path) -> Layout:
    """The points that a table has. InputError: not a table of points."""
    _, columns, body = _opened(path)
    if columns.wide:
        return objects.layout_of((label for axis, label, _ in columns.wide if axis == "x"), path)
    if columns.long or _is_long(body, None, path):
        place = columns.long.get("point", 1)
        return objects.layout_of((row[place] for _, row in body if len(row) > place), path)
    count = len(body[0][1]) - 1
    flags = {cell.strip() for _, row in body for cell in row[3::3]}
    each = 3 if count % 3 == 0 and flags <= {"0", "1", "2"} else 2
    return objects.layout_of(map(str, range(count // each)), path)


def _opened(path: Path) -> tuple[Rows, _Columns, list[tuple[int, list[str]]]]:
    """The rows of a table with their line numbers, without the header. InputError: not a table of points."""
    rows, body = Rows(text_of(path, _LARGEST_FILE)), []
    try:
        body = [(rows.number, row) for row in rows if any(map(str.strip, row))]
    except csv.Error as error:
        raise InputError(f"{path}:{rows.number}: {error}; save the table again as CSV") from None
    columns = _columns(body[0][1]) if body else None
    if columns is None:
        raise InputError(
            f"{path}: columns {rows.head[:80]!r}; expected file, x0, y0, x1, y1 ... or file, point, x, y (with v too)"
        )
    return rows, columns, body[columns.header :]


def _columns(first: list[str]) -> _Columns | None:
    """By the first row; None where it is none of a table of points."""
    cells = [cell.strip() for cell in first]
    plain = [cell.casefold() for cell in cells]
    file = next((plain.index(name) for name in _FILE if name in plain), None)
    if file is None:
        shown = cells[0].lower().endswith(images.SUFFIXES) and len(cells) >= 4
        return _Columns(False) if shown and not any(cell.lower() in ("x", "y") for cell in cells) else None
    box = next((names for names in _BOXES if set(names) <= set(plain)), ())
    sized = bool(box) and box[2].endswith(_SIZED)
    columns = _Columns(True, file, box=tuple(plain.index(name) for name in box), sized=sized)
    point = next((plain.index(name) for name in _POINT if name in plain), None)
    if point is not None and {"x", "y"} <= set(plain):
        columns.long = {"point": point, **{axis: plain.index(axis) for axis in "xyv" if axis in plain}}
        if of := [plain.index(name) for name in _OBJECT if name in plain]:
            columns.long["object"] = of[0]
    else:
        for number, cell in enumerate(cells):
            if number not in (file, *columns.box) and (match := _COLUMN.fullmatch(cell)):
                parts = [part for part in match.groups() if part]
                axis, label = parts if len(parts[0]) == 1 and parts[0].casefold() in "xyv" else parts[::-1]
                columns.wide.append((axis.casefold(), label, number))
    columns.says = {kind: plain.index(name) for kind, name in _SAYS.items() if name in plain}
    named = columns.long | columns.says
    used = {file, *columns.box, *named.values(), *(number for *_, number in columns.wide)}
    columns.unread = [cell for number, cell in enumerate(cells) if number not in used and cell]
    return columns if columns.wide or columns.long else None


def _is_long(body: list[tuple[int, list[str]]], layout: Layout | None, path: Path) -> bool:
    """Of a table without a header. InputError: it may be both."""
    if not body or len(body[0][1]) not in (4, 5):
        return False
    named = _number(body[0][1][1], True) is None
    if len(body[0][1]) == 5 and not named and (layout is None or layout.points == 2):
        raise InputError(f"{path}: five columns may be two points or one with v; write a header above them")
    return True


def _wide(path: Path, delimiter: str, columns: _Columns, body: list, made: Objects) -> Iterator[Sample | InputError]:
    width = 0
    if columns.header:
        places = _named(path, columns, made)
        width = 1 + max([columns.file, *columns.box, *columns.says.values(), *(n for *_, n in columns.wide)])
    for number, row in body:
        try:
            if not columns.header:
                places = _numbered(len(row) - 1, made.layout)
            elif len(row) < width:
                raise InputError(f"{counted(len(row), 'columns')}, the header has {width}")
            if not made.wanted(row[columns.file], **{kind: row[n] for kind, n in columns.says.items()}):
                continue
            values = np.full((made.layout.points, 3), np.nan)
            for axis, index, place in places:
                values[index, "xyv".index(axis)] = _value(row[place], delimiter)
            box = np.array([_value(row[place], delimiter) for place in columns.box])
            box = box if len(box) and not np.isnan(box).all() else None
            if box is not None and columns.sized:
                box[2:] += box[:2]
            points = _points(values, any(axis == "v" for axis, *_ in places))
            yield made.sample(row[columns.file].strip(), path.parent, points, number, box)
        except InputError as error:
            yield type(error)(f"{path}:{number}: {error}")


def _named(path: Path, columns: _Columns, made: Objects) -> list[tuple[str, int, int]]:
    """(axis, point, column). InputError: a point of the layout has no column, or two."""
    points = {label: made.labels.index(label) for label in dict.fromkeys(label for _, label, _ in columns.wide)}
    places = [(axis, points[label], n) for axis, label, n in columns.wide if points[label] is not None]
    made.labels.refuse_numbers(path)
    layout, has = made.layout, Counter((axis, index) for axis, index, _ in places)
    for index in range(layout.points):
        name = layout.names[index] if layout.names else index
        for axis in "xy":
            if has[axis, index] != 1:
                raise InputError(
                    f"{path}: {has[axis, index]} columns for {axis} of point {name!r} of layout {layout.name}; its "
                    f"columns are of {objects.listed(points)}"
                )
    return places


def _numbered(cells: int, layout: Layout) -> list[tuple[str, int, int]]:
    """Places of a row without a header."""
    axes = {2 * layout.points: "xy", 3 * layout.points: "xyv"}.get(cells)
    if axes is None:
        raise InputError(
            f"{counted(cells, 'numbers')}, layout {layout.name} has {layout.points} points: {2 * layout.points}, or "
            f"with v {3 * layout.points}"
        )
    return [(axes[n % len(axes)], n // len(axes), n + 1) for n in range(cells)]


def _long(path: Path, delimiter: str, columns: _Columns, body: list, made: Objects) -> Iterator[Sample | InputError]:
    place = dict(columns.long) or {"point": 1, "x": 2, "y": 3} | ({"v": 4} if len(body[0][1]) == 5 else {})
    if "object" in place:
        rows = [(row[columns.file], row[place["object"]]) for _, row in body if len(row) > place["object"]]
        if len(set(rows)) == len(rows) > 1:  # a number of the row, not of an object
            del place["object"]
    found: dict[tuple[str, str], np.ndarray | InputError | None] = {}  # None: of another split
    for number, row in body:
        if len(row) <= max(columns.file, *place.values(), *columns.says.values()):
            yield InputError(f"{path}:{number}: {counted(len(row), 'columns')}, too few")
            continue
        key = row[columns.file].strip(), row[place["object"]].strip() if "object" in place else ""
        try:
            if key not in found:
                wanted = made.wanted(key[0], **{kind: row[n] for kind, n in columns.says.items()})
                found[key] = np.full((made.layout.points, 4), np.nan) if wanted else None
            values = found[key]
            if values is None or isinstance(values, InputError):
                continue
            if (index := made.labels.index(row[place["point"]])) is None:
                continue
            if not np.isnan(values[index, 3]):
                raise InputError("this point a second time; give several objects of a picture a column object")
            values[index] = [*(_value(row[place[a]], delimiter) if a in place else np.nan for a in "xyv"), number]
        except InputError as error:
            found[key] = InputError(f"{path}:{number}: {error}")
    for number, ((name, of), values) in enumerate(found.items()):
        if values is None:
            continue
        try:
            if isinstance(values, InputError):
                yield values
                continue
            yield made.sample(name, path.parent, _points(values[:, :3], "v" in place), of or number, None)
        except InputError as error:
            yield type(error)(f"{path}: {name[:100]}{f' ({of[:40]})' if of else ''}: {error}")


def _points(values: np.ndarray, flagged: bool) -> np.ndarray:
    """(N, 3) x, y, visibility of what is written, NaN where nothing is."""
    there = ~np.isnan(values[:, :2])
    if (there[:, 0] != there[:, 1]).any():
        raise InputError(f"point {np.flatnonzero(there[:, 0] != there[:, 1])[0]} has only one of x and y")
    there = there[:, 0]
    said = values[:, 2]
    if wrong := set(said[~np.isnan(said)].tolist()) - {0.0, 1.0, 2.0}:
        raise InputError(f"a visibility of {min(wrong):g}; expected 0, 1 or 2")
    if ((said > 0) & ~there).any():
        raise InputError(f"point {np.flatnonzero((said > 0) & ~there)[0]} has a visibility and no place")
    visibility = np.where(np.isnan(said), 2, said) * there
    if not flagged:
        visibility[there] *= ~unset(values[there, :2])
    return np.column_stack([values[:, :2], visibility])


def _value(cell: str, delimiter: str) -> float:
    """NaN where nothing is written."""
    if cell.strip().lower() in _MISSING:
        return math.nan
    value = _number(cell, delimiter != ",")
    if value is None or not math.isfinite(value):
        raise InputError(f"{cell.strip()[:40]!r} is not a finite number")
    return value


def _number(cell: str, decimal_comma: bool) -> float | None:
    text = cell.strip()
    try:
        return float(text.replace(",", ".", 1) if decimal_comma else text)
    except ValueError:
        return None


def _looks_like(path: Path) -> bool:
    with files.reading(path, 1 << 40) as (file, _):
        head = file.read(_HEAD)
    head = head.rpartition(b"\n")[0] or head  # letters of several bytes are not cut through
    if path.name.lower() == "frames.csv" or not head:
        return False
    try:
        return _columns(next((row for row in Rows(decoded(head)) if any(map(str.strip, row))), [""])) is not None
    except csv.Error:
        return False


_FILES = Files((".csv", ".tsv"), _looks_like)
recognises, lists, annotations = _FILES.recognises, _FILES.lists, _FILES.annotations
