"""What a face and a list of faces say of themselves, with the model that ships, on a face that edgewing drew."""

import json

import numpy as np
import pytest
from PIL import Image

import edgewing
from edgewing import images
from edgewing.errors import InputError
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_cli import ROOT
from tests.edgewing.test_landmarker import frame

PORTRAIT = ROOT / "docs/portrait.jpg"


@pytest.fixture(scope="module")
def landmarker():
    return edgewing.Landmarker("edgewing-m")


@pytest.fixture(scope="module")
def faces(landmarker):
    return landmarker(PORTRAIT)


def test_every_kind_of_picture_gives_the_same(landmarker, faces):
    pixels = images.read_image(PORTRAIT)
    kinds = [str(PORTRAIT), PORTRAIT.read_bytes(), pixels, Image.fromarray(pixels)]
    assert all(found == faces for found in landmarker(kinds)) and len(landmarker(tuple(kinds))) == 4
    assert landmarker(np.ascontiguousarray(pixels[..., ::-1]), colour="BGR") == faces


def test_a_pillow_image_is_turned_as_its_exif_says(landmarker, faces, tmp_path):
    turned = Image.fromarray(np.rot90(images.read_image(PORTRAIT)))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.png", exif=exif)
    assert landmarker(Image.open(tmp_path / "turned.png")) == landmarker(tmp_path / "turned.png") == faces


@pytest.mark.parametrize("wrong", [None, 5, np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), b"no picture", [None]])
def test_a_wrong_thing_is_one_line(landmarker, wrong):
    with pytest.raises(InputError) as error:
        landmarker(wrong)
    assert "\n" not in str(error.value)


def test_other_wrong_words(landmarker):
    with pytest.raises(InputError, match="unknown colour 'bgr'; known: BGR, RGB"):
        landmarker(PORTRAIT, colour="bgr")
    with pytest.raises(InputError, match="give one"):
        landmarker([PORTRAIT], boxes=[(0, 0, 9, 9)])


def test_the_radius_grows_with_the_face(landmarker, faces):
    pixels, (face,) = images.read_image(PORTRAIT), faces
    (large,) = landmarker(np.repeat(np.repeat(pixels, 2, axis=0), 2, axis=1), [2 * face.box + 0.5])
    (again,) = landmarker(pixels, [face.box])
    assert face.radius.shape == (68,) and face.radius.min() > 0.5
    assert large.radius == pytest.approx(2 * again.radius, rel=0.2)
    assert face.to_dict()["radius"] == pytest.approx(face.radius, abs=1e-3)
    assert not np.array_equal(faces.plot(radius=True), faces.plot())


def test_a_model_that_does_not_say_how_far_it_is_off(tmp_path):
    path = write_onnx(tmp_path / "a.onnx", tiny_contract())
    (face,) = edgewing.Landmarker(path)(frame([((70.0, 90.0), (110.0, 100.0))]), [(40, 50, 140, 140)])
    assert face.radius is None and "radius" not in face.to_dict()


def test_what_a_face_says(faces):
    (face,) = faces
    assert face.trusted and not face.given and face.layout.name == "300w-68"
    assert face.visibility.tolist() == [2] * 68
    assert np.array_equal(np.sort(face.regions["left_eye"], axis=0), np.sort(face.landmarks[36:42], axis=0))
    assert face.regions["left_eye"][:, 0].max() < face.regions["right_eye"][:, 0].min()
    assert abs(face.pose.yaw) < 30 and abs(face.pose.roll) < 15
    assert all(0.1 < eye < 0.8 for eye in face.eye_openness) and 0 <= face.mouth_openness < 0.5


def test_aligned(landmarker, faces):
    """The eyes are in one row, where ArcFace has them."""
    cut = faces[0].aligned(224)
    assert cut.shape == (224, 224, 3) and cut.dtype == np.uint8
    (again,) = landmarker(cut, [(20, 20, 204, 224)])
    left, right = again.regions["left_eye"].mean(axis=0), again.regions["right_eye"].mean(axis=0)
    assert np.abs(left - [77, 104]).max() < 8 and np.abs(right - [147, 103]).max() < 8


@pytest.mark.parametrize("size", [0, -5, 1.5, 10**6])
def test_a_square_that_is_none(faces, size):
    with pytest.raises(InputError, match="a whole number from 1 to 4096"):
        faces[0].aligned(size)


def test_points_outside_of_the_picture_are_not_in_it(landmarker):
    picture = images.read_image(PORTRAIT)
    (face,) = landmarker(picture[:, : picture.shape[1] // 2], [(84, 45, 431, 386)])
    outside = face.landmarks[:, 0] > picture.shape[1] // 2
    assert outside.any() and (face.visibility[outside] == 0).all() and face.trusted  # its box was given


def test_as_json(faces):
    row = json.loads(faces.to_json())
    assert (row["width"], row["height"], row["layout"]) == (512, 512, "300w-68")
    assert row["faces"] == [faces[0].to_dict()] == [json.loads(faces[0].to_json())]
    assert set(row["faces"][0]) == {
        "box", "landmarks", "scores", "there", "radius", "trusted", "pose", "eye_openness", "mouth_openness",
    }  # fmt: skip


def test_printed_drawn_and_kept(faces, tmp_path):
    assert repr(faces).startswith("1 face in 512 x 512 px\n  Face(box ")
    drawn = faces.plot()
    assert (drawn != faces.image).any() and drawn.shape == faces.image.shape
    faces.save(tmp_path / "points.png")
    assert np.array_equal(images.read_image(tmp_path / "points.png"), drawn)
    assert faces._repr_png_()[1:4] == b"PNG"
    with pytest.raises(InputError, match="a picture's name must end in"):
        faces.save(tmp_path / "points.txt")


def test_no_window_is_one_line(faces, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(InputError, match="window"):
        faces.show()


def test_a_stream_of_pictures(landmarker, tmp_path):
    """In the order that a person counts in; a face of another picture is another face."""
    for number in (10, 9, 1):
        images.write(tmp_path / f"{number}.png", images.read_image(PORTRAIT)[number:])
    found = list(edgewing.stream(tmp_path, landmarker))
    assert [512 - len(frame) for frame, _ in found] == [1, 9, 10]
    assert all(len(faces) == 1 and faces.image is frame for frame, faces in found)
    assert [faces[0].id for _, faces in found] == [0, 1, 2]
    assert json.loads(found[0][1][0].to_json())["id"] == 0


def test_a_stream_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        next(edgewing.stream(tmp_path / "none.mp4"))
