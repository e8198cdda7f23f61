"""CSV tables of points: files that the test writes as spreadsheets do, read back, and what is left out."""

import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout, table
from train import data
from train.__main__ import main
from train.data import findings, points_csv

WATCH = Layout("watch", 3, names=("centre", "hour hand", "minute"))
POINTS = np.array([[10.5, 20.25], [30, 12], [44.5, 41]])
PLAIN = "10.5,20.25,30,12,44.5,41"


def written(folder, content, name="points.csv", pictures=("a b é.png",)):
    for picture in pictures:
        (folder / picture).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / picture), np.full((60, 70, 3), 90, np.uint8))
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def one(folder, layout=WATCH):
    (sample,) = data.read_samples(folder, layout).samples
    return sample


@pytest.mark.parametrize(
    "content",
    [
        f"file,x0,y0,x1,y1,x2,y2\na b é.png,{PLAIN}\n",
        f"a b é.png,{PLAIN}\n",
        f"image,centre_x,centre_y,hour hand_x,hour hand_y,x_minute,y_minute\r\na b é.png,{PLAIN}\r\n",
        f"IMAGE,CENTRE_X,CENTRE_Y,HOUR_HAND_X,HOUR_HAND_Y,MINUTE_X,MINUTE_Y\na b é.png,{PLAIN}\n",
        f"image,centre x,centre y,hour hand x,hour hand y,minute x,minute y\na b é.png,{PLAIN}\n",
        "file,point,x,y,id\na b é.png,centre,10.5,20.25,1\na b é.png,minute,44.5,41,2\na b é.png,1,30,12,3\nz.png,0\n",
        "id,file,point,x,y\n1,a b é.png,centre,10.5,20.25\n2,a b é.png,minute,44.5,41\n3,a b é.png,hour_hand,30,12\n",
        "x2,y2,x1,y1,x0,y0,File\n44.5,41,30,12,10.5,20.25,a b é.png\n",
        "a b é.png;10,5;20,25;30;12;44,5;41\n",
        "sep=;\r\nfile;x0;y0;v0;x1;y1;v1;x2;y2;v2\r\na b é.png;10,5;20,25;2;30;12;2;44,5;41;2\r\n",
        "file\tx0\ty0\tx1\ty1\tx2\ty2\na b é.png\t10,5\t20,25\t30\t12\t44,5\t41\n",
        "file,point,x,y\na b é.png,centre,10.5,20.25\na b é.png,minute,44.5,41\na b é.png,1,30,12\n",
        "a b é.png,centre,10.5,20.25,2\na b é.png,2,44.5,41,2\na b é.png,hour hand,30,12,2\n",
        'file,x0,y0,x1,y1,x2,y2\n"./a b é.png",10.5,20.25,30,12,44.5,41\n\n,,,,,,\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_form_and_encoding_gives_the_same(tmp_path, content, encoding):
    sample = one(written(tmp_path, content.encode(encoding)))
    assert np.array_equal(sample.landmarks, POINTS.astype(np.float32))
    assert sample.visibility.tolist() == [2, 2, 2] and sample.box is None
    assert data.load_image(sample).shape == (60, 70, 3)


def test_names_in_decomposed_letters_are_found(tmp_path):
    assert one(written(tmp_path, f"a b e\u0301.png,{PLAIN}\n")).image.name == "a b é.png"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("file,x0,y0,x1,y1,x2,y2\na b é.png,,,30,12,44.5,41\n", [0, 2, 2]),
        ("file,x0,y0,x1,y1,x2,y2\na b é.png,NaN,n/a,30,12,44.5,41\n", [0, 2, 2]),
        ("file,x0,y0,x1,y1,x2,y2\na b é.png,10,9,0,0,44.5,41\n", [2, 0, 2]),
        ("file,x0,y0,v0,x1,y1,v1,x2,y2,v2\na b é.png,0,0,2,30,12,1,5,5,0\n", [2, 1, 0]),
        ("file,point,x,y,v\na b é.png,centre,10,20,1\na b é.png,minute,44,41,\n", [1, 0, 2]),
    ],
)
def test_points_that_are_not_there(tmp_path, content, expected):
    sample = one(written(tmp_path, content))
    assert sample.visibility.tolist() == expected
    assert np.isnan(sample.landmarks).all(axis=1).tolist() == [value == 0 for value in expected]


@pytest.mark.parametrize("names", points_csv._BOXES)
def test_boxes(tmp_path, names):
    ends = "49,49" if names[2].endswith(("_w", "_width")) else "50,51"
    text = f"file,{','.join(names)},x0,y0,x1,y1,x2,y2\na b é.png,1,2,{ends},{PLAIN}\na b é.png,,,,,{PLAIN}\n"
    listing = data.read_samples(written(tmp_path, text), WATCH)
    first, second = listing.samples
    assert not listing.problems and not [line for line in listing.summary if "not read" in line]
    assert first.box.tolist() == [1, 2, 50, 51] and second.box is None
    assert first.group == second.group and first.name != second.name


def test_one_name_in_two_folders(tmp_path):
    pictures = ("one/x.png", "two/x.png", "two/y.png")
    rows = f"one/x.png,{PLAIN}\ntwo\\x.png,{PLAIN}\nx.png,{PLAIN}\ny.png,{PLAIN}\n"
    listing = data.read_samples(written(tmp_path, rows, pictures=pictures), WATCH)
    assert [s.image.relative_to(tmp_path).as_posix() for s in listing.samples] == [*pictures]
    assert len({s.group for s in listing.samples}) == 3
    assert [p.partition("points.csv:")[2] for p in listing.problems] == [
        "3: 2 pictures are called 'x.png' (one/x.png, two/x.png); write the folder too"
    ]


def test_what_cannot_be_used_is_named(tmp_path):
    rows = (
        f"/etc/a.png,{PLAIN}", "a b é.png,1,2,3,4,5,six", "a b é.png,1,2,3,4,5,", "a b é.png,,,,,5,6",
        'a b é.png,1,2,3,4,5,"6,5"',
    )  # fmt: skip
    listing = data.read_samples(written(tmp_path, "\n".join([f"a b é.png,{PLAIN}", *rows])), WATCH)
    assert len(listing.samples) == 1
    expected = (
        "has a whole path", "'six' is not a finite number", "point 2 has only one of x and y", "only 1 of its points",
        "'6,5' is not a finite number",
    )  # fmt: skip
    assert len(listing.problems) == len(expected)
    for number, (problem, part) in enumerate(zip(listing.problems, expected), 2):
        assert problem.startswith(f"{tmp_path / 'points.csv'}:{number}: ") and part in problem


def test_faults_of_visibility_and_of_the_long_form(tmp_path):
    rows = "file,x0,y0,v0,x1,y1,v1,x2,y2,v2\na b é.png,1,2,3,9,9,2,5,5,2\na b é.png,,,1,9,9,2,5,5,2\na b é.png,1,2\n"
    with pytest.raises(InputError, match="3 problems: .*points.csv:2: a visibility of 3; expected 0, 1 or 2"):
        data.read_samples(written(tmp_path, rows), WATCH)
    rows = "file,point,x,y\na b é.png,0,1,2\na b é.png,1,9,9\na b é.png,1,5,5\na b é.png,2\n"
    with pytest.raises(InputError, match="csv:5: 3 columns, too few"):
        data.read_samples(written(tmp_path, rows.replace("png,2", "png,2,1")), WATCH)
    listing = list(points_csv.read(written(tmp_path, rows), WATCH, "train"))
    assert "points.csv:5: 2 columns, too few" in str(listing[0])
    assert "points.csv:4: this point a second time; give several objects" in str(listing[1])


def test_several_objects_of_a_picture_in_the_long_form_and_labels_of_no_point(tmp_path):
    rows = [f"a b é.png,{n},{who},{9 * n + 1},{5 * n + 1}" for who in "uv" for n in range(3)]
    text = "\n".join(["file,point,object,x,y", *rows, "a b é.png,strap,u,1,2", "a b é.png,strap,v,1,2"])
    listing = data.read_samples(written(tmp_path, text), WATCH)
    assert len({s.name for s in listing.samples}) == len(listing.samples) == 2
    (problem,) = listing.problems
    assert problem.endswith("2 points of labels that layout watch has not: 'strap'")


@pytest.mark.parametrize(
    ("content", "layout", "message"),
    [
        (
            f"file,x1,y1,x2,y2,x3,y3\na b é.png,{PLAIN}\n",
            Layout("three", 3),
            "numbered 1 to 3, those of layout three 0 to 2",
        ),
        (f"file,x0,y0,x1,y1,x2,y2\na b é.png,{PLAIN}\n", table()["lsp-14"], "0 columns for x of point 'left_hip'"),
        (
            f"file,x0,y0,x1,y1,x2,y2\na b é.png,{PLAIN}\n",
            Layout("two", 2),
            "numbered 0 to 2, those of layout two 0 to 1",
        ),
        (
            "file,point,x,y\na b é.png,1,2,3\na b é.png,2,5,6\n",
            Layout("two", 2),
            "numbered 1 to 2, those of layout two",
        ),
        ("a b é.png,1,2,3,4\n", Layout("two", 2), "five columns may be two points or one with v"),
        ('file,x0,y0\n"a', WATCH, "0 columns for x of point 'hour hand' of layout watch; its columns are of '0'"),
    ],
)
def test_a_table_of_other_points_is_refused(tmp_path, content, layout, message):
    with pytest.raises(InputError, match=message):
        data.read_samples(written(tmp_path, content), layout)


def test_columns_that_are_not_read_and_points_that_nobody_marked_are_said(tmp_path):
    rows = f"file,width,x0,y0,x1,y1,x2,y2\na b é.png,70,{PLAIN}\n"
    last = data.read_samples(written(tmp_path, rows), WATCH).summary[-1]
    assert "points.csv: columns that are not read: width" in last
    rows = "file,point,x,y\na b é.png,centre,1,2\na b é.png,minute,5,9\n"
    summary = "\n".join(data.read_samples(written(tmp_path, rows), WATCH).summary)
    assert "points of the layout that nobody marked: 'hour hand'" in summary


def test_splits_and_persons(tmp_path):
    (tmp_path / "labels").mkdir(parents=True)
    written(tmp_path, f"a b é.png,{PLAIN}\n", "labels/train.csv")
    written(tmp_path, f"a b é.png,{PLAIN}\na b é.png,{PLAIN}\n", "labels/test.csv")
    (tmp_path / "frames.csv").write_text("name,person\na b é,ann\n")
    listings = [data.read_samples(tmp_path, WATCH, split) for split in ("train", "test")]
    assert [len(listing.samples) for listing in listings] == [1, 2]
    assert {s.group for listing in listings for s in listing.samples} == {f"{tmp_path.name}:ann"}
    with pytest.raises(InputError, match="0 annotation files for val"):
        data.read_samples(tmp_path, WATCH, "val")


def test_other_tables_are_not_of_points(tmp_path):
    for content in ("name,person\na b é,ann\n", "", "x,y\n1,2\n", "file,score\na.png,3\n", "\x00\x01"):
        written(tmp_path, content, "other.csv")
        assert not points_csv.recognises(tmp_path) and not points_csv.recognises(tmp_path / "other.csv")
    with pytest.raises(InputError, match="no points found"):
        data.read_samples(tmp_path, WATCH)


def test_data_check_counts_tables(tmp_path, capsys):
    written(tmp_path, f"file,x0,y0,x1,y1,x2,y2\na b é.png,{PLAIN}\nnone.png,{PLAIN}\n")
    assert main(["data", "check", str(tmp_path)]) == 1
    out = " ".join(capsys.readouterr().out.split())  # long paths break lines
    assert "a set that is not listed · 3 points" in out and "no picture none.png" in out and "--layout my.json" in out
    assert out.split("points.csv")[1].split()[:3] == ["1", "1", "-"]
    numbers = ",".join(str(n % 37) for n in range(28))
    (tmp_path / "points.csv").write_text(f"a b é.png,{numbers}\n")
    (finding,) = findings.find(tmp_path)
    assert finding.layout == "lsp-14" and finding.parts["points.csv"].faces == 1
