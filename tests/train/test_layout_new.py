"""A layout proposed from COCO keypoints: names, pairs, edges, what is said, and the pixels of the contact sheet."""

import json
import re

import cv2
import numpy as np
import pytest

from edgewing import drawing, images, layouts
from edgewing.errors import InputError
from train import __main__ as command
from train import layout_new, layout_sheet

NAMES = ["left_ear", "right_ear", "left_eye", "right_eye", "nose", "chin"]
CAT = np.array([[66, 12], [14, 12], [54, 40], [26, 40], [40, 56], [40, 74]])  # the cat's left is our right
SKELETON = [[1, 3], [2, 4], [3, 5], [4, 5], [5, 6]]
CATEGORY = {"id": 3, "name": "cat", "keypoints": NAMES, "skeleton": SKELETON}


def cat(angle=0.0, size=2.0, side=240):
    """A grey cat's head, leaning, with a white patch over its left eye; its points."""
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * size
    points = (CAT - 42) @ turn.T + side / 2
    image = np.full((side, side, 3), (120, 160, 190), np.uint8)

    def at(*places):
        return np.rint((np.array(places) - 42) @ turn.T + side / 2).astype(np.int32)

    for ear in (at([66, 12], [46, 24], [70, 36]), at([14, 12], [34, 24], [10, 36])):
        cv2.fillPoly(image, [ear], (110, 100, 95), cv2.LINE_AA)
    cv2.circle(image, at([40, 46])[0].tolist(), int(30 * size), (130, 120, 115), -1, cv2.LINE_AA)
    cv2.circle(image, at([54, 40])[0].tolist(), int(9 * size), (250, 250, 250), -1, cv2.LINE_AA)
    for eye in at([54, 40], [26, 40]):
        cv2.circle(image, eye.tolist(), int(4 * size), (20, 60, 20), -1, cv2.LINE_AA)
    cv2.fillPoly(image, [at([36, 54], [44, 54], [40, 60])], (200, 110, 120), cv2.LINE_AA)
    return image, points


def written(folder, categories=(CATEGORY,), count=12, names="cats"):
    """A COCO folder of drawn cats; a list of annotations that a test may change is written by ``save``."""
    (folder / "images").mkdir(parents=True)
    content = {"images": [], "annotations": [], "categories": list(categories)}
    for i in range(count):
        image, points = cat(angle=0.06 * (i - count / 2), size=1.4 + 0.1 * (i % 8))
        images.write(folder / f"images/{names} {i}.png", image)
        flat = np.column_stack([points.round(1), np.full(len(points), 2)]).ravel().tolist()
        content["images"].append({"id": i, "file_name": f"{names} {i}.png"})
        content["annotations"].append({"id": i, "image_id": i, "category_id": categories[0]["id"], "keypoints": flat})
    return save(folder, content), content


def save(folder, content):
    (folder / "points.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"), ("leftEye", "rightEye"), ("l_eye", "r_eye"), ("eye_l", "eye_r"), ("eyeR", "eyeL"),
        ("eye left", "eye right"), ("Left Eye 2", "Right Eye 2"), ("LEye", "REye"), ("EYE_L", "EYE_R"),
        ("eye.L", "eye.R"), ("lefteye", "righteye"), ("left_eye_left_corner", "right_eye_right_corner"), ("L1", "R1"),
        ("left_öhr", "right_öhr"),
    ],
)  # fmt: skip
def test_names_of_two_sides_are_a_pair_the_left_one_first(left, right):
    expected = (1, 2) if left[-1] != "R" or right[-1] != "L" else (2, 1)
    assert layout_new.guess_pairs(["nose", left, right, "l", "tail"]) == [expected]


def test_what_is_alone_or_could_be_two_is_no_pair():
    for names in (["left_eye", "nose"], ["left_eye", "right_ear"], ["left_eye", "leftEye", "right_eye"], ["l", "ll"]):
        assert layout_new.guess_pairs(names) == []
    corners = ["left_eye_left", "left_eye_right", "right_eye_left", "right_eye_right"]
    assert layout_new.guess_pairs(corners) == [(0, 3), (1, 2)]


def test_a_category_becomes_a_layout_that_is_read_back(tmp_path):
    folder, _ = written(tmp_path / "cats")
    layout = layout_new.propose(folder).layout
    assert (layout.name, layout.names) == ("cat-6", tuple(NAMES))
    assert layout.flip_pairs == ((0, 1), (2, 3))
    assert layout.edges == ((0, 2), (1, 3), (2, 4), (3, 4), (4, 5))  # from 0, as everything here
    assert layout.normalisers == {"box": "landmarks"} and layout.default_normaliser == "box"
    (tmp_path / "my.json").write_text(layout_new.as_text(layout))
    assert layouts.load(tmp_path / "my.json") == layout
    assert '["left_eye", "right_eye"]' in (tmp_path / "my.json").read_text()  # to be edited by name


@pytest.mark.parametrize(
    ("category", "word"), [("cat", "cat"), ("wall_clock/12 h", "wall_clock 12 h"), ("face", "face"), ("!?", "object")]
)
def test_what_the_points_are_on_is_the_category(tmp_path, category, word):
    folder, _ = written(tmp_path / "cats", [{**CATEGORY, "name": category}])
    assert layout_new.propose(folder).layout.object == word


def test_the_command_says_what_it_guessed_and_what_comes_next(tmp_path, capsys):
    entry = {**CATEGORY, "keypoints": [*NAMES[:5], "left_whisker"], "skeleton": [*SKELETON, [5, 9], "x"]}
    folder, _ = written(tmp_path / "my cats", [entry])
    out = tmp_path / "cat.json"
    assert command.main(["layout", "new", str(folder), "--out", str(out)]) == 0
    said = capsys.readouterr().out.splitlines()
    for line in (
        "6 points, 5 edges",
        "pairs that change places in a mirrored picture (guessed from their names): left_ear/right_ear, "
        "left_eye/right_eye",
        "without a partner, though the name says a side: left_whisker",
        "points that keep their names in a mirrored picture: nose",
        "skeleton: 2 entries left out: not two different points of 1 to 6",
        "errors are divided by box: the root of the area of the points' box",
    ):
        assert line in said, said
    assert said[-3].startswith(f"wrote {tmp_path / 'cat.png'}: 10 objects") and said[-2] == f"wrote {out}"
    settings = "--recipe small --run cat --validation 0.4 --steps 500"
    assert re.fullmatch(rf"next: \S*python -m train fit '.*my cats' --layout .*cat.json {settings}", said[-1])
    assert layouts.get(str(out)).names[5] == "left_whisker"


def test_a_layout_that_was_edited_by_hand_is_kept(tmp_path, capsys):
    folder, _ = written(tmp_path / "cats")
    out = tmp_path / "cat.json"
    assert [command.main(["layout", "new", str(folder), "--out", str(out)]) for _ in range(2)] == [0, 0]
    out.write_text(out.read_text().replace("cat", "kitten"))
    capsys.readouterr()
    assert "cat.json: is there and says something else" in failed(capsys, folder, tmp_path, out="cat.json")
    assert "kitten" in out.read_text()


@pytest.mark.parametrize(
    ("objects", "expected"),
    [(3, "--validation 0.4 --steps 500"), (150, "--validation 0.2 --steps 500"), (200, "--validation 0.15"), (600, "")],
)
def test_the_fewer_objects_the_more_are_held_out_and_the_longer_each_is_seen(objects, expected):
    assert " ".join(layout_new.settings(objects)) == expected


def green(tile):
    """Columns of the pixels that have the colour of a pair's left point."""
    return np.flatnonzero((tile == drawing.SURE).all(axis=2).any(axis=0))


def test_a_right_pair_is_on_the_same_side_in_both_pictures_and_a_wrong_one_is_not(tmp_path):
    folder, _ = written(tmp_path / "cats", count=3)
    proposal = layout_new.propose(folder)
    right = proposal.layout
    wrong = layouts.Layout("cat-6", 6, flip_pairs=((0, 2),), names=right.names)  # the left ear and the left eye
    halves = {}
    for layout in (right, wrong):
        found = layout_new.coco.objects(proposal.path, proposal.content, layout)
        sheet, drawn, broken = layout_sheet.contact_sheet(list(found), layout)
        assert drawn == 3 and not broken
        top, left, tile = layout_sheet.HEAD, layout_sheet.MARGIN, layout_sheet.TILE
        halves[layout] = [sheet[top : top + tile, x : x + tile] for x in (left, left + tile + layout_sheet.GAP)]
    plain, mirrored = halves[right]
    assert green(plain).min() > layout_sheet.TILE / 2 and green(mirrored).min() > layout_sheet.TILE / 2
    # The patch over the left eye goes to the other side, so the picture is mirrored and not the points alone.
    white = [(tile.min(axis=2) > 245).nonzero()[1].mean() for tile in (plain, mirrored)]
    assert white[0] > layout_sheet.TILE / 2 > white[1]
    plain, mirrored = halves[wrong]
    assert green(plain).min() > layout_sheet.TILE / 2 > green(mirrored).max()


def test_the_sheet_takes_few_pictures_large_ones_and_points_that_are_not_there(tmp_path):
    folder, content = written(tmp_path / "cats", count=2)
    images.write(folder / "images/cats 0.png", cv2.resize(cat(size=1.4)[0], (2400, 2400)))
    big = content["annotations"][0]["keypoints"]
    big[0::3], big[1::3] = ([v * 10 for v in big[k::3]] for k in (0, 1))
    content["annotations"][1]["keypoints"][:3] = 0, 0, 0
    proposal = layout_new.propose(save(folder, content))
    found = list(layout_new.coco.objects(proposal.path, proposal.content, proposal.layout))
    sheet, drawn, _ = layout_sheet.contact_sheet(found, proposal.layout)
    assert drawn == 2 and sheet.shape[0] < 2 * layout_sheet.TILE
    assert (sheet[-layout_sheet.MARGIN :] == layout_sheet.PAPER).all()


def test_names_in_letters_that_cannot_be_drawn_are_numbers_on_the_sheet(tmp_path):
    folder, _ = written(tmp_path / "cats", [{**CATEGORY, "keypoints": ["耳", "è", "глаз", "b", "c", "d"]}], count=1)
    proposal = layout_new.propose(folder)
    numbered = layouts.Layout("cat-6", 6, edges=proposal.layout.edges)
    found = list(layout_new.coco.objects(proposal.path, proposal.content, numbered))
    first, second = (layout_sheet.contact_sheet(found, layout)[0] for layout in (proposal.layout, numbered))
    assert np.array_equal(*(sheet[:, : 2 * layout_sheet.TILE] for sheet in (first, second)))


def test_one_of_several_categories_is_chosen(tmp_path, capsys):
    dog = {"id": 8, "name": "dog", "keypoints": ["l_paw", "r_paw"], "skeleton": []}
    folder, content = written(tmp_path / "cats", [CATEGORY, dog, {"id": 9, "name": "car"}])
    with pytest.raises(InputError, match=r"2 categories have keypoints \(cat, dog\); choose: --category"):
        layout_new.propose(folder)
    assert layout_new.propose(folder, "dog").layout.flip_pairs == ((0, 1),)
    assert layout_new.propose(folder, "3").layout.points == 6
    with pytest.raises(InputError, match="did you mean 'dog'"):
        layout_new.propose(folder, "dogs")
    content["categories"][1]["name"] = "cat"
    with pytest.raises(InputError, match="2 categories are called 'cat'; choose by id: 3, 8"):
        layout_new.propose(save(folder, content), "cat")
    # of the other category there is no object
    assert failed(capsys, folder, tmp_path, "--category", "8").endswith("nothing was written")


def test_a_file_without_names_of_points_is_numbered_and_says_so(tmp_path):
    folder, _ = written(tmp_path / "cats", [{"id": 3, "name": "lsp: größe / 1"}])
    proposal = layout_new.propose(folder)
    assert (proposal.layout.points, proposal.layout.names) == (6, ())
    assert proposal.layout.name == "lsp-größe-1-6"
    assert proposal.notes == ("the category names no points: numbered 0 to 5, as its annotations have 6",)
    assert json.loads(layout_new.as_text(proposal.layout))["points"] == 6


def test_a_skeleton_with_a_zero_counts_from_zero():
    edges, notes = layout_new._edges([[0, 1], [1, 2]], 3)
    assert edges == [(0, 1), (1, 2)] and "count from 0" in notes[0]


def failed(capsys, folder, place, *more, out="x.json"):
    before = sorted(place.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        command.main(["layout", "new", str(folder), "--out", str(place / out), *more])
    error = capsys.readouterr().err.strip()
    assert ended.value.code == 2 and "\n" not in error and sorted(place.rglob("*")) == before
    return error


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    folder, content = written(tmp_path / "cats", count=2)
    data = folder / "points.json"
    assert "must end in .json" in failed(capsys, folder, tmp_path, out="my.png")
    assert "no COCO keypoints in it" in failed(capsys, folder / "images", tmp_path)
    assert "no such file" in failed(capsys, tmp_path / "none.json", tmp_path)
    text = data.read_bytes()
    assert "is there, in what annotations names" in failed(capsys, folder, tmp_path, out="cats/points.json")
    (tmp_path / "cat.png").write_bytes(b"mine")
    assert "cat.png: is there" in failed(capsys, folder, tmp_path, out="cat.json")
    (tmp_path / "cat.png").unlink()
    assert "cats 0.png: is there" in failed(capsys, folder, tmp_path, out="cats/images/cats 0.json")
    assert data.read_bytes() == text
    for change, reason in (
        ({"categories": [{**CATEGORY, "keypoints": ["a", "a", *NAMES[2:]]}]}, "names: 6 (5 different) for 6 points"),
        ({"categories": [{**CATEGORY, "keypoints": "eyes"}]}, "keypoints: expected a list of names"),
        ({"categories": "cat"}, "categories: expected a list"),
        ({"categories": [], "annotations": []}, "no category and no annotation has keypoints"),
        ({"annotations": []}, "no object of category 'cat'"),
        ({"images": [{"id": [0]}]}, "images: an id is not a whole number or a text"),
        ({"images": []}, "annotation 0: image_id '0' is not in images; nothing to draw"),
    ):
        data.write_text(json.dumps({**content, **change}))
        assert reason in failed(capsys, folder, tmp_path)
    data.write_text("{")
    assert "not JSON" in failed(capsys, data, tmp_path)


def test_pictures_that_cannot_be_read_are_counted_and_others_drawn(tmp_path, capsys):
    folder, _ = written(tmp_path / "cats", count=4)
    (folder / "images/cats 1.png").write_bytes(b"no picture")
    (folder / "images/cats 2.png").unlink()
    command.main(["layout", "new", str(folder), "--out", str(tmp_path / "x.json")])
    said = capsys.readouterr().out
    assert "objects that cannot be read: 2, the first: " in said and "x.png: 2 objects" in said


def test_show_prints_a_layout_or_its_fault(tmp_path, capsys):
    command.main(["layout", "show", "lsp-14"])
    said = capsys.readouterr().out
    assert "layout lsp-14\n14 points" in said and "right_ankle/left_ankle" in said and "PCK at 0.2" in said
    assert "points that keep their names in a mirrored picture: neck, head_top" in said
    assert "the distance from left_shoulder to right_hip" in said
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"name": "x", "points": 3, "flip_pairs": [[0, 1], [1, 2]]}')
    with pytest.raises(SystemExit) as ended:
        command.main(["layout", "show", str(wrong)])
    assert ended.value.code == 2 and "flip_pairs: point 1 is in two pairs" in capsys.readouterr().err
