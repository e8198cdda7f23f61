"""COFW's v7.3 files and COFW-68's points, written here as their owners write them."""

import numpy as np
import pytest

from edgewing.errors import InputError
from tests.train.data.folders import face
from tests.train.data.mats import cofw_variables, write_cofw, write_cofw68, write_v73
from train import data


@pytest.mark.parametrize("split, count, seed", [("train", 3, 0), ("test", 2, 100)])
def test_every_face_of_a_split(tmp_path, split, count, seed):
    write_cofw(tmp_path / "common/xpburgos")
    listing = data.read_samples(tmp_path, "cofw-29", split)
    assert len(listing.samples) == count and not listing.problems
    assert listing.summary == [f"{tmp_path}/common/xpburgos/COFW_{split}_color.mat: {count} faces (cofw)"]
    for number, sample in enumerate(listing.samples):
        picture, landmarks = face(29, seed + number)
        np.testing.assert_array_equal(sample.landmarks, landmarks)
        np.testing.assert_array_equal(sample.box, [30, 15, 130, 105])
        np.testing.assert_array_equal(sample.visibility == 1, np.arange(29) % 5 == number)
        loaded = data.load_image(sample)
        np.testing.assert_array_equal(loaded, picture)  # the grey ones too: the drawn face is grey
        x, y = sample.landmarks[0].astype(int)
        assert (loaded[y - 2 : y + 3, x - 2 : x + 3] == 255).all()  # the pixel that MATLAB calls x + 1
    assert len({sample.group for sample in listing.samples}) == count
    assert len({sample.name for sample in listing.samples}) == count


def test_cofw68_is_the_same_pictures_with_other_points(tmp_path):
    write_cofw(tmp_path)
    write_cofw68(tmp_path)
    first, second = data.read_samples(tmp_path, "300w-68", "test").samples
    np.testing.assert_array_equal(second.landmarks, face(68, 201)[1])
    np.testing.assert_array_equal(second.box, [40, 25, 100, 75])
    assert (second.visibility == 1).sum() == 1 and (first.visibility == 2).all()
    np.testing.assert_array_equal(data.load_image(second), face(29, 101)[0])
    with pytest.raises(InputError, match="COFW-68 is a test set"):
        data.read_samples(tmp_path, "300w-68", "train")
    (tmp_path / "COFW68_Data/test_annotations/1_points.mat").write_bytes(b"MATLAB")
    listing = data.read_samples(tmp_path, "300w-68", "test")
    assert len(listing.samples) == 1 and "1_points.mat: not a whole MATLAB v5 file" in listing.problems[0]


@pytest.mark.parametrize(
    "name, index, value, reason",
    [
        ("phisTr", (1, 3), np.nan, "face 2: a coordinate is not a finite number"),
        ("phisTr", (1, 3), 1e9, "face 2: a coordinate of 1e"),
        ("phisTr", (2, 70), 3, "face 3: occlusion flags must be 0 or 1"),
        ("bboxesTr", (0, 2), -1, "face 1: the box is empty"),
    ],
)
def test_a_broken_face_is_named_and_left_out(tmp_path, name, index, value, reason):
    variables = cofw_variables("train", 3)
    variables[name][index] = value
    write_v73(tmp_path / "COFW_train_color.mat", variables)
    listing = data.read_samples(tmp_path, "cofw-29")
    assert len(listing.samples) == 2
    assert listing.problems[0].startswith(f"{tmp_path}/COFW_train_color.mat: {reason}")


def test_parts_that_do_not_fit_and_missing_files(tmp_path):
    variables = cofw_variables("train", 3)
    write_v73(tmp_path / "COFW_train_color.mat", variables | {"phisTr": variables["phisTr"][:2]})
    with pytest.raises(InputError, match=r"3 pictures, phisTr \(2, 87\), bboxesTr \(3, 4\); do not fit"):
        data.read_samples(tmp_path, "cofw-29")
    with pytest.raises(InputError, match="no COFW_test_color.mat or COFW_test.mat in it"):
        data.read_samples(tmp_path, "cofw-29", "test")
    with pytest.raises(InputError, match="not wflw-98"):
        data.read_samples(tmp_path, "wflw-98")
    with pytest.raises(InputError, match="known: test, train"):
        data.read_samples(tmp_path, "cofw-29", "private")


def test_a_picture_that_vanishes_is_one_line(tmp_path):
    write_cofw(tmp_path)
    (sample, *_) = data.read_samples(tmp_path, "cofw-29").samples
    (tmp_path / "COFW_train_color.mat").unlink()
    with pytest.raises(InputError, match="no such file"):
        data.load_image(sample)
