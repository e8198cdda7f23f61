"""Drawn heads without one kind of variety: which they are, and that a cache of them reads as the whole one does."""

import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from train.data import cache as caches
from train.data import drawn
from train.data.drawn.__main__ import main
from train.data.drawn.heads import undrawn
from train.data.drawn.heads.variety import LACKS, without


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads") / "cache"
    return caches.build(drawn.faces(24, "300w-68", kind="heads"), folder, layouts.get("300w-68"), 64)


def test_each_lacks_what_it_says_and_all_are_as_many(whole):
    found = without(whole, 5000)
    assert found.keys() == {"all", *(f"no-{name}" for name in LACKS)}
    assert len({len(faces) for faces in found.values()}) == 1 and all(map(len, found.values()))
    assert {len(faces) for faces in without(whole, 3).values()} == {3}
    for name in whole.names(found["no-turned"]):
        assert abs(undrawn(int(name.split("_")[1]), "300w-68").angles[0]) <= 25


def test_an_extract_has_the_bytes_of_the_whole(whole, tmp_path):
    part = whole.extract([20, 3, 7], tmp_path / "part")
    for ours, theirs in zip(part.read(range(3)), whole.read([20, 3, 7])):
        assert np.array_equal(ours, theirs)
    assert part.names(range(3)) == whole.names([20, 3, 7]) and part.meta["sources"][0]["count"] == 3
    assert part.meta["fingerprint"] != whole.meta["fingerprint"]


def test_the_command_writes_them(whole, tmp_path, capsys):
    main(["variety", str(whole.folder), str(tmp_path / "parts")])
    *wrote, typed = capsys.readouterr().out.splitlines()
    assert len(wrote) == 1 + len(LACKS) and typed.startswith("next: ") and "parts/all" in typed
    assert len(list((tmp_path / "parts").iterdir())) == 1 + len(LACKS)


def test_other_faces_are_refused(tmp_path):
    cartoons = caches.build(drawn.faces(4, "300w-68"), tmp_path / "cache", layouts.get("300w-68"), 64)
    with pytest.raises(InputError, match="not drawn heads alone"):
        without(cartoons, 4)
