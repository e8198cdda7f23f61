"""A contact sheet of a layout: objects with their points, and beside each the same mirrored, as a training mirrors it.

In both a name must be on the same side: the eye called left_eye is the right one of the picture in the plain face and
in the mirrored one. Where it changes sides, a pair is missing or wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgewing import drawing, geometry
from edgewing.errors import InputError
from edgewing.layouts import Layout
from train import data
from train.data.samples import Sample

OBJECTS, COLUMNS = 10, 2  # of pairs of tiles
TILE, GAP, MARGIN, HEAD = 440, 6, 14, 34  # px
FACTOR = 1.6  # of the box, so that names have room
PAPER, INK, RIM = 255, (40, 40, 40), (10, 20, 25)
NAMES_UP_TO = 16  # points; of more the numbers are drawn, as names would cover the object
LEFT, RIGHT, ALONE = 1.0, 0.0, 0.5  # drawing's scores, for the colours of a pair and of points without one
_LINE, _LONGEST_NAME = 20, 28
# Where a text may stand beside its point: (24, 2) directions, (24,) px.
_ROUND = np.array([(1, 0), (-1, 0), (0, -1), (0, 1), (1, -1), (-1, -1), (1, 1), (-1, 1)] * 3)
_FAR = np.repeat([8, 15, 25], 8)


def contact_sheet(samples: Sequence[Sample], layout: Layout) -> tuple[np.ndarray | None, int, list[InputError]]:
    """(H, W, 3) uint8 RGB with the samples that show most, how many are on it, and what was wrong with the pictures
    that were passed over. None where there is no picture."""
    tiles, broken = [], []
    for sample in _chosen(samples):
        try:
            tiles.append(_pair(sample, layout))
        except InputError as error:
            broken.append(error)
        if len(tiles) == OBJECTS:
            break
    return (_assembled(tiles, layout) if tiles else None), len(tiles), broken


def _chosen(samples: Sequence[Sample]) -> Iterator[Sample]:
    """One of each picture, those first that have most points and are not small, of these from all parts of the file."""

    def shows(sample: Sample) -> tuple[int, float]:
        box = geometry.landmark_box(sample.landmarks)
        return int((sample.visibility > 0).sum()), min(TILE / 2, float(max(box[2:] - box[:2])))

    best: dict[Path, tuple[tuple[int, float], int]] = {}
    for number, sample in enumerate(samples):
        mark = shows(sample)
        if sample.image not in best or mark > best[sample.image][0]:
            best[sample.image] = mark, number
    ranked = [number for _, number in sorted(best.values(), key=lambda found: (-found[0][0], -found[0][1], found[1]))]
    good = sorted(ranked[: max(OBJECTS, len(ranked) // 4)])
    spread = dict.fromkeys(good[round(i)] for i in np.linspace(0, len(good) - 1, OBJECTS)) if good else {}
    return (samples[number] for number in dict.fromkeys([*spread, *ranked]))


def _pair(sample: Sample, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    """The tile, and the mirrored one with the names after the flip."""
    image, landmarks = _reduced(data.load_image(sample), sample.landmarks)
    crop = geometry.crop_from_landmarks(landmarks, TILE, FACTOR)
    tile = geometry.warp(image, crop.to_image, TILE)
    points = geometry.apply(crop.to_crop, landmarks)
    mirrored = points[layout.flip_index] * [-1, 1] + [TILE - 1, 0]
    return _drawn(tile, points, layout), _drawn(np.ascontiguousarray(tile[:, ::-1]), mirrored, layout)


def _reduced(image: np.ndarray, landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Warping takes single pixels: of an object that is much larger than a tile the picture is averaged first."""
    import cv2

    step = int(geometry.crop_from_landmarks(landmarks, TILE, FACTOR).side / TILE)
    if step < 2:
        return image, landmarks
    before = np.array(image.shape[1::-1])
    after = np.maximum(1, before // step)
    return cv2.resize(image, after.tolist(), interpolation=cv2.INTER_AREA), (landmarks + 0.5) * (after / before) - 0.5


def _sides(layout: Layout) -> np.ndarray:
    sides = np.full(layout.points, ALONE)
    for left, right in layout.flip_pairs:
        sides[left], sides[right] = LEFT, RIGHT
    return sides


def _drawn(tile: np.ndarray, points: np.ndarray, layout: Layout) -> np.ndarray:
    import cv2

    sides = _sides(layout)
    drawn = drawing.draw(tile, points, layout.edges, sides)
    named = layout.names and layout.points <= NAMES_UP_TO and all(map(str.isascii, layout.names))
    scale = 0.45 if layout.points <= NAMES_UP_TO else 0.36
    present = np.flatnonzero(np.isfinite(points).all(axis=1))
    taken = np.hstack([points[present] - 3, points[present] + 3])
    for i in present:
        text = _plain(layout.names[i]) if named else str(i)
        size = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0]
        box = _place(points[i], size, taken)
        taken = np.vstack([taken, box])
        at = round(box[0]), round(box[3])
        colour = drawing.between(drawing.between(drawing.UNSURE, drawing.SURE, sides[i]), (255, 255, 255), 0.4)
        cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, RIM, 3, cv2.LINE_AA)
        cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)
    return drawn


def _place(point: np.ndarray, size: tuple[int, int], taken: np.ndarray) -> np.ndarray:
    """(4,) x0, y0, x1, y1 of a text beside its point, where it covers least of (K, 4) boxes and stays in the tile."""
    low = point + _ROUND * _FAR[:, None] - np.array(size) * (1 - _ROUND) / 2
    high = low + size
    outside = np.maximum(0, np.maximum(-low, high + 2 - TILE)).max(axis=1)
    shared = np.minimum(high[:, None], taken[:, 2:]) - np.maximum(low[:, None], taken[:, :2])
    covered = np.maximum(0, shared).prod(axis=2).sum(axis=1)
    best = np.argmin(1000 * outside + 0.5 * _FAR + covered)
    return np.concatenate([low[best], high[best]])


def _assembled(pairs: list[tuple[np.ndarray, np.ndarray]], layout: Layout) -> np.ndarray:
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    wide = 2 * TILE + GAP + 2 * MARGIN
    height = HEAD + rows * (TILE + MARGIN) + MARGIN
    legend = _legend(layout, height - HEAD - MARGIN)
    sheet = np.full((height, columns * wide + legend.shape[1] + MARGIN, 3), PAPER, np.uint8)
    for k, tiles in enumerate(pairs):
        y, x = HEAD + k // columns * (TILE + MARGIN), MARGIN + k % columns * wide
        for tile, left in zip(tiles, (x, x + TILE + GAP)):
            sheet[y : y + TILE, left : left + TILE] = tile
    for c in range(columns):
        _write(sheet, MARGIN + c * wide, 23, "as it is")
        _write(sheet, MARGIN + c * wide + TILE + GAP, 23, "mirrored: names on the same side as beside it?")
    sheet[HEAD : HEAD + legend.shape[0], columns * wide : columns * wide + legend.shape[1]] = legend
    return sheet


def _legend(layout: Layout, height: int) -> np.ndarray:
    """Numbers, names and pairs, in as many columns as they need."""
    pairs = [f"{_label(layout, a)} - {_label(layout, b)}" for a, b in layout.flip_pairs]
    paired = {point for pair in layout.flip_pairs for point in pair}
    alone = [_label(layout, point) for point in range(layout.points) if point not in paired]
    if all(map(str.isdigit, alone)):  # numbers alone say nothing that the tiles do not
        alone = ["(the others)" if pairs else "(all)"] if alone else []
    lines = [
        f"{layout.name}",
        "pairs (green - orange):",
        *pairs,
        "",
        f"{layout.points - len(paired)} alone:",
        *alone,
    ]
    fit = max(1, height // _LINE)
    blocks = [lines[i : i + fit] for i in range(0, len(lines), fit)]
    widths = [MARGIN + 9 * max(map(len, block)) for block in blocks]
    legend = np.full((height, sum(widths), 3), PAPER, np.uint8)
    for c, block in enumerate(blocks):
        for r, line in enumerate(block):
            _write(legend, sum(widths[:c]), 14 + r * _LINE, line)
    return legend


def _label(layout: Layout, point: int) -> str:
    name = _plain(layout.names[point]) if layout.names else ""
    return str(point) if name in ("", str(point)) else f"{point} {name}"


def _plain(name: str) -> str:
    """OpenCV's letters are ASCII; other names stand in the JSON in the order of their numbers."""
    text = "".join(c if " " <= c <= "~" else "?" for c in name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 2]}.."


def _write(image: np.ndarray, x: int, y: int, text: str) -> None:
    import cv2

    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.48, INK, 1, cv2.LINE_AA)
