"""Whether a score says that a point is there, and how far off points are that are seen, and that are hidden.

AUROC: how often a point that has what is asked for scores higher than one that has not, over all pairs of points
(Fawcett, Pattern Recognition Letters 27, 2006); 1 is perfect, 0.5 is chance.

F: faces, N: landmarks.
"""

from __future__ import annotations

import numpy as np

from edgewing import metrics


def by_visibility(
    scores: np.ndarray, visibility: np.ndarray, distances: np.ndarray, attributes: list[dict[str, int]]
) -> dict | None:
    """scores, visibility, distances: (F, N): of the points, 0 to 2, and their error by the normaliser (NaN where there
    is no point). attributes: the subsets that a face belongs to. None where all points are seen."""
    if (visibility == 2).all():
        return None
    names = list(dict.fromkeys(name for of_face in attributes for name in of_face))
    groups = {"all": np.ones(len(scores), bool)}
    groups |= {name: np.array([bool(of_face.get(name)) for of_face in attributes]) for name in names}
    return {name: _figures(scores[g], visibility[g], distances[g]) for name, g in groups.items() if g.any()}


def _figures(scores: np.ndarray, visibility: np.ndarray, distances: np.ndarray) -> dict:
    there, seen, hidden = visibility > 0, visibility == 2, visibility == 1
    return {
        "points": {"absent": int((~there).sum()), "hidden": int(hidden.sum()), "seen": int(seen.sum())},
        "auroc_there": metrics.area_under_roc(scores, there),
        "auroc_seen": metrics.area_under_roc(scores[there], seen[there]),
        "error_seen": _mean(distances[seen]),
        "error_hidden": _mean(distances[hidden]),
    }


def _mean(distances: np.ndarray) -> float | None:
    finite = distances[np.isfinite(distances)]
    return float(finite.mean()) if len(finite) else None


def lines_of(part: dict) -> list[str]:
    """A line per group for a terminal."""
    lines = ["by visibility (AUROC of the score: points that are there against absent ones; seen against hidden ones):"]
    for name, found in part.items():
        counts = ", ".join(f"{count} {kind}" for kind, count in found["points"].items())
        rocs = ", ".join(_share(found[key], "{:.4f}") for key in ("auroc_there", "auroc_seen"))
        errors = ", ".join(_share(found[key], "{:.2%}") for key in ("error_seen", "error_hidden"))
        lines.append(f"  {name:>16}  {counts} points  AUROC {rocs}  error seen, hidden {errors}")
    return lines


def _share(value: float | None, form: str) -> str:
    return "none" if value is None else form.format(value)
