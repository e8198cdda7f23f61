"""LabelMe's folders: JSON files that the test writes, read back, and what is left out with its reason."""

import json

import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train import data
from train.__main__ import main
from train.data import findings, labelme

WATCH = Layout("watch", 3, names=("centre", "hour hand", "minute"))
POINTS = {"centre": [10.5, 20.25], "hour hand": [30, 12], "minute": [44.5, 41]}


def point(label, place=None, group=None, **other):
    place = POINTS[label] if place is None else place
    return {"label": label, "points": [place], "group_id": group, "shape_type": "point", "flags": {}, **other}


def box(corners, group=None):
    return {"label": "watch", "points": corners, "group_id": group, "shape_type": "rectangle", "flags": {}}


def written(folder, shapes, name="a b é", picture="", image=None, **other):
    path = folder / f"{name}.json"
    (folder / (picture or f"{name}.png")).parent.mkdir(parents=True, exist_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / (picture or f"{name}.png")), np.full((60, 70, 3), 90, np.uint8))
    image = f"{name}.png".split("/")[-1] if image is None else image
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": image, "imageData": None, **other}
    path.write_text(json.dumps(content))
    return folder


def test_points_by_name_or_number_and_a_box(tmp_path):
    """LabelMe draws the picture from 0, 0: the centre of its first pixel is at 0.5, 0.5 there, and at 0, 0 here."""
    shapes = [box([[50, 51], [1, 2]]), point("minute"), point("0", [10.5, 20.25]), point("hour hand")]
    (sample,) = data.read_samples(written(tmp_path, shapes, imageData="A" * 300_000), WATCH).samples
    assert np.array_equal(sample.landmarks, np.array([*POINTS.values()], np.float32) - 0.5)
    assert sample.visibility.tolist() == [2, 2, 2] and sample.box.tolist() == [0.5, 1.5, 49.5, 50.5]
    assert data.load_image(sample).shape == (60, 70, 3)


def test_pictures_that_were_resized_since_are_left_out(tmp_path):
    shapes = [point(label) for label in POINTS]
    written(tmp_path, shapes, name="same", imageWidth=70, imageHeight=60)
    written(tmp_path, shapes, name="other", imageWidth=700, imageHeight=600)
    listing = data.read_samples(tmp_path, WATCH)
    assert [sample.image.name for sample in listing.samples] == ["same.png"]
    (problem,) = listing.problems
    assert "other.json: the picture other.png is 70 x 60 px, and its points were set on 700 x 600" in problem


def test_objects_by_group_and_visibility(tmp_path):
    shapes = [point(label, group=group) for group in (1, 2) for label in POINTS] + [box([[1, 2], [50, 51]], 2)]
    shapes[0]["flags"] = {"occluded": True}
    del shapes[4]
    listing = data.read_samples(written(tmp_path, shapes), WATCH)
    first, second = listing.samples
    assert first.visibility.tolist() == [1, 2, 2] and second.visibility.tolist() == [2, 0, 2]
    assert first.box is None and second.box.tolist() == [0.5, 1.5, 49.5, 50.5]
    assert first.group == second.group and first.name != second.name and not listing.problems


@pytest.mark.parametrize("image", ["../images/one/x.png", "..\\images\\one\\x.png", "x.png", "one/x.png"])
def test_labels_beside_images(tmp_path, image):
    written(tmp_path, [*map(point, POINTS)], "labels/x", "images/one/x.png", image)
    for folder in (tmp_path, tmp_path / "labels", tmp_path / "labels/x.json"):
        (sample,) = data.read_samples(folder, WATCH).samples
        assert sample.image.resolve() == tmp_path / "images/one/x.png"


def test_what_cannot_be_used_is_named(tmp_path):
    whole = [*map(point, POINTS)]
    written(tmp_path, whole, "a")
    cases = {
        "b": (
            {"shapes": [*whole, point("centre")]},
            "point 'centre' twice in one object; give each object a group_id",
        ),
        "c": (
            {"shapes": [*whole[1:], point("centre", [float("nan"), 1])]},
            "shape 'centre': expected 1 x, y of finite",
        ),
        "d": ({"shapes": [*whole[1:], point("centre", ["1", 2])]}, "shape 'centre': expected 1 x, y of finite"),
        "f": ({"shapes": [*whole, box([[1, 2]])]}, "shape 'watch': expected 2 x, y"),
        "g": ({"shapes": [*whole, box([[1, 2], [1, 9]])]}, "the box has no size"),
        "j": ({"shapes": whole, "image": "C:\\pictures\\x.png"}, "has a whole path"),
        "l": ({"shapes": {}}, "no list of shapes"),
    }
    for name, (content, _) in cases.items():
        written(tmp_path, name=name, **content)
    (tmp_path / "m.json").write_text((tmp_path / "a.json").read_text()[:200])
    listing = data.read_samples(tmp_path, WATCH)
    assert len(listing.samples) == 1 and len(listing.problems) == len(cases) + 1
    expected = [*((name, text) for name, (_, text) in cases.items()), ("m", "not JSON")]
    for problem, (name, text) in zip(listing.problems, expected):
        assert problem.startswith(f"{tmp_path / name}.json: ") and text in problem


def test_what_is_passed_over_is_counted(tmp_path):
    polygon = {"label": "strap", "points": [[1, 2], [3, 4], [5, 6]], "shape_type": "polygon"}
    shapes = [*map(point, POINTS), polygon, point("strap", [1, 2]), box([[1, 2], [3, 4]], 7)]
    written(tmp_path, shapes, "a")
    written(tmp_path, [polygon], "b")
    written(tmp_path, [*map(point, POINTS), box([[1, 2], [3, 4]]), box([[1, 2], [9, 4]])], "c")
    (tmp_path / "other.json").write_text("{}")
    labels, passed = data.read_samples(tmp_path, WATCH).problems
    assert labels.endswith("1 point of labels that layout watch has not: 'strap'")
    for text in (
        "2 shapes other than points and rectangles (polygon)", "1 picture without points", "1 box of no object",
        "2 boxes of objects that have several", "1 file of JSON that is not LabelMe's",
    ):  # fmt: skip
        assert text in passed
    only = written(tmp_path / "d", [point("centre"), point("minute")])
    assert "nobody marked: 'hour hand'" in "".join(data.read_samples(only, WATCH).summary)


def test_numbers_from_one_are_refused(tmp_path):
    shapes = [point(str(n), [9 * n, 5 * n]) for n in (1, 2, 3)]
    with pytest.raises(InputError, match="numbered 1 to 3, those of layout watch 0 to 2; call them in a layout"):
        data.read_samples(written(tmp_path, shapes), WATCH)
    (sample,) = data.read_samples(tmp_path, Layout("watch", 3, names=("1", "2", "3"))).samples
    assert sample.landmarks[0].tolist() == [8.5, 4.5]


def test_data_check_counts_a_folder(tmp_path, capsys):
    for name in ("training/x", "test/x", "test/y"):
        written(tmp_path, [*map(point, POINTS)], name)
    assert main(["data", "check", str(tmp_path / "test")]) == 0
    assert "a set that is not listed · 3 points" in capsys.readouterr().out
    (finding,) = findings.find(tmp_path / "test")
    assert [(count.pictures, count.faces) for count in finding.parts.values()] == [(2, 2)]
    (finding,) = findings.find(tmp_path)
    assert [count.faces for count in finding.parts.values()] == [3]
    assert not labelme.recognises(tmp_path / "nothing")
