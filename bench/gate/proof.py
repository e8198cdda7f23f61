"""Does the gate say what is true?

Three things are counted, with the gate's own functions and its own limits:
- unchanged: a file timed against itself. The gate should find it not slower: at most 1 false alarm in 100.
- slowed: the same, but every call of the second goes on working for a tenth of its own processor time. The gate should
  find it slower: at least 95 of 100.
- worse: the weights of the file's ONNX form are disturbed by seeded noise, as much as makes the NME 5 % worse, and the
  files that come of it are scored. The gate should catch every one.

A row for each run is appended as it ends; the same command goes on where it was stopped. Exit code 1: one of the three
does not hold.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.accuracy import scoring
from bench.accuracy.scored_faces import open_faces
from bench.gate import verdicts
from bench.time import pairs, race
from edgewing import containers, files, measure, metrics, models, rows, runtimes
from edgewing.errors import InputError
from edgewing.outputs import Rows

EXAMPLE = "edgewing-s --data lfpw/testset --layout 300w-68 --to gate.jsonl"

SLOWED, WORSE = 0.10, 0.05  # what is injected
FALSE_ALARMS, CAUGHT = 0.01, 0.95  # shares of the runs: at most, at least
EXACT = 0.004  # how far above WORSE the NME of a disturbed file may be


def prove_time(path: Path, case: str) -> dict:
    """The figures of one timing, of case ``unchanged`` or ``slowed``."""
    open_it = {"unchanged": race.enter, "slowed": slowed}[case]
    timing = pairs.time_in_turn(lambda: race.enter(path), lambda: open_it(path), verdicts.SLOWER_LIMIT)
    return {"time": verdicts.time_figures(timing), "alarm": timing.verdict == pairs.SLOWER}


def slowed(path: Path) -> race.Entrant:
    """A file whose every call takes a tenth more processor time."""
    entrant = race.enter(path)

    def call(tensor: np.ndarray) -> None:
        start = time.process_time_ns()
        entrant.call(tensor)
        end = start + (1 + SLOWED) * (time.process_time_ns() - start)
        while time.process_time_ns() < end:
            pass

    return dataclasses.replace(entrant, call=call)


class Worse:
    """Files whose NME is 5 % worse, and what the gate says of them.

    scored: the accuracy row of the ONNX file that they are made of, on the faces of ``data``.
    """

    def __init__(self, path: Path, data: str, layout: str):
        if containers.format_of(path) != "onnx":
            raise InputError(f"{path}: weights are disturbed in ONNX files; give one, or a shipped model by name")
        self.path, self.data = path, data
        self.scored = scoring.score(path, data, layout=layout)
        self._faces = open_faces(data, layout, containers.read_contract(path).crop)
        self._crops = [self._faces.face(i) for i in range(len(self._faces))]

    def prove(self, seed: int) -> dict:
        """The figures of one disturbed file: its noise is found by bisection; then the gate judges it."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"disturbed-{seed}.onnx"
            low, high = 0.0, 0.02
            while self._change(self.disturb(file, seed, high)) < WORSE:
                high *= 2
            for _ in range(30):
                middle = (low + high) / 2
                change = self._change(self.disturb(file, seed, middle))
                if WORSE <= change <= WORSE + EXACT:
                    break
                low, high = (middle, high) if change < WORSE else (low, middle)
            else:
                raise InputError(f"{self.path}: no noise of seed {seed} makes it {100 * WORSE:g} % worse; other faces?")
            changed = scoring.nme_change(verdicts.scored_as(file, self.scored, self.data), self.scored)
        figures = {"seed": seed, "noise": middle, **vars(changed)}
        return {"accuracy": figures, "alarm": verdicts.points_verdict(changed, verdicts.WORSE_LIMIT) == verdicts.WORSE}

    def disturb(self, out: Path, seed: int, noise: float) -> Path:
        """Write the file with every weight multiplied by 1 + noise times a seeded normal number."""
        import onnx
        from onnx import numpy_helper

        model, random = onnx.load(str(self.path)), np.random.default_rng(seed)
        for tensor in model.graph.initializer:
            weights = numpy_helper.to_array(tensor)
            if weights.ndim == 4:  # of convolutions, float or int8
                noisy = weights * (1 + noise * random.standard_normal(weights.shape))
                if weights.dtype == np.int8:
                    noisy = np.clip(np.rint(noisy), -127, 127)
                tensor.CopyFrom(numpy_helper.from_array(noisy.astype(weights.dtype), tensor.name))
        files.write(out, model.SerializeToString())
        containers.seal(out)
        return out

    def _change(self, file: Path) -> float:
        runtime, p = runtimes.open(file), self.scored["protocol"]
        layout, from_model, from_data = scoring.shared_points(runtime.contract.layout, self._faces.layout)
        predicted = np.array([scoring.predict(runtime, face)[0][from_model] for face in self._crops])
        true = np.array([face.landmarks[from_data] for face in self._crops])
        errors = metrics.errors(predicted, true, metrics.normaliser(true, layout, p["normaliser"]))
        return metrics.summarise(errors).nme / self.scored["nme"] - 1


def holds(case: str, alarms: int, runs: int) -> bool:
    """Whether the gate has said what is true often enough."""
    if case == "unchanged":
        return alarms <= FALSE_ALARMS * runs
    return alarms >= (CAUGHT if case == "slowed" else 1) * runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="what is timed: an artefact or a shipped model")
    parser.add_argument("--data", required=True, metavar="DIR", help="faces to score the disturbed files on")
    parser.add_argument("--layout", default="", metavar="NAME", help="layout of the data (default: that of the run)")
    parser.add_argument("--runs", type=int, default=100, help="timings, unchanged and slowed (default: %(default)s)")
    parser.add_argument("--models", type=int, default=20, help="disturbed files (default: %(default)s)")
    parser.add_argument("--to", required=True, type=Rows, metavar="ROWS", help="append a row for each run to this file")


def main(runs: int, models: int, **how) -> int:
    return prove({"unchanged": runs, "slowed": runs, "worse": models}, **how)


def prove(wanted: dict[str, int], file: str, data: str, to: str, layout: str = "", command: str = "") -> int:
    """Append a row for each run that is not in the file ``to``. wanted: how many of each case. 1: one does not hold."""
    path = models.find(file)
    source = models.path(file, "onnx") if file in models.SHIPPED else path  # which is what can be disturbed
    about = {"unchanged": measure.artefact(path), "worse": measure.artefact(source)}
    about["slowed"] = about["unchanged"]
    done = _done(Path(to), about)
    worse = Worse(source, data, layout) if len(done["worse"]) < wanted["worse"] else None
    provers: dict[str, Callable[[int], dict]] = {
        "unchanged": lambda number: prove_time(path, "unchanged"),
        "slowed": lambda number: prove_time(path, "slowed"),
        "worse": lambda number: worse.prove(number),
    }
    protocol = {
        "slowed": SLOWED,
        "worse": WORSE,
        "limits": {"worse": verdicts.WORSE_LIMIT, "slower": verdicts.SLOWER_LIMIT},
    }
    for number in range(max(wanted.values())):
        for case in wanted:  # by turns, so that a change of the machine's load meets all of them
            if len(done[case]) <= number < wanted[case]:
                figures = {"case": case, "run": number, **provers[case](number)}
                rows.append(to, {**rows.header("gate-proof", about[case], protocol, command), **figures})
                done[case].append(figures["alarm"])
                print(_line(case, number, figures), flush=True)
    failed = [case for case in wanted if not holds(case, sum(done[case]), len(done[case]))]
    for case in wanted:
        print(f"{case}: {sum(done[case])} alarms in {len(done[case])} runs{' - NOT GOOD ENOUGH' * (case in failed)}")
    print(f"wrote {to}")
    return 1 if failed else 0


def _done(path: Path, about: dict[str, dict]) -> dict[str, list[bool]]:
    """The alarms of each case that this file of rows has already, of the same bytes."""
    known = rows.read(path)[0] if path.exists() else []
    ours = [row for row in known if row["kind"] == "gate-proof"]
    return {
        case: [r["alarm"] for r in ours if r["case"] == case and r["artefact"]["sha256"] == item["sha256"]]
        for case, item in about.items()
    }


def _line(case: str, number: int, figures: dict) -> str:
    found = figures.get("time") or figures["accuracy"]
    change, low, high = (100 * found[key] for key in ("change", "low", "high"))
    took = f", {found['turns']} turns, {found['seconds']:.0f} s" if "turns" in found else ""
    said = "alarm" if figures["alarm"] else "silent"
    return f"{case} {number}: {change:+.1f} % ({low:+.1f} to {high:+.1f}){took}: {said}"
