"""Errors by point: of every one, of those that are seen and of those that are hidden, and of a layout's groups.

F: faces, N: landmarks.
"""

from __future__ import annotations

import numpy as np

from bench.report.columns import percent
from edgewing.layouts import Layout

WORST = 5  # points that are told on a terminal; the row has every one


def by_point(distances: np.ndarray, visibility: np.ndarray, layout: Layout) -> dict:
    """Fields of a row: ``per_point``, each point's mean error over the faces that have it; where points are hidden the
    same of seen and of hidden ones alone; where the layout has groups of points, their means.

    distances, visibility: (F, N) errors by the normaliser, NaN where there is no point, and 0 to 2; of the faces with a
    prediction.
    """
    if not len(distances):
        return {"per_point": []}
    found = {"per_point": _means(distances)}
    if (visibility == 1).any():
        for name, kind in (("per_point_seen", 2), ("per_point_hidden", 1)):
            found[name] = _means(np.where(visibility == kind, distances, np.nan))
    if layout.groups:
        means = (_means(distances[:, list(points)].reshape(-1, 1)) for points in layout.groups.values())
        found["point_groups"] = {name: mean for name, (mean,) in zip(layout.groups, means)}
    return found


def lines_of(row: dict) -> list[str]:
    """Lines for a terminal."""
    means, lines = row["per_point"], []
    if worst := sorted((i for i, mean in enumerate(means) if mean is not None), key=lambda i: -means[i])[:WORST]:
        hidden = row.get("per_point_hidden")
        told = ", ".join(f"{i} {percent(means[i])}{f' (hidden {percent(hidden[i])})' if hidden else ''}" for i in worst)
        lines.append(f"points with the largest mean error, counted from 0: {told}")
    if groups := row.get("point_groups"):
        lines.append("by group of points: " + ", ".join(f"{name} {percent(mean)}" for name, mean in groups.items()))
    return lines


def _means(distances: np.ndarray) -> list[float | None]:
    """(F, N) -> of each point its mean over the faces that have it."""
    counts, sums = np.isfinite(distances).sum(axis=0), np.nansum(distances, axis=0)
    return [float(total / count) if count else None for total, count in zip(sums, counts)]
