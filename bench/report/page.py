"""The HTML report: one file, no network, no scripts; the template is page.html beside this file, with autoescape.

Colour says precision and dash pattern says format, the same in every chart.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import cv2
import jinja2
import numpy as np

from bench.peers import plane
from bench.report import artefacts, charts, stages
from edgewing import files, formats, measure, repository, rows
from edgewing.errors import InputError
from edgewing.words import counted

COLOURS = {"fp32": "#1f5fa8", "fp16": "#117a65", "int8": "#c2410c"}
OTHER_COLOUR = "#6b4fa0"
STAGES = ("#52606d", "#1f5fa8", "#c2410c", "#117a65", "#6b4fa0")  # colours of trainings that followed one another
PARITY_LIMITS = (0.1, 2.0)  # px at p99, of float and of 8-bit files: drawn as lines; the gate itself is targets'
PICTURES_LIMIT = 64 * files.MIB
DEVICE_COLUMNS = ("file", "p50 / p90 / p99 ms", "max ms", "runtime", "clock", "throttled")
CURVE_POINTS = 400  # more than a chart has pixels for


def render(runs: list[artefacts.Run], command: str, peers: Sequence[dict] = ()) -> str:
    """The page's text for one run or several. peers: rows of one `bench peers`, shown at the end."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        runs=[_context(run) for run in runs],
        peers=_peers(peers) if peers else None,
        command=command,
        date=measure.now(),
        machine=measure.machine(),
        versions={"python": platform.python_version(), **rows.versions()},
        **repository.commit(),
    )


def pick(run: artefacts.Run) -> artefacts.Entry | None:
    """The file to take: the fastest here that passed its gate and was scored."""
    fit = [e for e in run.entries if not e.rejected and e.nme is not None and _timed(e)]
    return min(fit, key=_p50, default=None)


def _p50(entry: artefacts.Entry) -> float:
    value = entry.latency["p50_ms"]
    return math.inf if value is None else value


def _peers(made: Sequence[dict]) -> dict:
    return {
        "chart": plane.plot(made),
        "columns": plane.COLUMNS,
        "lines": plane.table_lines(made),
        "notes": plane.refusals(made) + plane.protocol(made),
        "command": made[0]["command"],
    }


def _context(run: artefacts.Run) -> dict:
    best = pick(run)
    # Where every file was rejected there is still something to look at.
    shown = best or next((e for e in run.entries if e.accuracy and e.accuracy.get("pictures")), None)
    return {
        "name": run.path.name,
        "path": str(run.path),
        "several": run.several,
        "columns": artefacts.COLUMNS,
        "lines": [
            {"cells": run.cells(e), "rejected": e.rejected, "best": e is best, "evaluated": e.evaluated}
            for e in run.entries
        ],
        "kind_of_faces": run.kind_of_faces,
        "limits": PARITY_LIMITS,
        "notes": run.notes,
        "rejections": run.rejections,
        "problems": run.problems,
        "protocol": artefacts.protocol_line(run.protocol) if run.protocol else "",
        "best": _headline(run, best) if best else None,
        "faces": _faces(shown) if shown else [],
        "faces_of": shown.path.name if shown else "",
        "charts": _charts(run),
        "legend": [(e.name, _colour(e), _dashes(e)) for e in run.entries if e.nme is not None],
        "accuracy": [(e.rejected, _accuracy_line(e.accuracy, e.name)) for e in run.entries if e.nme is not None],
        "others": [
            (_accuracy_line(row, f"{row['model']['format']} {row['model']['precision']}"), row) for row in run.others
        ],
        "timed": next((e.latency for e in run.entries if _timed(e)), None),
        "latency": [(e.rejected, _latency_line(e.latency, e.name)) for e in run.entries if _timed(e)],
        "busy": run.busy,
        "devices": device_lines(run),
        "device_columns": DEVICE_COLUMNS,
        "beside": side_by_side(run),
        "parts": _parts(shown),
        "executed": _grouped((e.latency["runtime"], e.name) for e in run.entries if _timed(e)),
        "parity": [(e.rejected, _parity_line(e)) for e in run.entries],
        "parity_notes": _grouped(
            (f"{p.ran_on}, {p.protocol}", e.name) for e in run.entries if (p := e.contract.parity) is not None
        ),
        "contracts": [(e.path.name, _contract_text(e)) for e in run.entries],
        "training": _training(trained := stages.stages(run.path)),
        "stages": [(s.name, s.steps, colour) for s, colour in zip(trained, itertools.cycle(STAGES))],
        "rows": run.rows,
        "line": artefacts.protocol_line,
        "size": artefacts.size,
    }


def _headline(run: artefacts.Run, best: artefacts.Entry) -> dict:
    reference, parity = run.reference(best), best.contract.parity
    figures = [
        (f"{100 * best.nme:.2f} %", "NME", f"over {counted(best.accuracy['faces'], run.several)}"),
        (
            f"{artefacts.ms(best.latency['p50_ms'])} ms",
            "p50 on this machine",
            f"p99 {artefacts.ms(best.latency['p99_ms'])} ms",
        ),
        (artefacts.size(best.about["bytes"]), "file", f"{best.contract.model.parameters:,} parameters"),
    ]
    if reference is not None and best.contract.model.precision != "fp32":
        figures.append((artefacts.change(best.nme, reference), "NME against float", f"float: {100 * reference:.2f} %"))
    if pck := best.accuracy.get("pck"):
        figures.append((f"{100 * pck['share']:.2f} %", f"PCK@{pck['threshold']:g}", "of all points"))
    if parity:
        figures.append((f"{parity.p99:.2f} px", "shift at p99", f"largest {parity.max:.2f} px of 256"))
    return {"name": best.name, "file": best.path.name, "figures": figures}


def _accuracy_line(row: dict, name: str) -> list[str]:
    figures = [f"{100 * row[key]:.2f} %" for key in ("nme", "fr08", "fr10")]
    return [name, *figures, f"{row['auc08']:.4f}", f"{row['auc10']:.4f}", str(row["failed"])]


def _contract_text(entry: artefacts.Entry) -> str:
    """A field a line, lists on theirs: as indented JSON the flip pairs alone would fill pages."""
    lines = []
    for part, value in asdict(entry.contract).items():
        fields = value.items() if isinstance(value, dict) else [("", value)]
        lines += [f"{part}{'.' * bool(key)}{key}: {json.dumps(field, ensure_ascii=False)}" for key, field in fields]
    return "\n".join(lines)


def _latency_line(row: dict, name: str) -> list[str]:
    peak = row["peak_bytes"]
    return [
        name,
        *(artefacts.ms(row.get(key)) for key in ("mean_ms", "max_ms", "cpu_ms")),
        f"{row['load_ms']:.0f}",
        f"{peak / 1e6:.0f}" if peak else "none",
    ]


def device_lines(run: artefacts.Run) -> list[tuple[str, list[list[str]]]]:
    """By device, where rows name one: its name, and a line per file and clock of DEVICE_COLUMNS."""
    found: dict[str, list[list[str]]] = {}
    for file, row in _on_devices(run):
        device = row.get("device") if isinstance(row.get("device"), dict) else {}
        if "not_run" in row:
            reason = row["not_run"]
            said = reason if reason.startswith("unsupported") else f"not run: {reason}"
            line = [file, said, "", "", "", ""]
        else:
            seen = (device.get("throttled") or {}).get("seen")
            line = [file, artefacts.percentiles(row), artefacts.ms(row.get("max_ms"))]
            line += [str(row["runtime"]), artefacts.clock(row)]
            line.append("not told" if seen is None else "yes" if seen else "no")
        found.setdefault(_device_name(row), []).append(line)
    return sorted(found.items(), key=lambda of: (not of[0].startswith(artefacts.HERE), of[0]))


def side_by_side(run: artefacts.Run) -> tuple[list[str], list[list[str]]] | None:
    """The same file on every device: the columns, and a line of medians per file and clock, where any device has one.
    None of one device."""
    names = [name for name, _ in device_lines(run)]
    found: dict[tuple[str, str], dict[str, str]] = {}
    for file, row in _on_devices(run):
        told = "not run" if "not_run" in row else artefacts.ms(row.get("p50_ms"))
        found.setdefault((file, artefacts.clock(row) or "model"), {})[_device_name(row)] = told
    timed = {(file, artefacts.clock(row)) for file, row in _on_devices(run) if "not_run" not in row}
    if len(names) < 2:
        return None
    lines = [[*key, *(line.get(name, "not measured") for name in names)] for key, line in found.items() if key in timed]
    return ["file", "clock", *names], lines


def _on_devices(run: artefacts.Run) -> list[tuple[str, dict]]:
    """File and row, in the order of the files."""
    files = {e.about["sha256"]: e.name for e in run.entries}
    order, of = list(files), artefacts.measured_file
    return [(files[of(row)], row) for row in sorted(run.devices, key=lambda row: order.index(of(row)))]


def _device_name(row: dict) -> str:
    """Its address, and what it says of itself."""
    device = row.get("device") if isinstance(row.get("device"), dict) else {}
    said = [str(device.get(key) or "") for key in ("name", "chip")]
    said = said if any(said) else [str(row["machine"].get("cpu") or "")]
    return ", ".join(dict.fromkeys(filter(None, [artefacts.address(row), *said])))


def _parts(entry: artefacts.Entry | None) -> list[tuple[str, str, list[tuple]]]:
    """By pose, by size, by subset: name, how they are told apart, and a line (not rejected) per group."""
    divisions = (entry.accuracy or {}).get("parts", {}) if entry else {}
    found = []
    for name, division in divisions.items():
        lines = []
        for group, g in division["groups"].items():
            nme = "none" if g["nme"] is None else f"{100 * g['nme']:.2f} %"
            interval = "" if g["nme"] is None else f"{100 * g['nme_low']:.2f} to {100 * g['nme_high']:.2f}"
            lines.append((False, [group, str(g["faces"]), nme, interval, f"{100 * g['fr10']:.2f} %"]))
        found.append((name, division["how"], lines))
    return found


def _parity_line(entry: artefacts.Entry) -> list[str]:
    p = entry.contract.parity
    if p is None:
        return [entry.name, "not measured", "", "", "", "", ""]
    shifts = [f"{value:.3f}" for value in (p.p50, p.p99, p.max)]
    return [entry.name, *shifts, f"{100 * p.nme_float:.2f} %", f"{100 * p.nme_artefact:.2f} %", str(p.faces)]


def _grouped(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """``names: text`` for each distinct text, so that what holds for several files is said once."""
    groups: dict[str, list[str]] = {}
    for text, name in pairs:
        groups.setdefault(text, []).append(name)
    return [f"{', '.join(names)}: {text}" for text, names in groups.items()]


def _charts(run: artefacts.Run) -> dict:
    """The SVGs by name; a chart that has nothing to show is left out."""
    found = {}
    scored = [e for e in run.entries if e.nme is not None]
    if scored:
        lines = []
        for e in scored:
            ced = e.accuracy["ced"]
            x, y = [100 * t for t in ced["thresholds"]], [100 * s for s in ced["share"]]
            lines.append(charts.Curve(e.name, x, y, _colour(e), _dashes(e)))
        found["ced"] = charts.curves(lines, "Cumulative error", "error, % of the normaliser", f"{run.several}, %", 100)
    bars = []
    for e in run.entries:
        values = [v for q in ("p50", "p90", "p99") if (v := e.latency.get(f"{q}_ms")) is not None] if _timed(e) else []
        bars.append(charts.Bar(e.name, values, _colour(e), "" if values else run.times(e)))
    if any(bar.values for bar in bars):
        found["latency"] = charts.bars(bars, "Latency", "ms for one crop: bar to p50, ticks at p90 and p99")
    known = [e for e in run.entries if _timed(e)]
    spread = [
        charts.Bar(e.name, e.latency.get("percentiles_ms") or (), _colour(e), "its row has no distribution")
        for e in known
    ]
    if any(row.values for row in spread):
        found["spread"] = charts.spreads(spread, "Distribution of latency", "ms for one crop: ticks at p50 and p99")
    marks = [
        charts.Disc(e.name, e.latency["p50_ms"], round(100 * e.nme, 2), e.about["bytes"], _colour(e), not e.rejected)
        for e in known
        if e.nme is not None and e.latency["p50_ms"]
    ]
    if len(marks) > 1:
        found["pareto"] = charts.discs(marks, "NME against time", "p50, ms; area: bytes", "NME, %")
    shifts = []
    for e in run.entries:
        p = e.contract.parity
        shifts.append(charts.Bar(e.name, [p.p50, p.p99, p.max] if p else [], _colour(e), "" if p else "not measured"))
    if any(bar.values for bar in shifts):
        found["parity"] = charts.dots(shifts, "Landmark shift", "px of a 256 px crop", PARITY_LIMITS)
    return found


def _training(trained: Sequence[stages.Stage]) -> list[tuple[str, object]]:
    """A chart for each figure that the trainings logged by step, one after the other: name and SVG."""
    wanted = {"loss": ("loss", 1.0), "nme": ("NME on what is held out, %", 100.0)}
    found = []
    for key, (label, factor) in wanted.items():
        lines, before, settled = [], 0, 0.0
        for stage, colour in zip(trained, itertools.cycle(STAGES)):
            logged = [m for m in stage.metrics if _is_number(m.get("step"), m.get(key))]
            points = [(before + m["step"], factor * m[key]) for m in logged]
            before += stage.steps
            if len(points) < 2:
                continue
            points = points[:: max(1, len(points) // CURVE_POINTS)]
            # The first steps are far above the rest and would flatten it.
            settled = max(settled, sorted(y for _, y in points)[math.ceil(0.97 * (len(points) - 1))])
            lines.append(charts.Curve(stage.name, *zip(*points), colour))
        if lines:
            found.append((label, charts.curves(lines, label, "step", label, settled * 1.05 or 1.0)))
    return found


def _faces(entry: artefacts.Entry) -> list[dict]:
    """Pictures with true and predicted points, as JPEG data URIs; empty where none were kept."""
    path = Path(entry.accuracy.get("pictures") or "") if entry.accuracy else Path("")
    if not path.is_file():
        return []
    try:
        arrays = files.arrays(path, PICTURES_LIMIT)
        kept = {key: arrays[key] for key in ("crops", "true", "predicted", "kinds", "names", "errors")}
    except files.BROKEN_ARRAYS as error:
        raise InputError(f"{path}: pictures cannot be read ({error}); run python -m bench measure again") from None
    found = []
    for i, crop in enumerate(kept["crops"]):
        _, jpeg = cv2.imencode(".jpg", crop[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])
        error, there = float(kept["errors"][i]), np.isfinite(kept["true"][i]).all(axis=-1)
        found.append(
            {
                "kind": str(kept["kinds"][i]),
                "name": str(kept["names"][i]),
                "error": f"{100 * error:.2f} %" if np.isfinite(error) else "no prediction",
                "uri": "data:image/jpeg;base64," + base64.b64encode(jpeg).decode(),
                "size": crop.shape[0],
                # An SVG user unit is a pixel with its edge at 0; ours has its centre there.
                "true": (kept["true"][i][there] + 0.5).round(2).tolist(),
                "predicted": np.nan_to_num(kept["predicted"][i][there] + 0.5).round(2).tolist(),
            }
        )
    return found


def _timed(entry: artefacts.Entry) -> bool:
    return entry.latency is not None and "not_run" not in entry.latency


def _colour(entry: artefacts.Entry) -> str:
    return COLOURS.get(entry.contract.model.precision, OTHER_COLOUR)


def _dashes(entry: artefacts.Entry) -> str:
    return formats.TABLE[entry.contract.model.format].dashes


def _is_number(*values) -> bool:
    return all(isinstance(v, (int, float)) and not isinstance(v, bool) and np.isfinite(v) for v in values)
