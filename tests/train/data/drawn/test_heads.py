"""Drawn heads: the same from the same number, landmarks and truth that agree, and nothing read but heads.npz."""

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from train import data
from train.data import drawn
from train.data.catalogue import is_research_only
from train.data.drawn import folder
from train.data.drawn.heads import SEGMENTS, SIZE, before, head, people, render, sheets, undrawn
from train.data.drawn.heads.camera import Camera, lights
from train.data.drawn.heads.marks import LEFT_CORNER, RIGHT_CORNER, Brow, Marks, seen
from train.data.drawn.heads.mesh import FILE, mesh

ROOT = Path(__file__).parents[4]
LAYOUTS = drawn.KINDS["heads"]


@pytest.fixture(scope="module")
def many():
    """Heads of all poses."""
    return [head(k, "wflw-98") for k in range(80)]


def neutral() -> Marks:
    """Landmarks of the template, which is its own mirror image."""
    m = mesh()
    v, centres, turn = m.express(m.template, {}, (0.0, 0.0))
    return Marks.of(m, v, Brow(m.arrays["brow"]), centres, turn)


def camera(yaw: float) -> Camera:
    m = mesh()
    made = Camera((np.deg2rad(yaw), 0.0, 0.0), np.array([0.0, 6.3, 0.15]), np.zeros(3), 12.0, 60.0, (120.0, 120.0))
    made.middle = made.view(m.template[[m.tip, m.bridge, m.chin]]).mean(0)
    return made


def test_a_number_names_one_head_and_one_picture_for_all_layouts():
    first, again, other = head(7, "300w-68"), head(7, "300w-68"), head(8, "300w-68")
    assert np.array_equal(first.image, again.image) and np.array_equal(first.landmarks, again.landmarks)
    assert first.image.dtype == np.uint8 and first.image.shape == (SIZE, SIZE, 3)
    assert np.abs(first.image.astype(int) - other.image).mean() > 5
    assert np.array_equal(first.image, head(7, "wflw-98").image)
    assert is_research_only(first.source) is False


def test_processes_draw_the_same():
    alone, together = (list(drawn.faces(9, "300w-68", 3, n, kind="heads")) for n in (1, 2))
    for a, b in zip(alone, together, strict=True):
        assert a.name == b.name and np.array_equal(a.image, b.image) and np.array_equal(a.landmarks, b.landmarks)
        assert np.array_equal(a.visibility, b.visibility) and a.units == b.units and a.gaze == b.gaze
    assert not {a.name for a in alone} & {b.name for b in drawn.faces(9, "300w-68", 4, kind="heads")}


def test_nothing_is_opened_but_code_and_the_heads():
    """From the first import of ours on: the only data is heads.npz, and none of the cartoons' modules, whose mean face
    was measured on photographs, is read."""
    code = (
        "import sys, json, cv2, numba, numpy\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "from train.data.drawn import faces\n"
        "list(faces(3, '300w-68', kind='heads'))\n"
        "print(json.dumps([opened, sorted(sys.modules)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    opened, modules = json.loads(done.stdout)
    ours = {path for path in opened if str(ROOT) in path and "/.venv/" not in path}
    suffixes = (".py", ".pyc", ".nbi", ".nbc")  # sources, compiled by Python and by numba
    read = {path for path in ours if ".pyc." not in path and not path.endswith(suffixes)}
    read = {path for path in read if "__pycache__" not in path}
    layout_files = {path for path in read if "/edgewing/layout" in path}
    assert read - layout_files == {str(FILE)}
    assert not [path for path in opened if path.endswith((".jpg", ".jpeg", ".png", ".pts", ".mat", ".csv"))]
    assert not [name for name in modules if "cartoons" in name]


def test_the_file_is_small_and_its_licences_lie_beside_it():
    assert FILE.stat().st_size < 2_000_000
    folder = FILE.parent / "licences"
    assert (folder / "CC0-1.0.md").read_text().startswith("# Creative Commons CC0 1.0 Universal")
    assert "could not be had" in (folder / "README.md").read_text() and "heads.npz" in (ROOT / "NOTICE").read_text()


def test_the_98_points_are_the_68_where_both_mark_the_same_place():
    for number in range(6):
        wflw, ibug = head(number, "wflw-98"), head(number, "300w-68")
        index = layouts.get("wflw-98").map_to("300w-68")
        brows = np.isin(np.arange(68), range(17, 27))  # 68: one line on the brow; 98: its edges
        assert np.array_equal(wflw.landmarks[index][~brows], ibug.landmarks[~brows])
        assert np.array_equal(wflw.visibility[index][~brows], ibug.visibility[~brows])
        assert np.array_equal(wflw.behind[index][~brows], ibug.behind[~brows])
        eye = np.linalg.norm(ibug.landmarks[36] - ibug.landmarks[45])
        assert np.linalg.norm(wflw.landmarks[index] - ibug.landmarks, axis=1)[brows].max() < 0.2 * eye


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("yaw", [0, 25, 55])
def test_a_mirrored_head_has_mirrored_points(name, yaw):
    marks, flip = neutral(), layouts.get(name).flip_index
    points = []
    for turned in (camera(yaw), camera(-yaw)):
        points.append(turned.project(marks.points(name, turned.project, 0.0))[:, :2])
    mirrored = points[1][flip] * (-1, 1) + (240, 0)
    assert np.abs(mirrored - points[0]).max() < 0.2  # px of a face 100 px wide


def test_points_behind_the_head_are_told_from_those_before_it_and_count_all_the_same():
    """Outer corners of the eyes are 60 and 72, of the mouth 76 and 82, image left and right."""
    for number in range(8):
        faces = [head(number, "wflw-98", (yaw, 0, 0)) for yaw in (88, -88, 0)]
        right, left, ahead = (face.behind for face in faces)
        assert right[72] and not right[[60, 76]].any(), number
        assert left[60] and not left[[72, 82]].any(), number
        assert not ahead[[0, 8, 16, 24, 32, 54, 60, 64, 68, 72, 76, 82]].any(), number
        for face in faces:
            assert (face.visibility[face.behind] == 1).all() and set(face.visibility) <= {1, 2}


def test_the_contour_is_seen_where_it_follows_the_outline():
    for number in range(6):
        for yaw in (-40, 40):
            assert head(number, "wflw-98", (yaw, 0, 0)).behind[:33].mean() < 0.25, (number, yaw)


@pytest.mark.parametrize("yaw", [0, 20, 50])
def test_the_contour_goes_in_even_steps_of_the_picture_on_either_side_from_the_level_of_the_eyes(yaw):
    marks, turned = neutral(), camera(yaw)
    for name, count in (("300w-68", 17), ("wflw-98", 33)):
        points = marks.points(name, turned.project, 0.0)
        steps = np.linalg.norm(np.diff(turned.project(points[:count])[:, :2], axis=0), axis=1)
        for side in (steps[: count // 2], steps[count // 2 :]):
            assert side.max() < 1.25 * side.min(), (name, side)
        corners = marks.inner[[RIGHT_CORNER, LEFT_CORNER], 1]
        assert np.abs(points[[0, count - 1], 1] - corners).max() < 0.02


def test_things_hide_points_and_the_head_removes_them():
    far, near, nothing = 1 / 12.0, 1 / 10.0, 0.0
    points = np.array([[4, 4, far], [4, 4, far], [4, 4, far], [40, 4, far], [4, 4, near]])
    head_at, free, whole = np.full((9, 9), near), np.zeros((9, 9)), np.ones((9, 9))
    assert seen(points[:1], head_at, free, free).tolist() == [0]
    assert seen(points[-1:], head_at, free, free).tolist() == [2]
    assert seen(points[:1], np.full((9, 9), far), np.full((9, 9), near), free).tolist() == [1]
    assert seen(points[-1:], head_at, np.full((9, 9), far), free).tolist() == [2]  # the thing is behind it
    assert seen(points[:1], np.full((9, 9), far), np.full((9, 9), nothing), whole).tolist() == [1]
    assert seen(points[3:4], np.full((9, 9), far), free, free).tolist() == [1]  # outside the picture


def test_pose_and_camera_put_the_points_where_the_landmarks_are(many):
    for face in many[:20]:
        q = face.camera @ (face.pose[:3, :3] @ face.points.T.astype(float) + face.pose[:3, 3:])
        assert np.abs((q[:2] / q[2]).T - face.landmarks).max() < 0.01
        assert np.allclose(face.pose[:3, :3] @ face.pose[:3, :3].T, np.eye(3))
        assert np.linalg.det(face.pose[:3, :3]) == pytest.approx(1)


def test_pupils_are_dark_in_their_eyes_and_follow_the_gaze(many):
    dark, along = 0, []
    for face in many:
        assert np.array_equal(face.pupils, face.landmarks[96:])
        grey = cv2.cvtColor(face.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        x, y = np.rint(face.pupils).astype(int).T
        if (face.visibility[96:] == 2).all() and not face.behind.any():
            corners = [face.landmarks[[60, 64]], face.landmarks[[68, 72]]]
            inside = [
                np.linalg.norm(p - c, axis=1).max() < np.linalg.norm(c[0] - c[1]) for p, c in zip(face.pupils, corners)
            ]
            assert all(inside), face.name
            around = cv2.blur(grey, (9, 9))
            dark += bool((grey[y, x] < around[y, x]).all())
            across = np.mean(
                [(p - c.mean(0)) @ (c[1] - c[0]) / ((c[1] - c[0]) ** 2).sum() for p, c in zip(face.pupils, corners)]
            )
            along.append((face.gaze[0], across))
    assert len(along) > 20 and dark > 0.5 * len(along)  # glints, lids and small pictures hide some
    assert np.corrcoef(np.array(along).T)[0, 1] > 0.4  # the head's turn moves them too


def test_units_are_the_52_by_name_and_move_what_they_name():
    m = mesh()
    assert len(m.units) == len(head(0, "300w-68").units) == 52 and "jawOpen" in m.units
    still, _, _ = m.express(m.template, {}, (0, 0))
    for unit, upper, lower in (("jawOpen", 62 - 27, 66 - 27), ("eyeBlinkLeft", 43 - 27, 47 - 27)):
        moved, _, _ = m.express(m.template, {unit: 1.0}, (0, 0))
        gaps = [m.places(v, "points")[upper, 1] - m.places(v, "points")[lower, 1] for v in (still, moved)]
        assert abs(gaps[1] - gaps[0]) > 0.05, unit


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_folder_is_read_back_as_it_was_drawn(tmp_path, name):
    faces = list(drawn.faces(5, name, 9, kind="heads"))
    assert folder.write(tmp_path / "heads", faces, name, segments=True) == 5
    read = data.read_samples(tmp_path / "heads", name)
    assert not read.problems and len(read.samples) == 5
    lines = [json.loads(line) for line in (tmp_path / "heads" / folder.TRUTH).read_text().splitlines()]
    for face, sample, line in zip(faces, read.samples, lines, strict=True):
        assert np.array_equal(sample.visibility, face.visibility)
        assert np.abs(sample.landmarks - face.landmarks).max() < 1e-3
        assert np.abs(np.array(line["points"]) - face.landmarks).max() < 1e-3
        assert line["behind"] == face.behind.tolist() and line["units"].keys() == face.units.keys()
        picture = cv2.imread(str(sample.image), cv2.IMREAD_COLOR_RGB)
        assert np.abs(picture.astype(int) - face.image).mean() < 6
        shown = cv2.imread(str(tmp_path / "heads" / "segments" / f"{face.name}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(shown, face.segments) and shown.shape == face.image.shape[:2]
    with pytest.raises(InputError, match="is there already"):
        folder.write(tmp_path / "heads", faces, name)
    assert {path.name for path in tmp_path.iterdir()} == {"heads"}


def test_what_is_known_without_drawing():
    for number in range(4):
        shown, bare = head(number, "300w-68"), undrawn(number, "300w-68")
        assert np.array_equal(shown.landmarks, bare.landmarks) and shown.units == bare.units
        assert np.array_equal(shown.pose, bare.pose) and not bare.image.size


def test_segments_show_what_is_where_the_points_are():
    """Pupils that are seen lie on eyes, the chin of a bare face on skin."""
    found = [head(number, "wflw-98") for number in range(300, 330)]
    at = [
        SEGMENTS[one.segments[tuple(np.rint(one.landmarks[96, ::-1]).astype(int))]]
        for one in found
        if one.visibility[96] == 2
    ]
    assert at.count("eye") > 0.6 * len(at) and set(at) <= {"eye", "skin", "lashes"}
    chins = [
        one.segments[tuple(np.rint(one.landmarks[16, ::-1]).astype(int) - (3, 0))]
        for one in found
        if one.visibility[16] == 2
    ]
    assert chins.count(SEGMENTS.index("skin")) > 0.8 * len(chins)


def test_the_outer_corner_of_an_eye_is_where_the_ball_is_last_seen():
    """In % of the eyes' distance, beyond the last pixel of the ball: the place where the lids' skin meets is not it."""
    beyond = []
    for number in range(5000, 5060):
        one = head(number, "300w-68", (0.0, 0.0, 0.0))
        p, distance = one.landmarks, np.linalg.norm(one.landmarks[45] - one.landmarks[36])
        for corner, points, side in ((36, slice(36, 42), -1), (45, slice(42, 48), 1)):
            (left, top), (right, bottom) = np.floor(p[points].min(0) - 3), np.ceil(p[points].max(0) + 3)
            columns = np.nonzero(one.segments[int(top) : int(bottom), int(left) : int(right)] == SEGMENTS.index("eye"))[
                1
            ]
            opening = np.ptp(p[points][[1, 2, 4, 5], 1])
            if len(columns) > 25 and opening > 0.07 * distance:  # open, and nothing before it
                last = left + (columns.max() + 1 if side > 0 else columns.min())
                beyond.append(100 * side * (p[corner, 0] - last) / distance)
    assert len(beyond) > 20 and abs(np.median(beyond)) < 0.8, np.median(beyond)


def test_teeth_are_lighter_than_the_skin_around_the_mouth(many):
    """In the middle of a smile a network finds the lips between teeth and skin: grey teeth are taken for lips."""
    lighter = []
    for one in many:
        p, teeth = one.landmarks, one.segments == SEGMENTS.index("teeth")
        rows = sorted((p[54, 1], p[76:].max(0)[1]))  # from the tip of the nose to the lower lip
        around = np.zeros_like(teeth)
        around[max(0, int(rows[0])) : max(0, int(rows[1])), max(0, int(p[:, 0].min())) : int(p[:, 0].max())] = True
        skin = around & (one.segments == SEGMENTS.index("skin"))
        if teeth.sum() > 40 and skin.sum() > 100:
            grey = one.image.mean(2)
            lighter.append(np.median(grey[teeth]) > np.percentile(grey[skin], 60))
    assert len(lighter) > 20 and np.mean(lighter) > 0.5, np.mean(lighter)


def test_a_kind_or_layout_that_is_not_drawn_is_refused():
    with pytest.raises(InputError, match="cartoons, heads"):
        next(drawn.faces(1, "300w-68", kind="photographs"))
    with pytest.raises(InputError, match="cannot be drawn"):
        next(drawn.faces(1, "cofw-29", kind="heads"))


@pytest.mark.parametrize("seed", range(8))
def test_strands_and_things_say_where_nothing_is_seen_through_them(seed):
    """What has not changed is not covered, but for a pixel between strands."""
    turned, box, rng = camera(10.0), np.array([70.0, 70.0, 170.0, 190.0]), np.random.default_rng(seed)
    line = np.stack([np.linspace(-0.6, 0.6, 21), np.full(21, 7.9), np.full(21, 0.9)], 1)
    plain, noise = np.full((240, 240, 3), 0.9, np.float32), rng.random((256, 256)).astype(np.float32)
    strands, things, ear = np.zeros((3, 240, 240), np.float32)
    made = before.locks(plain, strands, line, turned, np.full(3, 0.02), seed % 2 == 0, rng)
    held = before.thing(plain, things, box, np.full(3, 0.2), 1.0, noise, rng)
    phone = before.phone(plain, ear, box, np.full(3, 0.2), 1.0, rng)
    for picture, covered in ((made, strands), (held, things), (phone, ear)):
        changed = cv2.dilate((np.abs(picture - plain).max(2) > 0.02).astype(np.uint8), np.ones((3, 3))) > 0
        assert changed.any() and not (covered > 0.5)[~changed].any()


def test_thin_lips_keep_their_bow():
    """The middle of the upper edge lies below its two peaks, by half a millimetre and more on the average."""
    deep = []
    for number in range(60):
        rng = np.random.default_rng(number)
        points = mesh().places(people.shape(mesh(), people.person(rng), rng), "points")[:, 1]
        deep.append((points[50 - 27] + points[52 - 27]) / 2 - points[51 - 27])  # dm; inner points begin at 27
    assert np.mean(deep) > 0.005


def test_some_people_have_fat_under_the_chin():
    """Nobody had, and networks took the second outline, below the jaw's, for the jaw."""
    m = mesh()
    grown = m.moved(m.base, {"neck/neck-double-incr": 1.0}) - m.base
    place = np.linalg.norm(grown, axis=1).argmax()

    def below(v):
        """How far that place lies from the chin, the way that the slider moves it; 1: its whole range."""
        chin = min(m.places(v, "contour")[16], key=lambda p: p[1])
        return (v[place] - chin) @ grown[place] / (grown[place] ** 2).sum()

    dice = [np.random.default_rng(seed) for seed in range(150)]
    found = [below(people.shape(m, people.person(rng), rng)) - below(m.base) for rng in dice]
    assert np.percentile(found, 90) > 0.9 and np.median(found) < 0.7


@pytest.mark.parametrize("seed", range(8))
def test_braids_hang_beside_the_face(seed):
    m = mesh()
    chin, ear = m.base[m.chin], abs(m.base[m.ear][0])
    found = sheets.braids(m, m.base, np.random.default_rng(seed))
    assert 1 <= len(found) <= 2
    for braid in found:
        assert braid.vertices[:, 1].min() < chin[1] < braid.vertices[:, 1].max() < m.base[m.bridge][1]
        assert abs(braid.vertices[:, 0]).min() > 0.4 * ear and len({*np.sign(braid.vertices[:, 0])}) == 1


@pytest.mark.parametrize("seed", range(8))
def test_another_person_stands_at_one_side(seed):
    plain = np.full((SIZE, SIZE, 3), 0.5, np.float32)
    rng = np.random.default_rng(seed)
    changed = abs(render._in_company(plain, mesh(), lights(rng), rng) - plain).max(2) > 0.01
    left, right = changed[:, : SIZE // 4].mean(), changed[:, -SIZE // 4 :].mean()
    assert max(left, right) > 0.05 and min(left, right) < 0.02
