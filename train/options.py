"""Recipes on the command line: an option for each field, explained by its comment in train/recipes.py."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import json
import re
import typing
from collections.abc import Mapping
from pathlib import Path

from edgewing import files, layouts
from edgewing.errors import InputError, unknown
from train import recipes
from train.recipes import Recipe

LARGEST_OFFSETS = files.MIB
# Fields that are written by the commands themselves.
NO_OPTION = ("name", "data", "layout", "channels", "unlabelled", "corrected")
# For --help: what a command takes labelled pictures from, by the readers of train.data.
LABELLED = (
    "labelled pictures: a folder of a public set (WFLW, 300W, COFW, AFLW-19, LSP ...); or yours, a folder or a file: "
    "COCO keypoints or LabelMe (JSON), CVAT (XML), CSV, .pts beside pictures; see docs/datasets.md"
)
LAYOUTS = f"{', '.join(layouts.table())}, or FILE.json of yours (default: %(default)s)"
MORE = "not given: as the recipe or the run has it; in brackets: of the recipe mobile"


def comments() -> dict[str, tuple[str, str]]:
    """Field -> its section and its comment, in the words of Recipe's source."""
    found, section, above, blank = {}, "", [], False
    for line in inspect.getsource(Recipe).splitlines():
        match = re.fullmatch(r"    (?:(\w+): [^#]*)?(?:# (.*))?", line)
        field, text = match.groups() if match else (None, None)
        if field:
            found[field] = section, ": ".join(filter(None, [text, " ".join(above)]))
            above = []
        elif text and blank:
            section = text
        elif text:
            above.append(text)
        blank = not line.strip()
    return found


def add_fields(parser: argparse.ArgumentParser) -> None:
    """An option for each field of a recipe, in the recipe's sections."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    hints, told = typing.get_type_hints(Recipe), comments()
    for field in dataclasses.fields(Recipe):
        if field.name in NO_OPTION:
            continue
        section, comment = told[field.name]
        if section not in groups:
            groups[section] = parser.add_argument_group(f"recipe: {section}", None if groups else MORE)
        how = {"help": f"{comment}{_default(field.default)}".replace("%", "%%"), "default": None}
        hint, option = hints[field.name], "--" + field.name.replace("_", "-")
        if hint is bool:
            how["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(hint) is dict:
            how |= {"metavar": "NAME=NUMBER", "nargs": "+"}
        elif typing.get_origin(hint) is tuple:
            (kind, _) = typing.get_args(hint)
            how |= {"type": kind, "metavar": kind.__name__.upper(), "nargs": "+"}
        else:
            how |= {"type": hint, "metavar": hint.__name__.upper()}
        groups[section].add_argument(option, **how)
        for old in (old for old, new in recipes.OLD_NAMES.items() if new == field.name):
            parser.add_argument(f"--{old}", **{**how, "dest": field.name, "help": argparse.SUPPRESS})


def _default(value: object) -> str:
    """A field's default for a line of help; nothing where there is none to speak of."""
    if value in ("", ()) or value is dataclasses.MISSING:
        return ""
    if isinstance(value, bool):
        return f" ({'on' if value else 'off'})"
    values = value if isinstance(value, tuple) else (value,)
    return f" ({' '.join(v if isinstance(v, str) else format(v, 'g') for v in values)})"


def from_options(recipe: Recipe, options: Mapping[str, object]) -> Recipe:
    """The recipe with the fields that were given on the command line; what else is among the options is none of its."""
    fields = {}
    for field in dataclasses.fields(Recipe):
        value = options.get(field.name)
        if value is None:
            continue
        if field.name in ("sampling", "offsets"):
            value = dict(_pair(text, of_points=field.name == "offsets") for text in value)
        fields[field.name] = tuple(value) if isinstance(value, list) else value
    if "epochs" in fields and "steps" not in fields:
        fields["steps"] = 0  # or the recipe's own would win
    return recipes.replace(recipe, **fields)


def _pair(text: str, of_points: bool) -> tuple[str, float | tuple[float, ...]]:
    name, _, value = text.rpartition("=")
    if of_points and Path(value).suffix == ".json":
        return name, _of_points(Path(value), name)
    try:
        return name, float(value)
    except ValueError:
        other = ", or NAME=FILE.json as `train offsets` writes" if of_points else ""
        raise InputError(f"{text!r}: expected NAME=NUMBER, such as lfpw/trainset=4{other}") from None


def _of_points(path: Path, source: str) -> tuple[float, ...]:
    """A source's x and y of each point, from a file that `train offsets --out` or a run wrote."""
    try:
        rows = json.loads(files.read(path, LARGEST_OFFSETS))
        if source not in rows:
            raise unknown(f"source in {path}", source, rows)
        return tuple(float(v) for v in rows[source])
    except (ValueError, TypeError, AttributeError):
        raise InputError(
            f"{path}: not the offsets of sources; `python -m train offsets --out FILE` writes them"
        ) from None
