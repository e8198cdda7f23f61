"""Drawn faces: the same face from the same number, landmarks on what they name, layouts that agree."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgewing import layouts
from edgewing.errors import InputError
from train.data import drawn
from train.data.drawn.cartoons.raster import Camera, normals, rotation
from train.data.drawn.cartoons.render import SIZE, render, sample_pose
from train.data.drawn.cartoons.shape import COLUMNS, REACH, Plan, Surface, in_layout, neutral, sample

ROOT = Path(__file__).parents[4]


def test_a_number_names_one_face():
    first, again, other = drawn.draw(7, "300w-68"), drawn.draw(7, "300w-68"), drawn.draw(8, "300w-68")
    assert np.array_equal(first.image, again.image) and np.array_equal(first.landmarks, again.landmarks)
    assert first.image.dtype == np.uint8 and first.image.shape == (SIZE, SIZE, 3)
    assert np.abs(first.image.astype(int) - other.image).mean() > 5
    assert np.abs(first.landmarks - other.landmarks).mean() > 2
    assert first.source == "drawn" and first.group == first.name != other.name


def test_faces_are_the_numbered_ones_and_seeds_share_none():
    three = list(drawn.faces(3, "aflw-19", seed=0))
    assert [face.name for face in three] == [drawn.draw(k, "aflw-19").name for k in range(3)]
    assert not {face.name for face in three} & {face.name for face in drawn.faces(3, "aflw-19", seed=1)}


def test_every_layout_is_finite_inside_and_from_the_same_picture():
    for seed in range(12):
        by_layout = {name: drawn.draw(seed, name) for name in drawn.LAYOUTS}
        for name, face in by_layout.items():
            assert face.landmarks.shape == (layouts.get(name).points, 2) and face.landmarks.dtype == np.float32
            assert np.isfinite(face.landmarks).all()
            assert face.landmarks.min() > 0 and face.landmarks.max() < SIZE - 1
            assert np.array_equal(face.image, by_layout["300w-68"].image)


def test_layouts_agree_where_they_mark_the_same_place():
    for seed in range(8):
        wflw, ibug, cofw, aflw = (
            drawn.draw(seed, name).landmarks for name in ("wflw-98", "300w-68", "cofw-29", "aflw-19")
        )
        assert np.array_equal(wflw[layouts.get("wflw-98").map_to("300w-68")], ibug)
        # COFW: outer and inner eye corners, pupils, mouth corners, chin; AFLW: eyes, nose tip, mouth corners, chin
        assert np.array_equal(
            cofw[[8, 9, 10, 11, 16, 17, 20, 22, 23, 28]], wflw[[60, 72, 64, 68, 96, 97, 54, 76, 82, 16]]
        )
        assert np.array_equal(aflw[[6, 8, 9, 11, 13, 15, 17, 18]], wflw[[60, 64, 68, 72, 54, 76, 82, 16]])


@pytest.mark.parametrize("name", drawn.LAYOUTS)
def test_neutral_face_is_its_own_mirror_image(name):
    surface = Surface(Plan(neutral()))
    camera = Camera(rotation(0, 0, 0), 20.0, 100.0)
    points = in_layout(surface.landmarks(camera.rotation, camera.project), name)
    mirrored = points[layouts.get(name).flip_index] * (-1, 1)
    assert np.abs(mirrored - points).max() < 1e-3
    left = in_layout(surface.landmarks(rotation(0.5, 0.1, 0), Camera(rotation(0.5, 0.1, 0), 20.0, 100.0).project), name)
    right = in_layout(
        surface.landmarks(rotation(-0.5, 0.1, 0), Camera(rotation(-0.5, 0.1, 0), 20.0, 100.0).project), name
    )
    # neighbouring samples of the outline, 1 degree apart, may tie: hence half a pixel
    assert np.abs(left[layouts.get(name).flip_index] * (-1, 1) - right).max() < 0.5


def test_all_points_of_98_are_apart_in_a_neutral_face():
    plan = neutral()[:98]
    distance = np.linalg.norm(plan[:, None] - plan[None], axis=-1) + np.eye(98)
    together = {tuple(sorted(pair)) for pair in np.argwhere(distance < 1e-6)}
    assert together == {(89, 95), (90, 94), (91, 93)}  # the inner edges of closed lips


@pytest.mark.parametrize("yaw", (-55, -30, 30, 55))
def test_contour_of_the_far_side_is_the_outline(yaw):
    """No vertex of the bare cheek lies outside the contour on the side that turns away."""
    surface = Surface(Plan(neutral()))
    turn = rotation(np.deg2rad(yaw), 0, 0)
    camera = Camera(turn, 15.0, 100.0)
    contour = surface.landmarks(turn, camera.project)[:33]
    far = contour[20:31] if yaw > 0 else contour[2:13][::-1]
    angles = np.linspace(-REACH, REACH, COLUMNS)
    cheek = (np.abs(angles) > np.deg2rad(35)) & (np.abs(angles) < np.deg2rad(120)) & (np.sign(angles) == np.sign(yaw))
    pixels = camera.project(surface.vertices[:, cheek]).reshape(-1, 2)
    order = np.argsort(far[:, 1])
    inside = (pixels[:, 1] > far[:, 1].min()) & (pixels[:, 1] < far[:, 1].max())
    edge = np.interp(pixels[inside, 1], far[order, 1], far[order, 0])
    beyond = np.sign(yaw) * (pixels[inside, 0] - edge)
    assert -1 < beyond.max() < 1.5  # px of a face 150 px wide: it touches, and does not pass


def _grey(face_image, points):
    grey = cv2.cvtColor(face_image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return cv2.remap(grey, np.asarray(points, np.float32).reshape(-1, 1, 2), None, cv2.INTER_LINEAR).ravel()


def test_pupils_are_dark_between_white_where_the_landmarks_say():
    """Pupil against sclera, halfway from the iris's edge to the corners; glasses, hands and fringes hide a few."""
    plan = neutral()
    good = 0
    for seed in range(24):
        image, points = render(Plan(plan), (0.0, 0.0, 0.0), np.random.default_rng(seed))
        outer, inner = points[60] * 0.78 + points[64] * 0.22, points[64] * 0.76 + points[60] * 0.24
        dark, white = _grey(image, [points[96]]), _grey(image, [outer, inner])
        good += float(dark.mean()) + 6 < float(white.mean())
    assert good >= 17


def test_open_mouth_is_dark_inside_and_closed_is_not():
    opened = neutral().copy()
    opened[[83, 84, 85, 86, 87, 93, 94, 95], 1] += 0.3
    inside, lips = [], []
    for seed in range(16):
        image, points = render(Plan(opened, gap=0.3), (0.0, 0.0, 0.0), np.random.default_rng(seed))
        # between the teeth above and the tongue below; the chin's skin to compare with
        inside.append(_grey(image, [points[90] * 0.5 + points[94] * 0.5]).mean())
        lips.append(_grey(image, [points[85] * 0.5 + points[16] * 0.5]).mean())
    assert np.median(inside) < 0.7 * np.median(lips)


def test_landmarks_are_vertices_of_the_rendered_surface():
    """Lifted plan points lie on the grid that is splatted, and face the camera in a frontal view."""
    surface = Surface(sample(np.random.default_rng(3)))
    places = surface.locate(surface.plan.points[33:96])
    lifted = surface.at(places)
    assert np.abs(lifted[:, :2] - surface.plan.points[33:96]).max() < 0.012  # face units: about a hundredth of an eye
    normal = normals(np.ascontiguousarray(surface.vertices))
    cell = np.rint(places).astype(int)
    assert (normal[2][cell[:, 1], cell[:, 0]] > 0).all()


def test_poses_reach_both_sides():
    yaw = np.rad2deg([sample_pose(np.random.default_rng(seed))[0] for seed in range(400)])
    assert yaw.min() < -45 and yaw.max() > 45 and np.abs(yaw).max() <= 60 and abs(np.median(yaw)) < 5


@pytest.mark.parametrize("name, word", [("lsp-14", "cannot be drawn"), ("300w-86", "did you mean '300w-68'")])
def test_layout_that_is_not_a_face_is_refused_in_one_line(name, word):
    with pytest.raises(InputError, match=word) as caught:
        drawn.draw(0, name)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError):
        next(drawn.faces(1, name, 0))


def test_sheet_command_writes_a_picture_or_says_why_not(tmp_path):
    def command(*arguments):
        line = [sys.executable, "-m", "train.data.drawn", *arguments]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True)

    target = tmp_path / "faces.png"
    done = command("sheet", str(target), "--layout", "cofw-29")
    assert done.returncode == 0 and str(target) in done.stdout
    assert cv2.imread(str(target)).shape == (5 * SIZE, 8 * SIZE, 3)
    refused = command("sheet", str(tmp_path / "no" / "faces.png"), "--layout", "cofw-29")
    assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["faces.png"]
