"""Pictures of a run: preview.png before the first step, worst.png after each evaluation, curves.png at the end.

The first two need OpenCV, the last matplotlib; where they are missing (a GPU host may have torch, numpy and safetensors
alone) the picture is left out, and `python -m train` draws what is missing where it goes on.

F faces, N landmarks, T crop px.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from edgewing import drawing, files, layouts
from train import recipes
from train.augment import Augment
from train.data.cache import Cache
from train.heatmaps import GroundTruth

if TYPE_CHECKING:  # a name is all that is needed here
    from train.evaluate import Faces, Scores

COLUMNS, ROWS = 6, 2  # of preview.png; each face twice
WORST, WORST_COLUMNS = 10, 5
TILE, GAP, CAPTION = 256, 6, 22  # px
PAPER, INK = 255, (70, 70, 70)
TRUE, FOUND = (90, 255, 120), (255, 80, 60)  # RGB


def draw_run(run: Path, cache: Cache) -> list[Path]:
    """What a finished run's folder has of preview.png, worst.png and curves.png; the first is drawn if missing."""
    if not (run / "preview.png").is_file():
        draw_preview(run, cache)
    _curves(run)
    return [path for path in (run / name for name in ("preview.png", "worst.png", "curves.png")) if path.is_file()]


def draw_preview(run: Path, cache: Cache) -> None:
    """preview.png: a batch as the network will see it, with points, and below with heatmaps and boundary drawn over."""
    if not _opencv():
        return
    recipe = recipes.load(run)
    faces = np.linspace(0, len(cache) - 1, COLUMNS * ROWS).astype(int)
    images, landmarks = (torch.from_numpy(a) for a in cache.read(faces))
    augment = Augment(recipe, cache.meta["size"], cache.meta["context"])
    crops, points = augment(images, landmarks, torch.Generator().manual_seed(recipe.seed))
    target, _ = GroundTruth(recipe)(points)
    layout = layouts.get(recipe.layout)
    rows = []
    for start in range(0, len(faces), COLUMNS):
        upper, lower = [], []
        for i in range(start, start + COLUMNS):
            tile = _tile((crops[i].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
            upper.append(drawing.draw(tile, _enlarged(points[i].numpy(), recipe.input_size), layout.edges))
            boundary = target[i, -1].numpy() if recipe.has_boundary else np.zeros((recipe.cells, recipe.cells))
            lower.append(_over(tile, target[i, : layout.points].amax(0).numpy(), boundary))
        rows += [upper, lower]
    _write(run / "preview.png", _sheet(rows))


def draw_worst(run: Path, faces: Faces, scores: Scores, chosen: np.ndarray) -> np.ndarray | None:
    """worst.png: the faces numbered ``chosen``, true points green, predicted ones red, with error and name.

    Returns the sheet, (H, W, 3) uint8 RGB, or None without OpenCV.
    """
    if not _opencv():
        return None
    import cv2

    tiles, captions = [], []
    for i in chosen:
        tile, size = _tile(faces.crops[i]), faces.crops.shape[1]
        true, found = (_enlarged(points[i], size) for points in (faces.landmarks, scores.predicted))
        found = np.where(np.isnan(true), np.nan, found)  # a point that is not there may be found anywhere
        pairs = np.stack([true, found], axis=1)
        for a, b in np.rint(pairs[np.isfinite(pairs).all(axis=(1, 2))]).astype(int).tolist():
            cv2.line(tile, a, b, FOUND, 1, cv2.LINE_AA)
        tiles.append(drawing.draw(drawing.draw(tile, true, colour=TRUE), found, colour=FOUND))
        captions.append(f"{100 * scores.errors[i]:.1f} %  {str(faces.names[i])[-24:]}")
    rows = [tiles[i : i + WORST_COLUMNS] for i in range(0, len(tiles), WORST_COLUMNS)]
    sheet = _sheet(rows, [captions[i : i + WORST_COLUMNS] for i in range(0, len(tiles), WORST_COLUMNS)])
    sheet = _below(sheet, "largest errors on what is held out", "green: true, red: found")
    _write(run / "worst.png", sheet)
    return sheet


def _curves(run: Path) -> None:
    """curves.png: loss and validation NME over the steps."""
    try:
        import matplotlib
    except ImportError:
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    losses = [(m["step"], m["loss"]) for m in lines if "loss" in m]
    scores = [(m["step"], 100 * m["nme"]) for m in lines if "nme" in m]
    by = next((f", {m['normaliser']}" for m in lines if "normaliser" in m), "")
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
    loss = losses, "loss", "what the training makes smaller"
    error = scores, f"NME, %{by}", "error on what it does not learn from"
    for axis, (values, label, title) in zip(axes, (loss, error)):
        axis.set_title(f"{run.name}: {title}", fontsize=11)
        if values:
            axis.plot(*zip(*values), marker="." if len(values) < 30 else None)
        axis.set_yscale("log")
        for ticks in (axis.yaxis.set_major_formatter, axis.yaxis.set_minor_formatter):
            ticks(ticker.FuncFormatter(lambda value, _: f"{value:.4g}"))
        axis.set_xlabel("step")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3, which="both")
    packed = io.BytesIO()
    figure.savefig(packed, dpi=110, format="png")
    pyplot.close(figure)
    files.write(run / "curves.png", packed.getvalue())


def _opencv() -> bool:
    try:
        import cv2  # noqa: F401
    except ImportError:
        return False
    return True


def _tile(crop: np.ndarray) -> np.ndarray:
    import cv2

    return cv2.resize(crop, (TILE, TILE), interpolation=cv2.INTER_LINEAR)


def _enlarged(points: np.ndarray, size: int) -> np.ndarray:
    """Crop px -> px of a tile; pixel centres are whole numbers in both."""
    return (np.asarray(points) + 0.5) * (TILE / size) - 0.5


def _over(tile: np.ndarray, landmarks: np.ndarray, boundary: np.ndarray) -> np.ndarray:
    """Heatmaps in green and the boundary in red over a darkened face."""
    import cv2

    red, green = (cv2.resize(m.astype(np.float32), (TILE, TILE)) for m in (boundary, landmarks))
    share = np.maximum(red, green)[..., None]
    colour = np.stack([255 * red, 255 * green, 60 * green], axis=-1)
    return np.nan_to_num(0.6 * tile * (1 - share) + colour * share).clip(0, 255).astype(np.uint8)


def _sheet(rows: list[list[np.ndarray]], captions: list[list[str]] | None = None) -> np.ndarray:
    import cv2

    height = TILE + (CAPTION if captions else 0)
    columns = max(map(len, rows))
    sheet = np.full((GAP + len(rows) * (height + GAP), GAP + columns * (TILE + GAP), 3), PAPER, np.uint8)
    for r, row in enumerate(rows):
        for c, tile in enumerate(row):
            y, x = GAP + r * (height + GAP), GAP + c * (TILE + GAP)
            sheet[y : y + TILE, x : x + TILE] = tile
            if captions:
                place = (x + 2, y + TILE + 15)
                cv2.putText(sheet, captions[r][c], place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return sheet


def _below(sheet: np.ndarray, *lines: str) -> np.ndarray:
    """The sheet with lines of text below it."""
    import cv2

    added = np.full((len(lines) * CAPTION + GAP, sheet.shape[1], 3), PAPER, np.uint8)
    for number, line in enumerate(lines):
        place = (GAP + 2, number * CAPTION + 15)
        cv2.putText(added, line, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, INK, 1, cv2.LINE_AA)
    return np.concatenate([sheet, added])


def _write(path: Path, image: np.ndarray) -> None:
    import cv2

    files.write(path, cv2.imencode(".png", image[..., ::-1])[1].tobytes())
