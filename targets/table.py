"""The one table of what can be exported: formats, aliases, precisions, file names, the commands that come next.

A new target is one file with ``export(job, precision, path)`` and ``embed(path, contract)``, and one row here.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from edgewing.errors import InputError, unknown

PRECISIONS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class Target:
    """module: where it is converted. precisions: legal ones; default: those made when none is named.

    tag: what stands in the file's name besides run and precision. next: the command to type, of {file}.
    """

    module: str
    aliases: tuple[str, ...]
    precisions: tuple[str, ...]
    default: tuple[str, ...]
    suffix: str
    tag: str
    next: str

    def load(self) -> ModuleType:
        return importlib.import_module(self.module)

    def path(self, folder: Path, run: str, precision: str) -> Path:
        """demo-s-int8.tflite, demo-s-tensorrt-int8.onnx"""
        return folder / f"{run}-{self.tag}{precision}{self.suffix}"


RUN_IT = "edgewing run IMAGE --model {file}"
TABLE = {
    "onnx": Target("targets.onnx", ("ort", "onnxruntime"), ("fp32", "fp16"), ("fp32",), ".onnx", "", RUN_IT),
    "tflite": Target(
        "targets.tflite", ("android", "litert", "lite"), PRECISIONS, PRECISIONS, ".tflite", "", RUN_IT
    ),
    "coreml": Target(
        "targets.coreml", ("ios", "apple", "mlpackage"), ("fp32", "fp16"), ("fp16",), ".mlpackage", "",
        "drag {file} into Xcode; what is inside: edgewing info {file}",
    ),
    "tensorrt": Target(
        "targets.tensorrt", ("trt", "jetson", "nvidia"), PRECISIONS, ("fp16", "int8"), ".onnx", "tensorrt-",
        "on the board: python -m edgewing.build {file}",
    ),
}  # fmt: skip


def get(name: str) -> tuple[str, Target]:
    """Format and target of a name or alias; InputError with the nearest name if there is none."""
    names = {alias: key for key, target in TABLE.items() for alias in (key, *target.aliases)}
    if name.lower() not in names:
        raise unknown("target", name, names)
    key = names[name.lower()]
    return key, TABLE[key]


def plan(names: list[str], precisions: list[str] | None) -> list[tuple[str, str]]:
    """(format, precision) of every file to make, in the order asked for, each once.

    precisions: None for each target's default. InputError: an unknown name, a target that has none of the precisions,
    a precision that none of the targets has.
    """
    for precision in precisions or ():
        if precision not in PRECISIONS:
            raise unknown("precision", precision, PRECISIONS)
    found: dict[tuple[str, str], None] = {}
    for name in names:
        key, target = get(name)
        wanted = target.default if precisions is None else [p for p in precisions if p in target.precisions]
        if not wanted:
            raise InputError(f"{key} has no {', '.join(precisions)}; it has {', '.join(target.precisions)}")
        found |= dict.fromkeys((key, precision) for precision in wanted)
    unused = set(precisions or ()) - {precision for _, precision in found}
    if unused:
        raise InputError(f"{', '.join(names)} cannot be {', '.join(sorted(unused))}; see python -m targets --help")
    return list(found)


def rejected(path: Path) -> Path:
    """demo-s-int8.rejected.tflite"""
    return path.with_name(f"{path.stem}.rejected{path.suffix}")


def is_rejected(path: Path) -> bool:
    return path.stem.endswith(".rejected")
