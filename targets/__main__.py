"""`python -m targets RUN --to onnx tflite coreml tensorrt`: a run into files for phones and boards, each one checked.

Every file is run over the run's validation faces and compared with the float model before it gets its name; one that
fails its gate is called ``.rejected``, and the command exits with 1.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
import time
from pathlib import Path

from edgewing import files, hints, layouts, trial
from edgewing.commands import command
from edgewing.errors import InputError, reason
from targets import gate, parity, ranges, table
from targets.progress import Progress, silence
from train import runs


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    with command(_parser(), argv) as arguments:
        sys.exit(export(arguments, shlex.join(["python", "-m", "targets", *argv])))


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(
        f"  {key:18} {', '.join(t.precisions):34} default {', '.join(t.default):18} also {', '.join(t.aliases)}"
        for key, t in table.TABLE.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m targets",
        description="Export a run to files for phones and boards, and check each against the float model.",
        epilog=f"targets:\n{about}\n\nexample: python -m targets runs/demo-s --to onnx tflite coreml tensorrt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help=runs.ABOUT)
    parser.add_argument(
        "--to", nargs="+", required=True, metavar="TARGET", help=f"one or more of {', '.join(table.TABLE)}"
    )
    parser.add_argument(
        "--precision", nargs="+", metavar="P", help=f"{', '.join(table.PRECISIONS)} (default: each target's, below)"
    )
    parser.add_argument(
        "--output",
        default="landmarks",
        metavar="WHAT",
        help=f"{' or '.join(table.OUTPUTS)}: what the files give back (default: %(default)s, with a score each)",
    )
    parser.add_argument(
        "--batch", type=int, default=1, metavar="N", help="images that a file takes at a time (default: %(default)s)"
    )
    parser.add_argument(
        "--ios",
        type=int,
        default=16,
        metavar="N",
        help=f"oldest iOS of CoreML files, {' or '.join(map(str, table.IOS))} (default: %(default)s; int8 needs 18)",
    )
    parser.add_argument("--data", metavar="DIR", help=f"{parity.ABOUT_DATA} (default: the run's own)")
    parser.add_argument("--layout", metavar="NAME", help="layout of --data (default: the run's)")
    parser.add_argument(
        "--bisect", action="store_true", help="make nothing: name the layer at which each file parts from the network"
    )
    parser.add_argument("--debug", action="store_true", help="show what the conversion libraries say, and tracebacks")
    return parser


def export(arguments: argparse.Namespace, typed: str) -> int:
    """Make and check every file asked for; exit code 0, 1 where a gate failed, 2 where a file could not be made."""
    options = table.Options(arguments.output, arguments.batch, arguments.ios)
    todo = table.plan(arguments.to, arguments.precision, options)
    run = runs.find(arguments.run)
    with Progress("targets") as say:
        say("loading the run")
        with silence(arguments.debug):
            job, faces, reference, int8 = _open(run, arguments, options)
    if arguments.bisect:
        from targets import bisect

        paths = [
            table.TABLE[key].path(run / "export", run.resolve().name, precision, options) for key, precision in todo
        ]
        return bisect.examine(paths, job, faces.crops)
    print(f"parity on {faces}" + (f"; {int8}" if any(p == "int8" for _, p in todo) else ""), flush=True)
    folder, code, made = run / "export", 0, []
    width = max(len(key) for key, _ in todo)
    folder.mkdir(exist_ok=True)
    for key, precision in todo:
        try:
            final = table.TABLE[key].path(folder, run.resolve().name, precision, options)
            path, result, seconds = _one(job, final, key, precision, reference, faces, arguments.debug)
        except InputError as error:
            if arguments.debug:
                raise
            print(f"error: {key} {precision}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
            code = 2
            continue
        _append_row(run, path, result, typed, arguments.data)
        made.append(path)
        size = sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file())
        print(f"{key:{width}} {precision:8} {seconds:5.1f} s  {size / 1e6:6.2f} MB  {path}\n  {result}", flush=True)
        if result.reasons:
            print(f"  rejected: {'; '.join(result.reasons)}; try, in order:")
            for number, remedy in enumerate(gate.remedies(run, key, precision, path), 1):
                print(f"  {number}. {remedy}", flush=True)
            code = max(code, 1)
        else:
            print(f"  {hints.next_line(table.TABLE[key].next.format(file=shlex.quote(str(path))))}", flush=True)
    if made:
        bad = sum(table.is_rejected(path) for path in made)
        count = f"{len(made)} file{'s' * (len(made) > 1)}"
        print(f"wrote {count} to {folder}, parity to {run / 'rows.jsonl'}" + (f"; {bad} rejected" if bad else ""))
        print(hints.next_line("python -m bench report", run))
    return code


def _open(run: Path, arguments: argparse.Namespace, options: table.Options):
    """The job, the faces to check on, what the float model says of them, and in words how int8 is done."""
    from targets import graph
    from targets.job import Job
    from train import checkpoint

    network, _, contract = checkpoint.load_model(run)
    if arguments.layout and not arguments.data:
        raise InputError("--layout says how --data is labelled; give --data DIR too")
    if arguments.layout and layouts.get(arguments.layout) != contract.layout:
        raise InputError(
            f"--layout {arguments.layout}, but the run finds {contract.layout.name}; give pictures of that layout"
        )
    faces, calibration = parity.of_run(run, contract, arguments.data)
    job = Job(network, contract, calibration and calibration.crops, **quantization(run), **vars(options))
    int8 = ", float: ".join([f"int8 ranges: {job.ranges} on {calibration or 'nothing'}", *job.float_layers])
    if gate.chosen(run) is False:
        int8 += "; nothing passed when `compress quantize` chose them"
    return job, faces, graph.reference(network, contract, faces.crops), int8


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


def _one(job, final: Path, key: str, precision: str, reference, faces, debug: bool):
    """Make one file, check it, give it the name it has earned; (path, parity, seconds of the conversion)."""
    start = time.monotonic()
    with files.workshop(final) as path, Progress(f"{key} {precision}") as job.say:
        with silence(debug):
            try:
                module = table.TABLE[key].load()
                module.export(job, precision, path)
                if path.is_file():  # CoreML's are folders, and not run here
                    trial.remember(path)
                seconds = time.monotonic() - start
                job.say(f"checking on {len(faces)} {faces.several}")
                named, result = gate.passed(path, final, module.embed, reference, faces)
            except InputError:
                raise
            except Exception as error:  # a conversion library's own kind
                if debug:
                    raise
                why = f"{type(error).__name__}: {reason(error)}"
                raise InputError(f"the conversion failed ({why}); --debug shows everything") from error
    return named, result, seconds


def _append_row(run: Path, path: Path, result: parity.Result, typed: str, data: str | None) -> None:
    from edgewing import measure, rows

    part = result.part
    protocol = {"data": data or str(run / "faces" / "validation.npz"), "faces": part.faces, "text": part.protocol}
    rows.append(
        run / "rows.jsonl",
        {
            **rows.header("parity", measure.artefact(path), protocol, typed),
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
        },
    )


if __name__ == "__main__":
    main()
