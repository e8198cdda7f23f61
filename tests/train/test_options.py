"""Every option of a recipe says what it is, in the words of the recipe's source."""

import argparse
import dataclasses

import pytest

from train import __main__ as train
from train import options, recipes
from train.data import READERS
from train.recipes import Recipe


def test_every_option_has_a_comment():
    found = options.comments()
    asked = [field.name for field in dataclasses.fields(Recipe) if field.name not in options.NO_OPTION]
    assert [name for name in asked if not found[name][1]] == [] and len(asked) > 40


def test_where_comments_stand():
    found = options.comments()
    assert found["drawn"] == ("data", "faces that `drawn` or `heads` draws")  # behind
    assert found["points_frame"][1].startswith("upright | stored: points of the pixels")  # above
    section, comment = found["absent"]  # both
    assert section == "ground truth (train.heatmaps)"
    assert comment.startswith("ignore | empty: Points of visibility 0") and comment.endswith(
        "whether a point is there."
    )


def test_help_prints_comment_and_default(capsys):
    parser = argparse.ArgumentParser()
    options.add_fields(parser)
    text = " ".join(parser.format_help().split())
    assert "--batch INT faces per step, over all workers together (32)" in text
    assert "recipe: network (train.model):" in text and "--boundary, --no-boundary the boundary as last" in text
    assert options.comments()["mask"][1] in text


def test_help_names_every_format_and_name_that_can_be_trained_on(capsys):
    with pytest.raises(SystemExit, match="0"):
        train.main(["fit", "--help"])
    text = " ".join(capsys.readouterr().out.split()).lower()
    formats = {"points_csv": "csv", "pts": ".pts"}
    assert [name for name in (*READERS, *recipes.DRAWN) if formats.get(name, name) not in text] == []
    assert "or file.json of yours" in text


def test_epochs_that_are_given_win_over_a_recipes_own_steps():
    demo = recipes.get("demo")
    given = options.from_options(demo, {"epochs": 2.0, "steps": None})
    assert demo.steps and (given.epochs, given.steps) == (2.0, 0)
    assert options.from_options(demo, {"epochs": 2.0, "steps": 5}).steps == 5


def test_options_of_older_runs_are_taken_and_not_shown():
    """models/queue.txt and the scripts beside it have them."""
    parser = argparse.ArgumentParser()
    options.add_fields(parser)
    typed = vars(parser.parse_args(["--rate", "1e-3", "--weights", "a=2", "b=3"]))
    recipe = options.from_options(recipes.get("mobile"), typed)
    assert (recipe.learning_rate, recipe.sampling) == (1e-3, {"a": 2.0, "b": 3.0})
    assert "--rate" not in parser.format_help()
