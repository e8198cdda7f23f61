"""300-W's splits and 300-VW's videos, by the names of their folders."""

import pytest

from tests.train.data.folders import face, write_faces, write_picture
from train import data
from train.data import ibug

TREE = {
    "afw": "train", "helen/trainset": "train", "LFPW/trainset": "train", "helen/testset": "common",
    "LFPW/testset": "common", "ibug": "challenging", "300W/01_Indoor": "private", "300W/02_Outdoor": "private",
}  # fmt: skip


@pytest.fixture
def tree(tmp_path):
    for place in TREE:
        write_faces(tmp_path / "set" / place, [place.replace("/", "_")])
    return tmp_path / "set"


@pytest.mark.parametrize("split", [split for split in ibug.SPLITS if split != "val"])
def test_splits_of_300w(tree, split):
    samples = data.read_samples(tree, "300w-68", split).samples
    parts = {"common", "challenging"} if split == "test" else {split}
    assert {s.image.stem for s in samples} == {p.replace("/", "_") for p, of in TREE.items() if of in parts}
    for sample in samples:
        of = TREE[next(place for place in TREE if place.replace("/", "_") == sample.image.stem)]
        assert sample.attributes == ({} if of == "train" else {of: 1})
    assert "lfpw/trainset" in {s.source for s in samples} or split != "train"


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("place", TREE)
def test_a_collection_that_is_named_itself_is_read(tree, place, split):
    assert len(data.read_samples(tree / place, "300w-68", split).samples) == 1


def test_folders_above_that_happen_to_be_called_so_do_not_matter(tree):
    (tree.parent / "ibug").mkdir()
    tree.rename(tree.parent / "ibug/300W")
    found = data.read_samples(tree.parent / "ibug/300W", "300w-68", "train").samples
    assert {s.image.stem for s in found} == {"afw", "helen_trainset", "LFPW_trainset"}


def test_videos_of_300vw(tmp_path):
    assert [len(videos) for videos in ibug.VIDEOS.values()] == [31, 19, 14]
    for video in ("001", "114", "203", "562"):
        write_faces(tmp_path / f"300VW/{video}/annot", ["000001", "000002"])
    # frames may lie in a folder of their own
    for frame in ("000001", "000002"):
        (tmp_path / f"300VW/203/annot/{frame}.png").unlink()
        write_picture(tmp_path / f"300VW/203/frames/{frame}.png", face(68)[0])
    train = data.read_samples(tmp_path / "300VW", "300w-68", "train")
    test = data.read_samples(tmp_path / "300VW", "300w-68", "test")
    assert not train.problems and not test.problems
    assert {s.group for s in train.samples} == {"300vw:1"} and len(train.samples) == 2
    assert {s.group: s.attributes for s in test.samples} == {
        "300vw:114": {"category 1": 1}, "300vw:203": {"category 2": 1}, "300vw:562": {"category 3": 1}
    }  # fmt: skip
    assert len(data.read_samples(tmp_path / "300VW/114", "300w-68", "train").samples) == 2  # named itself
