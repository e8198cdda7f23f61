"""Labels by teachers: they land where the face is, in every view, and views that disagree say so."""

import numpy as np
import pytest

from compress import pseudo
from compress.pseudo import Labeller, Picture, label
from edgewing import layouts
from edgewing.errors import InputError
from edgewing.geometry import landmark_box
from tests.compress import foreigners

LAYOUT = layouts.get("aflw-19")
POSITIONS = [(48.0, 50.0), (72.0, 54.0), (60.0, 71.0)]


def symmetric():
    """The colour of each landmark, the same for both of a flip pair: a mirrored picture then gives the same points."""
    return [min(i, int(LAYOUT.flip_index[i])) % 3 for i in range(LAYOUT.points)]


def labelled(tmp_path, channels, pictures, **about):
    path = foreigners.write(tmp_path / "m.onnx", channels, LAYOUT.name, **about)
    return label(pictures, [Labeller(path, LAYOUT)], lambda done: None)


def expected(channels):
    return np.array([POSITIONS[c] for c in channels])


def test_labels_are_image_pixels_whatever_the_view(tmp_path):
    image = foreigners.dots(POSITIONS)
    points = expected(symmetric()).astype(np.float32)
    made = labelled(
        tmp_path,
        symmetric(),
        [Picture("a", image, landmark_box(points)), Picture("b", image, landmark_box(points + 3))],
    )
    assert made.names == ["a", "b"]
    assert np.abs(made.landmarks - points).max() < 0.3 and made.spread.max() < 0.01


def test_a_picture_without_landmarks_is_cropped_from_what_was_found_in_it(tmp_path):
    made = labelled(tmp_path, symmetric(), [Picture("a", foreigners.dots(POSITIONS))], factor=3.0)
    assert np.abs(made.landmarks[0] - expected(symmetric())).max() < 0.3


def test_views_that_disagree_are_told_from_those_that_agree(tmp_path):
    """Left and right of a pair look at different colours: mirrored, the same landmark is found somewhere else."""
    image, points = foreigners.dots(POSITIONS), expected(symmetric()).astype(np.float32)
    fickle = [0 if i < LAYOUT.flip_index[i] else 1 for i in range(LAYOUT.points)]
    made = labelled(tmp_path, fickle, [Picture("a", image, landmark_box(points))])
    assert made.spread[0] > 0.05


def test_the_mean_of_two_labellers_is_between_them_and_their_difference_is_no_doubt(tmp_path):
    image = foreigners.dots(POSITIONS)
    points = expected(symmetric()).astype(np.float32)
    one = foreigners.write(tmp_path / "one.onnx", [0] * LAYOUT.points, LAYOUT.name)
    two = foreigners.write(tmp_path / "two.onnx", [1] * LAYOUT.points, LAYOUT.name)
    labellers = [Labeller(path, LAYOUT) for path in (one, two)]
    made = label([Picture("a", image, landmark_box(points))], labellers, lambda done: None)
    assert np.allclose(made.landmarks[0], np.mean(POSITIONS[:2], axis=0), atol=0.3)
    assert labellers[0].credits.teachers[0].startswith("centres (Apache-2.0")


def test_another_layout_goes_through_its_point_map(tmp_path):
    wflw, ibug = layouts.get("wflw-98"), layouts.get("300w-68")
    channels = [i % 3 for i in range(98)]
    path = foreigners.write(tmp_path / "m.onnx", channels, "wflw-98")
    points = np.array([POSITIONS[channels[i]] for i in wflw.map_to("300w-68")], np.float32)
    found = Labeller(path, ibug)([foreigners.dots(POSITIONS)], np.array([[45, 45, 75, 75]]), pseudo.VIEWS[:1])
    assert found.shape == (1, 1, 68, 2) and np.abs(found[0, 0] - points).max() < 0.3
    with pytest.raises(InputError, match="no map to"):
        Labeller(path, layouts.get("cofw-29"))


def test_a_better_teacher_has_another_key(tmp_path):
    one = Labeller(foreigners.write(tmp_path / "one.onnx", [0] * 19, "aflw-19"), LAYOUT)
    two = Labeller(foreigners.write(tmp_path / "two.onnx", [1] * 19, "aflw-19"), LAYOUT)
    assert pseudo.key([one], "x") == pseudo.key([one], "x") != pseudo.key([two], "x")
    assert pseudo.key([one], "y") != pseudo.key([one], "x")


def test_no_pictures_are_no_labels(tmp_path):
    """A worker's share of few pictures."""
    made = labelled(tmp_path, symmetric(), [])
    assert made.names == [] and made.landmarks.shape == (0, LAYOUT.points, 2) and made.spread.shape == (0,)
