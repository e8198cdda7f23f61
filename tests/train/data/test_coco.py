"""COCO keypoints: a file that the test writes, read back, and what is left out with its reason."""

import json

import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from train import data
from train.data import check, findings

N = 14  # lsp-14
POINTS = np.stack([np.linspace(10, 50, N), np.linspace(20, 40, N) ** 1.05], axis=1).round(2)


def annotation(number, image=1, visibility=2, **other):
    flags = np.broadcast_to(visibility, N)
    flat = np.column_stack([POINTS, flags]).ravel().tolist()
    return {"id": number, "image_id": image, "category_id": 1, "keypoints": flat, "bbox": [8, 18, 50, 40], **other}


def written(folder, annotations, name="annotations.json", images=None):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "images/a b é.png"), np.full((60, 70, 3), 90, np.uint8))
    images = images or [{"id": 1, "file_name": "images/a b é.png"}, {"id": 2, "file_name": "images/none.png"}]
    (folder / name).write_text(json.dumps({"images": images, "annotations": annotations}))
    return folder


def test_points_visibility_box_and_attributes(tmp_path):
    flags = np.array([0, 1] + [2] * (N - 2))
    folder = written(tmp_path, [annotation(5, visibility=flags, pose="profile", exact=True), annotation(6)])
    first, second = data.read_samples(folder, "lsp-14").samples
    assert np.isnan(first.landmarks[0]).all() and np.allclose(first.landmarks[1:], POINTS[1:])
    assert first.visibility.tolist() == flags.tolist() and (second.visibility == 2).all()
    assert first.box.tolist() == [8, 18, 58, 58]
    assert first.attributes == {"pose profile": 1, "exact": 1} and second.attributes == {}
    assert first.group == second.group and first.name != second.name
    assert data.load_image(first).shape == (60, 70, 3)


OWN = Layout("own", 4, names=("left_eye", "right_eye", "nose", "chin"))


@pytest.mark.parametrize(
    "names, order, said",
    [
        (["Nose", "Left Eye", "right-eye ", "chin"], [1, 2, 0, 3], ""),
        (["tail", "paw", "ear", "chin"], [0, 1, 2, 3], "tail is left_eye, paw is right_eye, ear is nose"),
        (["left_eye", "right_eye", "nose", "chin"], [0, 1, 2, 3], ""),
    ],
)
def test_names_of_points_are_read_however_they_are_written_and_others_are_told(tmp_path, names, order, said):
    flat = np.column_stack([POINTS[:4], np.full(4, 2)]).ravel().tolist()
    folder = written(tmp_path, [annotation(1) | {"keypoints": flat}])
    content = json.loads((folder / "annotations.json").read_text())
    content["categories"] = [{"id": 1, "name": "cat", "keypoints": names}]
    (folder / "annotations.json").write_text(json.dumps(content))
    listing = data.read_samples(folder, OWN)
    assert np.allclose(listing.samples[0].landmarks, POINTS[order])
    (told,) = [line for line in listing.summary if "not the layout's" in line] or [""]
    assert (said in told) if said else not told


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_encoding_of_json_is_read(tmp_path, encoding, capsys):
    path = written(tmp_path, [annotation(1)]) / "annotations.json"
    path.write_bytes(path.read_text().encode(encoding))
    assert np.allclose(data.read_samples(tmp_path, "lsp-14").samples[0].landmarks, POINTS)
    assert check.main([str(tmp_path)]) == 0 and "14 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((70, 60), True),
        ((60, 70), True),
        ((0, 0), True),
        ((None, "?"), True),
        ((70.0, 61), True),
        ((140, 120), False),
        ((70, 64), False),
    ],
)
def test_pictures_that_were_resized_since_are_left_out(tmp_path, size, fits):
    images = [{"id": 1, "file_name": "images/a b é.png", "width": size[0], "height": size[1]}]
    written(tmp_path, [annotation(1)], images=images)
    if fits:
        assert len(data.read_samples(tmp_path, "lsp-14").samples) == 1
    else:
        with pytest.raises(InputError, match=f"is 70 x 60 px, and its points were set on {size[0]} x {size[1]}; scale"):
            data.read_samples(tmp_path, "lsp-14")


def test_of_a_picture_that_cannot_be_read_the_size_is_not_compared(tmp_path):
    images = [{"id": 1, "file_name": "images/a b é.png", "width": 7, "height": 6}]
    picture = written(tmp_path, [annotation(1)], images=images) / "images/a b é.png"
    picture.write_bytes(b"no picture")
    (sample,) = data.read_samples(tmp_path, "lsp-14").samples
    with pytest.raises(InputError, match="not a picture"):
        data.load_image(sample)


@pytest.mark.parametrize("key", [1, 1.0, "1", None])
def test_the_category_is_known_however_its_id_is_written(tmp_path, key):
    names = ["nose", "left_eye", "right_eye", "chin"]
    flat = np.column_stack([POINTS[:4], np.full(4, 2)]).ravel().tolist()
    folder = written(tmp_path, [annotation(1) | {"keypoints": flat, "category_id": key}])
    content = json.loads((folder / "annotations.json").read_text())
    content["categories"] = [{"id": 1, "name": "cat", "keypoints": names}]
    (folder / "annotations.json").write_text(json.dumps(content))
    assert np.allclose(data.read_samples(folder, OWN).samples[0].landmarks, POINTS[[1, 2, 0, 3]])


def test_a_box_that_is_elsewhere_is_no_box(tmp_path):
    written(tmp_path, [annotation(1, bbox=[100000, 100000, 10, 10]), annotation(2, bbox=[0, 0, 11, 24])])
    listing = data.read_samples(tmp_path, "lsp-14")
    assert len(listing.samples) == 1 and "annotation 1: the box is not where the points are" in listing.problems[0]


def test_of_two_kinds_of_files_the_other_one_is_told(tmp_path):
    written(tmp_path, [annotation(1)])
    numbers = ",".join(str(value) for value in POINTS.ravel())
    (tmp_path / "points.csv").write_text(f"images/a b é.png,{numbers}\n" * 2)
    listing = data.read_samples(tmp_path, "lsp-14")
    assert len(listing.samples) == 1 and any("points.csv beside it is not read" in line for line in listing.summary)
    assert len(data.read_samples(tmp_path / "points.csv", "lsp-14").samples) == 2


def test_one_point_is_no_layout_to_read(tmp_path):
    with pytest.raises(InputError, match="layout dot has one point"):
        data.read_samples(written(tmp_path, [annotation(1)]), Layout("dot", 1))


def test_a_missing_picture_is_no_complete_set(tmp_path, capsys):
    written(tmp_path, [annotation(1), annotation(2, image=2)])
    assert check.main([str(tmp_path)]) == 1 and "incomplete: 1 picture that labels name" in capsys.readouterr().out


def test_names_that_differ_only_in_how_they_are_written_stay_apart(tmp_path):
    names, layout = ["eye", "Eye", "nose", "chin"], Layout("own", 4, names=("Eye", "eye", "nose", "chin"))
    flat = np.column_stack([POINTS[:4], np.full(4, 2)]).ravel().tolist()
    folder = written(tmp_path, [annotation(1) | {"keypoints": flat}])
    content = json.loads((folder / "annotations.json").read_text())
    content["categories"] = [{"id": 1, "name": "cat", "keypoints": names}]
    (folder / "annotations.json").write_text(json.dumps(content))
    assert np.allclose(data.read_samples(folder, layout).samples[0].landmarks, POINTS[[1, 0, 2, 3]])


def test_a_number_that_no_float_holds_costs_its_object(tmp_path):
    endless = annotation(1)
    endless["keypoints"][0] = 10**400
    listing = data.read_samples(written(tmp_path, [endless, annotation(2)]), "lsp-14")
    assert len(listing.samples) == 1 and "annotation 1: keypoints are not finite numbers" in "".join(listing.problems)


def test_what_cannot_be_used_is_counted_and_named(tmp_path):
    wrong = annotation(3)
    wrong["keypoints"] = wrong["keypoints"][:-3]
    items = [
        annotation(1), annotation(2, iscrowd=1), wrong, annotation(4, num_keypoints=0), annotation(5, image=2),
        annotation(6, image=7), annotation(7, visibility=3), annotation(8, bbox=[1, 2, 0, 4]),
    ]  # fmt: skip
    listing = data.read_samples(written(tmp_path, items), "lsp-14")
    assert len(listing.samples) == 1
    said = "\n".join(listing.problems)
    for part in (
        "annotation 3: keypoints: 39 numbers", "annotation 5: no picture images/none.png", "annotation 6: image_id '7'",
        "annotation 7: a visibility of 3", "annotation 8: bbox", "1 crowd and 1 object without points",
    ):  # fmt: skip
        assert part in said
    assert len(listing.problems) == 6


def test_persons_of_a_table_are_groups(tmp_path):
    images = [{"id": number, "file_name": f"images/{number}.png"} for number in (1, 2, 3)]
    folder = written(tmp_path / "set", [annotation(number, image=number) for number in (1, 2, 3)], images=images)
    for number in (1, 2, 3):
        cv2.imwrite(str(folder / f"images/{number}.png"), np.full((60, 70, 3), 90, np.uint8))
    (folder / "frames.csv").write_bytes("Name;Person\r\n1.png;ann\r\n2.png;ann\r\n".encode("utf-8-sig"))
    listing = data.read_samples(folder, "lsp-14")
    groups = [sample.group for sample in listing.samples]
    assert groups[0] == groups[1] == "set:ann" != groups[2]
    assert "frames.csv names 2 of 3 pictures (2 names in it)" in listing.summary[-1]
    (folder / "frames.csv").write_text("name,person\nx,ann\n")
    with pytest.raises(InputError, match="frames.csv: names none of 3 pictures"):
        data.read_samples(folder, "lsp-14")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [], "annotations": [', "not JSON"),
        ('{"images": {}, "annotations": []}', "no list of images"),
        ('{"images": [{"id": 1}, {"id": 1}], "annotations": []}', "the id 1 is there 2 times"),
        ('{"images": [], "annotations": [{"id": 1, "keypoints": [NaN]}]}', "no person"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, text, message):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=message):
        data.read_samples(tmp_path / "a.json", "lsp-14")


def test_a_byte_order_mark_and_annotations_below_a_folder(tmp_path):
    written(tmp_path, [annotation(1)])
    (tmp_path / "annotations").mkdir()
    text = (tmp_path / "annotations.json").read_text()
    (tmp_path / "annotations.json").unlink()
    (tmp_path / "annotations/keypoints_val.json").write_text("\ufeff" + text)
    assert len(data.read_samples(tmp_path, "lsp-14", "val").samples) == 1


def test_data_check_counts_it(tmp_path):
    (finding,) = findings.find(written(tmp_path, [annotation(1), annotation(2, iscrowd=1), annotation(3, image=2)]))
    assert finding.layout == "lsp-14" and finding.dataset is None
    counted = finding.parts["annotations.json"]
    assert (counted.pictures, counted.faces, counted.left_out) == (1, 1, 2)
    assert "lsp-14" in check.advice(finding)
    assert "1 crowd" in "\n".join(check.finding_as_lines(finding))
