"""`python -m train data check`: what lies in folders of public sets, and what is missing."""

from __future__ import annotations

import argparse

from edgewing import hints
from train.data import check

EXAMPLE = "check data/WFLW data/300W data/COFW"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    checked = parser.add_subparsers(dest="action", required=True).add_parser(
        "check",
        help="count pictures and labels of each split against the official counts",
        description="Recognise WFLW, 300W, 300VW, Menpo, COFW, COFW-68, AFLW-19 and LSP in folders, count the pictures "
        "and labels of each\nsplit against the official counts, name what is missing and where its owners publish it. "
        "Nothing is downloaded.\nExit code 0: all is there; 1: something is missing; 2: no data set in a folder.",
        epilog="example:\n  python -m train data check data/WFLW data/300W data/COFW",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    checked.add_argument(
        "folders", nargs="+", metavar="DIR", help="where a set, or several, were unpacked, or an annotation file"
    )
    checked.add_argument("--debug", action="store_true", help="show the traceback of an error")


def main(options: argparse.Namespace) -> int:
    """1 where something is missing."""
    findings = []
    for folder in options.folders:
        found = check.check(folder)
        check.show(found)
        findings += found
    lacking = [f.dataset.name for f in findings if not f.complete]
    compared = any(f.dataset for f in findings)
    whole = "complete" if compared else "no official count to compare with"
    print(f"incomplete: {', '.join(lacking)}; nothing was downloaded" if lacking else whole)
    print(hints.next_line(check.advice(findings[0])))
    return 1 if lacking else 0
