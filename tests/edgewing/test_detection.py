"""BlazeFace's outputs by hand, the fits, and real photographs."""

import hashlib
import json
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from edgewing import detection, images
from edgewing.errors import InputError
from train.data import drawn

PORTRAIT = Path(__file__).parents[2] / "docs/portrait.jpg"


@pytest.mark.parametrize("anchors", detection.BLAZEFACE.values(), ids=detection.BLAZEFACE)
def test_anchors_are_cell_centres(anchors):
    """MediaPipe's count."""
    assert len(anchors.centres) == 896
    stride, count = anchors.cells[0]
    assert np.allclose(anchors.centres[:count], stride / 2)
    assert np.allclose(anchors.centres[count], [1.5 * stride, 0.5 * stride])  # along a row first
    assert np.allclose(anchors.centres[-1], anchors.side - anchors.cells[-1][0] / 2)


def test_decode_of_made_up_outputs():
    """Two faces, one of them found by two anchors; a third below the threshold."""
    find = detection.BlazeFace.__new__(detection.BlazeFace)
    find.anchors = anchors = detection.BLAZEFACE["blazeface-back"]
    raw, scores = np.zeros((896, 16), np.float32), np.zeros(896, np.float32)
    for index, centre, size, score in (
        (500, (50, 60), (20, 24), 0.9),
        (501, (52, 60), (20, 24), 0.6),
        (600, (120, 130), (30, 30), 0.8),
        (700, (20, 170), (30, 30), 0.4),
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


def write_yunet(path, cell: float = 0.5):
    """A file with a YuNet's twelve outputs: a cell of 32 px that is white is a face, four cells wide and high, whose
    centre is ``cell`` cells to the right of and below the cell's corner."""
    onnx = pytest.importorskip("onnx", reason="needs onnx (requirements/targets.txt)")
    node, tensor = onnx.helper.make_node, onnx.helper.make_tensor
    first, shared = "conv", {"colours": np.full((1, 3, 1, 1), 1 / 765), "none": [0.0], "shift": [0.95], "gain": [20.0]}
    shared |= {"centre": [cell], "log4": [np.log(4)], "low": np.array(0.0), "high": np.array(1.0)}
    nodes = [node("Conv", ["input", "colours"], ["grey"], name=first)]
    for stride in (8, 16, 32):
        nodes += [
            node("AveragePool", ["grey"], [f"mean{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
            node("Sub", [f"mean{stride}", "shift"], [f"over{stride}"]),
            node("Mul", [f"over{stride}", "gain" if stride == 32 else "none"], [f"sure{stride}"]),
            node("Clip", [f"sure{stride}", "low", "high"], [f"score{stride}"]),
            node("Mul", [f"score{stride}", "none"], [f"zero{stride}"]),
            node("Add", [f"zero{stride}", "centre"], [f"at{stride}"]),
            node("Add", [f"zero{stride}", "log4"], [f"size{stride}"]),
        ]
        parts = {"cls": ["score"], "obj": ["score"], "bbox": ["at", "at", "size", "size"], "kps": ["zero"] * 10}
        for name, maps in parts.items():
            maps, columns, label = [f"{m}{stride}" for m in maps], f"shape_{name}_{stride}", f"{name}_{stride}"
            shared[columns] = np.array([1, -1, len(maps)], np.int64)
            nodes += [
                node("Concat", maps, [f"all_{label}"], axis=1),
                node("Transpose", [f"all_{label}"], [f"last_{label}"], perm=[0, 2, 3, 1]),
                node("Reshape", [f"last_{label}", columns], [label]),
            ]
    constants = []
    for name, value in shared.items():
        value = np.asarray(value, np.int64 if name.startswith("shape_") else np.float32)
        kind = onnx.TensorProto.INT64 if value.dtype == np.int64 else onnx.TensorProto.FLOAT
        constants.append(tensor(name, kind, value.shape, value.ravel().tolist()))
    wanted = [f"{name}_{stride}" for name in ("cls", "obj", "bbox", "kps") for stride in (8, 16, 32)]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "yunet", [value("input", onnx.TensorProto.FLOAT, [1, 3, 640, 640])],
        [value(name, onnx.TensorProto.FLOAT, [1, None, None]) for name in wanted], constants,
    )  # fmt: skip
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8), path)
    return str(path)


def test_a_yunet_from_its_file(tmp_path):
    """Two white squares of one cell each in a picture that is shrunk to half; one is grey enough to be unsure."""
    file = write_yunet(tmp_path / "yunet.onnx")
    image = np.zeros((512, 1280, 3), np.uint8)
    image[64:128, 192:256] = 255
    image[320:384, 960:1024] = 252
    first, second = detection.open(file)(image)
    assert first.score == 1 and 0.6 < second.score < 0.9
    assert np.allclose(first.box, np.array([224 - 128, 96 - 128, 224 + 128, 96 + 128]) - 0.5, atol=1e-3)
    assert np.allclose(second.box, np.array([992 - 128, 352 - 128, 992 + 128, 352 + 128]) - 0.5, atol=1e-3)
    assert detection.open(file)(np.zeros((40, 30, 3), np.uint8)) == []
    # the fit that lies beside it
    fits = {"fits": {"yunet": {"shift": [0.25, 0.0], "scale": [0.5, 0.5]}}}
    (tmp_path / "yunet.json").write_text(json.dumps(fits))
    found = detection.open(file)(image)[0]
    assert np.allclose(found.box, np.array([224, 32, 352, 160]) - 0.5, atol=1e-3)


def test_a_file_that_is_no_yunet(tmp_path):
    path = tmp_path / "yunet.onnx"
    with pytest.raises(InputError, match="yunet.onnx"):
        detection.open(str(path))
    path.write_bytes(b"\x08\x01 not a network")
    with pytest.raises(InputError, match="yunet.onnx"):
        detection.open(str(path))
    write_yunet(path)
    for text in (
        "[]",
        "{",
        '{"fits": {"yunet": {"shift": [1, 2], "scale": [1]}}}',
        '{"fits": {"yunet": {"shift": 1}}}',
    ):
        (tmp_path / "yunet.json").write_text(text)
        with pytest.raises(InputError, match="yunet.json: not the fits of detectors"):
            detection.open(str(path))
    import onnx

    model = onnx.load(path)
    del model.graph.output[3:]
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(InputError, match="does not run it as a YuNet"):
        detection.open(str(tmp_path / "other.onnx"))(np.zeros((64, 64, 3), np.uint8))


def test_the_whole_picture_is_the_box_of_what_no_detector_knows():
    """From edge to edge: pixel centres are whole numbers."""
    for detector in (detection.open("whole"), detection.open(of="clock")):
        (found,) = detector(np.zeros((240, 320, 3), np.uint8))
        assert detector.name == "whole" and found.box.tolist() == [-0.5, -0.5, 319.5, 239.5]
    assert detection.open("blazeface-short", of="clock").name == "blazeface-short"  # who names one means it


def test_unknown_detector():
    with pytest.raises(InputError, match="unknown detector 'blazeface'; did you mean 'blazeface-"):
        detection.open("blazeface")


@pytest.mark.parametrize(
    ("name", "faces"),
    [("single_face", 1), ("multi_face", 5), ("group_insightface_t1", 6), ("noface_grass", 0)],
)
def test_auto_finds_everybody_and_nobody_else(media, name, faces):
    image = images.read_image(media / f"{name}.jpg")
    found = detection.open("auto")(image)
    assert len(found) == faces
    areas = [np.prod(d.box[2:] - d.box[:2]) for d in found]
    assert areas == sorted(areas, reverse=True)
    assert all(0 <= d.score <= 1 for d in found)


@pytest.mark.parametrize("name", detection.DETECTORS)
def test_opencv_runs_the_same_files_where_litert_is_not(name):
    """On drawn faces: the same finds, to a tenth of a px."""
    find, image = detection.DETECTORS[name](1), drawn.draw(3, "300w-68").image
    other = detection.DETECTORS[name](1)
    other.network = detection._OpenCV(find.anchors.path)
    assert isinstance(find.network, detection._LiteRT) and "OpenCV" in other.network.description
    expected, got = find(image), other(image)
    assert len(expected) == len(got) == 1
    assert np.abs(expected[0].box - got[0].box).max() < 0.1 and abs(expected[0].score - got[0].score) < 1e-3


def test_the_files_are_those_whose_origin_is_written_down():
    origin = (detection.BLAZEFACE["blazeface-back"].path.parent / "ORIGIN.md").read_text()
    for anchors in detection.BLAZEFACE.values():
        digest = hashlib.sha256(anchors.path.read_bytes()).hexdigest()
        assert any(anchors.file in line and digest in line for line in origin.splitlines())
    assert "Apache License, Version 2.0" in origin


@pytest.mark.parametrize("name", detection.DETECTORS)
def test_mapped_boxes_are_landmark_boxes(media, name):
    """On photographs that no fit has seen: lfpw/testset."""
    detector = detection.open(name)
    overlaps = []
    pictures = [p for p in (media.parent / "lfpw" / "testset").iterdir() if p.suffix in images.SUFFIXES]
    for path in sorted(pictures)[:40]:
        text = path.with_suffix(".pts").read_text()
        points = np.array(text[text.index("{") + 1 : text.index("}")].split(), float).reshape(-1, 2) - 1
        true = np.concatenate([points.min(axis=0), points.max(axis=0)])
        boxes = np.array([d.box for d in detector(images.read_image(path))])
        overlaps.append(detection.overlap(true, boxes.reshape(-1, 4)).max(initial=0))
    assert np.median(overlaps) > 0.75


@pytest.mark.parametrize("name", detection.DETECTORS)
@pytest.mark.parametrize("share", [0.8, 1.0])
def test_a_face_that_fills_the_picture_is_framed_as_well_as_one_that_does_not(name, share):
    """The same face, cut out so that it is this share of the picture; one look alone is off by more."""
    detector = detection.open(name)
    image = images.read_image(PORTRAIT)
    (true, *_) = detector(image)
    side = max(true.box[2:] - true.box[:2])
    x0, y0 = ((true.box[:2] + true.box[2:] - side / share) / 2).astype(int)
    part = np.ascontiguousarray(image[max(y0, 0) :, max(x0, 0) :][: int(side / share), : int(side / share)])
    corner = np.tile([max(x0, 0), max(y0, 0)], 2)
    (found,) = detector(part)
    first = min(np.abs(detector.turned(d, d.turn).box + corner - true.box).max() for d in detector.find.look(part))
    assert np.abs(found.box + corner - true.box).max() < 0.05 * side
    assert first > 0.08 * side


def test_a_second_look_keeps_small_faces_beside_a_large_one():
    find = detection.BlazeFace.__new__(detection.BlazeFace)
    find.anchors = detection.BLAZEFACE["blazeface-back"]
    large, small, same = (np.array(box, float) for box in ([0, 0, 80, 80], [90, 90, 98, 98], [20, 20, 28, 28]))
    looks = {0: [large, small, same], 64: [np.array([10, 10, 90, 90.0]), same + 1]}
    find.look = lambda image, margin=0: [detection.Detection(box, 0.9) for box in looks[margin]]
    assert [list(one.box) for one in find(np.zeros((100, 100, 3), np.uint8))] == [
        [10, 10, 90, 90], [21, 21, 29, 29], [90, 90, 98, 98],
    ]  # fmt: skip
    looks[0] = [small]
    assert len(find(np.zeros((100, 100, 3), np.uint8))) == 1, "no second look where all faces are small"
    looks[0], looks[64] = [large], []
    assert list(find(np.zeros((100, 100, 3), np.uint8))[0].box) == list(large)
