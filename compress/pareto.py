"""Which files nobody beats, where the curve bends, and a picture of both.

The front holds the files than which none is both at least as fast and at least as accurate. The knee is the point of
the front with the largest distance below the chord from its fastest to its most accurate point, in logarithms of
milliseconds and NME, each scaled to 0..1 over the front (Satopaa et al., 'Finding a kneedle in a haystack', 2011): a
factor is a factor everywhere on it. A front of one or two points has no bend; there the most accurate stands for it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from compress.measuring import Point
from edgewing import files


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other beats, fastest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.ms, p.nme)):
        if not found or point.nme < found[-1].nme:
            found.append(point)
    return found


def knee(points: Sequence[Point]) -> Point:
    """Of the front of ``points`` (at least one), by the rule above."""
    best = front(points)
    if len(best) < 3:
        return best[-1]
    x, y = (np.log([getattr(p, name) for p in best]) for name in ("ms", "nme"))
    x, y = (x - x[0]) / (x[-1] - x[0]), (y - y[-1]) / (y[0] - y[-1])
    return best[int(np.argmax(1 - x - y))]  # the chord is x + y = 1, its distance this over the root of 2


def draw(points: Sequence[Point], path: Path, title: str) -> None:
    """NME against milliseconds and bytes, as PNG: int8 filled, fp16 hollow, the front a line, the knee ringed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    accepted = [p for p in points if p.accepted]
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.8), layout="constrained", sharey=True)
    for axis, of, label in (
        (axes[0], lambda p: p.ms, "processor ms on one core, decode included"),
        (axes[1], lambda p: p.bytes / 1e6, "MB"),
    ):
        for point in points:
            face = "#1f6feb" if point.precision == "int8" else "none"
            shape = "o" if point.accepted else "x"
            colour = {"facecolors": face, "edgecolors": "#1f6feb"} if point.accepted else {"color": "#b33"}
            axis.scatter(of(point), 100 * point.nme, marker=shape, s=36, **colour)
            label_at = {"xytext": (5, 4), "textcoords": "offset points", "fontsize": 7}
            axis.annotate(f"{point.run} {point.precision}", (of(point), 100 * point.nme), **label_at)
        axis.set_xscale("log")
        axis.set_yscale("log")
        for side in (axis.xaxis, axis.yaxis):
            side.set_major_formatter(ticker.FormatStrFormatter("%g"))
            side.set_minor_formatter(ticker.NullFormatter() if side is axis.xaxis else ticker.FormatStrFormatter("%g"))
        axis.set_xlabel(label)
        axis.grid(alpha=0.3, which="both")
    if accepted:
        line = front(accepted)
        axes[0].plot([p.ms for p in line], [100 * p.nme for p in line], color="#1f6feb", linewidth=1, alpha=0.6)
        best = knee(accepted)
        axes[0].scatter(best.ms, 100 * best.nme, s=160, facecolors="none", edgecolors="#d97706", linewidths=2)
    axes[0].set_ylabel("NME, %")
    figure.suptitle(title, fontsize=10)
    packed = io.BytesIO()
    figure.savefig(packed, dpi=120, format="png")
    pyplot.close(figure)
    files.write(path, packed.getvalue())
