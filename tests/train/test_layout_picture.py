"""The picture that says which number is which point."""

import re
from pathlib import Path

import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from train import __main__ as train
from train.layout_picture import numbered

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("name", "nose"), [("300w-68", 30), ("wflw-98", 54)])
def test_every_point_has_its_number_beside_it_and_no_other(tmp_path, name, nose):
    assert train.main(["layout", "show", name, "--picture", str(tmp_path / "a.svg")]) == 0
    svg = (tmp_path / "a.svg").read_text()
    points = np.array(re.findall(r'<circle cx="(\d+)" cy="(\d+)"', svg), float)
    texts = re.findall(r'<text x="(\d+)" y="(\d+)">(\d+)</text>', svg)
    assert [int(number) for *_, number in texts] == list(range(layouts.get(name).points)) and len(points) == len(texts)
    places = np.array([(x, y) for x, y, _ in texts], float) - (0, 5)
    away = np.linalg.norm(places - points, axis=1)
    assert 10 < away.min() and away.max() < 25
    apart = np.linalg.norm(places[:, None] - places[None], axis=-1) + 100 * np.eye(len(places))
    assert apart.min() > 12  # numbers can be read
    assert abs(points[nose][0] - 500) < 10 and points[8 * len(points) // 68 + 1][1] > 700  # tip of the nose, the chin


def test_the_pages_have_the_pictures_that_the_command_writes():
    for name in ("300w-68", "wflw-98"):
        assert (DOCS / f"points-{layouts.get(name).points}.svg").read_text() == numbered(layouts.get(name))


def test_a_layout_without_a_mean_face_is_one_line(tmp_path, capsys):
    with pytest.raises(InputError, match="cofw-29"):
        numbered(layouts.get("cofw-29"))
    with pytest.raises(SystemExit, match="2"):
        train.main(["layout", "show", "cofw-29", "--picture", str(tmp_path / "a.svg")])
    assert not (tmp_path / "a.svg").exists() and capsys.readouterr().err.count("\n") == 1
