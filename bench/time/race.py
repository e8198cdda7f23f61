"""Several artefacts timed in one process, in turn, so that whatever else the machine does hits all of them alike.

Round by round every model makes one unrecorded call, which brings its weights back into the caches, and five recorded
ones, on one thread. Processor time of the process is the figure to compare; wall-clock stands beside it. For our
artefacts the clock covers uint8 crop to landmarks and scores, decode included; for files without a contract
(bench.time.graphs) the graph alone, so what prepares their input and reads their output is not held against them.

The ratio to the reference is of medians; its interval is a bootstrap over rounds, the same rounds drawn for both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import intervals
from bench.report import columns
from bench.time import graphs, latency
from edgewing import containers, hints, measure, models, processors, rows
from edgewing.errors import InputError
from edgewing.outputs import Rows

RECORDED, UNRECORDED = 5, 1  # calls of a model in a round
ROUNDS = 120
WARMUP_ROUNDS = 3
COLUMNS = ("file", "runtime", "bytes", "CPU ms p10 / p50 / p90", "wall p50 / p90", "ratio", "95 %", "sha256")
INPUTS = 16  # crops of noise that a model goes round
RESAMPLES, INTERVAL = 2000, 0.95
CLOCK = (
    "process time, and wall clock; with a contract: uint8 crop in, landmarks and scores out, decode included; "
    "without: the graph alone; times of one face, a call's divided by its batch"
)

EXAMPLE = "edgewing-s edgewing-m --reference cache/mediapipe/modules/face_landmark/face_landmark.tflite --to rows.jsonl"
MORE = graphs.__doc__


@dataclass(frozen=True)
class Entrant:
    """One file in the race. about: measure.artefact's. model: as rows have it. inputs go round; call makes one run, of
    ``batch`` faces."""

    about: dict
    model: dict
    runtime: str
    inputs: list[np.ndarray]
    call: Callable[[np.ndarray], object]
    batch: int = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help="artefacts, shipped models by name, models of others")
    parser.add_argument("--reference", metavar="FILE", help="what the others' time is divided by (default: the first)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=f"of our files: {processors.MEASURED}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of five recorded calls each (default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each file to this JSON-lines file")


def main(to: str | None, **how) -> None:
    made = race_rows(**how)
    print_table(made)
    rows.keep(made, to)
    ours = [row for row in made if row["model"]["contract"]]
    if ours:
        fastest = min(ours, key=lambda row: row["cpu_ms"])["artefact"]["path"]
        print(hints.next_line("python -m bench accuracy --data DIR --layout NAME --model", fastest))


def race_rows(
    files: Sequence[str | Path], *, reference: str | Path | None = None, rounds: int = ROUNDS, device: str = "cpu",
    command: str = "",
) -> list[dict]:  # fmt: skip
    """One row per file, the reference (None: the first) before. InputError: one cannot be timed, or is named twice."""
    if rounds < 1:
        raise InputError(f"--rounds {rounds}: give 1 or more")
    named = [processors.file_of(name, device) if str(name) in models.SHIPPED else models.find(name) for name in files]
    first = models.find(reference) if reference else named[0]
    paths = [first, *(path for path in named if path != first)]
    if len(set(paths)) < len(named):
        raise InputError("a file is named twice; name each once")
    entrants = [enter(path, device) for path in paths]
    cpu, wall = take_turns(entrants, rounds)
    protocol = {
        "clock": CLOCK,
        **turns(rounds),
        "input": f"{INPUTS} inputs of noise, seed 0",
        "interval": f"{INTERVAL:.0%} bootstrap over rounds, {RESAMPLES} resamples",
        "in_turn": [entrant.about["path"] for entrant in entrants],
    }
    made = []
    for i, entrant in enumerate(entrants):
        made.append(
            {
                **rows.header("race", entrant.about, {**protocol, "batch": entrant.batch}, command),
                "model": entrant.model,
                "runtime": entrant.runtime,
                "calls": int(cpu[i].size),
                **times(cpu, wall, i),
                "reference": {"path": entrants[0].about["path"], "sha256": entrants[0].about["sha256"]},
            }
        )
    return made


def times(cpu: np.ndarray, wall: np.ndarray, entrant: int) -> dict:
    """The figures of one entrant, of what take_turns gives: ms, and its ratio to the first with the interval."""
    low, high = ratio_interval(cpu[entrant], cpu[0])
    ratio = float(np.median(cpu[entrant]) / np.median(cpu[0]))
    figures = {**_figures("cpu", cpu[entrant]), **_figures("wall", wall[entrant])}
    return {**figures, "ratio": ratio, "ratio_low": low, "ratio_high": high}


def ratio_interval(times: np.ndarray, reference: np.ndarray) -> tuple[float, float]:
    """The interval of the ratio of medians; times, reference: (rounds, RECORDED) ms of the same rounds."""

    def ratio(chosen: np.ndarray) -> np.ndarray:
        ours, theirs = (np.median(t[chosen].reshape(len(chosen), -1), axis=1) for t in (times, reference))
        return ours / theirs

    return intervals.bootstrap(ratio, len(times), RESAMPLES, INTERVAL)


def print_table(made: list[dict]) -> None:
    """The race as a table, fastest first."""
    p = made[0]["protocol"]
    lines = [
        (
            row["model"]["file"],
            row["runtime"].split(",")[0],
            f"{row['artefact']['bytes']:,}",
            " / ".join(f"{row[name]:.3f}" for name in ("cpu_p10_ms", "cpu_ms", "cpu_p90_ms")),
            f"{row['wall_ms']:.3f} / {row['wall_p90_ms']:.3f}",
            f"{row['ratio']:.3f}",
            f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}",
            row["artefact"]["sha256"][:12],
        )
        for row in sorted(made, key=lambda row: row["cpu_ms"])
    ]
    columns.show(COLUMNS, lines, left=(0, 1, 7))
    machine = made[0]["machine"]
    print(
        f"protocol: {p['clock']}; {p['rounds']} rounds of {p['recorded_calls']} calls, in turn, 1 thread; {p['input']}"
    )
    print(f"reference: {made[0]['reference']['path']}; on {machine['cpu']}, load {machine['load']:g}")


def enter(path: Path, device: str = "cpu") -> Entrant:
    """Open a file for a race. device: for one with a contract. InputError where it cannot be run here."""
    contract = containers.carried(path)
    about, form = measure.artefact(path), containers.format_of(path)
    if contract is None:
        graph = graphs.open(path)
        model = {"file": path.name, "name": path.stem, "format": form, "contract": False}
        model["input"] = f"{graph.input.dtype} {list(graph.input.shape)}"
        batch = graph.input.shape[0] if len(graph.input.shape) == 4 else 1
        return Entrant(about, model, str(graph.description), graph.noise(INPUTS), graph.run, batch)
    if lacking := latency.needs(path, contract):
        raise InputError(f"{path}: not run: {lacking}; leave it out of the race")
    runtime, size, batch = processors.on(path, device), contract.crop.size, contract.input.shape[0]
    crops = np.random.default_rng(0).integers(0, 256, (INPUTS, batch, size, size, 3), np.uint8)
    model = {"file": path.name, **measure.model_of(contract), "format": form, "contract": True}
    return Entrant(about, model, str(runtime.description), list(crops), runtime, batch)


def turns(rounds: int) -> dict:
    """What a row says of how files took turns."""
    return {
        "rounds": rounds,
        "recorded_calls": RECORDED,
        "unrecorded_calls": UNRECORDED,
        "warmup_rounds": WARMUP_ROUNDS,
        "threads": 1,
    }


def take_turns(entrants: list[Entrant], rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """(E, rounds, RECORDED) ms of processor time and of wall clock a face; every entrant goes round its own inputs."""
    cpu, wall = (np.zeros((len(entrants), rounds, RECORDED)) for _ in range(2))
    counter = 0
    for number in columns.progress(range(-WARMUP_ROUNDS, rounds), "race"):
        for i, entrant in enumerate(entrants):
            for call in range(-UNRECORDED, RECORDED):
                counter += 1
                tensor = entrant.inputs[counter % len(entrant.inputs)]
                wall_start, start = time.perf_counter_ns(), time.process_time_ns()
                entrant.call(tensor)
                end, wall_end = time.process_time_ns(), time.perf_counter_ns()
                if number >= 0 and call >= 0:
                    cpu[i, number, call] = (end - start) / 1e6 / entrant.batch
                    wall[i, number, call] = (wall_end - wall_start) / 1e6 / entrant.batch
    return cpu, wall


def _figures(clock: str, times: np.ndarray) -> dict:
    low, middle, high = np.quantile(times, [0.1, 0.5, 0.9])
    return {f"{clock}_ms": float(middle), f"{clock}_p10_ms": float(low), f"{clock}_p90_ms": float(high)}
