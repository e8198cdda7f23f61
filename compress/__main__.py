"""python -m compress: a run into a smaller one."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from compress import importance
from edgewing import errors
from train.__main__ import add_fields, from_options
from train.checkpoint import run_folder


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        "python -m compress", description="Make a run smaller: prune its channels, choose its int8."
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    prune = verbs.add_parser(
        "prune",
        help="remove channels and fine-tune, the run itself as teacher",
        description="Remove channels of a run by dependency groups and fine-tune the rest with the run as teacher,\n"
        "for a third of its steps at half its rate on its own data; writes another run.",
        epilog="example:\n  python -m compress prune runs/demo --run demo-s --macs 0.7",
        formatter_class=raw,
    )
    prune.add_argument("source", metavar="RUN", type=Path, help="the run's folder")
    prune.add_argument("--run", required=True, metavar="NAME", help="written to runs/NAME; an unfinished run goes on")
    prune.add_argument(
        "--macs", type=float, default=0.7, metavar="SHARE", help="multiply-accumulates to keep (default: %(default)s)"
    )
    names = ", ".join(importance.TABLE)
    prune.add_argument("--importance", default="taylor", metavar="NAME", help=f"{names} (default: %(default)s)")
    prune.add_argument("--data", nargs="+", metavar="DIR", help="folders of labelled faces (default: the run's own)")
    prune.add_argument(
        "--cache", type=Path, default=Path("cache"), help="where decoded faces are kept (default: %(default)s)"
    )
    prune.add_argument("--debug", action="store_true", help="show the traceback of an error")
    add_fields(prune)
    quantize = verbs.add_parser(
        "quantize",
        help="choose the ranges of int8, and what stays in float",
        description="Try ranges of activations on the run's int8 file; where none passes, what hurts stays float.\n"
        "Writes RUN/quantization.json, which python -m targets reads. Exit code 1 if nothing passes.",
        epilog="example:\n  python -m compress quantize runs/demo-s",
        formatter_class=raw,
    )
    quantize.add_argument("source", metavar="RUN", type=Path, help="the run's folder")
    quantize.add_argument(
        "--to", default="tflite", metavar="TARGET", help="where int8 is measured (default: %(default)s)"
    )
    quantize.add_argument("--debug", action="store_true", help="show what the conversion libraries say, and tracebacks")
    options = parser.parse_args(arguments)
    with errors.command(options.debug):
        sys.exit({"prune": _prune, "quantize": _quantize}[options.verb](options) or 0)


def _prune(options: argparse.Namespace) -> None:
    from compress import finetune

    def changed(recipe):
        if options.epochs is not None and options.steps is None:
            options.steps = 0  # or the source's steps would win
        return from_options(recipe, options, data=tuple(options.data or recipe.data))

    folder = run_folder(options.run)
    finetune.run(options.source, folder, options.macs, options.importance, options.cache, changed)


def _quantize(options: argparse.Namespace) -> int:
    from compress import quantize

    return quantize.run(options.source, options.to, options.debug)


if __name__ == "__main__":
    main()
