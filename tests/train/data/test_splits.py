"""Which split a name says, and that every reader obeys it: what is for testing must not be learnt."""

import json

import numpy as np
import pytest

from edgewing.errors import InputError
from edgewing.layouts import Layout
from tests.train.data.folders import write_picture, write_pts
from train import data
from train.data import splits

LAYOUT = Layout("three", 3, names=("a", "b", "c"))
POINTS = np.array([[10.0, 20], [30, 12], [44, 41]])
OF = {"one": "train", "two": "val", "three": "test", "four": "test"}  # pictures


@pytest.mark.parametrize(
    ("name", "in_a_folder", "in_a_file"),
    [
        ("train", "train", "train"), ("Validation", "val", "val"), ("test_images", "test", "test"),
        ("val2017", "val", "val"), ("trainSet", "train", "train"), ("trainval", "train val", "train val"),
        ("val_kilmer", "", "val"), ("person_keypoints_val2017", "", "val"), ("pointsTrain", "train", "train"),
        ("interval", "", ""), ("latest", "", ""), ("contest-2", "", ""), ("images", "", ""), ("", "", ""),
    ],
)  # fmt: skip
def test_names(name, in_a_folder, in_a_file):
    assert splits.called(name) == set(in_a_folder.split())
    assert splits.called(name, alone=False) == set(in_a_file.split())


def test_the_deepest_folder_that_says_one_counts():
    assert splits.of_folders(["train", "person", "test"]) == {"test"}
    assert splits.of_folders(["train", "person"]) == {"train"} and splits.of_folders([]) == set()


def coco(stated=False, folders=False):
    keypoints = np.column_stack([POINTS, [2] * 3]).ravel().tolist()
    said = [{"split": of} if stated else {} for of in OF.values()]
    names = [f"{of}/{name}.png" if folders else f"{name}.png" for name, of in OF.items()]
    images = [{"id": n, "file_name": name, **(said[n] if n else {})} for n, name in enumerate(names)]
    objects = [{"id": n, "image_id": n, "keypoints": keypoints, **({} if n else said[n])} for n in range(len(OF))]
    return {"points.json": json.dumps({"images": images, "annotations": objects})}


def table(stated=False, folders=False, header="split", long=False):
    rows = []
    for name, of in OF.items():
        start = f"{of}/{name}.png" if folders else f"{name}.png"
        end = f",{of.capitalize()}" if stated else ""
        rows += [f"{start},{i},{x:g},{y:g}{end}" for i, (x, y) in enumerate(POINTS)] if long else [
            f"{start},{','.join(f'{v:g}' for v in POINTS.ravel())}{end}"
        ]  # fmt: skip
    head = "file,point,x,y" if long else "file,x0,y0,x1,y1,x2,y2"
    return {"points.csv": "\n".join([head + (f",{header}" if stated else ""), *rows])}


def labelme(folders=False, own=False):
    shapes = [{"label": str(i), "points": [[*p]], "shape_type": "point"} for i, p in enumerate(POINTS.tolist())]
    return {
        f"{f'{of}/' if own else ''}{name}.json": json.dumps(
            {"shapes": shapes, "imagePath": f"{of}/{name}.png" if folders else f"{name}.png"}
        )
        for name, of in OF.items()
    }


def cvat(subsets=False, folders=False):
    text = '<?xml version="1.0"?><annotations><version>1.1</version>'
    for name, of in OF.items():
        subset = f'subset="{of.upper()}"' if subsets else 'subset="default"'
        places = ";".join(f"{x},{y}" for x, y in POINTS)
        text += f'<image name="{f"{of}/" if folders else ""}{name}.png" {subset}><points label="o" points="{places}"/>'
        text += "</image>"
    return {"points.xml": text + "</annotations>"}


@pytest.mark.parametrize(
    "files",
    [
        coco(stated=True), coco(folders=True), table(stated=True), table(folders=True), table(stated=True, long=True),
        table(stated=True, header="subset"), labelme(own=True), labelme(folders=True), cvat(subsets=True),
        cvat(folders=True),
    ],
)  # fmt: skip
def test_every_reader_obeys_it(tmp_path, files):
    for name, of in OF.items():
        write_picture(tmp_path / of / f"{name}.png", np.full((60, 70, 3), 90, np.uint8))
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for split in splits.SPLITS:
        listing = data.read_samples(tmp_path, LAYOUT, split)
        assert {sample.image.stem for sample in listing.samples} == {n for n, of in OF.items() if of == split}
        assert "not of " in "\n".join(listing.summary) and not listing.problems
    summary = "\n".join(data.read_samples(tmp_path, LAYOUT).summary)
    assert "not of train, and passed over: 2 of test, 1 of val" in summary


def test_folders_of_pts_files(tmp_path):
    for name, of in OF.items():
        write_picture(tmp_path / of / f"{name}.png", np.full((60, 70, 3), 90, np.uint8))
        write_pts(tmp_path / of / f"{name}.pts", POINTS)
    for split in splits.SPLITS:
        found = {sample.image.stem for sample in data.read_samples(tmp_path, LAYOUT, split).samples}
        assert found == {n for n, of in OF.items() if of == split}


def test_a_file_of_a_split_says_more_than_its_pictures_folders(tmp_path):
    for name, of in OF.items():
        write_picture(tmp_path / of / f"{name}.png", np.full((60, 70, 3), 90, np.uint8))
    (tmp_path / "test.csv").write_text(table(folders=True)["points.csv"])
    assert len(data.read_samples(tmp_path, LAYOUT, "test").samples) == len(OF)
    assert len(data.read_samples(tmp_path / "test.csv", LAYOUT, "train").samples) == len(OF)  # it was named
    with pytest.raises(InputError, match="0 annotation files for train"):
        data.read_samples(tmp_path, LAYOUT)


def test_of_pictures_of_one_name_those_of_the_files_split_are_meant(tmp_path):
    for of in ("train", "val"):
        write_picture(tmp_path / of / "one.png", np.full((60, 70, 3), 90, np.uint8))
        (tmp_path / f"points_{of}.csv").write_text(f"one.png,{','.join(f'{v:g}' for v in POINTS.ravel())}\n")
        (sample,) = data.read_samples(tmp_path, LAYOUT, of).samples
        assert sample.image == tmp_path / of / "one.png"


def test_a_word_that_is_no_split_is_left_out_and_named(tmp_path):
    for name in OF:
        write_picture(tmp_path / f"{name}.png", np.full((60, 70, 3), 90, np.uint8))
    (tmp_path / "points.csv").write_text(table(stated=True)["points.csv"].replace("Test", "Holdout").replace("Val", ""))
    listing = data.read_samples(tmp_path, LAYOUT)
    assert {sample.image.stem for sample in listing.samples} == {"one", "two"}
    assert [p.partition("points.csv:")[2] for p in listing.problems] == [
        f"{number}: split 'Holdout': expected train, val, test or nothing" for number in (4, 5)
    ]
