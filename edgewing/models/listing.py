"""`edgewing models`: what came with this installation, a line for each model."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from edgewing import containers, hints, models, notices
from edgewing.contract import Contract

HEAD = f"{'model':<17} {'points':>6}  {'weights':<13}  {'error, faces':<22} {'time':>5} {'ms':>5} {'kB':>5}  files"
RESEARCH = "research only: learnt from photographs and labels whose owners allow no more (edgewing info NAME)"


def show(as_json: bool) -> None:
    """Print the table, or every file with its parity and figures."""
    here = {name: model.present for name, model in models.SHIPPED.items() if model.present}
    if as_json:
        print(json.dumps([_about(name, form, path) for name in here for form, path in here[name].items()], indent=1))
        return
    if not here:
        print(f"no model came with this installation ({models.FOLDER})")
        print(hints.next_line("edgewing info FILE"))
        return
    figures, default = models.figures(), models.default()
    print(HEAD)
    free = {name: notices.free(containers.read_contract(next(iter(files.values())))) for name, files in here.items()}
    names = sorted(here, key=lambda name: (not free[name], name))  # those that products may use first
    for name in names:
        print(_line(name, here[name], figures.get(name, {})) + " (default)" * (name == default))
    print(RESEARCH)
    print("error: mean distance of the points, of that of the outer corners of the eyes; crops from true boxes")
    for reference, processor in sorted({(f["reference"], f["processor"]) for f in figures.values() if "time" in f}):
        print(f"time: that of {reference} = 1, raced with it; ms: one core of an {processor}; both of the first file")
    print(hints.next_line("edgewing info", names[0]))


def _line(name: str, files: dict[str, Path], figures: dict) -> str:
    first = next(iter(files.values()))
    contract = containers.read_contract(first)
    terms = "Apache-2.0" if notices.free(contract) else "research only"
    error = f"{100 * figures['nme']:.2f} %, {figures['faces']}" if "nme" in figures else "not measured"
    time, ms = (f"{figures[key]:.2f}" if key in figures else "-" for key in ("time", "cpu_ms"))
    size = first.stat().st_size / 1e3
    return (
        f"{name:<17} {contract.layout.points:>6}  {terms:<13}  {error:<22} {time:>5} {ms:>5} {size:>5.0f}  "
        f"{', '.join(files)}"
    )


def _about(name: str, form: str, path: Path) -> dict:
    contract: Contract = containers.read_contract(path)
    return (
        {"format": form, "file": str(path), "bytes": path.stat().st_size}
        | dataclasses.asdict(contract.model)
        | {"name": name, "layout": contract.layout.name, "size": contract.crop.size}
        | {"terms": contract.training.data_terms, "figures": models.figures().get(name)}
        | {"parity": dataclasses.asdict(contract.parity) if contract.parity else None}
    )
