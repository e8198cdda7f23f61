"""What a contract says of scores, by how the maps of points that are not there were trained."""

import pytest

from train import recipes
from train.credits import Credits
from train.float_contract import float_contract
from train.model import build


@pytest.mark.parametrize(
    ("fields", "least"),
    [
        ({}, 0.0),  # left alone: they may say anything
        ({"hidden": 0.6}, 0.0),
        ({"absent": "empty"}, 0.5),  # halfway to a point that is seen
        ({"absent": "empty", "hidden": 0.6}, 0.3),  # halfway to one that is hidden
    ],
)
def test_the_score_from_which_a_point_is_there(fields, least):
    recipe = recipes.replace(recipes.get("small"), input_size=64, width=0.25, data=("faces",), **fields)
    found = float_contract(build(recipe), recipe, "tiny", Credits(trained_on=("faces",)))
    assert found.decode.least_score == least
