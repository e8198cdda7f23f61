"""Arm's Ethos-U: the file for microcontrollers (targets.tflm) through Vela, which makes one command stream of what the
NPU takes; the rest stays with TFLM on the CPU. One target for each width of an NPU.

What an NPU computes is not run here. Parity is that of the file that Vela was given, by TFLM's kernels, with which the
NPU agrees by its maker's word. SRAM, flash and time are Vela's estimates, for the system that it takes where none is
named.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from targets import flatbuffer, tflite, tflm
from targets.graph import HEATMAPS, LANDMARKS, SCORES
from targets.job import Job, needs
from targets.tflite import embed

__all__ = ["FORMAT", "INTERFACE", "embed", "export"]

FORMAT, INTERFACE = tflm.FORMAT, tflm.INTERFACE
LIBRARIES = (*tflm.LIBRARIES, "ethos-u-vela")
MEMORIES = {"sram": "SRAM", "dram": "DRAM", "on_chip_flash": "flash on the chip", "off_chip_flash": "flash"}  # of Vela
RESULT = "DEQUANTIZE"  # int8 to the float that a result is, which no Ethos-U takes
MAY_STAY = {"none": (HEATMAPS,), "decode": (HEATMAPS, "graph", "decode", LANDMARKS, SCORES)}  # by its tensor


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact, contract inside, parity not yet measured. precision: int8."""
    with needs(job.target, "ethos-u-vela"):
        import ethosu.vela  # noqa: F401
    about, given = tflm.about(job, precision, LIBRARIES), path.with_name(tflm.GIVEN)
    tflite.write(given, tflm.converted(job), about)
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "ethosu.vela", str(given), "--accelerator-config", job.target]
        subprocess.run([*words, "--output-dir", folder], check=True)
        flat = Path(folder, f"{given.stem}_vela.tflite").read_bytes()
        (summary,) = Path(folder).glob("*_summary_*.csv")
        (said,) = csv.DictReader(summary.read_text().splitlines())
    tflite.write(path, flat, about)
    left = [operation for operation in flatbuffer.operations(flat) if operation.kind != tflm.COMMANDS]
    used = {text: float(said[f"{name}_memory_used"]) for name, text in MEMORIES.items()}
    job.notes = [
        f"Vela estimates {1e3 * float(said['inference_time']):.2f} ms on the NPU, "
        + "".join(f"{size:.0f} KiB of {text}, " for text, size in used.items() if size)
        + f"for {said['system_config']}",
        f"left to the CPU: {by_kind(left) or 'nothing'}",
    ]
    more = by_kind(beyond(left, job.options.most_cpu))
    job.refused = [f"left to the CPU: {more}, limit --most-cpu {job.options.most_cpu}"] if more else []


def beyond(left: Sequence[flatbuffer.Operation], most_cpu: str) -> list[flatbuffer.Operation]:
    """Those of the operations on the CPU that are more than may be there (targets.table.MOST_CPU).

    Floats in the order that a result has are always made there: heatmaps by DEQUANTIZE and TRANSPOSE.
    """
    if most_cpu not in MAY_STAY:
        return []
    return [o for o in left if o.kind != RESULT and o.outputs[0].name.split(":")[0] not in MAY_STAY[most_cpu]]


def by_kind(operations: Sequence[flatbuffer.Operation]) -> str:
    """1 ADD, 2 MUL"""
    kinds = Counter(operation.kind for operation in operations)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
