"""`python -m targets RUN --to onnx tflite coreml tensorrt`: a run into files for phones and boards, each one checked.

Every file is run over the run's validation faces and compared with the float model before it gets its name; one that
fails its gate is called ``.rejected``, and the command exits with 1.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from edgewing import commands, hints
from edgewing.errors import InputError
from targets import table
from train.weights import ABOUT


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    with commands.command(_parser(), argv) as options:
        sys.exit(export_run(**vars(options), command=shlex.join(["python", "-m", "targets", *argv])))


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(
        f"  {key:18} {', '.join(t.precisions):34} default {', '.join(t.default):18} also {', '.join(t.aliases)}"
        for key, t in table.TABLE.items()
    )
    parser = commands.Parser(
        prog="python -m targets",
        description="Export a run to files for phones and boards, and check each against the float model.",
        epilog=f"targets:\n{about}\n\nexample: python -m targets runs/demo-s --to onnx tflite coreml tensorrt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", metavar="RUN", help=ABOUT)
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
    parser.add_argument(
        "--most-cpu",
        default="decode",
        metavar="WHAT",
        help="the most that an Ethos-U may leave to its CPU, or the file is rejected: none (but what gives heatmaps "
        "their type and order), decode, any (default: %(default)s)",
    )
    parser.add_argument("--data", metavar="DIR", help=f"{table.ABOUT_DATA} (default: the run's own)")
    parser.add_argument("--layout", metavar="NAME", help="layout of --data (default: the run's)")
    parser.add_argument(
        "--bisect", action="store_true", help="make nothing: name the layer at which each file parts from the network"
    )
    parser.add_argument("--debug", action="store_true", help="show what the conversion libraries say, and tracebacks")
    return parser


def export_run(
    run: str, to: list[str], precision: list[str] | None = None, output: str = table.OUTPUTS[0], batch: int = 1,
    ios: int = table.IOS[0], data: str | None = None, layout: str | None = None, bisect: bool = False,
    debug: bool = False, command: str = "", most_cpu: str = table.Options.most_cpu,
) -> int:  # fmt: skip
    """Make and check every file asked for; exit code 0, 1 where a gate failed, 2 where a file could not be made."""
    options = table.Options(output, batch, ios, most_cpu)
    todo = table.plan(to, precision, options)
    from targets import export, gate  # torch, which takes seconds
    from train import runs

    found = runs.find(run)
    opened = export.open_run(found, options, data, layout, debug)
    if bisect:
        from targets import bisect as search

        return search.examine([opened.path(*one) for one in todo], opened.job, opened.faces.crops)
    print(f"parity on {opened.faces}" + (f"; {opened.int8}" if any(p == "int8" for _, p in todo) else ""), flush=True)
    code, made = 0, []
    width = max(len(key) for key, _ in todo)
    for key, precision in todo:
        try:
            one = export.make(opened, key, precision, data, debug, command)
        except InputError as error:
            if debug:
                raise
            print(f"error: {key} {precision}: {' '.join(str(error).split())}", file=sys.stderr, flush=True)
            code = 2
            continue
        made.append(one)
        print(f"{key:{width}} {precision:8} {one.seconds:5.1f} s  {_size(one.path) / 1e6:6.2f} MB  {one.path}")
        print(f"  {one.result}", *one.notes, sep="\n  ")
        if one.result.reasons:
            print(f"  rejected: {'; '.join(one.result.reasons)}; try, in order:")
            for number, remedy in enumerate(gate.remedies(found, key, precision, one.path, one.refused), 1):
                print(f"  {number}. {remedy}")
            code = max(code, 1)
        else:
            print(f"  {hints.next_line(table.TABLE[key].next.format(file=shlex.quote(str(one.path))))}")
        sys.stdout.flush()
    if made:
        bad = sum(bool(one.result.reasons) for one in made)
        said = f"{len(made)} file{'s' * (len(made) > 1)} to {found / 'export'}, parity to {found / 'rows.jsonl'}"
        print(f"wrote {said}" + (f"; {bad} rejected" if bad else ""))
        print(hints.next_line("python -m bench report", found))
    return code


def _size(path: Path) -> int:
    """Bytes of a file, or of all in a package."""
    return sum(f.stat().st_size for f in ([path] if path.is_file() else path.rglob("*")) if f.is_file())


if __name__ == "__main__":
    main()
