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
from pathlib import Path

from targets import flatbuffer, tflite, tflm
from targets.job import Job, needs
from targets.tflite import embed

__all__ = ["FORMAT", "INTERFACE", "embed", "export"]

FORMAT, INTERFACE = tflm.FORMAT, tflm.INTERFACE
LIBRARIES = (*tflm.LIBRARIES, "ethos-u-vela")
FLASH = "off_chip_flash_memory_used", "on_chip_flash_memory_used"


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
    left = Counter(operation.kind for operation in flatbuffer.operations(flat) if operation.kind != tflm.COMMANDS)
    figures = {name: float(said[name]) for name in ("inference_time", "sram_memory_used", *FLASH)}
    flash = sum(figures[name] for name in FLASH)
    job.notes = [
        f"Vela estimates {1e3 * figures['inference_time']:.2f} ms on the NPU, {figures['sram_memory_used']:.0f} KiB of "
        f"SRAM, {flash:.0f} KiB of flash, for {said['system_config']}",
        "left to the CPU: " + (", ".join(f"{count} {kind}" for kind, count in sorted(left.items())) or "nothing"),
    ]
