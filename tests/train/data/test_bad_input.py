"""Bad input, the same for every reader of annotation files: one line says what and where, and the rest is read."""

import json
import re

import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from tests.train.data.folders import write_picture
from train import data
from train.__main__ import main
from train.data import coco, cvat, labelme, points_csv

LAYOUT = Layout("watch", 3, names=("centre", "hour hand", "minute"))
PLACES = [[10.5, 20.25], [30, 12], [44.5, 41]]
GOOD, NAME = ("good.png", PLACES), "a b é.png"


def write_coco(folder, objects):
    images = [{"id": n, "file_name": name} for n, (name, _) in enumerate(objects)]
    points = [[v for x, y in places for v in (x, y, 2)] for _, places in objects]
    found = [{"id": n, "image_id": n, "category_id": 1, "keypoints": flat} for n, flat in enumerate(points)]
    category = {"id": 1, "name": "watch", "keypoints": LAYOUT.names}
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": found, "categories": [category]}))


def write_csv(folder, objects):
    rows = [",".join([name, *(str(v) for place in places for v in place)]) for name, places in objects]
    (folder / "a.csv").write_text("\n".join(rows))


def write_labelme(folder, objects):
    for n, (name, places) in enumerate(objects):
        shapes = [{"label": str(i), "points": [p], "shape_type": "point"} for i, p in enumerate(places)]
        (folder / f"{n}.json").write_text(json.dumps({"shapes": shapes, "imagePath": name}))


def write_cvat(folder, objects):
    text = '<?xml version="1.0"?><annotations><version>1.1</version>'
    for name, places in objects:
        points = ";".join(f"{x},{y}" for x, y in places)
        text += f'<image name="{name}"><points label="watch" points="{points}"/></image>'
    (folder / "a.xml").write_text(text + "</annotations>")


WRITERS = {"coco": write_coco, "csv": write_csv, "labelme": write_labelme, "cvat": write_cvat}
NOT_FINITE = "not finite numbers|is not a finite number|of finite numbers|has only one of x and y"  # NaN is none in CSV
FAULTS = {
    "not a number": ((NAME, [[float("nan"), 1], *PLACES[1:]]), NOT_FINITE),
    "endless": ((NAME, [[float("inf"), 1], *PLACES[1:]]), NOT_FINITE),
    "no pixel of any picture": ((NAME, [[1e9, 1], *PLACES[1:]]), r"a coordinate of 1e\+09 px"),
    "all in one place": ((NAME, [[5, 5]] * 3), "the points span only 0 x 0 px"),
    "no picture": (("none.png", PLACES), "no picture none.png"),
    "two pictures of one name": (("twice.png", PLACES), "2 pictures are called 'twice.png'"),
    "outside": (("../x.png", PLACES), "is outside"),
    "no name": (("", PLACES), "a picture without a name"),
    "too many points": ((NAME, [*PLACES, [1, 2]]), ": keypoints: 12 numbers|: 8 numbers|: 4 points, layout"),
    "one point": ((NAME, PLACES[:1]), ": keypoints: 3 numbers|: 2 numbers|only 1 of its points|1 point of labels"),
}  # fmt: skip


def pictures(folder):
    for name in ("good.png", NAME, "one/twice.png", "two/twice.png"):
        write_picture(folder / name, np.full((60, 70, 3), 90, np.uint8))
    write_picture(folder.parent / "x.png", np.full((60, 70, 3), 90, np.uint8))
    return folder


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("form", WRITERS)
def test_a_bad_object_is_one_line_and_the_good_one_is_read(tmp_path, form, fault):
    wrong, message = FAULTS[fault]
    folder = pictures(tmp_path / "set")
    WRITERS[form](folder, [GOOD, wrong])
    if form == "labelme" and fault == "too many points":
        with pytest.raises(InputError, match="points are numbered 0 to 3, those of layout watch 0 to 2"):
            data.read_samples(folder, LAYOUT)
        return
    listing = data.read_samples(folder, LAYOUT)
    assert [sample.image.name for sample in listing.samples] == ["good.png"]
    assert re.search(message, listing.problems[0]) and len(listing.problems) <= 2
    assert all(problem.startswith(str(folder)) and "\n" not in problem for problem in listing.problems)


@pytest.mark.parametrize("form", WRITERS)
def test_a_point_far_outside_its_picture_is_one_line_when_it_is_opened(tmp_path, form):
    WRITERS[form](pictures(tmp_path / "set"), [(NAME, [[500, 20], *PLACES[1:]])])
    (sample,) = data.read_samples(tmp_path / "set", LAYOUT).samples
    with pytest.raises(InputError, match=r"a b é.png: a point at \((500|499.5).*far outside the picture of 70 x 60"):
        data.load_image(sample)


@pytest.mark.parametrize("form", WRITERS)
def test_spaces_accents_a_byte_order_mark_and_windows_lines(tmp_path, form):
    WRITERS[form](pictures(tmp_path / "set"), [GOOD, (NAME, PLACES)])
    for path in (tmp_path / "set").glob("*.[jcx]*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    listing = data.read_samples(tmp_path / "set", LAYOUT)
    assert {sample.image.name for sample in listing.samples} == {"good.png", NAME} and not listing.problems


@pytest.mark.parametrize(
    ("form", "reader"), [("coco", coco), ("csv", points_csv), ("labelme", labelme), ("cvat", cvat)]
)
def test_a_file_over_the_stated_limit_is_refused(tmp_path, form, reader):
    WRITERS[form](pictures(tmp_path / "set"), [GOOD])
    path = next((tmp_path / "set").glob("*.[jcx]*"))
    text = path.read_bytes()
    with open(path, "r+b") as file:  # a hole: nothing is written; the end is whole, as a large file's is
        file.seek(reader._LARGEST_FILE)
        file.write(text)
    with pytest.raises(InputError, match="the limit is"):
        data.read_samples(tmp_path / "set", LAYOUT)


@pytest.mark.parametrize("form", WRITERS)
def test_where_nothing_is_left_a_training_ends_with_2(tmp_path, form, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    WRITERS[form](pictures(tmp_path / "set"), [("none.png", PLACES)])
    (tmp_path / "my.json").write_text(json.dumps({"name": "watch", "points": LAYOUT.names}))
    with pytest.raises(SystemExit) as end:
        main(["fit", "set", "--layout", "my.json", "--recipe", "small", "--run", "r"])
    said = capsys.readouterr().err.strip().splitlines()
    assert end.value.code == 2 and len(said) == 1 and "no picture none.png" in said[0]
    assert not (tmp_path / "runs").exists()


def test_categories_of_other_points_are_left_out_and_counted(tmp_path):
    write_coco(pictures(tmp_path), [GOOD, (NAME, PLACES), (NAME, PLACES)])
    content = json.loads((tmp_path / "a.json").read_text())
    content["annotations"][1]["category_id"], content["annotations"][2]["category_id"] = 2, 3
    content["categories"] += [
        {"id": 2, "name": "cat", "keypoints": ["ear", "eye", "nose"]},
        {"id": 3, "name": "clock", "keypoints": ["minute", "centre", "hour hand"]},
    ]
    (tmp_path / "a.json").write_text(json.dumps(content))
    listing = data.read_samples(tmp_path, LAYOUT)
    assert [s.landmarks[:, 0].tolist() for s in listing.samples] == [[10.5, 30, 44.5], [30, 44.5, 10.5]]
    assert listing.problems[0].endswith("1 object of a category whose points are others passed over")
    listing = data.read_samples(tmp_path, Layout("renamed", 3, names=("c", "h", "m")))
    assert len(listing.samples) == 3
    assert "several categories are read as one: watch, cat, clock" in "\n".join(listing.summary)
