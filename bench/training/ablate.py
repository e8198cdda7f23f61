"""`python -m bench ablate`: the paper's table, or our departures from it, cell by cell and seed by seed.

A cell is a recipe with a few other fields; all cells of a seed see the same faces in the same order with the same
augmentation and are scored on the same held-out faces, so cells are compared seed by seed. Every finished cell is a row
(edgewing.rows): a killed ablation goes on, and finished cells are not run again. The last seed comes last, so that what
is there when time runs out can be compared.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench import intervals
from bench.report import charts, columns
from edgewing import files, hints, layouts, rows
from edgewing.errors import InputError, unknown
from edgewing.outputs import Rows
from train import recipes
from train.options import LABELLED, LAYOUTS, add_fields, from_options
from train.recipes import Recipe
from train.runs import run_folder

EXAMPLE = """data/WFLW --layout wflw-98 --recipe paper-wflw --run ablation --seeds 3
  python -m bench ablate data/lfpw/trainset --recipe paper-300w --run tried --table departures --steps 500 --batch 8"""


@dataclass(frozen=True)
class Cell:
    """name: as in the table. against: the cell that it is compared with, '' for none. fields: of the recipe."""

    name: str
    against: str
    fields: dict = field(default_factory=dict)


_BARE = {"boundary": False, "coordinates": False}
_MAP = {"loss": "adaptive_wing", "weight_map": "dilated"}
TABLES: dict[str, tuple[Cell, ...]] = {
    # arXiv 1904.07399, its ablation: from a plain hourglass to the whole method. Each is compared with the cell that
    # it changes in one thing. The base map is M from the undilated heatmap.
    "paper": (
        Cell("mse", "", {"loss": "mse", "weight_map": "none", **_BARE}),
        Cell("mse+map", "mse", {"loss": "mse", "weight_map": "dilated", **_BARE}),
        Cell("aw", "mse", {"loss": "adaptive_wing", "weight_map": "none", **_BARE}),
        Cell("aw+base-map", "aw", {"loss": "adaptive_wing", "weight_map": "base", **_BARE}),
        Cell("aw+map", "aw+base-map", {**_MAP, **_BARE}),
        Cell("aw+map+boundary", "aw+map", {**_MAP, "boundary": True, "coordinates": False}),
        Cell("aw+map+coordinates", "aw+map", {**_MAP, "boundary": False, "coordinates": True}),
        Cell("aw+map+both", "aw+map", {**_MAP, "boundary": True, "coordinates": True}),
    ),
    # From the recipe that is named, one thing each: what `--recipe wflw|300w|cofw` may take, if it is measured.
    "departures": (
        Cell("recipe", ""),
        Cell(
            "adamw-cosine",
            "recipe",
            {
                "optimiser": "adamw",
                "learning_rate": 2e-3,
                "weight_decay": 0.05,
                "schedule": "cosine",
                "warmup": 50,
                "clip": 1.0,
            },
        ),
        Cell("ema", "recipe", {"ema": 0.998}),
        Cell("centroid", "recipe", {"decode": "centroid"}),
        Cell("subpixel", "centroid", {"decode": "centroid", "targets": "subpixel"}),
        Cell("coordinate-loss", "centroid", {"decode": "centroid", "coordinate_loss": 0.25}),
        Cell("light", "recipe", {"light": 0.35, "grey": 0.1}),
        Cell("rotation-30", "recipe", {"rotation": 30.0}),
        Cell("centroid+rotation-30", "rotation-30", {"decode": "centroid", "rotation": 30.0}),
    ),
}
# NME % of the whole method in the paper (WFLW with boxes from the landmarks; 300W full). The paper's figures for the
# other cells are for its authors to quote.
PAPER = {"wflw-98": 4.21, "300w-68": 3.07, "cofw-29": 4.94}
WHOLE = "aw+map+both"
HEAD = ("cell", "NME %, mean of seeds", "each", "against", "change, 95 % over seeds", "", "paper")
TEXTS = 0, 2, 3, 5
LARGEST_METRICS = 64 * files.MIB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="+", metavar="DIR", help=f"{LABELLED}. Or `drawn`")
    parser.add_argument("--layout", default="300w-68", help=LAYOUTS)
    parser.add_argument(
        "--recipe", default="paper-300w", help="what all cells share, see `train fit` (default: %(default)s)"
    )
    parser.add_argument("--table", default="paper", help=f"{', '.join(TABLES)} (default: %(default)s)")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="these of the table alone (default: all)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each cell (default: %(default)s)")
    parser.add_argument("--run", required=True, metavar="NAME", help="cells, table and plot in runs/NAME")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="rows (default: ablation.jsonl in the run)")
    parser.add_argument("--cache", type=Path, default=Path("cache"), help="folder of decoded pictures")
    add_fields(parser)


def main(
    recipe: str, layout: str, table: str, cells: list[str] | None, seeds: int, run: str, to: str | None, cache: Path,
    command: str, **fields,
) -> None:  # fmt: skip
    """Run what is not finished, then the table, ablation.md and ablation.svg in the run's folder."""
    recipe = from_options(recipes.get(recipe), {**fields, "layout": layouts.given(layout)})
    folder, cells = run_folder(run), chosen(table, cells)
    if seeds < 1:
        raise InputError(f"--seeds {seeds}: give 1 or more")
    to = Path(to or folder / "ablation.jsonl")
    each = range(recipe.seed, recipe.seed + seeds)
    wanted = [(cell, recipes.replace(recipe, seed=seed, **cell.fields)) for seed in each for cell in cells]
    if not train(wanted, folder, cache, to, command):
        return
    results = nme_by_cell(finished(to), wanted)
    found = lines(cells, results, recipe)
    columns.show(HEAD, found, TEXTS)
    files.write(folder / "ablation.md", ("\n".join(columns.markdown(HEAD, found, TEXTS)) + "\n").encode())
    files.write(folder / "ablation.svg", picture(cells, results, recipe.layout).encode())
    print("\n".join(f"wrote {path}" for path in (to, folder / "ablation.md", folder / "ablation.svg")))
    print(
        hints.next_line(
            "python -m train fit", *recipe.data, "--layout", recipe.layout, "--recipe", recipe.name, "--run", "R"
        )
    )


def chosen(table: str, names: Iterable[str] | None) -> tuple[Cell, ...]:
    """The cells of a table, or those named; InputError for a name that is not there."""
    if table not in TABLES:
        raise unknown("table", table, TABLES)
    cells = TABLES[table]
    known = {cell.name for cell in cells}
    for name in names or ():
        if name not in known:
            raise unknown("cell", name, known)
    return tuple(cell for cell in cells if not names or cell.name in names)


def finished(to: Path) -> list[dict]:
    """The rows that are there, of this ablation and others."""
    return [row for row in rows.read(to)[0] if row["kind"] == "ablation"] if to.is_file() else []


def train(wanted: list[tuple[Cell, Recipe]], folder: Path, root: Path, to: Path, command: str) -> bool:
    """Train the cells that have no row in ``to`` yet and append theirs; whether this is the first worker."""
    from train.loop import Workers, fit
    from train.sources import open_cache

    done = nme_by_cell(finished(to), wanted)
    with Workers.join() as workers:
        head = workers.rank == 0
        say = print if head else (lambda text: None)
        cache = open_cache(wanted[0][1], root, workers, say)
        for number, (cell, recipe) in enumerate(wanted, 1):
            what = f"[{number}/{len(wanted)}] {cell.name}, seed {recipe.seed}"
            if recipe.seed in done.get(cell.name, {}):
                say(f"{what}: done before, NME {done[cell.name][recipe.seed]:.2%}")
                continue
            place = folder / f"{cell.name}-{recipe.seed}"
            fit(recipe, cache, place, workers, say=lambda text, what=what: say(f"{what}: {text}"))
            if head:
                row = measured(place, cell, recipe, command)
                rows.append(to, row)
                say(f"{what}: NME {row['nme']:.2%} on {row['faces']} held-out faces")
                # Only a run that is not finished needs these, and they are most of its bytes.
                shutil.rmtree(place / "faces")
                (place / "checkpoint.safetensors").unlink()
        return head


def measured(place: Path, cell: Cell, recipe: Recipe, command: str) -> dict:
    """The row of a finished cell."""
    lines = [json.loads(line) for line in files.read(place / "metrics.jsonl", LARGEST_METRICS).decode().splitlines()]
    last = [line for line in lines if "nme" in line][-1]
    data = json.loads((place / "data.json").read_text())
    protocol = {
        "recipe": dataclasses.asdict(recipe), "fingerprint": data["fingerprint"], "count": data["count"],
        "boxes": recipe.crop, "normaliser": last["normaliser"],
    }  # fmt: skip
    return {
        **rows.header("ablation", {}, protocol, command),
        "cell": cell.name,
        "seed": recipe.seed,
        "steps": last["step"],
        **{name: last[name] for name in ("faces", "nme", "median", "fr10", "auc10", "cpu_seconds")},
    }


def nme_by_cell(found: list[dict], wanted: list[tuple[Cell, Recipe]]) -> dict[str, dict[int, float]]:
    """NME by cell and seed, of the rows that were made with exactly the recipes asked for."""
    asked = [(cell.name, recipe) for cell, recipe in wanted]
    results: dict[str, dict[int, float]] = {}
    for row in found:
        recipe = recipes.loads(json.dumps(row["protocol"]["recipe"]), "recipe of a row")
        if (row["cell"], recipe) in asked:
            results.setdefault(row["cell"], {})[row["seed"]] = row["nme"]
    return results


@dataclass(frozen=True)
class Change:
    """Of NME from one cell to another, over the seeds that both have: mean, and half of its 95 % interval (Student's t;
    infinite for one seed)."""

    mean: float
    half: float

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.half:
            return "no significant difference"
        return "lower" if self.mean < 0 else "higher"


def change(results: dict[str, dict[int, float]], cell: Cell) -> Change | None:
    """None where the cell is compared with none, or no seed has both."""
    ours, theirs = results.get(cell.name, {}), results.get(cell.against, {})
    differences = [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]
    return Change(*intervals.students(differences, 0.95)) if differences else None


def lines(cells: Sequence[Cell], results: dict[str, dict[int, float]], recipe: Recipe) -> list[list[str]]:
    """The table as text: a line of HEAD for each cell."""
    table = []
    for cell in cells:
        values = [100 * v for _, v in sorted(results.get(cell.name, {}).items())]
        found = change(results, cell)
        paper = f"{PAPER[recipe.layout]:.2f}" if cell.name == WHOLE and recipe.layout in PAPER else ""
        table.append(
            [
                cell.name,
                f"{statistics.fmean(values):.2f}" if values else "not run",
                " ".join(f"{v:.2f}" for v in values),
                cell.against if found else "",
                f"{100 * found.mean:+.2f} ± {100 * found.half:.2f}" if found else "",
                found.verdict if found else "",
                paper,
            ]
        )
    return table


def picture(cells: Sequence[Cell], results: dict[str, dict[int, float]], layout: str) -> str:
    """Every seed a dot, the mean a stroke, the paper's figure a diamond, as SVG."""
    marks = [
        charts.Bar(cell.name, [100 * nme for nme in results[cell.name].values()], "#4477aa")
        for cell in cells
        if cell.name in results
    ]
    whole = layout in PAPER and WHOLE in results
    chart = charts.strips(
        marks, "NME by cell", "NME on held-out faces, %: seeds and their mean", {WHOLE: PAPER[layout]} if whole else {}
    )
    return charts.alone(chart)
