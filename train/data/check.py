"""What lies in a folder, counted against what its owners publish: `python -m train data check DIR...`.

Nothing is fetched, nothing is written. Points and boxes are read as training reads them; of pictures their first bytes.
"""

from __future__ import annotations

import argparse
import shlex
import textwrap

from edgewing import hints, layouts
from edgewing.errors import InputError, printable
from edgewing.words import counted
from train.data import coco
from train.data.findings import PROBLEMS_KEPT, Count, Finding, find

EXAMPLE = "check data/WFLW data/300W data/COFW"
WIDTH = 100  # of text beside its label


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


def main(folders: list[str]) -> int:
    """1 where something is missing."""
    findings = []
    for folder in folders:
        found = find(folder)
        show(found)
        findings += found
    parts = [part for finding in findings for part in finding.parts.values()]
    if not any(part.there or part.pictures for part in parts):
        said = [problem for part in parts for problem in part.problems]
        raise InputError(
            f"{folders[0]}: nothing in it can be used{': ' * bool(said)}{''.join(said[:1])}; mend that first"
        )
    lacking = [f.dataset.name for f in findings if f.dataset and not f.complete]
    missing = sum(count.missing for f in findings if not f.dataset for count in f.parts.values())
    compared = any(f.dataset for f in findings)
    whole = "complete" if compared else "no official count to compare with"
    if lacking or not missing:
        print(f"incomplete: {', '.join(lacking)}; nothing was downloaded" if lacking else whole)
    if missing:
        print(f"incomplete: {counted(missing, 'pictures')} that labels name are not there")
    print(hints.next_line(advice(findings[0])))
    return 1 if lacking or missing else 0


def finding_as_lines(finding: Finding) -> list[str]:
    """A finding in lines for a terminal: what it is, a table of its parts, what is to be had where, protocol, terms."""
    dataset, layout = finding.dataset, finding.layout
    if dataset:
        name = f"{dataset.name} · {counted(layouts.get(dataset.layout).points, 'points')}"
    else:
        points = layouts.get(layout).points if layout else finding.points
        name = f"a set that is not listed · {counted(points, 'points')}" if points else "pictures · no points"
    lines = [f"{name} · {finding.folder}", ""]
    width = max(14, *map(len, finding.parts), 0)
    what = layouts.get(dataset.layout if dataset else layout).several if dataset or layout else "objects"
    unit = dataset.unit if dataset and dataset.unit != "faces" else what
    lines.append(f"  {'':<{width}} {'pictures':>9} {unit:>9} {'official':>9}")
    labelled = bool(layout or finding.points)
    rows = [(part, count, finding.official(part)) for part, count in finding.parts.items()]
    for total, parts in (dataset.totals if dataset else {}).items():
        if all(part in finding.parts for part in parts):
            of = [finding.parts[part] for part in parts]
            both = Count(sum(c.pictures for c in of), sum(c.faces for c in of))
            rows.append((total, both, sum(dataset.parts[part] for part in parts)))
    for part, count, official in rows:
        faces = count.faces if dataset or labelled else "-"
        shown = "-" if official is None else official
        line = f"  {part:<{width}} {count.pictures:>9} {faces:>9} {shown:>9}  {_verdict(count, official, labelled)}"
        lines.append(line.rstrip())
    lines.append("")
    problems = list(dict.fromkeys(problem for count in finding.parts.values() for problem in count.problems))
    for problem in problems[:PROBLEMS_KEPT]:
        lines += _labelled("left out", problem)
    rest = sum(count.left_out for count in finding.parts.values()) - PROBLEMS_KEPT
    if rest > 0 and len(problems) >= PROBLEMS_KEPT:
        lines += _labelled("", f"and {rest} more")
    notes = finding.notes + [note for count in finding.parts.values() for note in count.notes]
    notes += [
        f"{part}: {note}" for part, c in finding.parts.items() for note in c.absent.notes(what) + c.frames.notes()
    ]
    for number, note in enumerate(dict.fromkeys(notes)):
        lines += _labelled("" if number else "note", note)
    if dataset:
        lines += [] if finding.complete else _labelled("to get", dataset.needs)
        lines += _labelled("owners", dataset.owners)
        lines += _labelled("terms", dataset.terms)
        lines += _labelled("protocol", dataset.protocol)
    else:
        lines += _labelled("terms", "not known here: those of whoever took and labelled the photographs")
    return lines


def show(findings: list[Finding]) -> None:
    """``finding_as_lines`` on a terminal, in colours where it has any."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        for number, line in enumerate(finding_as_lines(finding)):
            text = Text(printable(line), style="bold" if number == 0 else "")
            text.highlight_regex(r"(?<=  )complete\b", "green")
            text.highlight_regex(r"\d+ (missing|too many|left out)$", "red")
            text.highlight_regex(r"^  (left out|note|to get|owners|terms|protocol) ", "dim")
            console.print(text)
        console.print()


def _labelled(label: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    return [f"  {label if number == 0 else '':<10} {line}" for number, line in enumerate(wrapped)]


def advice(finding: Finding) -> str:
    """The next command to type."""
    folder = " ".join(shlex.quote(str(place)) for place in sorted(finding.places))
    if finding.points and not finding.layout:
        if len(finding.places) == 1 and all(map(coco.recognises, finding.places)):
            return f"python -m train layout new {folder} --out my.json"
        return f"python -m train fit {folder} --layout my.json --recipe small --run first  (a layout of your points)"
    if not finding.layout:
        return f"python -m compress distill RUN DIR... --unlabelled {folder} --run NAME  (a run as teacher labels them)"
    learns = not finding.dataset or any("train" in part or part == "afw" for part in finding.parts)
    if not learns:
        return f"python -m bench accuracy --model FILE --data {folder} --layout {finding.layout}"
    recipe = finding.dataset.recipe if finding.dataset else "mobile"
    name = recipe if finding.dataset else "first"
    large = "  (weeks without a GPU; there: --recipe mobile)" if recipe.startswith("paper") else ""
    return f"python -m train fit {folder} --layout {finding.layout} --recipe {recipe} --run {name}{large}"


def _verdict(count: Count, official: int | None, labelled: bool) -> str:
    if official is None:
        return f"{count.left_out} left out" if count.left_out and labelled else ""
    if count.there != official:
        return f"{abs(official - count.there)} {'missing' if count.there < official else 'too many'}"
    return f"complete; {count.unlabelled} with points nobody set" if count.unlabelled else "complete"
