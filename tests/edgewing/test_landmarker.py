"""From a frame to a frame: the tiny model's blobs are found where they are in the picture."""

import numpy as np
import pytest

from edgewing import images
from edgewing.errors import InputError
from edgewing.landmarker import Landmarker
from tests.edgewing.conftest import blobs


def frame(places) -> np.ndarray:
    """(240, 320, 3): a red and a blue blob of 8 px at these x, y, for each pair."""
    y, x = np.mgrid[:240, :320]
    picture = np.zeros((240, 320, 3), np.uint8)
    for red, blue in places:
        for channel, (cx, cy) in ((0, red), (2, blue)):
            blob = 255 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / 8.0**2)
            picture[..., channel] = np.maximum(picture[..., channel], np.rint(blob))
    return picture


def test_landmarks_come_back_in_image_pixels(model_file):
    places = [((70.0, 90.0), (110.0, 100.0)), ((230.5, 120.0), (262.0, 150.25))]
    boxes = [(40, 50, 140, 140), (200, 80, 300, 180)]
    faces = Landmarker(model_file)(frame(places), boxes)
    for face, place, box in zip(faces, places, boxes):
        assert np.abs(face.landmarks - place).max() < 0.25  # a crop px is about 4 image px
        assert face.landmarks.dtype == np.float32 and face.landmarks.shape == (2, 2)
        assert face.scores.min() > 0.9 and tuple(face.box) == box


def test_a_box_half_outside_the_frame(model_file):
    (face,) = Landmarker(model_file)(frame([((25.0, 30.0), (55.0, 35.0))]), [(-40, -40, 80, 80)])
    assert np.abs(face.landmarks - [[25, 30], [55, 35]]).max() < 0.25


def test_the_detector_is_opened_only_when_needed(onnx_file):
    landmarker = Landmarker(onnx_file, detector="none of these")
    assert len(landmarker(frame([]), [(0, 0, 10, 10)])) == 1
    with pytest.raises(InputError, match="unknown detector 'none of these'"):
        landmarker(frame([]))


def test_no_face_is_no_error(onnx_file):
    assert Landmarker(onnx_file, detector="cascade")(np.zeros((100, 100, 3), np.uint8)) == []


def test_faces_of_a_photograph_largest_first(onnx_file, media):
    faces = Landmarker(onnx_file)(images.read(media / "multi_face.jpg"))
    widths = [face.box[2] - face.box[0] for face in faces]
    assert len(faces) >= 4 and all(face.landmarks.shape == (2, 2) for face in faces)
    assert widths[0] == pytest.approx(max(widths), rel=0.1)


@pytest.mark.parametrize("bad", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))])
def test_other_arrays_are_refused(onnx_file, bad):
    with pytest.raises(InputError, match=r"expected uint8 RGB \(H, W, 3\)"):
        Landmarker(onnx_file)(bad, [(0, 0, 5, 5)])


def test_empty_box(onnx_file):
    with pytest.raises(InputError, match="empty or broken box"):
        Landmarker(onnx_file)(blobs((5, 5), (9, 9)), [(5, 5, 5, 9)])
