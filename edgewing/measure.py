"""Latency on this device: `python -m edgewing.measure --model FILE --json OUT`. Needs numpy and one runtime.

Two modes after MLPerf: ``quick`` runs at least 128 times and 10 s, ``full`` at least 1024 times and 60 s. The clock
covers one crop from uint8 pixels to landmarks and scores, decode included, and nothing else: no file, no crop, no face
detector; with ``--clock crop`` also the crop out of a frame and the points' way back into it, for which OpenCV is
needed. A file that takes several crops in a call is given so many, and its times are divided by their number: all times
are of one face. The process is fresh, so its peak memory and load time are the runtime's own.
"""

from __future__ import annotations

import array
import contextlib
import datetime
import hashlib
import json
import os
import platform
import shlex
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import containers, files, geometry, outputs, processors, trial
from edgewing import device as board
from edgewing.commands import Parser, command
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.face_set import Faces
from edgewing.outputs import Output

CLOCKS = {
    "model": "model: uint8 crop in, landmarks and scores out, decode included",
    "crop": "crop + model + decode: uint8 640x480 frame and a box in, landmarks in the frame out",
}
FRAME, BOX = (480, 640), (200.0, 120.0, 440.0, 360.0)  # height and width of the frame; the face's box in it, px
METER_SECONDS = 0.1  # between two looks at a meter of watts, outside the clock
WARMUP = 32  # runs before the clock starts: kernels are chosen and caches filled in the first few
NOISE_CROPS = 16


@dataclass(frozen=True)
class Mode:
    """Both floors hold: at least ``runs`` calls and at least ``seconds`` of them."""

    runs: int
    seconds: float


MODES = {"quick": Mode(128, 10.0), "full": Mode(1024, 60.0)}
MODE_HELP = "quick: at least 128 runs and 10 s; full: 1024 and 60 s (default: %(default)s)"


def measure(
    runtime,
    crops: np.ndarray,
    seconds: float,
    runs: int,
    warmup: int = WARMUP,
    meter: board.Meter | None = None,
    batch: int = 1,
) -> dict:
    """Time a runtime, ``batch`` crops per call, going round the crops.

    runtime: what edgewing.runtimes.open gives. crops: (B, S, S, 3) uint8 RGB. Returns milliseconds of wall clock for
    one crop, a call's divided by ``batch``: ``mean_ms``, ``p50_ms``, ``p90_ms``, ``p99_ms``, ``max_ms``, the 101
    percentiles ``percentiles_ms``, the processor time over all threads ``cpu_ms``; ``call_ms``: median of a whole call;
    ``drift``: median of the last tenth of the runs as a multiple of the first tenth's; and ``runs``, which are calls,
    ``seconds``.
    """
    sampled = meter is not None and meter.sampled
    crops = crops if len(crops) >= batch else crops[np.arange(batch) % len(crops)]
    starts = len(crops) - batch + 1

    def given(number: int) -> np.ndarray:
        return crops[number % starts : number % starts + batch]

    for i in range(warmup):
        runtime(given(i))
    times = array.array("q")  # 8 bytes a run, so that the clock's own memory stays out of the peak
    cpu_start, start = time.process_time_ns(), time.perf_counter_ns()
    now, end, look = start, start + int(seconds * 1e9), start
    while len(times) < runs or now < end:
        part = given(len(times))
        before = time.perf_counter_ns()
        runtime(part)
        now = time.perf_counter_ns()
        times.append(now - before)
        if sampled and now >= look:
            meter.sample()
            look = now + int(METER_SECONDS * 1e9)
    return _figures(times, time.process_time_ns() - cpu_start, now - start, batch)


def _figures(times: array.array, cpu: int, wall: int, batch: int) -> dict:
    """What ``measure`` returns, of its calls' nanoseconds, and those of the processor and the wall clock over all."""
    ms = np.frombuffer(times, np.int64) / 1e6 / batch
    percentiles = np.percentile(ms, np.arange(101))
    tenth = max(1, len(ms) // 10)
    return {
        "mean_ms": float(ms.mean()),
        "p50_ms": float(percentiles[50]),
        "p90_ms": float(percentiles[90]),
        "p99_ms": float(percentiles[99]),
        "max_ms": float(ms.max()),
        "percentiles_ms": [round(float(v), 5) for v in percentiles],
        "cpu_ms": cpu / 1e6 / len(ms) / batch,
        "call_ms": float(percentiles[50]) * batch,
        "drift": float(np.median(ms[-tenth:]) / max(np.median(ms[:tenth]), 1e-6)),
        "runs": len(ms),
        "seconds": wall / 1e9,
    }


def artefact(path: str | Path) -> dict:
    """Which file this was: path (from here, where it lies below), bytes and sha256.

    A folder (.mlpackage) is hashed over its files, names included. Raises InputError where there is no such file.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file; give an exported artefact")
    parts = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    whole, size = hashlib.sha256(), 0
    for file in parts:
        digest = hashlib.sha256()
        with open(file, "rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
                size += len(block)
        whole.update(f"{file.relative_to(path).as_posix()}\0{digest.hexdigest()}\n".encode())
    with contextlib.suppress(ValueError):
        path = path.relative_to(Path.cwd())  # a row is read elsewhere: a machine's folders say nothing there
    return {"path": str(path), "sha256": digest.hexdigest() if path.is_file() else whole.hexdigest(), "bytes": size}


def machine() -> dict:
    """What a reviewer asks of the device: cpu, cores usable here, system, and how busy it was (load average)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": _cpu(),
        "cores": cores,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load": round(os.getloadavg()[0], 2),
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        fields = dict(line.split(":", 1) for line in info.read_text(errors="replace").splitlines() if ":" in line)
        named = {key.strip(): value.strip() for key, value in fields.items()}
        for key in ("model name", "Model", "Hardware"):  # x86; Raspberry Pi; older ARM kernels
            if named.get(key):
                return named[key]
    return platform.processor() or platform.machine()


def peak_bytes() -> int | None:
    """Largest resident memory of this process so far; None on Windows.

    Linux: VmHWM. getrusage would do on a Mac, but on Linux its figure is inherited from the process that started us.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def model_of(contract: Contract) -> dict:
    """What a row says of the model itself."""
    names = {name: getattr(contract.model, name) for name in ("name", "format", "precision")}
    return names | {"layout": contract.layout.name, "size": contract.crop.size}


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: str | Path, value: dict) -> None:
    """Write a row as indented JSON, whole or not at all; to standard output as a line. Numbers must be finite."""
    indent = None if path == outputs.STDOUT else 1
    text = json.dumps(value, allow_nan=False, indent=indent, ensure_ascii=False) + "\n"
    files.write(path, text.encode())


def in_frame(runtime):
    """A callable that crops out of (B, H, W, 3) frames, runs the crops and gives their points (B, N, 2) in frame px.

    Raises InputError where OpenCV is not installed.
    """
    try:
        import cv2  # noqa: F401, what geometry.warp needs
    except ImportError:
        raise InputError("--clock crop needs OpenCV; pip install opencv-python-headless") from None

    def call(frames: np.ndarray) -> np.ndarray:
        part = runtime.contract.crop
        crop = geometry.crop_from_box(BOX, part.size, part.factor, part.least)
        pixels = np.stack([geometry.warp(frame, crop.to_image, crop.size) for frame in frames])
        return geometry.apply(crop.to_image, runtime(pixels).landmarks)

    return call


def of_batch(batch: int) -> str:
    """How the clock of a row counts faces."""
    return "batch 1" if batch == 1 else f"batch {batch}, times divided by {batch}: of one face"


def _input(clock: str, faces: str | None, size: int) -> tuple[np.ndarray, str]:
    """Pictures to time with, (B, H, W, 3) uint8, and what they are of."""
    if faces is not None and clock != "crop":
        return Faces.load(Path(faces), size).crops, f"crops of {faces}"
    count, sides, what = (
        (NOISE_CROPS // 4, FRAME, "frames") if clock == "crop" else (NOISE_CROPS, (size, size), "crops")
    )
    noise = np.random.default_rng(0).integers(0, 256, (count, *sides, 3), np.uint8)
    return noise, f"{what} of noise, seed 0"


def _protocol(mode: str, threads: int, batch: int, clock: str) -> dict:
    limits = MODES[mode]
    return {
        "mode": mode,
        "least_runs": limits.runs,
        "least_seconds": limits.seconds,
        "warmup_runs": WARMUP + 1,
        "threads": threads,
        "batch": batch,
        "clock": f"{CLOCKS[clock]}; {of_batch(batch)}",
    }


def latency_row(
    model: str, mode: str = "quick", threads: int = 1, faces: str | None = None, clock: str = "model",
    device: str = "cpu",
) -> dict:  # fmt: skip
    """One latency row of this machine: what ``measure`` gives, and everything that was the case meanwhile."""
    path = processors.file_of(model, device)
    about = artefact(path)
    if (form := containers.format_of(path)) in trial.MODULES:
        # outside the clock, which is of the load alone
        with trial.of(path, form, containers.read_contract(path).input.shape):
            pass
    start = time.perf_counter_ns()
    runtime = processors.on(path, device, threads)  # the library's own loading is part of a cold load
    loaded = time.perf_counter_ns()
    contract = runtime.contract
    batch = contract.input.shape[0]
    crops, of = _input(clock, faces, contract.crop.size)
    call = in_frame(runtime) if clock == "crop" else runtime
    before_first = time.perf_counter_ns()
    call(np.repeat(crops[:1], batch, axis=0))
    first = time.perf_counter_ns()
    limits = MODES[mode]
    warm, brakes, meter = board.temperatures(), board.brakes(), board.Meter()
    figures = measure(call, crops, limits.seconds, limits.runs, meter=meter, batch=batch)
    return {
        "kind": "latency",
        "date": now(),
        "artefact": about,
        "model": model_of(contract),
        "runtime": str(runtime.description),
        "delegation": runtime.description.delegation,
        "fallback": runtime.description.fallback,
        "protocol": _protocol(mode, threads, batch, clock) | {"input": f"{len(crops)} {of}"},
        **figures,
        "load_ms": (loaded - start) / 1e6,
        "first_ms": (first - before_first) / 1e6,
        "peak_bytes": peak_bytes(),
        "device": {
            **board.about(),
            **board.setting(),
            "celsius_before": warm,
            "celsius_after": board.temperatures(),
            "throttled": board.throttled(brakes, board.brakes()),
        },
        "energy": meter.figures(figures["seconds"], figures["runs"]),
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "machine": machine(),
    }


def main(argv: list[str] | None = None) -> None:
    argv = sys.argv[1:] if argv is None else argv
    parser = Parser(
        prog="python -m edgewing.measure",
        description="Measure the latency, load time and peak memory of an artefact on this device.",
        epilog="example: python -m edgewing.measure --model face-int8.tflite --json latency.json",
    )
    parser.add_argument("--model", required=True, metavar="FILE", help="an exported artefact, or a shipped model")
    parser.add_argument("--json", required=True, type=Output, metavar="OUT", help="where the row goes")
    parser.add_argument("--mode", choices=MODES, default="quick", help=MODE_HELP)
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default: %(default)s)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help=processors.MEASURED)
    parser.add_argument("--faces", metavar="NPZ", help="time these crops, as of RUN/faces (default: seeded noise)")
    parser.add_argument("--clock", choices=CLOCKS, default="model", help="what it covers (default: %(default)s)")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    with command(parser, argv) as arguments:
        if arguments.threads < 1:
            raise InputError(f"--threads {arguments.threads}: give 1 or more")
        if arguments.faces and arguments.clock == "crop":
            raise InputError("--faces are crops already; leave it out, or --clock crop")
        how = {name: getattr(arguments, name) for name in ("mode", "threads", "faces", "clock", "device")}
        row = latency_row(arguments.model, **how)
        row["command"] = shlex.join(["python", "-m", "edgewing.measure", *argv])
        write(arguments.json, row)
        p50, p90, p99 = (row[f"{name}_ms"] for name in ("p50", "p90", "p99"))
        clock = row["protocol"]["clock"]
        print(f"{row['runtime']}: p50 {p50:.3f}, p90 {p90:.3f}, p99 {p99:.3f} ms over {row['runs']} runs ({clock})")
        if row["fallback"]:
            print(row["fallback"])
        print(f"wrote {arguments.json}")


if __name__ == "__main__":
    main()
