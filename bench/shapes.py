"""`python -m bench shapes`: untrained networks as int8 TFLite files in one race: which shape of network is fast.

Each line of LIST is ``NAME: options of python -m train fit``, such as ``wide: --recipe small --width 1``; # begins a
remark. Every network has random weights, is converted as a run would be, with noise to calibrate on, and stays in
runs/shapes/NAME.tflite. The clock is that of `python -m bench race`. How much a network computes stands in its row;
what that is worth only training says.
"""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from bench.report import columns
from bench.time import race
from compress.speed import convert
from edgewing import files, hints, models, rows
from edgewing.commands import Parser
from edgewing.errors import InputError
from edgewing.outputs import Rows
from targets.progress import Progress, silence
from train import recipes
from train.options import add_fields, from_options
from train.recipes import Recipe
from train.runs import run_folder

EXAMPLE = "bench/shapes.txt --reference cache/mediapipe/modules/face_landmark/face_landmark.tflite --to rows.jsonl"
LIMIT = 1 << 20  # bytes of a list
HEAD = ("network", "million MACs", "bytes", "ratio", "95 %", "ratio of p10")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list", type=Path, metavar="LIST", help="text file, a line for each network: NAME: options")
    parser.add_argument("--reference", required=True, metavar="FILE", help="what the others' time is divided by")
    parser.add_argument("--rounds", type=int, default=race.ROUNDS, help="of five recorded calls (default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each network to this JSON-lines file")


def main(to: str | None, **how) -> None:
    first, *made = raced(**how)
    columns.show(HEAD, table_lines(first, made), left=(0,))
    rows.keep([first, *made], to)
    fastest = min(made, key=lambda row: row["cpu_ms"])
    print(hints.next_line("python -m train fit DIR --run NAME", *shlex.split(fastest["shape"]["options"])))


def raced(list: Path, reference: str, *, rounds: int = race.ROUNDS, command: str = "") -> list[dict]:
    """The race row of the reference, then one for each network of the list."""
    found = listed(list)
    asked = {name: recipe_of(words, f"{list}, {name}") for name, words in found.items()}
    if not models.find(reference).is_file():  # known before the conversions, not after
        raise InputError(f"--reference {reference}: no such file; check the path")
    paths = {name: run_folder("shapes") / f"{name}.tflite" for name in asked}
    about = {}
    for name, recipe in asked.items():
        with Progress(name) as say, silence():
            about[name] = convert(recipe, paths[name], say)
    first, *made = race.race_rows([*paths.values()], reference=reference, rounds=rounds, command=command)
    for row, name in zip(made, asked):
        row["shape"] = {"options": found[name], "macs": about[name].macs, "parameters": about[name].parameters}
    return [first, *made]


def listed(path: Path) -> dict[str, str]:
    """Name -> options. InputError names the line that is wrong."""
    found: dict[str, str] = {}
    for number, line in enumerate(files.read(path, LIMIT).decode(errors="replace").splitlines(), 1):
        if not (line := line.partition("#")[0].strip()):
            continue
        name, _, words = line.partition(":")
        if not re.fullmatch(r"[\w-]+", name) or name in found:
            raise InputError(f"{path}:{number}: {name!r}: expected NAME: options, a name once, of letters and digits")
        found[name] = words.strip()
    if not found:
        raise InputError(f"{path}: no network in it; write lines such as: wide: --recipe small --width 1")
    return found


def recipe_of(words: str, where: str) -> Recipe:
    """The recipe that `train fit` makes of these options. InputError says where they stand."""
    parser = Parser("python -m train fit", add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default="mobile")
    parser.add_argument("--layout", default="300w-68")
    add_fields(parser)
    try:
        options = vars(parser.parse_args(shlex.split(words)))
        return from_options(recipes.get(options["recipe"]), options)
    except (InputError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def table_lines(reference: dict, made: list[dict]) -> list[tuple[str, ...]]:
    """A line of HEAD for each row, fastest first. Other work on the machine moves the ratio of the 10th percentiles
    least."""
    lines = []
    for row in sorted(made, key=lambda row: row["cpu_ms"]):
        ratios = (f"{row['ratio']:.3f}", f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}")
        low = f"{row['cpu_p10_ms'] / reference['cpu_p10_ms']:.3f}"
        size = f"{row['artefact']['bytes']:,}"
        lines.append((row["model"]["name"], f"{row['shape']['macs'] / 1e6:.1f}", size, *ratios, low))
    return lines
