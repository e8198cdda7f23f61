"""Faces on their side and upside down: the same points as upright, on a drawn face and on photographs."""

import numpy as np
import pytest

import edgewing
from edgewing import anatomy, geometry, images, layouts
from edgewing.camera.tracking import Tracker
from tests.edgewing.test_cli import ROOT

QUARTERS = (1, 2, 3)


@pytest.fixture(scope="module")
def landmarker():
    return edgewing.Landmarker("edgewing-m")


def quarter_turned(image, points, times):
    """A picture and points in it, turned clockwise so many times by 90 degrees."""
    for _ in range(times):
        points = np.stack([image.shape[0] - 1 - points[:, 1], points[:, 0]], axis=1)
        image = np.ascontiguousarray(np.rot90(image, -1))
    return image, points


@pytest.mark.parametrize("times", QUARTERS)
def test_a_drawn_face(landmarker, times):
    """Its points are within 3 % of the distance of its eyes of where they are upright."""
    (upright,) = landmarker(ROOT / "docs/portrait.jpg")
    image, expected = quarter_turned(upright.image, upright.landmarks, times)
    (face,) = landmarker(image)
    eyes = np.linalg.norm(expected[45] - expected[36])
    assert face.trusted and np.linalg.norm(face.landmarks - expected, axis=1).mean() < 0.03 * eyes
    assert abs((face.crop.turn - times * np.pi / 2 + np.pi) % (2 * np.pi) - np.pi) < np.radians(25)
    assert upright.crop.turn == 0 and "box_turn" in face.to_dict() and "box_turn" not in upright.to_dict()


def test_photographs(landmarker, media):
    """LFPW's test set: at least nine in ten are found, upside down eight (the second look, which faces need that fill
    the picture, frames those worse); their NME is within 7 % of that of the same ones upright."""
    folder = media.parent / "lfpw" / "testset"
    errors = {times: [] for times in (0, *QUARTERS)}
    for path in sorted(p for p in folder.iterdir() if p.suffix in images.SUFFIXES)[::8]:
        text = path.with_suffix(".pts").read_text()
        true = np.array(text[text.index("{") + 1 : text.index("}")].split(), float).reshape(-1, 2) - 1
        for times, found in errors.items():
            image, points = quarter_turned(images.read_image(path), true, times)
            away = [np.linalg.norm(f.landmarks - points, axis=1).mean() for f in landmarker(image) if f.trusted]
            error = min(away, default=np.inf) / np.linalg.norm(points[45] - points[36])
            found.append(error if error < 0.5 else np.nan)  # of another face in the picture
    upright = np.array(errors[0])
    assert len(upright) == 28 and np.isfinite(upright).all()
    for times in QUARTERS:
        turned = np.array(errors[times])
        both = np.isfinite(turned)
        assert both.mean() >= (0.8 if times == 2 else 0.9)
        assert turned[both].mean() < 1.07 * upright[both].mean(), times


def test_a_face_that_turns_over_is_followed(landmarker):
    """A full turn in 40 frames: one track, and its points turn with it."""
    (upright,) = landmarker(ROOT / "docs/portrait.jpg")
    tracker, middle, eyes = (
        Tracker(landmarker),
        (255.5, 255.5),
        np.linalg.norm(upright.landmarks[45] - upright.landmarks[36]),
    )
    for number in range(41):
        matrix = geometry.Crop(middle, 512, 512, -2 * np.pi * number / 40).to_image
        frame = geometry.warp(upright.image, matrix, 512)
        (track,) = tracker(frame, number / 30)
        expected = geometry.apply(geometry.invert(matrix), upright.landmarks)
        assert track.id == 0
        assert np.linalg.norm(track.face.landmarks - expected, axis=1).mean() < 0.06 * eyes, number


def test_the_turn_of_landmarks():
    """That of ArcFace's own points, turned; a layout without eyes says nothing."""
    (upright,) = [np.zeros((68, 2))]
    layout, turn = layouts.get("300w-68"), 2.0
    upright[36:42], upright[42:48], upright[30], upright[48], upright[54] = anatomy.ARCFACE
    turned = upright @ geometry.rotation(turn).T + (30, 400)
    assert anatomy.turn(upright, layout) == pytest.approx(0, abs=1e-9)
    assert anatomy.turn(turned, layout) == pytest.approx(turn)
    assert anatomy.turn(np.zeros((2, 2)), layouts.Layout("clock", 2)) is None


def test_a_box_is_turned_about_its_middle():
    points = np.array([(0, 0), (10, 0), (10, 4), (0, 4)], float)
    for turn in (0.0, 0.7, -2.0):
        turned = points @ geometry.rotation(turn).T + (50, 60)
        box = geometry.turned_box(turned, turn)
        assert np.allclose(box[2:] - box[:2], (10, 4)) and np.allclose((box[:2] + box[2:]) / 2, turned.mean(axis=0))


def test_a_crop_keeps_still_while_the_face_is_about_upright_in_it():
    degrees = [np.degrees(geometry.crop_turn(np.radians(found), np.radians(before))) for found, before in
               ((20, 0), (-24, 0), (40, 0), (200, 0), (50, 40), (170, -170), (-100, -170))]  # fmt: skip
    assert np.allclose(degrees, [0, 0, 40, -160, 40, -170, -100])
