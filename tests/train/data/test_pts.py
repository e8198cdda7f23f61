"""iBUG .pts: the frame, the groups, and every way in which a file can be wrong."""

import numpy as np
import pytest

from edgewing import images, layouts
from edgewing.errors import InputError
from tests.train.data.folders import face, write_faces, write_picture, write_pts
from train import __main__ as train
from train import data
from train.data import findings, pts

LAYOUT = layouts.get("300w-68")


def test_points_are_zero_based_and_lie_on_what_they_mark(tmp_path):
    write_faces(tmp_path / "set" / "trainset", ["a"])
    (sample,) = data.read_samples(tmp_path / "set" / "trainset", "300w-68").samples
    image, landmarks = face(68, 0)
    np.testing.assert_array_equal(sample.landmarks, landmarks)
    assert sample.landmarks.dtype == np.float32
    assert (sample.source, sample.name) == ("set/trainset", "set/trainset/a")
    assert (data.load_image(sample) == image).all()


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
    listing = data.read_samples(tmp_path, "300w-68")
    assert [sample.name.rsplit("/")[-1] for sample in listing.samples] == ["good"]
    (problem,) = listing.problems
    assert problem.startswith(f"{path}:{line}: ") and reason in problem and "\n" not in problem
    assert listing.summary[0].endswith("1 face, 1 left out (pts)")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00{\x00}", b"{" * 100_000, b"{}"])
def test_rubbish_is_a_problem(tmp_path, content):
    (tmp_path / "a.pts").write_bytes(content)
    with pytest.raises(InputError, match="a.pts"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)


def test_degenerate_and_absurd_points_are_problems_slightly_outside_is_legal(tmp_path):
    _, landmarks = face(68)
    write_pts(tmp_path / "a.pts", np.full((68, 2), 7.0))
    with pytest.raises(InputError, match=":72: only 0 of its points are there"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)
    write_pts(tmp_path / "a.pts", np.stack([np.arange(68), np.full(68, 7.0)], axis=1))
    with pytest.raises(InputError, match=":72: the points span only 67 x 0 px"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)
    landmarks[0] = 1e9, 5
    write_pts(tmp_path / "a.pts", landmarks)
    with pytest.raises(InputError, match="a coordinate of 1e[+]09 px"):
        pts.read_points(tmp_path / "a.pts", LAYOUT)
    landmarks[0] = -6.5, 5
    write_pts(tmp_path / "a.pts", landmarks)
    assert pts.read_points(tmp_path / "a.pts", LAYOUT)[0, 0] == -6.5


@pytest.mark.parametrize(
    "place, count, absent", [((0, 0), 1, 1), ((-1, -1), 20, 20), ((50, 60), 20, 20), ((1, 1), 7, 7), ((50, 60), 6, 0)]
)
def test_points_that_nobody_set_are_not_there(tmp_path, capsys, place, count, absent):
    """place: in the numbers of the file. Six points in one place may be a mouth, a tenth of all are not."""
    write_faces(tmp_path / "set", ["a", "b"])
    landmarks = face(68)[1]
    landmarks[:count] = np.array(place) - 1
    write_pts(tmp_path / "set/a.pts", landmarks)
    listing = data.read_samples(tmp_path / "set", "300w-68")
    first, second = listing.samples
    assert (first.visibility == 0).tolist() == [index < absent for index in range(68)]
    assert np.isnan(first.landmarks[:absent]).all() and not np.isnan(first.landmarks[absent:]).any()
    assert (second.visibility == 2).all() and listing.problems == []
    assert train.main(["data", "check", str(tmp_path / "set")]) == 0
    told = f"take no part, as nobody set them: {absent} point{'s' * (absent != 1)} of 1 face"
    assert (told in " ".join(listing.summary)) == (told in capsys.readouterr().out) == bool(absent)


def test_pictures_and_points_without_each_other_are_counted(tmp_path):
    write_faces(tmp_path, ["good", "no_picture"])
    (tmp_path / "no_picture.png").unlink()
    write_picture(tmp_path / "no_points.jpg", face(68)[0])
    listing = data.read_samples(tmp_path, "300w-68")
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
        return {sample.image.stem for sample in data.read_samples(folder, "300w-68", split).samples}

    assert stems(tmp_path, "train") == {"afw", "lfpw_trainset"}
    assert stems(tmp_path, "test") == {"lfpw_testset"}  # AFW is all training
    assert stems(tmp_path / "lfpw/testset", "train") == {"lfpw_testset"}


def read_stems(folder):
    return {sample.image.relative_to(folder).as_posix() for sample in data.read_samples(folder, "300w-68").samples}


@pytest.mark.parametrize("suffix", images.SUFFIXES)
def test_every_kind_of_picture_that_is_read_has_points_beside_it(tmp_path, suffix):
    write_picture(tmp_path / f"a{suffix.upper()}", face(68)[0])
    write_pts(tmp_path / "a.pts", face(68)[1])
    (sample,) = data.read_samples(tmp_path, "300w-68").samples
    assert data.load_image(sample).shape == (120, 160, 3)


def test_two_pictures_of_one_name_are_not_guessed_between(tmp_path, capsys):
    write_faces(tmp_path, ["a", "b"])
    write_picture(tmp_path / "a.jpg", face(68)[0])
    for read in (lambda: data.read_samples(tmp_path, "300w-68"), lambda: findings.find(tmp_path)):
        with pytest.raises(InputError, match="a.jpg and .*/a.png: two pictures, one a.pts") as error:
            read()
        assert "\n" not in str(error.value)
    with pytest.raises(SystemExit) as end:
        train.main(["data", "check", str(tmp_path)])
    assert end.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_points_that_are_called_as_their_picture_say_which(tmp_path):
    write_faces(tmp_path, ["a", "b"])
    (tmp_path / "a.pts").rename(tmp_path / "a.jpg.pts")
    write_picture(tmp_path / "a.jpg", face(68)[0])
    listing = data.read_samples(tmp_path, "300w-68")
    assert {sample.image.name for sample in listing.samples} == {"a.jpg", "b.png"}
    assert listing.problems == [f"{tmp_path / 'a.png'}: no .pts beside this picture"]
    (tmp_path / "a.jpg").unlink()  # the mask that is left is not taken for it
    problems = " ".join(data.read_samples(tmp_path, "300w-68").problems)
    assert f"{tmp_path / 'a.jpg.pts'}: no picture beside it" in problems
    write_pts(tmp_path / "a.pts", face(68)[1])
    with pytest.raises(InputError, match="a.jpg.pts and a.pts are points of one picture"):
        data.read_samples(tmp_path, "300w-68")


@pytest.mark.parametrize(
    "points, pictures", [("labels", "images"), ("Labels/train", "Images/train"), ("annotations/x/y", "images/x/y")]
)
def test_points_and_pictures_in_folders_of_their_own(tmp_path, points, pictures):
    write_faces(tmp_path / "set" / points, ["a", "b"])
    (tmp_path / "set" / pictures).mkdir(parents=True)
    for stem in ("a", "b"):
        (tmp_path / "set" / points / f"{stem}.png").rename(tmp_path / "set" / pictures / f"{stem}.png")
    write_picture(tmp_path / "set" / pictures / "c.png", face(68)[0])
    for folder in (tmp_path / "set", tmp_path / "set" / points):
        listing = data.read_samples(folder, "300w-68")
        assert [sample.image.name for sample in listing.samples] == ["a.png", "b.png"]
        assert listing.problems == [f"{tmp_path / 'set' / pictures / 'c.png'}: no .pts beside this picture"]
    (found,) = findings.find(tmp_path / "set")
    assert [count.faces for count in found.parts.values()] == [2]


def test_linked_folders_are_read(tmp_path):
    write_faces(tmp_path / "elsewhere", ["a"])
    write_faces(tmp_path / "set", ["b"])
    (tmp_path / "set/more").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert read_stems(tmp_path / "set") == {"b.png", "more/a.png"}


def test_real_folders(shared):
    expected = {"lfpw/trainset": 802, "lfpw/testset": 224, "helen/trainset": 870, "ytf/train": 1967, "ytf/test": 396}
    found = {}
    for name, faces in expected.items():
        listing = data.read_samples(shared / name, "300w-68")
        assert (len(listing.samples), listing.problems) == (faces, []), name
        found[name] = {sample.image.stem: sample.group for sample in listing.samples}
    assert len(set(found["ytf/train"].values())) == 281 and len(set(found["ytf/test"].values())) == 66
    assert not set(found["ytf/train"].values()) & set(found["ytf/test"].values())
    for line in (shared / "lfpw/trainset_near_duplicates.txt").read_text().splitlines():
        assert len({found["lfpw/trainset"][stem] for stem in line.split()}) == 1, line
    numbers = {stem.split("_")[0] for stem in found["helen/trainset"]}
    assert len(set(found["helen/trainset"].values())) == 710 < len(numbers) == 783
