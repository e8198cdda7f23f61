"""What the gate says: a summary for a pull request, and its times in the format of pytest-benchmark.

pytest-benchmark runs one benchmark after the other, which on a shared machine compares two moments and not two files;
so the times are ours, taken in turn, and the file is its own: `pytest-benchmark compare OUT` and everything that reads
its JSON work on it.
"""

from __future__ import annotations

import datetime
import json
import os
from pathlib import Path

from bench.report import artefacts, columns
from bench.report.columns import percent
from bench.time import pairs
from edgewing import files, layouts, metrics
from edgewing.errors import InputError

PASSED, FAILED, OPEN = ":white_check_mark:", ":x:", ":grey_question:"
MARKS = {"slower": FAILED, "worse": FAILED, pairs.UNDECIDED: OPEN}
HEAD, TEXTS = ("file", "", "in use", "changed", "difference (interval)", "limit", ""), (0, 1, 4, 6)


def summary(verdicts: list, worse: float, slower: float, command: str) -> str:
    """GitHub's Markdown. verdicts: of bench.gate.verdicts. worse, slower: the limits, as shares."""
    failed = [v for v in verdicts if not v.passed]
    if failed:
        names = ", ".join(f"`{_name(v)}` is {' and '.join(_faults(v))}" for v in failed)
        lines = [f"## {FAILED} Gate failed: {names}"]
    else:
        names = ", ".join(f"`{_name(v)}`" for v in verdicts)
        lines = [f"## {PASSED} Gate passed: {names}"]
    compared = [line for v in verdicts for line in _lines(v, worse, slower)]
    lines += ["", *columns.markdown(HEAD, compared, TEXTS)]
    lines += ["", "<details><summary>How this was measured</summary>", ""]
    for v in verdicts:
        lines += _how(v)
    return "\n".join([*lines, f"- `{command}`", "", "</details>", ""])


def add(path: str, text: str) -> None:
    """Append to a summary, which other steps of a workflow may have begun."""
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); check the folder") from None


def write_pytest(path: str, verdicts: list) -> None:
    """The times of all calls as pytest-benchmark's JSON, a benchmark for each file in use and each changed one."""
    try:
        import pytest_benchmark
        from pytest_benchmark import plugin, stats, utils
    except ImportError:
        raise InputError("--pytest-json needs pytest-benchmark; pip install pytest-benchmark") from None
    made = []
    for v in verdicts:
        for which, ms in zip(("in use", "changed"), v.timing.ms):
            figures = stats.Stats()
            for value in ms.ravel():
                figures.update(float(value) / 1000)
            sha256 = (v.baseline["artefact"] if which == "in use" else v.about)["sha256"]
            made.append(
                {
                    "group": _name(v),
                    "name": f"{_name(v)}[{which}]",
                    "fullname": f"bench/gate/verdicts.py::{_name(v)}[{which}]",
                    "params": {"file": which},
                    "param": which,
                    "extra_info": {"sha256": sha256, "pairs_of_a_turn": pairs.PAIRS, "turns": v.timing.turns},
                    "options": {
                        "disable_gc": False,
                        "timer": {"processor": "process_time", "wall": "perf_counter"}[v.clock],
                        "min_rounds": pairs.PAIRS * pairs.LOOKS[0],
                        "max_time": 0.0,
                        "min_time": 0.0,
                        "warmup": pairs.WARMUP,
                    },
                    "stats": {**figures.as_dict(), "data": figures.data, "iterations": 1},
                }
            )
    whole = {
        "machine_info": plugin.pytest_benchmark_generate_machine_info(),
        "commit_info": utils.get_commit_info(),
        "benchmarks": made,
        "datetime": datetime.datetime.now(datetime.timezone.utc).isoformat(),
        "version": pytest_benchmark.__version__,
    }
    files.write(Path(path), json.dumps(whole, indent=1).encode())


def _lines(v, worse: float, slower: float) -> list[tuple[str, ...]]:
    a, t = v.accuracy, v.timing
    old, new = (item["bytes"] for item in (v.baseline["artefact"], v.about))
    points, time = (f"{MARKS.get(said, PASSED)} {said}" for said in (v.points, t.verdict))
    nme = _difference(a.change, a.low, a.high) + (f", {a.lost} lost" if a.lost else "")
    ms = _difference(t.change, t.low, t.high)
    return [
        (f"`{_name(v)}`", "NME", percent(v.baseline["nme"]), percent(v.nme), nme, _limit(worse), points),
        ("", "time", "1", f"{1 + t.change:.3f}", ms, _limit(slower), time),
        ("", "bytes", artefacts.size(old), artefacts.size(new), artefacts.change(new, old), "none", ""),
    ]


def _how(v) -> list[str]:
    p, t = v.protocol, v.timing
    moved = p.get("jitter")
    jitter = f", boxes moved by {moved['shift']:g} and scaled by {moved['scale']:g}" if moved else ""
    return [
        f"- `{_name(v)}` sha256 `{v.about['sha256'][:16]}`, in use `{v.baseline['artefact']['sha256'][:16]}` "
        f"of {v.baseline['date'][:10]}; {v.runtime}",
        f"- NME: {v.accuracy.faces} {layouts.several(p['layout'])} of `{p['data']}`, {p['crop']} crop{jitter}, "
        f"divided by {p['normaliser']}; 95 %, paired bootstrap over these, of which a gate needs "
        f"{metrics.LEAST_FACES}; the file in use was scored again and gave its row",
        f"- time: {v.clock} clock, {t.turns} turns of {pairs.PAIRS} pairs, both files in turn and opened anew each "
        f"turn, {t.seconds:.0f} s; {100 * pairs.INTERVAL:.0f} %, Student's t over turns; ratios, because milliseconds "
        "of a shared machine mean nothing",
    ]


def _difference(change: float, low: float, high: float) -> str:
    return f"**{100 * change:+.1f} %** ({100 * low:+.1f} to {100 * high:+.1f})"


def _limit(share: float) -> str:
    return f"{100 * share:+g} %"


def _faults(v) -> list[str]:
    faults = [f"{100 * v.accuracy.change:.1f} % worse"] if v.worse else []
    if v.worse and v.accuracy.lost:
        faults = [f"without points on {v.accuracy.lost} more"]
    return faults + ([f"{100 * v.timing.change:.1f} % slower"] if v.slower else [])


def _name(v) -> str:
    return os.path.basename(v.about["path"])
