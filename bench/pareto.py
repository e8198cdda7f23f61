"""Which files nobody beats, where the curve bends, and a picture of both.

The front holds the files than which none is both at least as fast and at least as accurate. The knee is the point of
the front with the largest distance below the chord from its fastest to its most accurate point, in logarithms of
milliseconds and NME, each scaled to 0..1 over the front (Satopaa et al., 'Finding a kneedle in a haystack', 2011): a
factor is a factor everywhere on it. A front of one or two points has no bend; there the most accurate stands for it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.measuring import Point
from bench.report import charts


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


def picture(points: Sequence[Point], title: str) -> str:
    """NME against milliseconds with bytes as area, as SVG: those that passed their gate, or all where none did.
    A dashed line through those that no other beats; the knee full, its name in bold."""
    accepted = [p for p in points if p.accepted]
    best = knee(accepted) if accepted else None
    marks = [
        charts.Disc(
            f"{p.run} {p.precision}", p.ms, 100 * p.nme, p.bytes, "#1f6feb" if p.accepted else "#b33", p is best
        )
        for p in accepted or points
    ]
    return charts.alone(charts.discs(marks, title, "processor ms on one core; area: bytes", "NME, %"))
