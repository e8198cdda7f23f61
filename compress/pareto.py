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
    """NME against milliseconds and bytes, as PNG: the files of a run joined, the front a line, the knee ringed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    accepted = [p for p in points if p.accepted]
    figure, axes = pyplot.subplots(1, 2, figsize=(11, 4.8), layout="constrained", sharey=True)
    for axis, of, label in (
        (axes[0], lambda p: p.ms, "processor ms on one core, decode included"),
        (axes[1], lambda p: p.bytes / 1e6, "MB"),
    ):
        for run in dict.fromkeys(p.run for p in points):
            mine = [p for p in points if p.run == run]
            axis.plot([of(p) for p in mine], [100 * p.nme for p in mine], color="#9aa4b2", linewidth=1, zorder=1)
        for point in points:
            face = "#1f6feb" if point.precision == "int8" else "white"
            shape = "o" if point.accepted else "x"
            colour = {"facecolors": face, "edgecolors": "#1f6feb"} if point.accepted else {"color": "#b33"}
            axis.scatter(of(point), 100 * point.nme, marker=shape, s=36, zorder=3, **colour)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.margins(x=0.16, y=0.1)
        axis.set_xlabel(label)
        axis.grid(alpha=0.3)
    if accepted:
        line = front(accepted)
        axes[0].plot([p.ms for p in line], [100 * p.nme for p in line], color="#1f6feb", linewidth=1.5, zorder=2)
        best = knee(accepted)
        axes[0].scatter(best.ms, 100 * best.nme, s=160, facecolors="none", edgecolors="#d97706", linewidths=2)
    axes[0].set_ylabel("NME, %")
    figure.suptitle(
        f"{title}\nfilled: int8, hollow: fp16, cross: failed its gate; line: nothing better; ring: the knee", fontsize=9
    )
    for axis in axes:
        _round_ticks(axis)
    figure.canvas.draw()  # places are known from here on
    for axis, of in ((axes[0], lambda p: p.ms), (axes[1], lambda p: p.bytes / 1e6)):
        _label(axis, {p.run: (of(p), 100 * p.nme) for p in sorted(points, key=of, reverse=True)})
    packed = io.BytesIO()
    figure.savefig(packed, dpi=120, format="png")
    pyplot.close(figure)
    files.write(path, packed.getvalue())


def _round_ticks(axis) -> None:
    """Round numbers on logarithmic axes of any span; matplotlib's own would show one power of ten, or none."""
    from matplotlib import ticker

    for side, (low, high) in ((axis.xaxis, axis.get_xlim()), (axis.yaxis, axis.get_ylim())):
        narrow = ticker.MaxNLocator(6, steps=(1, 2, 5, 10))
        side.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)) if high > 8 * low else narrow)
        side.set_minor_locator(ticker.NullLocator())
        side.set_major_formatter(ticker.FormatStrFormatter("%g"))


def _label(axis, places: dict[str, tuple[float, float]]) -> None:
    """Each name beside its point, where it lies inside the axes and on no other name; else where it began."""
    taken = []
    renderer = axis.figure.canvas.get_renderer()
    for name, place in places.items():
        text = axis.annotate(name, place, xytext=(0, 0), textcoords="offset points", fontsize=8, zorder=4)
        for x, y, side in ((8, 5, "left"), (8, -12, "left"), (-8, 5, "right"), (-8, -12, "right"), (8, 17, "left")):
            text.set_position((x, y))
            text.set_horizontalalignment(side)
            box = text.get_window_extent(renderer)
            inside = axis.bbox.x0 <= box.x0 and box.x1 <= axis.bbox.x1
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(text.get_window_extent(renderer))
