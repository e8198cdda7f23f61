"""BlazeFace's outputs by hand, the fits, and real photographs."""

import json
from importlib import resources

import numpy as np
import pytest

from edgewing import detection, images
from edgewing.errors import InputError


def installed(name: str):
    try:
        return detection.open(name)
    except InputError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("anchors", detection.BLAZEFACE.values(), ids=detection.BLAZEFACE)
def test_anchors_are_cell_centres(anchors):
    """MediaPipe's counts: 2304 for full range, 896 for the others."""
    assert len(anchors.centres) == (2304 if anchors.side == 192 else 896)
    stride, count = anchors.cells[0]
    assert np.allclose(anchors.centres[:count], stride / 2)
    assert np.allclose(anchors.centres[count], [1.5 * stride, 0.5 * stride])  # along a row first
    assert np.allclose(anchors.centres[-1], anchors.side - anchors.cells[-1][0] / 2)


def test_decode_of_made_up_outputs():
    """Two faces, one of them found by two anchors; a third below the threshold."""
    find = detection.BlazeFace.__new__(detection.BlazeFace)
    find.anchors = anchors = detection.BLAZEFACE["blazeface-full"]
    raw, scores = np.zeros((2304, 16), np.float32), np.zeros(2304, np.float32)
    for index, centre, size, score in (
        (500, (50, 60), (20, 24), 0.9),
        (501, (52, 60), (20, 24), 0.6),
        (1500, (120, 130), (30, 30), 0.8),
        (2000, (20, 170), (30, 30), 0.4),
    ):
        raw[index, :2], raw[index, 2:4] = np.array(centre) - anchors.centres[index], size
        scores[index] = score
    first, second = find.decode(raw, scores)
    x = (50 * 0.9 + 52 * 0.6) / 1.5  # blended, weighted by score
    assert np.allclose(first.box, [x - 10, 48, x + 10, 72], atol=1e-4) and first.score == pytest.approx(0.9)
    assert np.allclose(second.box, [105, 115, 135, 145], atol=1e-4)


def test_overlap_by_hand():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6], [0, 0, 0, 0]], float)
    assert np.allclose(detection.overlap(np.array([0, 0, 2, 2.0]), boxes), [1, 1 / 7, 0, 0])


def test_merge_survives_boxes_without_area():
    boxes, scores = np.zeros((3, 4)), np.array([0.5, 0.9, 0.7])
    assert [d.score for d in detection.merge(boxes, scores)] == [0.9, 0.7, 0.5]


@pytest.mark.parametrize(("height", "width"), [(64, 64), (700, 300), (30, 200), (1, 500)])
def test_fit_into_square_and_back(height, width):
    """A bright spot's place, mapped back to image px."""
    image = np.zeros((height, width, 3), np.uint8)
    y, x = height // 2, width // 3
    image[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = 255
    square, scale = detection.fit_into_square(image, 192)
    rows, columns = np.nonzero(square[..., 0] > 127)
    assert square.shape == (192, 192, 3)
    found = detection.edges_to_pixels(np.array([columns.mean() + 0.5, rows.mean() + 0.5]), scale)
    true_y, true_x = (index.mean() for index in np.nonzero(image[..., 0]))
    assert np.abs(found - [true_x, true_y]).max() <= max(1, scale)


def test_fit_maps_box_to_box():
    fit = detection.Fit((0.1, -0.2), (0.5, 2.0))
    assert np.allclose(fit(np.array([0, 0, 10, 20.0])), [3.5, -14, 8.5, 26])


def test_every_detector_has_a_fit_that_says_where_it_is_from():
    raw = json.loads((resources.files("edgewing") / "detection.json").read_text())
    assert set(raw["fits"]) == set(detection.DETECTORS) == set(detection.fits())
    assert "trainset" in raw["about"]["command"] and "testset" not in raw["about"]["command"]
    assert raw["about"]["faces"] > 1000


def test_unknown_detector():
    with pytest.raises(InputError, match="unknown detector 'blazeface'; did you mean 'blazeface-"):
        detection.open("blazeface")


@pytest.mark.parametrize(
    ("name", "faces"),
    [("single_face", 1), ("multi_face", 5), ("group_insightface_t1", 6), ("noface_grass", 0)],
)
def test_auto_finds_everybody_and_nobody_else(media, name, faces):
    installed("blazeface-back")
    image = images.read(media / f"{name}.jpg")
    found = detection.open("auto")(image)
    assert len(found) == faces
    areas = [np.prod(d.box[2:] - d.box[:2]) for d in found]
    assert areas == sorted(areas, reverse=True)
    assert all(0 <= d.score <= 1 for d in found)


def test_the_cascade_needs_nothing_but_opencv(media):
    (found,) = detection.open("cascade")(images.read(media / "single_face.jpg"))
    (other,) = installed("blazeface-back")(images.read(media / "single_face.jpg"))
    assert detection.overlap(found.box, other.box[None])[0] > 0.6


@pytest.mark.parametrize("name", ["blazeface-back", "blazeface-short", "blazeface-full"])
def test_mapped_boxes_are_landmark_boxes(media, name):
    """On photographs that no fit has seen: lfpw/testset."""
    detector = installed(name)
    overlaps = []
    pictures = [p for p in (media.parent / "lfpw" / "testset").iterdir() if p.suffix in images.SUFFIXES]
    for path in sorted(pictures)[:40]:
        text = path.with_suffix(".pts").read_text()
        points = np.array(text[text.index("{") + 1 : text.index("}")].split(), float).reshape(-1, 2) - 1
        true = np.concatenate([points.min(axis=0), points.max(axis=0)])
        boxes = np.array([d.box for d in detector(images.read(path))])
        overlaps.append(detection.overlap(true, boxes.reshape(-1, 4)).max(initial=0))
    assert np.median(overlaps) > 0.75
