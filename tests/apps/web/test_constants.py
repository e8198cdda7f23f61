"""What the page knows beside a contract is what edgewing.web.constants says."""

import dataclasses
import json

import pytest

from edgewing import layouts, web

GROUPS = {"left_eye": (0, 1), "right_eye": (2,)}
CURVES = {"nose": (3, 4, 5), "outer_upper_lip": (6, 7, 8)}
OWN = [
    layouts.Layout("own-9", 9, curves=CURVES, groups=GROUPS, object="face"),
    layouts.Layout("own-9", 9, curves=CURVES, object="face"),
    layouts.Layout("own-9", 9, curves=CURVES, groups=GROUPS, object="cat"),
]


@pytest.mark.parametrize("layout", [*layouts.table().values(), *OWN], ids=str)
def test_of_every_layout(ask, layout):
    as_in_a_contract = json.loads(json.dumps(dataclasses.asdict(layout)))
    assert ask("constants.constants", as_in_a_contract) == json.loads(json.dumps(web.constants(layout)))


def test_some_are_turned_and_some_are_not():
    assert [("turns" in web.constants(layout)) for layout in OWN] == [True, False, True]
