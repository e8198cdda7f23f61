"""What can be exported, as the one table of formats has it: by which name, in which precision, into which file."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from edgewing import formats
from edgewing.errors import InputError, unknown
from edgewing.formats import PRECISIONS

OUTPUTS = ("landmarks", "heatmaps")
IOS = (16, 18)  # oldest that a CoreML file must run on
MOST = 64  # images at a time
MOST_CPU = ("none", "decode", "any")  # what an NPU may leave to its CPU, besides the result's type and order
DRAWN = "drawn"  # as --data
ABOUT_DATA = f"check on a labelled folder, or on `{DRAWN}` faces"


@dataclass(frozen=True)
class Options:
    """What is asked of every file besides its precision.

    output: one of OUTPUTS. batch: images at a time. ios: one of IOS, for targets that have versions of it.
    most_cpu: one of MOST_CPU, for targets with an NPU.
    """

    output: str = "landmarks"
    batch: int = 1
    ios: int = 16
    most_cpu: str = "decode"

    def __post_init__(self):
        if self.output not in OUTPUTS:
            raise unknown("output", self.output, OUTPUTS)
        if not 1 <= self.batch <= MOST:
            raise InputError(f"--batch {self.batch}: give a number from 1 to {MOST}")
        if self.ios not in IOS:
            raise InputError(f"--ios {self.ios}: give one of {', '.join(map(str, IOS))}")
        if self.most_cpu not in MOST_CPU:
            raise unknown("--most-cpu", self.most_cpu, MOST_CPU)


@dataclass(frozen=True)
class Target(formats.Target):
    """A row with the format that it belongs to. form: its name in contracts."""

    form: str = ""

    def load(self) -> ModuleType:
        return importlib.import_module(self.module)

    def path(self, folder: Path, run: str, precision: str, options: Options = Options()) -> Path:
        """demo-s-int8.tflite, demo-s-tensorrt-int8.onnx, demo-s-ios18-heatmaps-batch4-fp16.mlpackage"""
        parts = [run, self.tag]
        if self.apple and (ios := deployment(precision, options.ios)) != IOS[0]:
            parts.append(f"ios{ios}")
        parts.append("" if options.output == OUTPUTS[0] else options.output)
        parts.append("" if options.batch == 1 else f"batch{options.batch}")
        return folder / f"{'-'.join(filter(None, (*parts, precision)))}{self.suffix}"


def deployment(precision: str, ios: int) -> int:
    """The iOS that a CoreML file of that precision is made for, where ``ios`` was asked for: int8 needs 17."""
    return max(ios, 18) if precision == "int8" else ios


TABLE = {
    row.name: Target(**{**vars(row), "suffix": row.suffix or form.suffix, "form": name})
    for name, form in formats.TABLE.items()
    for row in form.targets
}


def get(name: str) -> tuple[str, Target]:
    """Target's key and row, of its name or an alias; InputError with the nearest name if there is none."""
    names = {alias: key for key, target in TABLE.items() for alias in (key, *target.aliases)}
    if name.lower() not in names:
        if name in formats.PRECISIONS:
            raise InputError(f"{name} is a precision, not a target; type --precision {name}")
        raise unknown("target", name, names)
    key = names[name.lower()]
    return key, TABLE[key]


def plan(names: list[str], precisions: list[str] | None, options: Options = Options()) -> list[tuple[str, str]]:
    """(target, precision) of every file to make, in the order asked for, each once.

    precisions: None for each target's default. InputError: an unknown name, a target that has none of the precisions,
    a precision that none of the targets has, an option that says nothing of any.
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
    if options.ios != IOS[0] and not any(TABLE[key].apple for key, _ in found):
        raise InputError(f"--ios {options.ios}: {', '.join(names)} are not for iOS; leave it out, or add --to coreml")
    if options.most_cpu != Options.most_cpu and not any(TABLE[key].npu for key, _ in found):
        raise InputError(f"--most-cpu {options.most_cpu}: no NPU in {', '.join(names)}; leave it out")
    return list(found)


def rejected(path: Path) -> Path:
    """demo-s-int8.rejected.tflite"""
    return path.with_name(f"{path.stem}.rejected{path.suffix}")


def is_rejected(path: Path) -> bool:
    return path.stem.endswith(".rejected")
