"""WFLW's lists: which list, what is in a line, and every way in which a line can be wrong."""

import shutil

import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from tests.train.data.folders import face, wflw_line, write_wflw
from train import data


@pytest.mark.parametrize("lists", ["", "WFLW_annotations/list_98pt_rect_attr_train_test"])
def test_the_list_is_chosen_by_split(tmp_path, lists):
    write_wflw(tmp_path / "wflw", lists=lists)
    train = data.read_samples(tmp_path / "wflw", "wflw-98", "train")
    test = data.read_samples(tmp_path / "wflw", "wflw-98", "test")
    assert (len(train.samples), len(test.samples)) == (6, 3)
    assert train.summary == [f"{tmp_path / 'wflw' / lists}/list_98pt_rect_attr_train.txt: 6 faces (wflw)"]
    assert {sample.source for sample in train.samples} == {"wflw/train"}
    named = data.read_samples(tmp_path / "wflw" / lists / "list_98pt_rect_attr_test.txt", "wflw-98", "train")
    assert [sample.name for sample in named.samples] == [sample.name for sample in test.samples]


def test_a_line_read(tmp_path):
    write_wflw(tmp_path / "wflw")
    samples = data.read_samples(tmp_path / "wflw", "wflw-98").samples
    first, second, third = samples[0], samples[1], samples[2]
    np.testing.assert_array_equal(first.landmarks, face(98, 0)[1])  # 0-based: nothing is subtracted
    np.testing.assert_array_equal(first.box, [30, 15, 130, 105])
    assert first.attributes == {
        "pose": 0, "expression": 1, "illumination": 0, "make-up": 0, "occlusion": 1, "blur": 0
    }  # fmt: skip
    assert first.group == second.group != third.group
    assert len({sample.name for sample in samples}) == 6


def test_as_another_layout(tmp_path):
    write_wflw(tmp_path / "wflw")
    index = layouts.get("wflw-98").map_to("300w-68")
    sample = data.read_samples(tmp_path / "wflw", "300w-68").samples[0]
    np.testing.assert_array_equal(sample.landmarks, face(98, 0)[1][index])
    with pytest.raises(InputError, match="has no map to 'lsp-14'"):
        data.read_samples(tmp_path / "wflw", "lsp-14")


def test_subsets_are_the_faces_of_the_test_list_with_that_attribute(tmp_path):
    write_wflw(tmp_path / "wflw")
    path = tmp_path / "wflw/list_98pt_rect_attr_test.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace(" 0 1 0 0 1 0 ", " 1 0 0 0 0 0 "), lines[2]]) + "\n")
    found = {split: data.read_samples(tmp_path / "wflw", "wflw-98", split) for split in ("test", "pose", "expression")}
    names = {split: [sample.image.stem[0] for sample in listing.samples] for split, listing in found.items()}
    assert names == {"test": ["0", "1", "2"], "pose": ["1"], "expression": ["0", "2"]}
    assert found["pose"].summary == [f"{path}: 1 face (wflw, pose)"]
    with pytest.raises(InputError, match="no face of layout wflw-98 can be read for blur"):
        data.read_samples(tmp_path / "wflw", "wflw-98", "blur")


def test_a_subset_list_has_points_and_picture_alone(tmp_path):
    write_wflw(tmp_path / "wflw")
    line = (tmp_path / "wflw/list_98pt_rect_attr_test.txt").read_text().split("\n")[0].split()
    path = tmp_path / "wflw/WFLW_annotations/list_98pt_test/list_98pt_test_largepose.txt"
    path.parent.mkdir(parents=True)
    path.write_text(" ".join([*line[:196], line[-1]]) + "\n")
    (sample,) = data.read_samples(path, "wflw-98", "test").samples
    np.testing.assert_array_equal(sample.landmarks, face(98, 0)[1])
    assert sample.box is None and sample.attributes == {}


NAME = "0--Event/0_Event_0.jpg"


@pytest.mark.parametrize(
    "change, reason",
    [
        (lambda line: line.rsplit(" ", 1)[0], "206 fields, expected 207"),
        (lambda line: line + " more", "208 fields, expected 207"),
        (lambda line: "x" + line, "could not convert string to float"),
        (lambda line: "nan" + line[line.index(" ") :], "not a finite number"),
        (lambda line: "1e30" + line[line.index(" ") :], "a coordinate of 1e\\+30 px"),
        (lambda line: line.replace(NAME, "0--Event/gone.jpg"), "no picture"),
        (lambda line: line.replace(NAME, "../../secret.jpg"), "outside WFLW_images"),
        (lambda line: line.replace(NAME, "/etc/passwd"), "outside WFLW_images"),
        (lambda line: wflw_line(np.full((98, 2), 9.0), NAME), "only 0 of its points are there"),
        (
            lambda line: wflw_line(np.stack([np.arange(98), np.full(98, 9)], axis=1), NAME),
            "the points span only 97 x 0",
        ),
        (lambda line: wflw_line(face(98)[1], NAME, attributes=(0, 2, 0, 0, 0, 0)), "attributes must be 0 or 1"),
        (lambda line: wflw_line(face(98)[1], NAME, box=(0, 0, "inf", 9)), "rectangle"),
        (lambda line: "é\0" * 40_000, "fields, expected 207"),
    ],
)
def test_a_broken_line_is_named_with_file_line_and_reason(tmp_path, change, reason):
    write_wflw(tmp_path / "wflw")
    path = tmp_path / "wflw/list_98pt_rect_attr_train.txt"
    lines = path.read_text().splitlines()
    lines[1] = change(lines[0])
    path.write_text("\n".join(lines) + "\n")
    listing = data.read_samples(tmp_path / "wflw", "wflw-98")
    assert len(listing.samples) == 5
    assert listing.problems[0].startswith(f"{path}:2: ")
    with pytest.raises(InputError, match=reason):
        raise InputError(listing.problems[0])


def test_what_is_missing_is_said_in_one_line(tmp_path):
    write_wflw(tmp_path / "wflw")
    (tmp_path / "wflw/list_98pt_rect_attr_train.txt").unlink()
    with pytest.raises(InputError, match="0 lists end in _train.txt, expected one"):
        data.read_samples(tmp_path / "wflw", "wflw-98", "train")
    shutil.rmtree(tmp_path / "wflw/WFLW_images")
    with pytest.raises(InputError, match="no folder WFLW_images"):
        data.read_samples(tmp_path / "wflw", "wflw-98", "test")


def test_real_lists(shared):
    train = data.read_samples(shared / "wflw", "wflw-98", "train")
    test = data.read_samples(shared / "wflw", "wflw-98", "test")
    assert (len(train.samples), len(test.samples), train.problems + test.problems) == (368, 112, [])
    groups = [{sample.group for sample in listing.samples} for listing in (train, test)]
    assert [len(group) for group in groups] == [302, 100] and not groups[0] & groups[1]
    attributes = [sample.attributes for sample in train.samples]
    counts = {name: sum(sample[name] for sample in attributes) for name in attributes[0]}
    assert counts == {
        "pose": 63, "expression": 76, "illumination": 140, "make-up": 46, "occlusion": 130, "blur": 126
    }  # fmt: skip
