"""Whether a changed file is worse or slower than the one in use: relative to it, on the same faces, in the same minute.

The baseline is a row of `bench accuracy`, with the error of every face, and the very file it was measured on. That file
is scored again and must give its row: names of faces and figures of a row prove nothing. The changed file is scored
likewise; a paired bootstrap over faces gives the interval of the change of NME. Then both files are timed in turn
(bench.time.pairs), and the interval of the ratio decides. Every file is identified by its sha256: what is timed is what
was scored. Exit code 0: passed. 1: worse or slower. 2: nothing could be said.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import intervals
from bench.accuracy import scoring
from bench.accuracy.scored_faces import VALIDATION, Jitter
from bench.gate import wording
from bench.report.columns import percent
from bench.time import latency, pairs, race
from edgewing import containers, measure, metrics, models, rows
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows
from edgewing.words import with_article

EXAMPLE = "new/edgewing-s.tflite --baseline bench/results/edgewing-s.jsonl --data lfpw/testset"

MORE = f"""\
The gate fails where the interval of the change of NME lies above --worse, where a prediction is lost, or
where the interval of the time lies above --slower. An interval around the limit, of the time after the last look,
passes, and the summary says 'undecided'. With fewer than {metrics.LEAST_FACES} faces nothing is said. Make the
baseline with: python -m bench accuracy --model OLD --data DIR --layout NAME --to baseline.jsonl
"""
WORSE, NOT_WORSE = "worse", "not worse"  # and pairs.UNDECIDED
WORSE_LIMIT, SLOWER_LIMIT = 0.01, 0.05  # growth that passes, of NME and of time
# How far the file in use may be from its row when it is scored again, on another processor: of the NME, relative; of a
# face's error, as a fraction of the normaliser.
REPEATS_NME, REPEATS_FACE = 0.002, 0.01


@dataclass(frozen=True)
class Verdict:
    """One candidate against its baseline. errors of faces are relative changes: 0.05 is 5 % worse."""

    about: dict
    model: dict
    baseline: dict
    nme: float | None
    accuracy: intervals.Change
    timing: pairs.Timing
    clock: str
    runtime: str
    protocol: dict
    points: str

    @property
    def worse(self) -> bool:
        return self.points == WORSE

    @property
    def slower(self) -> bool:
        return self.timing.verdict == pairs.SLOWER

    @property
    def passed(self) -> bool:
        return not (self.worse or self.slower)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="changed artefacts, or shipped models by name")
    parser.add_argument("--baseline", required=True, metavar="ROWS", help="accuracy rows of the files in use")
    parser.add_argument(
        "--against", metavar="OLD", help="the file in use (default: the path in its row, or a shipped model)"
    )
    parser.add_argument("--data", metavar="DIR", help="where the baseline's data lie here (default: as its row says)")
    parser.add_argument(
        "--worse", type=float, default=WORSE_LIMIT, metavar="SHARE", help="growth of NME that passes (%(default)s)"
    )
    parser.add_argument(
        "--slower", type=float, default=SLOWER_LIMIT, metavar="SHARE", help="growth of time that passes (%(default)s)"
    )
    parser.add_argument(
        "--summary", type=Output, metavar="MD", help="append the summary, Markdown, as to $GITHUB_STEP_SUMMARY"
    )
    parser.add_argument("--pytest-json", type=Output, metavar="OUT", help="all times as pytest-benchmark writes them")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each file to this JSON-lines file")


def main(
    worse: float, slower: float, summary: str | None, pytest_json: str | None, to: str | None, command: str, **how
) -> int:
    """Judge every file, print the summary and write what was asked for. 0: all passed. 1: not all."""
    verdicts = judge(worse=worse, slower=slower, **how)
    text = wording.summary(verdicts, worse, slower, command)
    print(f"\n{text}")
    if summary:
        wording.add(summary, text)
        print(f"wrote {summary}")
    if pytest_json:
        wording.write_pytest(pytest_json, verdicts)
        print(f"wrote {pytest_json}")
    rows.keep([row(verdict, worse, slower, command) for verdict in verdicts], to)
    failed = [v.about["path"] for v in verdicts if not v.passed]
    print(f"gate failed: {', '.join(failed)}" if failed else "gate passed")
    return 1 if failed else 0


def judge(
    files: Sequence[str | Path], baseline: str | Path, *, against: str | Path | None = None, data: str | None = None,
    worse: float = WORSE_LIMIT, slower: float = SLOWER_LIMIT,
) -> list[Verdict]:  # fmt: skip
    """Each file against the one in use, whose row is in ``baseline``. Raises: InputError: nothing can be said."""
    for name, share in (("worse", worse), ("slower", slower)):
        if not 0 <= share < 1:
            raise InputError(f"--{name} {share:g}: give a share such as 0.05, for 5 %")
    if against and len(files) > 1:
        raise InputError("--against names one file in use; give one FILE with it")
    known, problems = rows.read(baseline)
    if problems:
        raise InputError(problems[0])
    paths = [models.find(name) for name in files]
    in_use = [_in_use(path, known, baseline, against, data) for path in paths]  # before minutes go into the first
    return [_judge(path, *one, baseline, data, worse, slower) for path, one in zip(paths, in_use)]


def _judge(
    path: Path, old: Path, scored: dict, baseline: str | Path, data: str | None, worse: float, slower: float
) -> Verdict:
    """Score and time one file against the one in use. scored: the latter's accuracy row."""
    contract = containers.read_contract(path)
    if lacking := latency.needs(path, contract):
        raise InputError(f"{path}: not run: {lacking}; gate it there")
    clock = "wall" if contract.model.format == "tensorrt" else "processor"
    again, new = repeated(old, scored, baseline, data), scored_as(path, scored, data)
    changed = scoring.nme_change(new, again)
    if changed.faces < metrics.LEAST_FACES:
        raise InputError(
            f"{path}: {changed.faces} to compare; a gate needs {metrics.LEAST_FACES}, give more with --data"
        )
    in_use, changed_file = (_opener(file, of["artefact"]["sha256"]) for file, of in ((old, scored), (path, new)))
    timing = pairs.time_in_turn(in_use, changed_file, slower, clock)
    return Verdict(
        about=new["artefact"],
        model=new["model"],
        baseline={"artefact": scored["artefact"], "nme": again["nme"], "date": scored["date"]},
        nme=new["nme"],
        accuracy=changed,
        timing=timing,
        clock=clock,
        runtime=new["runtime"],
        protocol=new["protocol"],
        points=points_verdict(changed, worse),
    )


def points_verdict(changed: intervals.Change, limit: float) -> str:
    """WORSE where the interval lies above the limit or a face is lost, NOT_WORSE below it, UNDECIDED around it."""
    if changed.low > limit or changed.lost:
        return WORSE
    return NOT_WORSE if changed.high <= limit else pairs.UNDECIDED


def repeated(old: Path, scored: dict, baseline: str | Path, data: str | None) -> dict:
    """The accuracy row of the file in use, made again. InputError where it is not the row of the baseline."""
    again = scored_as(old, scored, data)
    now, then = scoring.paired_errors(again, scored)
    both = np.isfinite(now)
    apart = float(np.abs(now[both] - then[both]).max(initial=0))
    known = scored["nme"] is not None and again["nme"] is not None
    near = known and abs(again["nme"] - scored["nme"]) <= REPEATS_NME * again["nme"]
    if not near or apart > REPEATS_FACE or scored["faces"] != len(then):
        raise InputError(
            f"{baseline}: its row of {old} has NME {percent(scored['nme'])}, and that file gives "
            f"{percent(again['nme'])} here, single faces up to {percent(apart)} otherwise: other "
            "photographs or labels than then, or an edited row; make a new baseline"
        )
    return again


def _opener(path: Path, sha256: str) -> Callable[[], race.Entrant]:
    """Opens a file to be timed. InputError where it is not the one that was scored."""

    def open_it() -> race.Entrant:
        entrant = race.enter(path)
        if entrant.about["sha256"] != sha256:
            raise InputError(f"{path}: has changed since it was scored; run the gate again")
        return entrant

    return open_it


def scored_as(path: Path, scored: dict, data: str | None) -> dict:
    """The accuracy row of a file, measured as another row was. data: where its faces lie here, None for as it says."""
    p = scored["protocol"]
    moved = p.get("jitter")
    return scoring.score(
        path,
        data or p["data"].removesuffix(f"/{VALIDATION}"),
        layout=p["layout"],
        normaliser=p["normaliser"],
        crop=p["crop"],
        split="test" if p["split"] == "validation" else p["split"],  # which a run's own faces are
        points_frame=p.get("points_frame", "upright"),
        jitter=moved and Jitter(moved["shift"], moved["scale"], moved["seed"]),
    )


def row(verdict: Verdict, worse: float, slower: float, command: str) -> dict:
    """The row of one verdict."""
    v = verdict
    protocol = {
        "accuracy": v.protocol,
        "time": {
            "clock": v.clock,
            "pairs": pairs.PAIRS,
            "looks": list(pairs.LOOKS),
            "interval": pairs.INTERVAL,
            "threads": 1,
        },
        "worse": worse,
        "slower": slower,
        "least_faces": metrics.LEAST_FACES,
    }
    return {
        **rows.header("gate", v.about, protocol, command),
        "model": v.model,
        "runtime": v.runtime,
        "baseline": v.baseline,
        "nme": v.nme,
        "accuracy": {**vars(v.accuracy), "verdict": v.points},
        "time": time_figures(v.timing),
        "passed": v.passed,
        "failed": [name for name in ("worse", "slower") if getattr(v, name)],
    }


def time_figures(timing: pairs.Timing) -> dict:
    """A timing for a row, without its single calls."""
    old, new = np.median(timing.ms.reshape(2, -1), axis=1)
    return {
        "change": timing.change,
        "low": timing.low,
        "high": timing.high,
        "verdict": timing.verdict,
        "turns": timing.turns,
        "baseline_ms": float(old),
        "ms": float(new),
        "seconds": round(timing.seconds, 2),
    }


def _in_use(
    path: Path, known: list[dict], baseline: str | Path, against: str | Path | None, data: str | None
) -> tuple[Path, dict]:
    """The file in use and its accuracy row, for a changed file: same format and precision, or --against."""
    contract = containers.read_contract(path)
    scored = [row for row in known if row["kind"] == "accuracy" and row.get("face_errors")]
    if against:
        old = models.find(against)
        sha256 = measure.artefact(old)["sha256"]
        fit = [row for row in scored if row["artefact"]["sha256"] == sha256]
        if not fit:
            raise InputError(
                f"{baseline}: no accuracy row of {old} (sha256 {sha256[:12]}); "
                f"make one with: python -m bench accuracy --model {old} --data DIR --to {baseline}"
            )
        return old, _nearest(fit, data)
    fit = [row for row in scored if _kind(row["model"]) == _kind(vars(contract.model))]
    if not fit:
        had = sorted({" ".join(_kind(row["model"])) for row in scored}) or ["none"]
        raise InputError(
            f"{baseline}: no accuracy row of {with_article(' '.join(_kind(vars(contract.model))))} file, only "
            f"{', '.join(had)}; make one with: python -m bench accuracy, or name the file in use with --against"
        )
    chosen = _nearest(fit, data)
    return _file_of(chosen), chosen


def _kind(model: dict) -> tuple[str, str]:
    return model["format"], model["precision"]


def _nearest(fit: list[dict], data: str | None) -> dict:
    """The newest of the rows, of those whose faces lie under the most like path where --data names one. One with true
    boxes goes before one whose boxes were moved: the figure that people know is the former's."""

    def alike(row: dict) -> int:
        if data is None:
            return 0
        ends = zip(*(reversed(Path(text).parts) for text in (data, row["protocol"]["data"].removesuffix(VALIDATION))))
        return next((i for i, (a, b) in enumerate(ends) if a != b), 99)

    return max(enumerate(fit), key=lambda item: (alike(item[1]), not item[1]["protocol"].get("jitter"), item[0]))[1]


def _file_of(scored: dict) -> Path:
    """The file that a row was measured on, by its bytes: where the row says, or among the shipped models."""
    sha256 = scored["artefact"]["sha256"]
    places = [Path(scored["artefact"]["path"])]
    places += [path for model in models.SHIPPED.values() for path in model.present.values()]
    for place in places:
        if place.exists() and measure.artefact(place)["sha256"] == sha256:
            return place
    raise InputError(
        f"the file in use, {os.path.basename(places[0])} (sha256 {sha256[:12]}), is not here with those bytes; "
        f"fetch it and name it with --against"
    )
