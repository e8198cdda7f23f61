"""LSP and its extended set, written here as their owners write them."""

import numpy as np
import pytest
import scipy.io

from edgewing.errors import InputError
from tests.train.data.folders import write_picture
from tests.train.data.mats import person, write_lsp, write_lspet
from train import data


def test_the_first_thousand_are_the_train_split(tmp_path):
    write_lsp(tmp_path / "lsp_dataset")
    train, test = (data.read_samples(tmp_path, "lsp-14", split) for split in ("train", "test"))
    assert [sample.image.name for sample in train.samples] == ["im0001.jpg", "im0002.jpg", "im0003.jpg"]
    assert [sample.image.name for sample in test.samples] == ["im1001.jpg", "im1002.jpg"]
    for number, sample in zip((0, 1, 2, 1000, 1001), [*train.samples, *test.samples]):
        np.testing.assert_array_equal(sample.landmarks, person(number)[1])
    # the 1,995 persons of the file whose pictures are not there
    assert len(train.problems) + len(test.problems) == 1995
    assert train.summary[0] == f"{tmp_path}/lsp_dataset/joints.mat: 3 objects, 997 left out (lsp)"


def test_the_extended_set_is_for_training_and_unlabelled_joints_are_left_out(tmp_path):
    write_lsp(tmp_path / "lsp_dataset", train=1, test=1)
    write_lspet(tmp_path / "lspet_dataset")
    samples = data.read_samples(tmp_path, "lsp-14", "train")
    assert {s.source for s in samples.samples} == {"lsp/train", "lspet/train"} and len(samples.samples) == 3
    assert any(
        line.endswith("lspet_dataset/joints.mat: person 3: 1 of 14 joints are not labelled")
        for line in samples.problems
    )
    assert {s.source for s in data.read_samples(tmp_path, "lsp-14", "test").samples} == {"lsp/test"}
    with pytest.raises(InputError, match="no person of layout lsp-14"):
        data.read_samples(tmp_path / "lspet_dataset", "lsp-14", "test")


@pytest.mark.parametrize(
    "joints, reason",
    [
        (np.zeros((14, 2, 5)), r"joints \(14, 2, 5\); expected \(3, 14, 2000\)"),
        (np.zeros((3, 14)), r"joints \(3, 14\)"),
        (np.zeros((3, 14, 4)), "the points span only"),
        (np.full((3, 14, 4), np.nan), "not a finite number"),
    ],
)
def test_broken_joints_are_one_line(tmp_path, joints, reason):
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints})
    write_picture(tmp_path / "images/im0001.jpg", person()[0])
    with pytest.raises(InputError, match=reason):
        data.read_samples(tmp_path, "lsp-14")
    with pytest.raises(InputError, match="LSP has lsp-14, not 300w-68"):
        data.read_samples(tmp_path, "300w-68")
