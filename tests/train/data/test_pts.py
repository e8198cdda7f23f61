"""iBUG .pts: the frame, the groups, and every way in which a file can be wrong."""

import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from tests.train.data.folders import face, write_faces, write_picture, write_pts
from train import data
from train.data import pts

LAYOUT = layouts.get("300w-68")


def test_points_are_zero_based_and_lie_on_what_they_mark(tmp_path):
    write_faces(tmp_path / "set" / "trainset", ["a"])
    (sample,) = data.read(tmp_path / "set" / "trainset", "300w-68").samples
    image, landmarks = face(68, 0)
    np.testing.assert_array_equal(sample.landmarks, landmarks)
    assert sample.landmarks.dtype == np.float32
    assert (sample.source, sample.name) == ("set/trainset", "set/trainset/a")
    assert (data.load(sample) == image).all()


@pytest.mark.parametrize(
    "change, line, reason",
    [
        (lambda text: text.replace("n_points:  68", "n_points:  29"), 2, "n_points is 29, layout 300w-68 has 68"),
        (lambda text: text.replace("n_points:  68\n", "").replace("{\n", "{\n1 2\n"), 72, "69 points"),
        (lambda text: "\n".join(text.splitlines()[:-3] + ["}"]), 70, "66 points"),
        (lambda text: text.replace("}\n", ""), 71, "cut off"),
        (lambda text: text[: text.index("{")], 2, "cut off"),
        (lambda text: text.replace("{\n", "{\nnan 3\n"), 4, "not a finite number"),
        (lambda text: text.replace("{\n", "{\n3 inf\n"), 4, "not a finite number"),
        (lambda text: text.replace("{\n", "{\nx 3\n"), 4, "expected two numbers"),
        (lambda text: text.replace("{\n", "{\n3\n"), 4, "expected two numbers"),
    ],
)
def test_a_broken_file_is_named_with_line_and_reason(tmp_path, change, line, reason):
    write_faces(tmp_path, ["good", "bad"])
    path = tmp_path / "bad.pts"
    path.write_text(change(path.read_text()))
    listing = data.read(tmp_path, "300w-68")
    assert [sample.name.rsplit("/")[-1] for sample in listing.samples] == ["good"]
    (problem,) = listing.problems
    assert problem.startswith(f"{path}:{line}: ") and reason in problem and "\n" not in problem
    assert listing.summary[0].endswith("1 faces, 1 left out (pts)")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00{\x00}", b"{" * 100_000, b"{}"])
def test_rubbish_is_a_problem(tmp_path, content):
    (tmp_path / "a.pts").write_bytes(content)
    with pytest.raises(InputError, match="a.pts"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)


def test_degenerate_and_absurd_points_are_problems_slightly_outside_is_legal(tmp_path):
    _, landmarks = face(68)
    write_pts(tmp_path / "a.pts", np.full((68, 2), 7.0))
    with pytest.raises(InputError, match=":72: the points span only 0 x 0 px"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)
    landmarks[0] = 1e9, 5
    write_pts(tmp_path / "a.pts", landmarks)
    with pytest.raises(InputError, match="a coordinate of 1e[+]09 px"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)
    landmarks[0] = -6.5, 5
    write_pts(tmp_path / "a.pts", landmarks)
    assert pts.read_points(tmp_path / "a.pts", LAYOUT)[0, 0] == -6.5


def test_pictures_and_points_without_each_other_are_counted(tmp_path):
    write_faces(tmp_path, ["good", "no_picture"])
    (tmp_path / "no_picture.png").unlink()
    write_picture(tmp_path / "no_points.jpg", face(68)[0])
    listing = data.read(tmp_path, "300w-68")
    assert len(listing.samples) == 1
    assert sorted(problem.split("/")[-1].split(":")[0] for problem in listing.problems) == [
        "no_picture.pts",
        "no_points.jpg",
    ]


def test_one_pair_of_braces_on_the_lines_of_points(tmp_path):
    write_pts(tmp_path / "a.pts", face(68)[1])
    text = (tmp_path / "a.pts").read_text().replace("{\n", "{ ").replace("\n}", " }")
    (tmp_path / "b.pts").write_text(text.replace("\n", "\r\n"))
    np.testing.assert_array_equal(
        pts.read_points(tmp_path / "a.pts", LAYOUT), pts.read_points(tmp_path / "b.pts", LAYOUT)
    )


def test_subfolders_of_the_other_split_are_left_alone(tmp_path):
    for name in ("afw", "lfpw/trainset", "lfpw/testset"):
        write_faces(tmp_path / name, [name.replace("/", "_")])

    def stems(folder, split):
        return {sample.image.stem for sample in data.read(folder, "300w-68", split).samples}

    assert stems(tmp_path, "train") == {"afw", "lfpw_trainset"}
    assert stems(tmp_path, "test") == {"lfpw_testset"}  # AFW is all training
    assert stems(tmp_path / "lfpw/testset", "train") == {"lfpw_testset"}


def groups(folder):
    return {sample.image.stem: sample.group for sample in data.read(folder, "300w-68").samples}


def test_near_duplicates_are_one_group(tmp_path):
    write_faces(tmp_path / "lfpw/trainset", ["image_1", "image_2", "image_3", "image_3_mirror"])
    (tmp_path / "lfpw/trainset_near_duplicates.txt").write_text("image_1 image_3\n\n")
    found = groups(tmp_path / "lfpw/trainset")
    assert found["image_1"] == found["image_3"] == found["image_3_mirror"] != found["image_2"]
    (tmp_path / "lfpw/trainset_near_duplicates.txt").rename(tmp_path / "lfpw/other_near_duplicates.txt")
    found = groups(tmp_path / "lfpw/trainset")
    assert found["image_1"] != found["image_3"] == found["image_3_mirror"]


def test_frames_of_a_person_are_one_group_across_train_and_test(tmp_path):
    write_faces(tmp_path / "ytf/train", ["Ann_Lee_01", "Ann_Lee_12t", "Bo_01"])
    write_faces(tmp_path / "ytf/test", ["Ann_Lee_30"])
    (tmp_path / "ytf/frames.csv").write_text("name,person,split\nAnn_Lee_01,Ann_Lee,train\n")
    found = groups(tmp_path / "ytf/train")
    assert found["Ann_Lee_01"] == found["Ann_Lee_12t"] != found["Bo_01"]
    assert groups(tmp_path / "ytf/test")["Ann_Lee_30"] == found["Ann_Lee_01"]


def test_one_shoot_of_flickr_is_one_group(tmp_path):
    write_faces(tmp_path, ["100040721_1", "100040721_2", "100049000_1", "100058000_1", "200040721_1"])
    found = groups(tmp_path)
    assert len({found[stem] for stem in found if stem.startswith("1000")}) == 1
    assert len(set(found.values())) == 2


def test_real_folders(shared):
    expected = {"lfpw/trainset": 802, "lfpw/testset": 224, "helen/trainset": 870, "ytf/train": 1967, "ytf/test": 396}
    found = {}
    for name, faces in expected.items():
        listing = data.read(shared / name, "300w-68")
        assert (len(listing.samples), listing.problems) == (faces, []), name
        found[name] = {sample.image.stem: sample.group for sample in listing.samples}
    assert len(set(found["ytf/train"].values())) == 281 and len(set(found["ytf/test"].values())) == 66
    assert not set(found["ytf/train"].values()) & set(found["ytf/test"].values())
    for line in (shared / "lfpw/trainset_near_duplicates.txt").read_text().splitlines():
        assert len({found["lfpw/trainset"][stem] for stem in line.split()}) == 1, line
    numbers = {stem.split("_")[0] for stem in found["helen/trainset"]}
    assert len(set(found["helen/trainset"].values())) == 710 < len(numbers) == 783
