"""The ablation on a few drawn faces: every cell a row, finished ones not run again, cells compared seed by seed."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest

from bench.__main__ import main
from bench.training import ablate
from edgewing import layouts
from edgewing.errors import InputError
from train import recipes
from train.data import cache as caches
from train.data.drawn import faces


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "drawn"
    return caches.build(faces(12, "aflw-19", 0), folder, layouts.get("aflw-19"), caches.dense_enough(64))


def command(cache, tmp_path, *more):
    return [
        "ablate", str(cache.folder), "--layout", "aflw-19", "--recipe", "paper-300w", "--network", "mobile", "--stacks",
        "1", "--width", "0.25", "--input-size", "64", "--batch", "2", "--validation", "0.3", "--steps", "2", "--seeds",
        "2", "--cells", "mse", "mse+map", "--run", str(tmp_path / "run"), *more,
    ]  # fmt: skip


def test_cells_are_rows_and_finished_ones_are_not_run_again(cache, tmp_path, capsys):
    main(command(cache, tmp_path))
    path = tmp_path / "run/ablation.jsonl"
    made = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["seed"], row["cell"]) for row in made] == [(0, "mse"), (0, "mse+map"), (1, "mse"), (1, "mse+map")]
    for row in made:
        recipe = row["protocol"]["recipe"]
        assert (recipe["loss"], recipe["boundary"], recipe["coordinates"]) == ("mse", False, False)
        assert recipe["weight_map"] == ("none" if row["cell"] == "mse" else "dilated") and row["nme"] > 0
    table = (tmp_path / "run/ablation.md").read_text()
    assert f"{50 * (made[0]['nme'] + made[2]['nme']):.2f}" in table and "not run" not in table
    drawn = ElementTree.fromstring((tmp_path / "run/ablation.svg").read_text())
    dots = [float(dot.get("cx")) for dot in drawn.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 4 and np.argsort(dots).tolist() == np.argsort([made[i]["nme"] for i in (0, 2, 1, 3)]).tolist()
    assert "next: " in capsys.readouterr().out
    # one row lost, as if killed before it was written: that cell alone runs again, and gives the same
    path.write_text("".join(json.dumps(row) + "\n" for row in (made[0], made[2], made[3])))
    main(command(cache, tmp_path))
    again = [json.loads(line) for line in path.read_text().splitlines()]
    assert again[:3] == [made[0], made[2], made[3]] and len(again) == 4
    assert again[3]["nme"] == made[1]["nme"] and capsys.readouterr().out.count("done before") == 3


def test_rows_of_another_budget_do_not_count(cache, tmp_path):
    main(command(cache, tmp_path, "--seeds", "1"))
    rows = ablate.finished(tmp_path / "run/ablation.jsonl")
    recipe = recipes.loads(json.dumps(rows[0]["protocol"]["recipe"]))
    cell = ablate.TABLES["paper"][0]
    assert list(ablate.nme_by_cell(rows, [(cell, recipe)])["mse"]) == [0]
    assert ablate.nme_by_cell(rows, [(cell, recipes.replace(recipe, steps=3))]) == {}


def test_changes_are_paired_and_their_interval_is_students():
    cell = ablate.Cell("b", "a")
    # differences -1, -2, -3 points: mean -2, standard deviation 1, t(2) 4.303
    found = ablate.change({"a": {0: 0.05, 1: 0.07, 2: 0.09, 5: 0.5}, "b": {0: 0.04, 1: 0.05, 2: 0.06}}, cell)
    assert found.mean == pytest.approx(-0.02)
    assert found.half == pytest.approx(0.01 * 4.30265 / 3**0.5) and found.verdict == "no significant difference"
    assert ablate.Change(-0.02, 0.01).verdict == "lower" and ablate.Change(0.02, 0.01).verdict == "higher"
    assert (
        ablate.change({"a": {0: 0.05}, "b": {0: 0.01}}, cell).verdict == "no significant difference"
    )  # one seed says nothing
    assert ablate.change({"b": {0: 0.01}}, cell) is None


@pytest.mark.parametrize("table", ablate.TABLES)
def test_every_cell_is_a_legal_recipe_and_is_compared_with_one_of_its_table(table):
    cells = ablate.TABLES[table]
    names = [cell.name for cell in cells]
    for cell in cells:
        recipes.replace(recipes.get("paper-300w"), **cell.fields)
        assert cell.against == "" or cell.against in names[: names.index(cell.name)]


def test_names_that_are_not_there(cache, tmp_path, capsys):
    with pytest.raises(InputError, match="did you mean 'mse\\+map'"):
        ablate.chosen("paper", ["mse+mop"])
    with pytest.raises(InputError, match="unknown table"):
        ablate.chosen("papers", None)
    with pytest.raises(SystemExit) as ended:
        main(command(cache, tmp_path, "--seeds", "0"))
    assert ended.value.code == 2 and "--seeds 0" in capsys.readouterr().err
