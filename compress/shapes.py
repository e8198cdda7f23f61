"""`python -m compress shapes`: untrained networks as int8 TFLite files in one race: which shape of network is fast.

Each line of LIST is ``NAME: options of python -m train fit``, such as ``wide: --recipe small --width 1``; # begins a
remark. Every network has random weights, is converted as a run would be, with noise to calibrate on, and stays in
runs/shapes/NAME.tflite. The clock is that of `python -m bench race`. How much a network computes stands in its row;
what that is worth only training says.
"""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from pathlib import Path

from compress import ladder, measuring
from compress.speed import convert
from edgewing import files, hints, models, rows
from edgewing.errors import InputError
from edgewing.outputs import Rows
from targets.progress import Progress, silence
from train import recipes
from train.options import add_fields, from_options
from train.recipes import Recipe
from train.runs import run_folder

EXAMPLE = "compress/shapes.txt --reference cache/mediapipe/modules/face_landmark/face_landmark.tflite --to rows.jsonl"
LIMIT = 1 << 20  # bytes of a list
HEAD = ("network", "million MACs", "bytes", "ratio", "95 %", "ratio of p10")


class _Options(argparse.ArgumentParser):
    def error(self, message: str):
        raise InputError(message)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("list", type=Path, metavar="LIST", help="text file, a line for each network: NAME: options")
    parser.add_argument("--reference", required=True, metavar="FILE", help="what the others' time is divided by")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the list, only these")
    parser.add_argument("--rounds", type=int, default=120, help="of five recorded calls each (default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each network to this JSON-lines file")


def main(options: argparse.Namespace) -> int:
    found = listed(options.list)
    for name in options.only or ():
        if name not in found:
            raise InputError(f"{options.list}: no network {name!r}; there are {', '.join(found)}")
    chosen = {name: found[name] for name in options.only or found}
    asked = {name: recipe_of(words, f"{options.list}, {name}") for name, words in chosen.items()}
    reference = models.find(options.reference)
    if not reference.is_file():  # known before the conversions, not after
        raise InputError(f"--reference {reference}: no such file; check the path")
    paths = {name: run_folder("shapes") / f"{name}.tflite" for name in asked}
    about = {}
    for name, recipe in asked.items():
        with Progress(name) as say, silence(options.debug):
            about[name] = convert(recipe, paths[name], say)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "rows.jsonl")
        how = measuring.How(log, reference=str(reference), rounds=options.rounds)
        made = measuring.race(list(paths.values()), how, print)
        first = measuring.rows_of(log)[0]
    for row, name in zip(made, asked):
        row["shape"] = {"options": chosen[name], "macs": about[name].macs, "parameters": about[name].parameters}
    for row in (first, *made):
        row["command"] = options.typed
    print("\n".join(ladder.aligned(table(first, made))))
    if options.to:
        for row in (first, *made):
            rows.append(options.to, row)
        print(f"wrote {options.to}")
    fastest = min(made, key=lambda row: row["cpu_ms"])
    print(hints.next_line("python -m train fit DIR --run NAME", *shlex.split(fastest["shape"]["options"])))
    return 0


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
    parser = _Options(add_help=False, allow_abbrev=False)
    parser.add_argument("--recipe", default="mobile")
    parser.add_argument("--layout", default="300w-68")
    add_fields(parser)
    try:
        options = parser.parse_args(shlex.split(words))
        return from_options(recipes.get(options.recipe), options, layout=options.layout)
    except (InputError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None


def table(reference: dict, made: list[dict]) -> list[tuple[str, ...]]:
    """HEAD, and a line for each row, fastest first. Other work on the machine moves the ratio of the 10th percentiles
    least."""
    lines = [HEAD]
    for row in sorted(made, key=lambda row: row["cpu_ms"]):
        ratios = (f"{row['ratio']:.3f}", f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}")
        low = f"{row['cpu_p10_ms'] / reference['cpu_p10_ms']:.3f}"
        size = f"{row['artefact']['bytes']:,}"
        lines.append((row["model"]["name"], f"{row['shape']['macs'] / 1e6:.1f}", size, *ratios, low))
    return lines
