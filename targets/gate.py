"""A file gets the name that it has earned: its own, or ``.rejected``, with what to try then.

with files.workshop(final) as path:
    ...                                            # write it to path
    named, result = gate.passed(path, final, embed, reference, faces)
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from edgewing import containers, hints, runtimes
from edgewing.contract import Contract
from targets import parity, table
from targets.layers import READERS

QUANTIZATION = (
    "quantization.json"  # written by `python -m compress quantize`: {"ranges": name, "float_layers": [regex]}
)


def passed(
    path: Path, final: Path, embed: Callable[[Path, Contract], None], reference: runtimes.Points, faces: parity.Faces,
    refused: Sequence[str] = (),
) -> tuple[Path, parity.Result]:  # fmt: skip
    """Check the file that lies in a workshop, ``embed`` its parity and seal it; its new name and the result.

    The other of its two names is gone afterwards. What had the name before stays until this is there. refused: reasons
    to reject it whatever its parity.
    """
    result = parity.measure(path, reference, faces).rejected_for(refused)
    embed(path, result.about.replace(parity=result.part))
    containers.seal(path)
    named, other = final, table.rejected(final)
    if result.reasons:
        named, other = other, named
    _aside(named, path, always=False)
    os.replace(path, named)
    _aside(other, path, always=True)
    return named, result


def _aside(old: Path, path: Path, always: bool) -> None:
    """Into the workshop, which is emptied. A file can be replaced where it is, a package (a folder) cannot."""
    if old.is_dir() or (always and old.exists()):
        os.replace(old, path.with_name(f"was-{old.name}"))


def smallest_float(run: Path, key: str) -> str:
    """fp16, unless the target has none, or that file of this run was rejected."""
    target = table.TABLE[key]
    lost = table.rejected(target.path(run / "export", run.resolve().name, "fp16")).exists()
    return "fp16" if "fp16" in target.precisions and not lost else "fp32"


def remedies(run: Path, key: str, precision: str, named: Path, refused: Sequence[str] = ()) -> list[str]:
    """What to try where a file was rejected, in order. refused: by its converter, which ranges do not change."""
    target, found = table.TABLE[key], []

    def again(precision: str, *more: str) -> str:
        return hints.typed("python -m targets", run, "--to", key, "--precision", precision, *more)

    if refused:
        return [f"let the CPU compute them: {again(precision, '--most-cpu', table.MOST_CPU[-1])}"]
    if precision == "int8":
        if chosen(run) is None:
            measure = hints.typed("python -m compress quantize", run, "--to", key)
            found.append(f"choose ranges, and what stays in float: {measure}")
        train = hints.typed("python -m compress qat", run, "--run", f"{run.resolve().name}-qat")
        found.append(f"train it in int8: {train}")
    if precision == "palette6":
        found.append(f"more bits: {again('weight8')}")
    if precision not in parity.FLOATS and target.precisions != ("int8",):
        found.append(f"a float file: {again(smallest_float(run, key))}")
    elif precision == "fp16" and "fp32" in target.precisions:
        found.append(f"all of it in float: {again('fp32')}")
    if target.form == "tflite":
        key = target.form  # a file for microcontrollers has the layers of the one for phones
    if containers.format_of(named) in READERS:
        found.append(f"see which layer parts from the network: {again(precision, '--bisect')}")
    return found or [f"another target, and report it: {named} is not the network that it was made of"]


def chosen(run: Path) -> bool | None:
    """Whether `compress quantize` has found what passes; None where it was not asked."""
    try:
        return bool(json.loads((run / QUANTIZATION).read_bytes())["accepted"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
