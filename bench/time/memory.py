"""Memory of `edgewing camera` over a video that is played again and again: its peak, and whether it grows.

Resident memory of the process is read twice a second. Growth is the difference of medians: the last tenth of the
readings against the tenth that follows the first, in which the model is loaded and buffers find their size. A run of
less than five minutes is judged by its peak alone: its beginning is all start.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from edgewing import children, hints, measure, models, rows
from edgewing.camera import sources
from edgewing.errors import InputError
from edgewing.outputs import Output, Rows

EXAMPLE = "--model edgewing-s --source single_face.mp4 --to rows.jsonl"

LIMIT_MIB, GROWTH_MIB = 200, 5
GROWTH_MINUTES = 5  # from which growth is judged
MINUTES = 60.0
PERIOD = 0.5  # s between readings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FILE", help="an artefact, or a shipped model")
    parser.add_argument("--source", required=True, metavar="VIDEO", help="a video with a face")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of video, at its pace (default: %(default)s)")
    parser.add_argument("--save", type=Output, metavar="OUT.mp4", help="save the video too")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append the row to this JSON-lines file")


def main(model: str, to: str | None, **how) -> int:
    row = watch(model, **how)
    print(row_as_text(row))
    rows.keep([row], to)
    print(hints.next_line("edgewing camera --model", model))
    return 0 if row["accepted"] else 1


def watch(
    model: str | Path, source: str, *, minutes: float = MINUTES, save: str | None = None, command: str = ""
) -> dict:
    """The row. Raises: InputError where `edgewing camera` fails."""
    if not Path("/proc/self/status").is_file():
        raise InputError("resident memory is read from /proc; run this on Linux")
    path = models.find(model)
    video = sources.open(source)
    frames = max(1, round(60 * minutes * video.fps))
    video.close()
    words = ["camera", "--model", str(path), "--source", source, "--loop", "--no-window"]
    words += ["--frames", str(frames)] + (["--save", save] if save else [])
    begun = time.perf_counter()
    readings = []
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as told:  # a pipe that nobody reads fills
        process = subprocess.Popen(
            [sys.executable, "-m", "edgewing", *words], stdout=said, stderr=told, preexec_fn=children.bound()
        )
        while process.poll() is None:
            readings.append(resident(process.pid))
            time.sleep(PERIOD)
        said.seek(0), told.seek(0)
        out, err = said.read(), told.read()
    if process.returncode:
        lines = err.strip().splitlines() or ["no word"]
        raise InputError(f"edgewing camera ended with code {process.returncode}: {lines[-1].removeprefix('error: ')}")
    counted = re.search(r"^(\d+) frames? in", out, re.MULTILINE)
    protocol = {
        "source": Path(source).name,
        "minutes": minutes,
        "frames": frames,
        "saved": bool(save),
        "period_s": PERIOD,
        "unit": "MiB resident, edgewing camera --loop --no-window",
    }
    return rows.finite(
        {
            **rows.header("memory", measure.artefact(path), protocol, command),
            "frames": int(counted[1]),
            "seconds": time.perf_counter() - begun,
            **memory_figures([reading for reading in readings if reading], minutes >= GROWTH_MINUTES),
        }
    )


def memory_figures(readings: list[float], judge_growth: bool = True) -> dict:
    """Peak, and medians after the beginning and at the end, of readings in MiB."""
    tenth = max(1, len(readings) // 10)
    early, late = (float(np.median(part)) for part in (readings[tenth : 2 * tenth] or readings, readings[-tenth:]))
    return {
        "readings": len(readings),
        "peak_mib": max(readings),
        "early_mib": early,
        "late_mib": late,
        "growth_mib": late - early,
        "growth_judged": judge_growth,
        "accepted": max(readings) <= LIMIT_MIB and (late - early <= GROWTH_MIB or not judge_growth),
    }


def resident(pid: int) -> float:
    """MiB resident; 0 once the process has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def row_as_text(row: dict) -> str:
    verdict = "accepted" if row["accepted"] else "REJECTED"
    limit = f"limit +{GROWTH_MIB}" if row["growth_judged"] else f"not judged below {GROWTH_MINUTES} minutes"
    return (
        f"{verdict}: {row['frames']} frames, {row['peak_mib']:.0f} MiB at most (limit {LIMIT_MIB}), "
        f"{row['early_mib']:.1f} MiB after the beginning and {row['late_mib']:.1f} at the end ({limit})"
    )
