"""Small SVG charts for the report: curves, bars and dots. No scripts, no fonts, no library; text is escaped.

They are drawn for a column of about 350 to 560 CSS pixels, so that letters stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

WIDTH = 480
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 44
ROW = 34  # height of one bar or line of dots
HEIGHT = 300  # of a chart of curves
BINS = 80  # of a histogram
TALL = 400  # of a chart of discs
LETTER = 8.0  # width of a letter of a name at most, in the larger type of a phone


@dataclass(frozen=True)
class Curve:
    """One line: name for its tooltip, points in data units, colour and dash pattern of its stroke."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    dash: str = ""


@dataclass(frozen=True)
class Bar:
    """One row: ``values`` in the order of the legend, or the reason why there are none."""

    name: str
    values: Sequence[float]
    colour: str
    reason: str = ""


@dataclass(frozen=True)
class Disc:
    """One model: where it stands, and ``size`` as the area of its disc. ours: drawn full, and named in bold."""

    name: str
    x: float
    y: float
    size: float
    colour: str
    ours: bool = False


def curves(lines: Sequence[Curve], title: str, x_label: str, y_label: str, y_end: float | None = None) -> Markup:
    """Lines over linear axes from 0. title: what a screen reader says. y_end: None for the largest value."""
    x_end = max(max(line.x) for line in lines)
    y_end = y_end if y_end is not None else max(max(line.y) for line in lines) or 1.0
    across, down = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def px(x: float) -> float:
        return LEFT + across * x / x_end

    def py(y: float) -> float:
        return TOP + down * (1 - min(y, y_end) / y_end)

    parts = []
    for tick in ticks(y_end):
        parts.append(_line(LEFT, py(tick), WIDTH - RIGHT, py(tick), "grid"))
        parts.append(_text(LEFT - 7, py(tick) + 4, f"{tick:g}", "end"))
    for tick in ticks(x_end):
        parts.append(_line(px(tick), TOP + down, px(tick), TOP + down + 4, "axis"))
        parts.append(_text(px(tick), TOP + down + 18, f"{tick:g}", "middle"))
    parts += _axes(HEIGHT, x_label, y_label)
    for line in lines:
        path = " ".join(f"{px(x):.1f},{py(y):.1f}" for x, y in zip(line.x, line.y))
        parts.append(
            Markup(
                '<polyline points="{}" stroke="{}" stroke-dasharray="{}" class="curve"><title>{}</title></polyline>'
            ).format(path, line.colour, line.dash, line.name)
        )
    return _svg(HEIGHT, title, parts)


def bars(rows: Sequence[Bar], title: str, x_label: str) -> Markup:
    """A bar to the first value and a tick at each further one (p50, p90, p99); a reason instead where there is none."""
    end = max((max(row.values) for row in rows if row.values), default=1.0) * 1.02 or 1.0
    labels = [(tick, f"{tick:g}") for tick in ticks(end)]
    parts, height, places = _rows_frame(rows, x_label, labels, lambda v: v / end)
    for y, row in places:
        first, *others = row.values
        parts.append(
            Markup('<rect x="{}" y="{}" width="{:.1f}" height="16" rx="2" fill="{}"><title>{}</title></rect>').format(
                NAMES, y + 9, max(1.0, SPAN * first / end), row.colour, f"{row.name}: {first:.3f}"
            )
        )
        last = NAMES + SPAN * max(row.values) / end
        parts.append(_line(NAMES + SPAN * first / end, y + 17, last, y + 17, "whisker"))
        for value in others:
            x = NAMES + SPAN * value / end
            parts.append(_line(x, y + 11, x, y + 23, "whisker"))
    return _svg(height, title, parts)


def spreads(rows: Sequence[Bar], title: str, x_label: str) -> Markup:
    """A histogram of equal height for each row of 101 percentiles; ticks at p50 and p99; what lies beyond the axis is
    said in words."""
    end = max((row.values[99] for row in rows if row.values), default=1.0) * 1.15 or 1.0
    labels = [(tick, f"{tick:g}") for tick in ticks(end)]
    parts, height, places = _rows_frame(rows, x_label, labels, lambda v: v / end)
    edges = np.linspace(0.0, end, BINS + 1)
    for y, row in places:
        # share of the runs up to each edge, to a hundredth; equal percentiles are told apart by nothing that is seen
        below = np.interp(edges, np.maximum.accumulate(row.values) + np.arange(101) * 1e-9, np.arange(101) / 100)
        mass, base = np.diff(below), y + ROW - 3
        tops = base - (ROW - 8) * mass / max(mass.max(), 1e-9)
        path = "".join(f"V{top:.1f}H{NAMES + SPAN * right / end:.1f}" for top, right in zip(tops, edges[1:]))
        area = Markup('<path d="M{} {}{}V{}Z" fill="{}" fill-opacity=".8"><title>{}</title></path>')
        parts.append(area.format(NAMES, base, Markup(path), base, row.colour, row.name))
        for value in (row.values[50], row.values[99]):
            x = NAMES + SPAN * value / end
            parts.append(_line(x, base - 10, x, base + 2, "whisker"))
        if row.values[100] > end:
            parts.append(_text(NAMES + SPAN, y + 14, f"max {row.values[100]:.3g}", "end"))
    return _svg(height, title, parts)


def dots(rows: Sequence[Bar], title: str, x_label: str, limits: Sequence[float] = ()) -> Markup:
    """Values on a logarithmic axis, the first a filled circle, the next a diamond, the third a ring."""
    values = [value for row in rows for value in row.values if value > 0] + list(limits)
    low = max(FLOOR, math.floor(math.log10(min(values, default=0.1))))
    high = max(low + 1, math.ceil(math.log10(max(values, default=1.0))))

    def place(value: float) -> float:
        return (math.log10(max(value, 10.0**low)) - low) / (high - low)

    labels = [(10.0**power, f"{10.0**power:g}") for power in range(low, high + 1)]
    if any(value < 10.0**low for row in rows for value in row.values):
        labels[0] = (10.0**low, f"\u2264 {10.0**low:g}")
    parts, height, places = _rows_frame(rows, x_label, labels, place)
    for limit in limits:
        x = NAMES + SPAN * place(limit)
        parts.append(_line(x, TOP, x, TOP + ROW * len(rows), "limit"))
    for y, row in places:
        xs, middle = [NAMES + SPAN * place(value) for value in row.values], y + 17
        parts.append(_line(min(xs), middle, max(xs), middle, "whisker"))
        shapes = [
            Markup('<circle cx="{x:.1f}" cy="{y}" r="5" fill="{c}"/>'),
            Markup('<path d="M{x:.1f} {y}m-6 0l6 -6l6 6l-6 6z" fill="{c}"/>'),
            Markup('<circle cx="{x:.1f}" cy="{y}" r="5" fill="#fff" stroke="{c}" stroke-width="2"/>'),
        ]
        parts += [shape.format(x=x, y=middle, c=row.colour) for shape, x in zip(shapes, xs)]
    return _svg(height, title, parts)


def strips(rows: Sequence[Bar], title: str, x_label: str, known: Mapping[str, float]) -> Markup:
    """Every value of a row a pale dot, their mean a stroke and a figure; a diamond at what is ``known`` of a row. The
    axis begins near the least of them."""
    values = [value for row in rows for value in row.values] + list(known.values())
    step = ticks(max(values) - min(values) or 1.0)[1]
    low, high = step * math.floor(min(values) / step - 0.2), step * math.ceil(max(values) / step + 0.5)
    labels = [(x, f"{x:g}") for x in (round(low + step * i, 10) for i in range(round((high - low) / step) + 1))]

    def place(value: float) -> float:
        return (value - low) / (high - low)

    def px(value: float) -> float:
        return LONG_NAMES + (WIDTH - LONG_NAMES - RIGHT - 8) * place(value)

    parts, height, places = _rows_frame(rows, x_label, labels, place, LONG_NAMES)
    for y, row in places:
        for value in row.values:
            dot = Markup('<circle cx="{:.1f}" cy="{}" r="4" fill="{}" fill-opacity=".5"/>')
            parts.append(dot.format(px(value), y + 17, row.colour))
        mean = float(np.mean(row.values))
        parts.append(_line(px(mean), y + 8, px(mean), y + 26, "mean"))
        parts.append(_text(px(max(row.values)) + 8, y + 21, f"{mean:.2f}", "start"))
        if row.name in known:
            x = px(known[row.name])
            parts.append(Markup('<path d="M{:.1f} {}m-5 0l5 -5l5 5l-5 5z" class="known"/>').format(x, y + 17))
            parts.append(_text(x + 9, y + 21, f"paper {known[row.name]:.2f}", "start"))
    return _svg(height, title, parts)


def discs(marks: Sequence[Disc], title: str, x_label: str, y_label: str, reference: float | None = None) -> Markup:
    """Models by time (x, logarithmic) and error (y), bytes as area; a dashed line through those that no other beats in
    both, another at ``reference`` of x. The largest are drawn first, so that none is covered."""
    low, high = min(m.x for m in marks) / 1.3, max(m.x for m in marks) * 1.3
    least, most = min(m.y for m in marks), max(m.y for m in marks)
    step = next((s for s, span in ((10, 40), (5, 10), (1.0, 2.0), (0.5, 0.8), (0.2, 0.3)) if most - least > span), 0.1)
    bottom, top = step * math.floor(least / step - 0.2), step * math.ceil(most / step + 0.3)
    marked = (1, 2, 3, 5) if high / low > 4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    across, down = WIDTH - LEFT - RIGHT, TALL - TOP - BOTTOM
    parts = []

    def px(x: float) -> float:
        return LEFT + across * math.log(x / low) / math.log(high / low)

    def py(y: float) -> float:
        return TOP + down * (top - y) / (top - bottom)

    for tick in np.arange(round(bottom / step), round(top / step) + 1) * step:
        parts.append(_line(LEFT, py(tick), WIDTH - RIGHT, py(tick), "grid"))
        parts.append(_text(LEFT - 7, py(tick) + 4, f"{tick:g}", "end"))
    for tick in (m * 10.0**power for power in range(-3, 4) for m in marked):
        if low <= tick <= high:
            parts.append(_line(px(tick), TOP, px(tick), TOP + down, "grid"))
            parts.append(_text(px(tick), TOP + down + 18, f"{tick:g}", "middle"))
    if reference is not None:
        parts.append(_line(px(reference), TOP, px(reference), TOP + down, "axis"))
    parts += _axes(TALL, x_label, y_label)
    front = sorted((m for m in marks if not any(_beats(other, m) for other in marks)), key=lambda m: m.x)
    steps = [(px(m.x), py(m.y)) for m in front]
    if len(steps) > 1:
        path = "".join(f"H{x:.1f}V{y:.1f}" for x, y in steps[1:])
        parts.append(Markup('<path d="M{:.1f} {:.1f}{}" class="front"/>').format(*steps[0], Markup(path)))
    circle = Markup(
        '<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" fill="{}" fill-opacity="{}" stroke="{}"><title>{}</title></circle>'
    )
    taken = []
    for m in marks:  # names may lie on the pale discs of large models, not on their middle
        x, y, r = px(m.x), py(m.y), min(_radius(m), 12)
        taken.append((x - r, y - r, x + r, y + r))
    for (x, y), (right, below) in zip(steps, steps[1:]):
        taken += [(x, y - 2, right, y + 2), (right - 2, y, right + 2, below)]
    for m in sorted(marks, key=lambda m: -m.size):
        said = f"{m.name}: {m.y:.2f} at {m.x:.2f}, {m.size / 1e6:.2f} MB"
        parts.append(circle.format(px(m.x), py(m.y), _radius(m), m.colour, 0.85 if m.ours else 0.25, m.colour, said))
    for m in sorted(marks, key=lambda m: m.size):
        x, y, anchor, box = _place_name(m, px(m.x), py(m.y), taken)
        taken.append(box)
        parts.append(_text(x, y, m.name, anchor, "name ours" if m.ours else "name"))
    return _svg(TALL, title, parts)


def _beats(one: Disc, other: Disc) -> bool:
    return one.x <= other.x and one.y <= other.y and (one.x, one.y) != (other.x, other.y)


def _radius(mark: Disc) -> float:
    """Of a disc whose area is its size: 6 units for a megabyte."""
    return 6 * math.sqrt(mark.size / 1e6)


def _place_name(mark: Disc, x: float, y: float, taken: list[tuple]) -> tuple[float, float, str, tuple]:
    """Where a disc's name goes: beside, above or below it, where it covers the least of what is there already."""
    width, away = LETTER * len(mark.name), min(_radius(mark), 26) + 5
    inside = [(x, y + 26, "middle")] if _radius(mark) > 40 else []
    places = inside + [
        (x + away, y + 4, "start"),
        (x - away, y + 4, "end"),
        (x, y - away, "middle"),
        (x, y + away + 9, "middle"),
        (x - 6, y - away, "start"),
        (x - 6, y + away + 9, "start"),
        (x + 6, y - away, "end"),
        (x + 6, y + away + 9, "end"),
    ]
    best, least = None, math.inf
    for order, (left, base, anchor) in enumerate(places):
        start = left - {"start": 0, "middle": width / 2, "end": width}[anchor]
        box = (start, base - 11, start + width, base + 3)
        out = max(0, LEFT - start) + max(0, start + width - WIDTH) + max(0, TOP - box[1])
        covered = sum(
            max(0, min(box[2], b[2]) - max(box[0], b[0])) * max(0, min(box[3], b[3]) - max(box[1], b[1])) for b in taken
        )
        if (worth := covered + 100 * out + order) < least:
            best, least = (left, base, anchor, box), worth
    return best


ALONE = (
    "<style>text{font:13px system-ui,sans-serif;fill:#46525e}.tick{font-size:11px}"
    ".grid{stroke:#e3e8ec}.axis{stroke:#9aa7b3}.curve{fill:none;stroke-width:2}.name{fill:#17212b}.ours{font-weight:650}"
    ".front{fill:none;stroke:#46525e;stroke-dasharray:4 3}.mean{stroke:#223355;stroke-width:2}"
    ".known{fill:none;stroke:#b5532f;stroke-width:1.5}</style>"
    '<rect width="100%" height="100%" fill="#fff"/>'
)


def alone(chart: Markup, lines: Sequence[Curve] = ()) -> str:
    """A chart as an SVG file of its own; each curve is named in its colour above the lower right corner, where these
    leave room."""
    head, body = str(chart).split(">", 1)
    x, y = WIDTH - RIGHT - 8, HEIGHT - BOTTOM - 14
    names = "".join(
        f'<text x="{x}" y="{y - 20 * n}" text-anchor="end" style="fill:{line.colour}">{escape(line.name)}</text>'
        for n, line in enumerate(reversed(lines))
    )
    end = body.rindex("</svg>")
    opening = head.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{opening}>{ALONE}{body[:end]}{names}{body[end:]}"


NAMES, LONG_NAMES = 118, 160  # where the names of rows end and the plot begins
FLOOR = -3  # smallest power of ten that is told apart on a logarithmic axis
SPAN = WIDTH - NAMES - RIGHT - 8


def ticks(end: float) -> list[float]:
    """From 0 to ``end`` in four to eight steps of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(end / 4))
    step = next(m * power for m in (1, 2, 5, 10) if end / (m * power) <= 8)
    return [round(i * step, 10) for i in range(int(end / step + 1e-9) + 1)]


def _rows_frame(
    rows: Sequence[Bar], x_label: str, labels: list[tuple[float, str]], place, names: int = NAMES
) -> tuple[list[Markup], int, list[tuple[float, Bar]]]:
    """The parts that charts of rows share, their height, and the rows with values and where each begins. names: where
    names end and the plot begins."""
    bottom, span = TOP + ROW * len(rows), WIDTH - names - RIGHT - 8
    parts = []
    for value, label in labels:
        x = names + span * place(value)
        parts.append(_line(x, TOP, x, bottom, "grid"))
        parts.append(_text(x, bottom + 18, label, "middle"))
    parts.append(_line(names, TOP, names, bottom, "axis"))
    places = [(TOP + ROW * i, row) for i, row in enumerate(rows)]
    for y, row in places:
        parts.append(_text(names - 8, y + 21, row.name, "end", "name"))
        if not row.values:
            parts.append(_text(names + 6, y + 21, row.reason, "start", "reason"))
    parts.append(_text(names + span / 2, bottom + 38, x_label, "middle", "label"))
    return parts, bottom + BOTTOM, [(y, row) for y, row in places if row.values]


def _axes(height: int, x_label: str, y_label: str) -> list[Markup]:
    """The lower axis and the names of both."""
    base, turned = height - BOTTOM, 'class="label" text-anchor="middle" transform="translate(13 {:.1f}) rotate(-90)"'
    return [
        _line(LEFT, base, WIDTH - RIGHT, base, "axis"),
        _text(LEFT + (WIDTH - LEFT - RIGHT) / 2, height - 6, x_label, "middle", "label"),
        Markup(f"<text {turned}>{{}}</text>").format((TOP + base) / 2, y_label),
    ]


def _svg(height: int, title: str, parts: list[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        WIDTH, height, title, Markup("").join(parts)
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')


def _text(x: float, y: float, text: str, anchor: str, kind: str = "tick") -> Markup:
    opening = Markup(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">')
    return opening + escape(text) + Markup("</text>")
