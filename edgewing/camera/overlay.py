"""What a camera's picture shows over what is followed: points, mesh, heatmaps or boundary, and a panel of figures.

All on RGB frames in memory, so that a window, a video file and a test get the same pictures.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgewing import drawing
from edgewing.camera.tracking import Track
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.faces import Face

VIEWS = ("points", "mesh", "heatmap", "boundary", "pose")
PANEL, TEXT, FAINT, NOTE = (12, 18, 22), (240, 246, 246), (150, 170, 172), (255, 190, 90)
PANEL_OPACITY = 0.62
AXES = (255, 90, 90), (120, 220, 120), (90, 160, 255)  # RGB of the head's side, of its chin, of its nose
GLOW = ((255, 140, 30), (255, 240, 190))  # RGB of a weak and of a full heatmap


@dataclass
class Look:
    """What is shown and how; keys of the window change it."""

    view: str = "points"
    mirror: bool = False
    smoothing: bool = True
    plain: bool = False  # no panel


@dataclass(frozen=True)
class Figures:
    """Of the last moments. fps: frames shown in a second. model_ms: one run of the model. end_to_end_ms: from a frame
    in hand to its picture. dropped: frames that newer ones overtook."""

    fps: float
    model_ms: float
    end_to_end_ms: float
    dropped: int


def refuse_view(view: str, contract: Contract) -> None:
    """InputError where the model cannot give what a view shows."""
    gives = contract.decode.in_graph is False
    if view in ("heatmap", "boundary") and not gives:
        raise InputError(
            f"this model gives no heatmaps, which the view {view!r} shows; "
            "export one with: python -m targets RUN --to tflite --output heatmaps"
        )
    if view == "boundary" and contract.output("heatmaps").shape[1] == contract.layout.points:
        raise InputError("this model's heatmaps have no boundary, which the view 'boundary' shows; use view 'heatmap'")


class Painter:
    """Draws the tracks of a frame as a model's contract has them."""

    def __init__(self, contract: Contract):
        self.contract = contract
        self._triangles: list[tuple[int, int]] | None = None

    def __call__(self, image: np.ndarray, tracks: Sequence[Track], look: Look) -> np.ndarray:
        """A copy of the (H, W, 3) uint8 RGB frame with all tracks on it; mirrored where that is asked for.

        The picture is mirrored after it was drawn on: left and right of the labels stay those of the person.
        """
        drawn = image
        for track in sorted(tracks, key=lambda track: float(np.prod(np.ptp(track.landmarks, axis=0)))):
            points = track.face.shown(track.landmarks if look.smoothing else None)
            if look.view in ("heatmap", "boundary"):
                drawn = glow(drawn, track.face, self._map(track.face, look.view))
            elif look.view == "mesh":
                drawn = drawing.draw(drawn, points, self._mesh(track.landmarks), track.face.scores)
            else:
                drawn = drawing.draw(drawn, points, self.contract.layout.edges, track.face.scores)
                if look.view == "pose":
                    pose_axes(drawn, track.face, points)
        return np.ascontiguousarray(drawn[:, ::-1]) if look.mirror else drawn

    def _map(self, face: Face, view: str) -> np.ndarray:
        return face.heatmaps[self.contract.layout.points] if view == "boundary" else face.heatmaps.max(axis=0)

    def _mesh(self, points: np.ndarray) -> list[tuple[int, int]]:
        """Edges of the first face's Delaunay triangles; kept, since a mesh that changes with every frame flickers."""
        if self._triangles is None:
            self._triangles = triangles(points)
        return self._triangles


def pose_axes(image: np.ndarray, face: Face, points: np.ndarray) -> None:
    """Draw where the head's side, chin and nose point to, in place, from the middle of its (N, 2) points that are
    there; nothing where they do not tell."""
    import cv2

    if (pose := face.pose) is None:
        return
    seen = points[np.isfinite(points).all(axis=1)]
    middle, length = seen.mean(axis=0), 0.6 * float(np.ptp(seen, axis=0).max())
    width = max(1, round(length / 40))
    for axis, colour in zip(pose.axes, AXES):
        ends = np.rint(16 * np.stack([middle, middle + length * axis[:2]])).astype(int).tolist()
        cv2.line(image, ends[0], ends[1], colour, width, cv2.LINE_AA, 4)


def triangles(points: np.ndarray) -> list[tuple[int, int]]:
    """Edges a < b of the Delaunay triangles of (N, 2) points."""
    import cv2

    low, high = points.min(axis=0) - 1, points.max(axis=0) + 1
    division = cv2.Subdiv2D((0, 0, int(np.ceil(high[0] - low[0])) + 2, int(np.ceil(high[1] - low[1])) + 2))
    # the subdivision numbers its points on its own, and gives one number to those that coincide
    number = {division.insert((float(x), float(y))): i for i, (x, y) in enumerate(points - low)}
    edges = set()
    for a, b in ((edge[0], edge[1]) for edge in _edges(division)):
        if a in number and b in number:
            edges.add((min(number[a], number[b]), max(number[a], number[b])))
    return sorted(edges)


def _edges(division) -> list[tuple[int, int]]:
    """Pairs of vertex numbers: each triangle's three sides."""
    found = []
    for start in division.getLeadingEdgeList().ravel():
        edge = int(start)
        for _ in range(3):
            found.append((division.edgeOrg(edge)[0], division.edgeDst(edge)[0]))
            edge = division.getEdge(edge, 0x13)  # NEXT_AROUND_LEFT
    return found


def glow(image: np.ndarray, face: Face, heatmap: np.ndarray) -> np.ndarray:
    """A copy of the image with an (h, w) heatmap in [0, 1] shining over the square that it was made from."""
    import cv2

    scale = face.crop.size / heatmap.shape[0]
    # cell j is centred on scale * j + (scale - 1) / 2 of the crop
    to_crop = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    to_image = (np.vstack([face.crop.to_image, [0, 0, 1]]) @ to_crop)[:2]
    size = (image.shape[1], image.shape[0])
    value = cv2.warpAffine(np.clip(heatmap, 0, 1).astype(np.float32), to_image, size, flags=cv2.INTER_LINEAR)[..., None]
    weak, full = np.array(GLOW, np.float32)
    opacity = np.minimum(1, 1.6 * value)
    dimmed = image * np.float32(0.75) if value.any() else image
    return np.rint(dimmed * (1 - opacity) + (weak + (full - weak) * value) * opacity).astype(np.uint8)


def panel(image: np.ndarray, name: str, figures: Figures, look: Look, found: int, note: str = "") -> None:
    """Write the figures into the upper left corner, in place; after mirroring, so that they can be read. note: a remark
    that does not last."""
    rows = [
        ((f"{figures.fps:.0f} fps", TEXT), (f"model {figures.model_ms:.1f} ms", TEXT)),
        ((f"end to end {figures.end_to_end_ms:.1f} ms", TEXT),),
        ((name, FAINT), (f"{found} found", FAINT)),
    ]
    states = [look.view] + ["mirror"] * look.mirror + ["unsmoothed"] * (not look.smoothing)
    states += [f"{figures.dropped} dropped"] * bool(figures.dropped)
    rows.append(((", ".join(states), FAINT),))
    rows += [((line, NOTE),) for line in textwrap.wrap(note, 34)]
    write_panel(image, rows)


def write_panel(image: np.ndarray, rows: list[tuple[tuple[str, tuple[int, int, int]], ...]]) -> None:
    """Rows of (text, RGB) on a dark, rounded, translucent panel in the upper left corner, in place."""
    import cv2

    unit = max(0.34, min(image.shape[:2]) / 1150)  # text scales with the picture
    zoom = 2  # Hershey's strokes are drawn enlarged and averaged: OpenCV knows no other font
    font, scale, weight = cv2.FONT_HERSHEY_SIMPLEX, unit * zoom, max(1, round(unit * zoom * 1.3))
    line, margin, gap = round(unit * 34), round(unit * 18), round(unit * 40)
    widths = [[cv2.getTextSize(text, font, scale, weight)[0][0] / zoom for text, _ in row] for row in rows]
    width = int(max(sum(row) + gap * (len(row) - 1) for row in widths)) + 2 * margin
    height = line * len(rows) + 2 * margin - round(unit * 12)
    x0, y0 = round(unit * 14), round(unit * 14)
    part = image[y0 : y0 + height, x0 : x0 + width]
    if part.shape[:2] != (height, width):
        return  # a picture smaller than the panel
    layer = cv2.resize(part, (width * zoom, height * zoom), interpolation=cv2.INTER_NEAREST)
    back = layer.copy()
    _rounded(back, round(unit * 12) * zoom)
    cv2.addWeighted(back, PANEL_OPACITY, layer, 1 - PANEL_OPACITY, 0, layer)
    for number, (row, measured) in enumerate(zip(rows, widths)):
        x, y = margin, margin + line * number + round(unit * 18)
        for (text, colour), w in zip(row, measured):
            cv2.putText(layer, text, (round(x * zoom), round(y * zoom)), font, scale, colour, weight, cv2.LINE_AA)
            x += w + gap
    part[:] = cv2.resize(layer, (width, height), interpolation=cv2.INTER_AREA)


def _rounded(layer: np.ndarray, radius: int) -> None:
    """Fill with the panel's colour, but for the corners."""
    import cv2

    height, width = layer.shape[:2]
    cv2.rectangle(layer, (radius, 0), (width - radius - 1, height - 1), PANEL, -1)
    cv2.rectangle(layer, (0, radius), (width - 1, height - radius - 1), PANEL, -1)
    for x in (radius, width - radius - 1):
        for y in (radius, height - radius - 1):
            cv2.circle(layer, (x, y), radius, PANEL, -1, cv2.LINE_AA)
