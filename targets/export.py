"""A run into checked files: each is made, run over the run's validation faces, and gets the name that it has earned."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

from edgewing import files, layouts, measure, rows, runtimes, trial
from edgewing.errors import InputError, reason
from targets import delegation, gate, graph, parity, ranges, table, tflite
from targets.job import Job
from targets.progress import Progress, silence
from train import checkpoint


@dataclass(frozen=True)
class Opened:
    """A run that is exported. reference: what the float model says of ``faces``. int8: in words, how that is done."""

    run: Path
    job: Job
    faces: parity.Faces
    reference: runtimes.Points
    int8: str

    def path(self, key: str, precision: str) -> Path:
        return table.TABLE[key].path(self.run / "export", self.run.resolve().name, precision, self.job.options)


@dataclass(frozen=True)
class Made:
    """One file under its name. seconds: of the conversion. notes: what its converter says of it, a line each.

    refused: which of the result's reasons are the converter's.
    """

    path: Path
    result: parity.Result
    seconds: float
    notes: list[str]
    refused: list[str]


def open_run(
    run: Path, options: table.Options, data: str | None = None, layout: str | None = None, debug: bool = False
) -> Opened:
    """Load the run, and the faces to check on: those of ``data``, labelled by ``layout``, or its own."""
    with Progress("targets") as say:
        say("loading the run")
        with silence(debug):
            return _opened(run, options, data, layout)


def _opened(run: Path, options: table.Options, data: str | None, layout: str | None) -> Opened:
    network, _, contract = checkpoint.load_model(run)
    if layout and not data:
        raise InputError("--layout says how --data is labelled; give --data DIR too")
    if layout and layouts.get(layout) != contract.layout:
        raise InputError(f"--layout {layout}, but the run finds {contract.layout.name}; give pictures of that layout")
    faces, calibration = parity.of_run(run, contract, data)
    job = Job(network, contract, calibration and calibration.crops, options=options, **quantization(run))
    int8 = ", float: ".join([f"int8 ranges: {job.ranges} on {calibration or 'nothing'}", *job.float_layers])
    if gate.chosen(run) is False:
        int8 += "; nothing passed when `compress quantize` chose them"
    return Opened(run, job, faces, graph.reference(network, contract, faces.crops), int8)


def quantization(run: Path) -> dict:
    """ranges and float_layers as `compress quantize` measured them for this run, or the defaults."""
    path = run / gate.QUANTIZATION
    if not path.exists():
        return {"ranges": ranges.DEFAULT, "float_layers": ()}
    try:
        value = json.loads(files.read(path, files.MIB))
        if not isinstance(value["ranges"], str) or not isinstance(value["float_layers"], list):
            raise TypeError("ranges is not a name, or float_layers not a list")
        chosen = {"ranges": value["ranges"], "float_layers": [str(pattern) for pattern in value["float_layers"]]}
        for pattern in chosen["float_layers"]:
            re.compile(pattern)
    except (ValueError, KeyError, TypeError, RecursionError, re.error) as error:
        raise InputError(
            f"{path}: cannot be read ({error!r}); write it again: python -m compress quantize {run}"
        ) from None
    ranges.get(chosen["ranges"])
    return chosen


def make(of: Opened, key: str, precision: str, data: str | None = None, debug: bool = False, command: str = "") -> Made:
    """Make one file, check it, give it its name, append its parity to the run's rows. InputError: it cannot be made."""
    final, start = of.path(key, precision), time.monotonic()
    of.job.target, of.job.notes, of.job.refused = key, [], []
    final.parent.mkdir(exist_ok=True)
    with files.workshop(final) as path, Progress(f"{key} {precision}") as of.job.say:
        with silence(debug):
            try:
                module = table.TABLE[key].load()
                module.export(of.job, precision, path)
                if path.is_file():  # CoreML's are folders, and not run here
                    trial.remember(path)
                seconds = time.monotonic() - start
                if module is tflite:
                    of.job.say("asking LiteRT's GPU delegate")
                    of.job.notes = [delegation.gpu(path)]
                of.job.say(f"checking on {len(of.faces)} {of.faces.several}")
                job, checked = of.job, (path, final, module.embed, of.reference, of.faces)
                made = Made(*gate.passed(*checked, job.refused), seconds, job.notes, job.refused)
            except InputError:
                raise
            except Exception as error:  # a conversion library's own kind
                if debug:
                    raise
                why = f"{type(error).__name__}: {reason(error)}"
                raise InputError(f"the conversion failed ({why}); --debug shows everything") from error
    rows.append(of.run / "rows.jsonl", _row(of.run, made, data, command))
    return made


def _row(run: Path, made: Made, data: str | None, command: str) -> dict:
    result, part = made.result, made.result.part
    protocol = {"data": data or str(run / "faces" / "validation.npz"), "faces": part.faces, "text": part.protocol}
    return {
        **rows.header("parity", measure.artefact(made.path), protocol, command),
        "ran_on": part.ran_on,
        "shift_p50_px": part.p50,
        "shift_p99_px": part.p99,
        "shift_max_px": part.max,
        "nme_float": part.nme_float,
        "nme": part.nme_artefact,
        "failed_float": result.failed[0],
        "failed": result.failed[1],
        "accepted": part.accepted,
        "reasons": result.reasons,
        "notes": made.notes,
    }
