"""The models that come with the package, by name: a name is accepted wherever a model's path is.

    >>> Landmarker("edgewing-free-m")

The files lie beside this one, each with its full contract inside. Their float weights, recipes and cards are in the
repository's folder ``models``, which the package leaves out.
"""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

from edgewing import containers
from edgewing.errors import InputError, unknown

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Shipped:
    """name: what a user types. layout: of its landmarks. files: format -> file name, in FOLDER."""

    name: str
    layout: str
    files: dict[str, str]

    @property
    def present(self) -> dict[str, Path]:
        """format -> file, those that this installation has."""
        return {form: FOLDER / file for form, file in self.files.items() if (FOLDER / file).is_file()}


def _shipped(name: str, layout: str) -> Shipped:
    return Shipped(name, layout, {"tflite": f"{name}.tflite", "onnx": f"{name}.onnx"})


SHIPPED = {  # the first that can run here is the default: one whose terms let everybody use it
    model.name: model
    for model in (
        _shipped("edgewing-free-m", "300w-68"),
        _shipped("edgewing-free-s", "300w-68"),
        _shipped("edgewing-free-98", "wflw-98"),
        _shipped("edgewing-m", "300w-68"),
        _shipped("edgewing-s", "300w-68"),
        _shipped("edgewing-xs", "300w-68"),
        _shipped("edgewing-98", "wflw-98"),
    )
}
FIGURES = "figures.json"  # in FOLDER: what was measured of each, which `python -m bench card` writes


def path(name: str, form: str = "") -> Path:
    """The file of a shipped model. form: ``tflite`` or ``onnx``; '' for TFLite where LiteRT is installed, else ONNX.

    Raises InputError: no such name, no such format, or this installation came without the file.
    """
    if name not in SHIPPED:
        raise unknown("model", name, SHIPPED)
    model = SHIPPED[name]
    if form and form not in model.files:
        raise unknown(f"format of {name}", form, model.files)
    present = model.present
    found = next((present[form] for form in ([form] if form else _forms()) if form in present), None)
    if found is None:
        if form and present:  # a model that ships without it
            raise InputError(f"{name} comes without {form}; in a clone python -m targets {name} --to {form} makes it")
        raise InputError(f"{name} is not in this installation ({FOLDER}); name a model file")
    return found


def default() -> str:
    """The name of the model that is used where none is named.
    Raises InputError where none came with this installation."""
    name = next((name for form in _forms() for name, model in SHIPPED.items() if form in model.present), None)
    if name is None:
        raise InputError(f"no model came with this installation ({FOLDER}); name a model file")
    return name


def figures() -> dict[str, dict]:
    """Name -> faces, nme (of the distance between the outer corners of the eyes), time (reference = 1), cpu_ms,
    reference, processor; what was not measured is left out."""
    file = FOLDER / FIGURES
    return json.loads(file.read_text()) if file.is_file() else {}


def find(text: str | Path) -> Path:
    """The file behind what a user typed: the name of a shipped model, whatever lies here (``./NAME`` is that), or a
    path as it is."""
    if str(text) in SHIPPED:
        return path(str(text))
    given = Path(text)
    if given.suffix.lower() in containers.SUFFIXES or len(given.parts) != 1 or given.exists():
        return given
    return path(str(text))


def files(text: str | Path) -> dict[str, Path]:
    """Format -> file of one model, the one for the CPU first: all that came of a shipped one, else the file itself."""
    if not str(text):
        raise InputError("'': the name of a model is empty; edgewing models lists those that are here")
    first = find(text)
    form = containers.format_of(first)
    named = str(text) in SHIPPED or (first.parent == FOLDER and first.stem == str(text))
    others = SHIPPED[first.stem].present if named else {}
    return {form: first} | {other: file for other, file in others.items() if other != form}


def _forms() -> tuple[str, str]:
    """The formats that ship, first the one whose runtime is here."""
    return ("tflite", "onnx") if _has_litert() else ("onnx", "tflite")


def _has_litert() -> bool:
    """Whether LiteRT is there, under its name or its former one; it is not loaded for the question."""
    return any(importlib.util.find_spec(name) is not None for name in ("ai_edge_litert", "tflite_runtime"))
