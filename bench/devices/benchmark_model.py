"""LiteRT's own benchmark_model on an Android device: https://ai.google.dev/edge/litert/models/measurement

A program for the device's processor, which the user has from there or has built. It times the graph alone, with an
input of its own, and prints a summary: mean, least and most, in newer versions also the median, but no 90th or 99th
percentile, which stay empty in the row. It reads no contract, so decode that is not in the graph is not timed.
"""

from __future__ import annotations

import re
import shlex
import struct
from pathlib import Path

from bench.devices import Device
from edgewing import measure
from edgewing.errors import InputError

# e_machine of an ELF file (elf.h) -> what `uname -m` says on a device that runs it
MACHINES = {
    3: ("i386", "i586", "i686", "x86_64"),
    40: ("armv7l", "armv8l", "aarch64"),
    62: ("x86_64",),
    183: ("aarch64",),
    243: ("riscv64",),
}
CLOCK = "model: the graph alone, by LiteRT's benchmark_model"
MOST_SECONDS = 600
_COUNT = re.compile(r"count=(\d+) ")
_FIELD = re.compile(r"(first|min|max|avg|std|p5|median|p95)=([0-9.e+]+)")
_TIMINGS = re.compile(r"Init: ([0-9.e+]+), First inference: ([0-9.e+]+)")
_REPLACED = re.compile(r"Replacing (\d+) out of (\d+) node\(s\) with delegate \((\w+)\) node")
_PEAK = re.compile(r"peak memory footprint \(MB\) via periodic monitoring: ([0-9.]+)")


def check_program(program: Path, machine: str) -> None:
    """InputError where the program is not for that machine, as ``uname -m`` calls it."""
    start = program.read_bytes()[:20]
    if start[:4] != b"\x7fELF" or len(start) < 20:
        raise InputError(f"{program.name} is no program of Linux or Android (ELF)")
    order = "<" if start[5] == 1 else ">"
    (number,) = struct.unpack(f"{order}H", start[18:20])
    runs_on = MACHINES.get(number, ())
    if machine not in runs_on:
        built = runs_on[-1] if runs_on else f"machine {number}"
        raise InputError(f"{program.name} is for {built}, the device is {machine}; get the one for {machine}")


def time_there(device: Device, program: str, model: str, mode: str, threads: int, batch: int = 1) -> dict:
    """Time a .tflite there. program, model: names in the device's folder. batch: faces in a call, by which its times
    are divided. InputError with the program's own reason."""
    limits = measure.MODES[mode]
    flags = {
        "graph": f"{device.folder}/{model}",
        "num_threads": threads,
        "use_xnnpack": "true",
        "warmup_runs": measure.WARMUP,
        "num_runs": limits.runs,
        "min_secs": limits.seconds,
        "max_secs": MOST_SECONDS,
        "report_peak_memory_footprint": "true",
    }
    words = " ".join(shlex.quote(f"--{name}={value}") for name, value in flags.items())
    done = device.shell(f"{device.place(program)} {words} 2>&1", seconds=MOST_SECONDS + 60)
    text = done.out.decode(errors="replace")
    if done.code:
        raise InputError(f"benchmark_model: {done.reason}")
    return parse(text, batch) | {
        "protocol": {
            "mode": mode,
            "least_runs": limits.runs,
            "least_seconds": limits.seconds,
            "warmup_runs": measure.WARMUP,
            "threads": threads,
            "batch": batch,
            "clock": f"{CLOCK}; {measure.of_batch(batch)}",
            "input": "noise of benchmark_model's own",
        }
    }


def parse(text: str, batch: int = 1) -> dict:
    """Figures in ms a face from what benchmark_model prints. InputError where its last summary is not there."""
    counted = [line for line in text.splitlines() if _COUNT.search(line)]
    timings = _TIMINGS.search(text)
    if not counted or not timings:
        raise InputError("benchmark_model ended without its summary; run it there by hand")
    us = {name: float(value) for name, value in _FIELD.findall(counted[-1])}
    runs = int(_COUNT.search(counted[-1]).group(1))
    replaced = [(int(a), int(b), name) for a, b, name in _REPLACED.findall(text)]
    taken, nodes = sum(a for a, _, _ in replaced), max((b for _, b, _ in replaced), default=0)
    delegate = replaced[0][2].removeprefix("TfLite").removesuffix("Delegate") if replaced else "no delegate told"
    peak = _PEAK.search(text)

    def ms(name: str) -> float | None:
        return us[name] / 1000 / batch if name in us else None

    return {
        "runtime": f"LiteRT benchmark_model, {delegate}" + (f" {taken}/{nodes} nodes" if replaced else ""),
        "delegation": {"delegate": delegate, "nodes": nodes, "delegated": taken} if replaced else None,
        "fallback": f"{nodes - taken} of {nodes} nodes are left to built-in kernels" if taken < nodes else "",
        "mean_ms": ms("avg"),
        "p50_ms": ms("median"),
        "p90_ms": None,
        "p95_ms": ms("p95"),
        "p99_ms": None,
        "max_ms": ms("max"),
        "runs": runs,
        "seconds": us["avg"] * runs / 1e6,
        "load_ms": float(timings.group(1)) / 1000,
        "first_ms": float(timings.group(2)) / 1000,
        "peak_bytes": int(float(peak.group(1)) * 1e6) if peak else None,
    }
