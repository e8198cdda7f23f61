"""AFLW-19's MATLAB v5 file, written here as its owners write it."""

import numpy as np
import pytest

from edgewing.errors import InputError
from tests.train.data.folders import face
from tests.train.data.mats import aflw_variables, write_aflw
from train import data
from train.data import aflw


def test_splits_are_by_the_order_ra(tmp_path, monkeypatch):
    monkeypatch.setattr(aflw, "TRAINED_ON", 3)
    order = write_aflw(tmp_path, 6)["ra"].ravel() - 1
    found = {split: data.read_samples(tmp_path, "aflw-19", split).samples for split in aflw.SPLITS}
    numbers = {split: [int(s.image.stem[-5:]) for s in samples] for split, samples in found.items()}
    assert numbers["train"] == order[:3].tolist() and numbers["test"] == order[3:].tolist()
    assert numbers["frontal"] == [number for number in order[3:] if number % 2 == 0]  # odd ones hide a point
    for sample in (*found["train"], *found["test"]):
        number = int(sample.image.stem[-5:])
        np.testing.assert_array_equal(sample.landmarks, face(19, number)[1])
        np.testing.assert_array_equal(sample.box, [20, 10, 120, 110])
        assert sample.visibility.tolist() == [1 if number % 2 == 1 and point == 3 else 2 for point in range(19)]
        assert data.load_image(sample).shape == (120, 160, 3)


@pytest.mark.parametrize("place", ["flickr", "data/flickr", "images"])
def test_where_the_pictures_may_lie(tmp_path, place):
    write_aflw(tmp_path / "set", 2)
    (tmp_path / "set/flickr").rename(tmp_path / "moved")
    (tmp_path / "set" / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "moved").rename(tmp_path / "set" / place)
    assert len(data.read_samples(tmp_path, "aflw-19").samples) == 2


def _with(name, index, value):
    changed = aflw_variables(4)[name]
    changed[index] = value
    return {name: changed}


@pytest.mark.parametrize(
    "changes, reason",
    [
        (_with("data", (0, 3), np.inf), "face 1: a coordinate is not a finite number"),
        (_with("bbox", (2, 0), 500), "face 3: the box is empty"),
        (_with("nameList", (1, 0), "../../etc/passwd.jpg"), "face 2: the picture .* is outside"),
        (_with("nameList", (1, 0), "/etc/hostname"), "face 2: the picture .* is outside"),
        (_with("nameList", (1, 0), "0/gone.jpg"), "face 2: no picture 0/gone.jpg"),
    ],
)
def test_a_broken_face_is_named_and_left_out(tmp_path, changes, reason):
    write_aflw(tmp_path, 4, **changes)
    listing = data.read_samples(tmp_path, "aflw-19")
    assert len(listing.samples) == 3
    with pytest.raises(InputError, match=f"^{tmp_path}/AFLWinfo_release.mat: {reason}"):
        raise InputError(listing.problems[0])


@pytest.mark.parametrize(
    "changes, reason",
    [
        ({"ra": np.array([[1, 2, 3, 3]])}, "ra is not an order of 1 to 4"),
        ({"ra": np.array([[1, 2, 3]])}, "do not fit together"),
        ({"data": np.zeros((4, 42))}, "do not fit together"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, changes, reason):
    write_aflw(tmp_path, 4, **changes)
    with pytest.raises(InputError, match=reason):
        data.read_samples(tmp_path, "aflw-19")
    with pytest.raises(InputError, match="AFLW has aflw-19, not 300w-68"):
        data.read_samples(tmp_path, "300w-68")
