"""CVAT's XML: files that the test writes, read back, and what is left out with its reason."""

import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train import data
from train.__main__ import main
from train.data import cvat

WATCH = Layout("watch", 3, names=("centre", "hour hand", "minute"))
PLACES = "10.50,20.25;30.00,12.00;44.50,41.00"
POINTS = np.array([[10.5, 20.25], [30, 12], [44.5, 41]], np.float32)
HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'


def points(label, places, **about):
    more = "".join(f' {key}="{value}"' for key, value in about.items())
    return f'<points label="{label}" source="manual" points="{places}" z_order="0"{more}>\n</points>'


def box(corners=(1, 2, 50, 51), **about):
    places = " ".join(f'{name}="{value}"' for name, value in zip(("xtl", "ytl", "xbr", "ybr"), corners))
    return f'<box label="watch" {places} {" ".join(f"""{k}="{v}" """ for k, v in about.items())}></box>'


def skeleton(*places, **about):
    inner = "".join(points(label, place, **flags) for label, place, flags in places)
    return f'<skeleton label="watch" {" ".join(f"""{k}="{v}" """ for k, v in about.items())}>{inner}</skeleton>'


def image(*shapes, name="a b é.png", **about):
    more = "".join(f' {key}="{value}"' for key, value in about.items())
    return f'<image id="0" name="{name}" width="70" height="60"{more}>{"".join(shapes)}</image>\n'


def written(folder, *pictures, name="annotations.xml", head=HEAD, encoding="utf-8", tail="</annotations>\n"):
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "a b é.png"), np.full((60, 70, 3), 90, np.uint8))
    (folder / name).write_bytes((head + "".join(pictures) + tail).encode(encoding))
    return folder


NAMED = [*zip(WATCH.names, PLACES.split(";"), ({}, {}, {}))]


@pytest.mark.parametrize(
    "shapes",
    [
        [skeleton(*NAMED), box()],
        [box(), points("watch", PLACES)],
        [*(points(label, place) for label, place, _ in reversed(NAMED)), box()],
        [*(points(n, place) for n, place in enumerate(PLACES.split(";"))), box()],
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_form_gives_the_same(tmp_path, shapes, encoding):
    """CVAT's canvas goes from 0, 0 to width and height: the centre of the first pixel is at 0.5, 0.5 there."""
    head = HEAD.replace("utf-8", encoding.removesuffix("-sig"))
    (sample,) = data.read_samples(written(tmp_path, image(*shapes), head=head, encoding=encoding), WATCH).samples
    assert np.array_equal(sample.landmarks, POINTS - 0.5)
    assert sample.visibility.tolist() == [2, 2, 2] and sample.box.tolist() == [0.5, 1.5, 49.5, 50.5]
    assert data.load_image(sample).shape == (60, 70, 3)


def test_objects_of_several_labels_are_told(tmp_path):
    foot = skeleton(*NAMED).replace('label="watch"', 'label="foot"')
    listing = data.read_samples(written(tmp_path, image(skeleton(*NAMED), foot)), WATCH)
    assert len(listing.samples) == 2
    assert any("objects of several labels are read as one: 'watch', 'foot'" in line for line in listing.summary)


def test_pictures_that_were_resized_since_are_left_out(tmp_path):
    larger = image(skeleton(*NAMED)).replace('width="70"', 'width="140"')
    listing = data.read_samples(written(tmp_path, image(skeleton(*NAMED)), larger), WATCH)
    (problem,) = listing.problems
    assert len(listing.samples) == 1 and "is 70 x 60 px, and its points were set on 140 x 60" in problem


def test_visibility_and_several_objects_with_boxes_by_group(tmp_path):
    flags = [{"outside": 1, "occluded": 0}, {"occluded": 1, "outside": 0}, {}]
    first = skeleton(*((label, place, of) for (label, place, _), of in zip(NAMED, flags)), group_id=1)
    rest = [points(label, place, group_id=2) for label, place, _ in NAMED[:2]]
    shapes = [
        first,
        points("watch", PLACES, occluded=1),
        *rest,
        box(group_id=2),
        box((3, 4, 60, 55), group_id=1),
        box(),
    ]
    listing = data.read_samples(written(tmp_path, image(*shapes)), WATCH)
    assert [sample.visibility.tolist() for sample in listing.samples] == [[0, 1, 2], [1, 1, 1], [2, 2, 0]]
    assert [None if s.box is None else s.box.tolist() for s in listing.samples] == [
        [2.5, 3.5, 59.5, 54.5], None, [0.5, 1.5, 49.5, 50.5]
    ]  # fmt: skip
    assert len({s.name for s in listing.samples}) == 3 and len({s.group for s in listing.samples}) == 1
    assert np.isnan(listing.samples[0].landmarks[0]).all()
    (problem,) = listing.problems
    assert problem.endswith("1 box of no object, or of several passed over")


def test_what_cannot_be_used_is_named(tmp_path):
    cases = [
        (image(points("centre", "1")), "expected x,y;x,y of finite numbers"),
        (image(skeleton(*NAMED, NAMED[0])), "point 'centre' twice"),
        (image(skeleton(("centre", PLACES, {}))), "3 places for one point 'centre'"),
        (image(skeleton(NAMED[0])), "only 1 of its points are there"),
        (image(skeleton(*NAMED), box(), box()), "2 boxes of one object"),
        (image(skeleton(*NAMED), box((5, 5, 5, 9))), "the box has no size"),
        (image(skeleton(*NAMED), box((5,))), "a box without xtl"),
    ]
    listing = data.read_samples(written(tmp_path, *(text for text, _ in cases), image(skeleton(*NAMED))), WATCH)
    assert len(listing.samples) == 1 and len(listing.problems) == len(cases)
    for problem, (_, text) in zip(listing.problems, cases):
        assert problem.startswith(f"{tmp_path / 'annotations.xml'}:") and text in problem


def test_what_is_passed_over_is_counted(tmp_path):
    polygon = '<polygon label="strap" points="1,2;3,4;5,6"></polygon>'
    pictures = image(skeleton(*NAMED), polygon, points("strap", "1,2")), image(box()), image()
    labels, passed = data.read_samples(written(tmp_path, *pictures), WATCH).problems
    assert labels.endswith("1 point of labels that layout watch has not: 'strap'")
    assert "1 shape other than points and boxes (polygon) and 1 box of no object" in passed
    assert passed.endswith("2 pictures without points passed over")


ENTITIES = f'{HEAD.splitlines()[0]}<!DOCTYPE annotations [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + HEAD[39:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"head": ENTITIES, "pictures": [image(points("&a;", PLACES))]}, "has a DOCTYPE"),
        ({"pictures": [image(skeleton(*NAMED))], "tail": ""}, "not XML, or cut off"),
        ({"pictures": ["<track id='0'></track>"]}, "is CVAT for video; export it as CVAT for images 1.1"),
        ({"pictures": ["&b;"]}, "not XML, or cut off"),
        ({"pictures": []}, "no object of layout watch can be read"),
        ({"pictures": [image(skeleton(*((n + 1, p, {}) for n, (_, p, _) in enumerate(NAMED))))]}, "numbered 1 to 3"),
    ],
)
def test_a_file_that_is_not_meant_is_one_line(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as raised:
        data.read_samples(written(tmp_path, *content.pop("pictures"), **content), WATCH)
    assert "\n" not in str(raised.value)


def test_data_check_counts_pictures_of_all_subsets(tmp_path, capsys):
    pictures = [image(skeleton(*NAMED), subset=name) for name in ("Train", "Validation", "Validation", "default")]
    written(tmp_path, *pictures)
    assert main(["data", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "a set that is not listed · 3 points" in out
    assert out.split("annotations.xml")[1].split()[:3] == ["1", "4", "-"]
    (tmp_path / "annotations.xml").write_text("<html></html>")
    assert not cvat.recognises(tmp_path)


def test_pictures_across_blocks_of_a_large_file(tmp_path):
    many = 7000
    written(tmp_path, *[image(skeleton(*NAMED))] * many)
    assert (tmp_path / "annotations.xml").stat().st_size > 2 * cvat._BLOCK
    assert len(data.read_samples(tmp_path, WATCH).samples) == many


def test_a_box_of_nobody_takes_no_face_away(tmp_path):
    """The only object of a picture has its box, where that is near; in a group a box elsewhere is a fault."""
    far = box((60, 50, 69, 59))
    listing = data.read_samples(written(tmp_path, image(skeleton(*NAMED), far)), WATCH)
    assert listing.samples[0].box is None and "1 box of no object" in listing.problems[0]
    grouped = skeleton(*NAMED, group_id=1), box((60, 50, 69, 59), group_id=1)
    with pytest.raises(InputError, match="the box is not where the points are"):
        data.read_samples(written(tmp_path, image(*grouped)), WATCH)
