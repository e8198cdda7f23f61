"""What `bench peers` measured, for a terminal, as a picture and as a Markdown page."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.report import charts, columns
from bench.report.columns import percent
from edgewing import files

OURS, OTHERS = "#1f5fa8", "#8a6d3b"
COLUMNS = (
    "model",
    "NME",
    "95 %",
    "inner",
    "aligned",
    "FR10",
    "missed",
    "bytes",
    "CPU ms",
    "time, reference = 1",
    "trained on",
)
TEXTS = 0, 10  # columns that are no figures
INTRODUCTION = (
    "Models of other projects and ours on the same faces, in one run on one core. Every model gets the crop that",
    "its own documentation asks for. NME is the mean error over the points that all of them have, and a smaller",
    "one is better ([glossary](glossary.md)). `inner` is the same without the contour. `aligned` is the same",
    "after each model's constant offset is taken away, because not all of them mean the same places by the same",
    "points. `missed` are faces that a model's own detector did not find.",
    "",
    "`python -m bench peers` wrote this page ([how it measures](measuring.md#beside-models-of-others)). Do not",
    "edit it.",
)


def table_lines(made: list[dict]) -> list[list[str]]:
    """A line of COLUMNS per peer, the most accurate first, then those that were not run, with the reason."""
    lines = []
    for row in sorted(measured(made), key=lambda row: row["nme"]):
        interval = f"{100 * row['nme_low']:.2f} to {100 * row['nme_high']:.2f}"
        moved = percent(row["aligned"]["nme"]) if row["aligned"] else "not asked for"
        ratio = f"{row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f})"
        lines.append(
            [name(row), percent(row["nme"]), interval, percent(row["inner"]["nme"]), moved, percent(row["fr10"])]
            + [
                str(row["failed"]),
                f"{row['artefact']['bytes']:,}",
                f"{row['cpu_ms']:.2f}",
                ratio,
                ", ".join(row["model"]["trained_on"]),
            ]
        )
    return lines


def measured(made: list[dict]) -> list[dict]:
    """The rows that have figures."""
    return [row for row in made if "not_run" not in row]


def name(row: dict) -> str:
    """What a table calls a peer: a precision behind our own."""
    model = row["model"]
    return f"{model['name']} {model['precision']}" if model.get("precision") else model["name"]


def refusals(made: list[dict]) -> list[str]:
    return [f"{row['artefact']['path']}: {row['not_run']}" for row in made if "not_run" in row]


def print_table(made: list[dict]) -> None:
    columns.show(COLUMNS, table_lines(made), TEXTS)
    for line in [*refusals(made), *protocol(made)]:
        print(line)


def protocol(made: list[dict]) -> list[str]:
    """How these figures came to be, in sentences."""
    row = measured(made)[0]
    p, m = row["protocol"], row["machine"]
    without = f" without {', '.join(map(str, p['left_out_points']))}" if p["left_out_points"] else ""
    inner = (
        f"inner: {row['inner']['points']} of these points, without the contour; missed: faces that count in FR10 alone"
    )
    moved = f"aligned: without each model's own mean offsets, which were learnt from the {p['offsets']}"
    return [
        f"accuracy: {p['faces']} faces of {p['data']}, {p['skipped']} skipped; {row['points']} points of "
        f"{p['scored_points']}{without}; divided by {p['normaliser']}; boxes: {p['box_source']}",
        f"{inner}; {moved}" if p["offsets"] else inner,
        f"time: {p['clock']}; {p['rounds']} rounds of {p['recorded_calls']} calls, in turn, 1 thread, on {p['input']}; "
        f"{m['cpu']}, load {m['load']:g}; reference: {Path(row['reference']['path']).name}",
    ]


def plot(made: list[dict]) -> charts.Markup:
    """NME against time, bytes as area. Names are short where they can be: without a precision that all of ours have."""
    reference = name(measured(made)[0])
    precisions = {row["model"]["precision"] for row in measured(made) if row["model"]["ours"]}
    alike = f" {precisions.pop()}" if len(precisions) == 1 else ""
    marks = [
        charts.Disc(
            name(row).removesuffix(alike),
            row["ratio"],
            100 * row["nme"],
            row["artefact"]["bytes"],
            OURS if row["model"]["ours"] else OTHERS,
            row["model"]["ours"],
        )
        for row in measured(made)
    ]
    title = "NME against time, bytes as area"
    x_label = f"processor time, {reference} = 1; area: bytes" + f"; ours:{alike}" * bool(alike)
    return charts.discs(marks, title, x_label, "NME, %", 1.0)


def page(made: list[dict], picture: str | None) -> str:
    """The Markdown page. picture: its path from the page, or None."""
    lines = ["# Beside models of others", "", *INTRODUCTION, ""]
    lines += [f"![NME against processor time, bytes as area]({picture})", ""] if picture else []
    lines += columns.markdown(COLUMNS, table_lines(made), TEXTS)
    lines += ["", *(f"- {line}" for line in refusals(made) + protocol(made))]
    lines += ["", "Models of others and their terms, points and crops:", ""]
    for row in measured(made):
        model = row["model"]
        if not model["ours"]:
            how = model.get("adapter", {})
            factor = how.get("factor", "")
            sides = " x ".join(f"{f:g}" for f in factor) if isinstance(factor, tuple | list) else factor
            crop = f"; {how['size']} px, {sides} times the box" if how else ""
            points = f"; points: {how['points_source']}" if how.get("points_source") else ""
            where = f"{model['source']} ({model['licence']})"
            lines.append(f"- **{model['name']}**: {where}, `{row['artefact']['sha256'][:16]}`{crop}{points}")
    lines += ["", NOT_RUN]
    return without_folders("\n".join([*lines, "", "```sh", made[0]["command"], "```", ""]))


NOT_RUN = (
    "Not run, for no licence is stated and so no copy is kept: PFLD and MobileFaceNet of "
    "github.com/cunjian/pytorch_face_landmark, which learnt from 300-W. MediaPipe is run as it is: fitting its "
    "points to the marks of 300-W would make it better here."
)


def without_folders(text: str) -> str:
    """Without what stands before `data` and `peers` in paths: where somebody keeps them is nobody else's."""
    return re.sub(r"(?<![\w.])(?:\.\.?)?/(?:[\w.-]+/)*?(?=(?:data|peers)\b)", "", text)


def write_plane(made: list[dict], plot_path: str | None, table_path: str | None) -> list[str]:
    """Write what is asked for; gives the paths written."""
    written = []
    if plot_path:
        files.write(Path(plot_path), charts.alone(plot(made)).encode())
        written.append(plot_path)
    if table_path:
        picture = os.path.relpath(plot_path, Path(table_path).parent) if plot_path else None
        files.write(Path(table_path), page(made, picture).encode())
        written.append(table_path)
    return written
