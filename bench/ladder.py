"""`python -m bench ladder`: teacher, distilled, pruned, int8, QAT in one table, and which file to ship.

Takes runs in the order of the ladder. Each is exported to TFLite fp16 and int8 where that is missing; all files are
scored on the same faces (the runs' validation faces, or --data) and timed in one race, on one thread. The
recommendation is the knee of the files that passed their gate and that no other beats (bench.pareto says how).
Writes ladder.md and ladder.jsonl into the last run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from bench import measuring, pareto
from bench.measuring import How, Point
from bench.report import columns
from compress import finetune, qat
from edgewing import files, hints
from train.checkpoint import load_model
from train.runs import ABOUT, find

EXAMPLE = "runs/first runs/first-s --data lfpw/trainset --layout 300w-68"
TEXTS = 0, 1, 9
HEAD = ("rung", "precision", "NME", "FR10", "AUC10", "ms", "ratio", "bytes", "against the first", "verdict")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", help=f"in the order of the ladder; each {ABOUT}")
    measuring.add_arguments(parser)


def main(runs: list[str], **how) -> int:
    rungs = [find(run) for run in runs]
    last = rungs[-1]
    how = How(last / "ladder.jsonl", **how)
    points = measuring.points(rungs, how)
    lines, advice = table_lines(points), recommendation(points)
    columns.show(HEAD, lines, TEXTS)
    print(advice)
    out = last / "ladder.md"
    files.write(out, markdown(lines, advice, how).encode())
    print(f"wrote {how.rows}")
    print(f"wrote {out}")
    print(hints.next_line("python -m bench report", last))
    return 0 if any(point.accepted for point in points) else 1


def stage(run: Path) -> str:
    """What was done last to get this run, by what it left in its folder: trained, distilled, pruned, QAT."""
    if (run / qat.RANGES).exists():
        return "QAT"
    if (run / finetune.PRUNED).exists():
        return "pruned"
    return "distilled" if load_model(run).contract.training.teachers else "trained"


def table_lines(points: Sequence[Point]) -> list[tuple[str, ...]]:
    """A line of HEAD for each file, in order."""
    first, accepted = points[0], [p for p in points if p.accepted]
    best = pareto.front(accepted)
    lines = []
    for p in points:
        if not p.accepted:
            verdict = "rejected by its gate"
        elif p in best:
            verdict = "nothing better"
        else:
            better = next(o for o in best if o.ms <= p.ms and o.nme <= p.nme)
            verdict = f"beaten by {better.run} {better.precision}"
        change = "" if p is first else f"{100 * (p.nme / first.nme - 1):+.1f} % NME"
        rung = f"{p.run} ({stage(p.path.parent.parent)})"
        scores = (f"{100 * p.nme:.2f} %", f"{100 * p.fr10:.2f} %", f"{p.auc10:.4f}")
        lines.append((rung, p.precision, *scores, f"{p.ms:.3f}", f"{p.ratio:.3f}", f"{p.bytes:,}", change, verdict))
    return lines


def recommendation(points: Sequence[Point]) -> str:
    """What to ship, and what int8 costs on every rung against fp16, in lines."""
    lines = []
    for half, small in zip(points, points[1:]):
        if half.path.parent == small.path.parent:
            change = f"{100 * (small.nme / half.nme - 1):+.2f} % NME, {small.ms / half.ms:.2f} of the time"
            lines.append(f"int8 against fp16, {small.run}: {change}" + ("" if small.accepted else ", rejected"))
    accepted = [point for point in points if point.accepted]
    if not accepted:
        return "\n".join([*lines, "recommended: none; every file failed its gate"])
    best, front = pareto.knee(accepted), pareto.front(accepted)
    why = "the knee of" if len(front) > 2 else "the most accurate of"
    count = f"{len(front)} file{'s' * (len(front) > 1)} that nothing beats"
    figures = f"{100 * best.nme:.2f} %, {best.ms:.3f} ms, {best.bytes:,} bytes"
    return "\n".join([*lines, f"recommended: {best.run} {best.precision} ({figures}), {why} {count}"])


def markdown(lines: Sequence[Sequence[str]], advice: str, how: How) -> str:
    """The same as a Markdown page, with what it was measured on."""
    faces = f"faces of {how.data} ({how.layout})" if how.data else "validation faces of the runs"
    about = f"NME over {faces}; ms: processor time on one thread, decode included, files in turn, {how.rounds} rounds."
    advised = [f"- {line}" for line in advice.splitlines()]
    shown = columns.markdown(HEAD, lines, TEXTS)
    return "\n".join(["# Ladder", "", *shown, "", about, f"Rows: {how.rows.name}.", "", *advised, ""])
