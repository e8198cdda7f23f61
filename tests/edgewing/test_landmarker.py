"""From a frame to a frame: the tiny model's blobs are found where they are in the picture."""

import copy
import dataclasses
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from edgewing import contract as contracts
from edgewing import images
from edgewing.camera import tracking
from edgewing.detection import Detection, Detector, Fit
from edgewing.errors import InputError
from edgewing.landmarker import SAME, Landmarker
from edgewing.runtimes import Runtime
from tests.edgewing.conftest import blobs, write_onnx


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
    assert Landmarker(onnx_file, detector="blazeface-short")(np.zeros((100, 100, 3), np.uint8)) == []


def test_faces_of_a_photograph_largest_first(onnx_file, media):
    faces = Landmarker(onnx_file)(images.read_image(media / "multi_face.jpg"))
    widths = [face.box[2] - face.box[0] for face in faces]
    assert len(faces) >= 4 and all(face.landmarks.shape == (2, 2) for face in faces)
    assert widths[0] == pytest.approx(max(widths), rel=0.1)


@pytest.mark.parametrize("bad", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))])
def test_other_arrays_are_refused(onnx_file, bad):
    with pytest.raises(InputError, match=r"expected uint8 RGB \(H, W, 3\)"):
        Landmarker(onnx_file)(bad, [(0, 0, 5, 5)])


def test_a_face_that_is_found_twice_is_one(onnx_file):
    """Of what a detector finds, not of the boxes that a user gives."""
    boxes = [(40, 50, 140, 140), (42, 52, 138, 138), (200, 80, 300, 180)]
    picture = frame([((70.0, 90.0), (110.0, 130.0)), ((230.5, 120.0), (262.0, 150.25))])
    found = [Detection(np.array(box, float), 1.0) for box in boxes]
    twice = Landmarker(onnx_file, detector=Detector("twice", lambda image: found, Fit((0, 0), (1, 1))))
    right, left = twice(picture)  # the larger box first
    assert left.box[0] in (40, 42) and tuple(right.box) == boxes[2]
    assert len(twice(picture, boxes)) == 3
    assert SAME == tracking.settings().track.same  # of pictures and of videos alike


def test_a_detector_of_ones_own_may_write_its_box_as_a_list(onnx_file):
    mine = Detector("mine", lambda image: [Detection([40, 50, 140, 140], 1.0)], Fit((0, 0), (1, 1)))
    (face,) = Landmarker(onnx_file, detector=mine)(frame([((70.0, 90.0), (110.0, 130.0))]))
    assert face.box.tolist() == [40, 50, 140, 140]


def test_a_detector_of_ones_own_may_yield_and_can_be_copied(onnx_file):
    def find(image):
        yield Detection(np.array([40.0, 50, 140, 140]), 1.0)

    mine = copy.deepcopy(Detector("mine", find, Fit((0, 0), (1, 1))))
    assert len(Landmarker(onnx_file, detector=mine)(frame([((70.0, 90.0), (110.0, 130.0))]))) == 1


def test_points_that_are_no_numbers_are_one_line(onnx_file, tmp_path):
    import onnx

    model = onnx.load(onnx_file)
    (grid,) = (one for one in model.graph.initializer if one.name == "grid")
    values = onnx.numpy_helper.to_array(grid).copy()
    values[0] = np.nan
    grid.CopyFrom(onnx.numpy_helper.from_array(values, "grid"))
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(InputError, match="gives points that are no numbers; export it again"):
        Landmarker(tmp_path / "nan.onnx")(np.zeros((64, 64, 3), np.uint8), [(0, 0, 50, 50)])


@pytest.mark.parametrize(
    "found",
    [None, 5, [[1, 2, 3, 4]], np.zeros((1, 4)), [Detection(np.zeros(3), 1.0)], [Detection([1, 2, "x", 4], 1.0)],
     [Detection([1, 2, 3, float("nan")], 1.0)]],
)  # fmt: skip
def test_what_a_detector_of_ones_own_may_not_find(onnx_file, found):
    mine = Detector("mine", lambda image: found, Fit((0, 0), (1, 1)))
    with pytest.raises(InputError, match="detector mine: found .*expected a list of edgewing.detection.Detection"):
        Landmarker(onnx_file, detector=mine)(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    "what", [{"threads": n} for n in ("a", 1.5, True, 65)] + [{"path": 5}, {"detector": 5}, {"detector": len}]
)
def test_other_arguments_are_refused(onnx_file, what):
    with pytest.raises(InputError, match="expected a name|a whole number"):
        Landmarker(**{"path": onnx_file, **what})


def test_boxes_that_are_none(onnx_file):
    with pytest.raises(InputError, match="boxes of type int"):
        Landmarker(onnx_file)(np.zeros((64, 64, 3), np.uint8), 5)


def test_empty_box(onnx_file):
    with pytest.raises(InputError, match="empty or broken box"):
        Landmarker(onnx_file)(blobs((5, 5), (9, 9)), [(5, 5, 5, 9)])


def test_the_path_of_a_picture_is_read_and_the_default_model_taken(onnx_file, tmp_path):
    images.write(tmp_path / "face.png", frame([]))
    assert Landmarker(onnx_file, detector="blazeface-short")(str(tmp_path / "face.png")) == []
    assert Landmarker(detector="blazeface-short")(tmp_path / "face.png") == []
    with pytest.raises(InputError, match="no such file"):
        Landmarker(onnx_file)(tmp_path / "none.png")
    with pytest.raises(InputError, match="a frame of type NoneType; expected an array, the path"):
        Landmarker(onnx_file)(None)  # cv2.imread gives it where there is no file


def test_faces_are_compared_and_printed(onnx_file):
    landmarker, box = Landmarker(onnx_file), (40, 50, 140, 140)
    first, again, other = (landmarker(frame([((x, 90.0), (110.0, 100.0))]), [box])[0] for x in (70.0, 70.0, 80.0))
    assert first == again and first != other and first != "a face" and len({first, again, other}) == 2
    assert re.fullmatch(r"Face\(box 40, 50, 140, 140; 2 landmarks, mean score 0\.\d\d\)", repr(first))


def test_threads_may_share_one(model_file):
    landmarker, box = Landmarker(model_file), (40, 50, 140, 140)
    places = [((60.0 + n, 90.0), (110.0, 100.0 + n)) for n in range(8)]
    frames = [frame([place]) for place in places]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: landmarker(frames[n % 8], [box])[0].landmarks, range(200)))
    for number, landmarks in enumerate(found):
        assert np.abs(landmarks - places[number % 8]).max() < 0.25


def test_the_notice_is_one_short_line_once_for_each_model(onnx_file, tmp_path, contract, capfd):
    parity = contracts.ParityPart("gtbox", "onnxruntime", 60, 0.1, 2.9, 3.0, 0.04, 0.05, False)
    terms = "Research use only; " + "and more of it, " * 30
    rejected = contract.replace(parity=parity, training=dataclasses.replace(contract.training, data_terms=terms))
    path = write_onnx(tmp_path / "face.rejected.onnx", rejected)
    for _ in range(3):
        Landmarker(path)
    said = "REJECTED by its parity gate: not the same network any more; Research use only (edgewing info)"
    assert capfd.readouterr().err == f"notice: face.rejected: {said}\n"
    accepted = rejected.replace(parity=dataclasses.replace(parity, accepted=True))
    Landmarker(write_onnx(tmp_path / "good.onnx", accepted))
    assert capfd.readouterr().err == "notice: good: Research use only (edgewing info)\n"
    own = dataclasses.replace(contract.training, data_terms="Terms of mine/cats: not stated. And more.")
    Landmarker(write_onnx(tmp_path / "own.onnx", accepted.replace(training=own)))
    assert capfd.readouterr().err == "notice: own: Terms of mine/cats: not stated (edgewing info)\n"
    Landmarker(write_onnx(tmp_path / "free.onnx", accepted.replace(training=contract.training)))
    assert "drawn for tests" in capfd.readouterr().err


def test_libraries_say_nothing_on_stderr(tflite_file, capfd):
    Landmarker(tflite_file)(frame([]))
    assert "INFO" not in capfd.readouterr().err


class Counting(Runtime):
    """A runtime that says how many crops it was given at a time."""

    def raw(self, crops):
        self.given = [*getattr(self, "given", []), len(crops)]
        return super().raw(crops)


def test_all_faces_of_a_frame_go_in_at_once(onnx_file):
    """A file with a batch of eight takes as long for one face as for eight."""
    landmarker = Landmarker(onnx_file)
    landmarker.runtime = Counting(landmarker.runtime.graph, landmarker.contract)
    places = [((70.0, 90.0), (110.0, 100.0)), ((230.5, 120.0), (262.0, 150.25))]
    faces = landmarker(frame(places), [(40, 50, 140, 140), (200, 80, 300, 180)])
    assert landmarker.runtime.given == [2] and len(faces) == 2
