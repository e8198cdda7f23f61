"""The page with a model of what is no face: the tiny one of edgewing's tests, whose points are two blobs."""

import numpy as np
import pytest

from bench.time.browser import serving, write_mjpeg
from edgewing import images, web
from edgewing.camera.tracking import Tracker
from edgewing.landmarker import Landmarker
from tests.apps.web.conftest import drive
from tests.apps.web.test_page import decoded
from tests.edgewing.conftest import clock_contract, converted, tiny_module, write_tflite
from tests.edgewing.test_landmarker import frame

LARGE, SMALL = ((70.0, 60.0), (190.0, 180.0)), ((30.0, 40.0), (70.0, 80.0))
BOX = 0.05, 0.1, 0.28, 0.4  # around the small one, as shares of 320 x 240
FRAMES = 40  # more than a second, after which a face detector would run again


@pytest.fixture(scope="module")
def clock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clock")
    contract = clock_contract(axes="NHWC", form="tflite")
    return write_tflite(folder / "clock.tflite", converted(folder / "bare.tflite", tiny_module()), contract)


@pytest.fixture(scope="module")
def seen(node, page, clock, tmp_path_factory):
    folder = tmp_path_factory.mktemp("object")
    camera = write_mjpeg(folder / "camera.mjpeg", [frame([LARGE])] * 8)
    pictures = {"large": frame([LARGE]), "small": frame([SMALL]), "half": frame([SMALL])}
    pictures["half"][..., 2] //= 5  # the blue one has a score below the contract's least
    for name, picture in pictures.items():
        images.write(folder / f"{name}.png", picture)
    files = [str(folder / f"{name}.png") for name in pictures]
    with serving(web.site(clock)) as url:
        plan = {"scene": "object", "url": url, "camera": str(camera), "frames": FRAMES, "box": BOX, "pictures": files}
        return drive(node, plan | {"shots": str(folder)})


def test_a_camera_follows_it_as_python_does(seen, clock):
    """Looked for once, in the whole picture."""
    landmarker = Landmarker(clock)
    tracker = Tracker(landmarker)
    assert [shown["searched"] for shown in seen["frames"]] == [True] + [False] * (FRAMES - 1)
    for shown in seen["frames"]:
        (track,), (expected,) = shown["tracks"], tracker(decoded(shown["png"]), shown["time"] / 1000)
        assert track["id"] == 0 and track["there"] == [True, True]
        assert np.abs(np.reshape(track["landmarks"], (-1, 2)) - expected.landmarks).max() < 1e-2
        assert np.abs(np.reshape(track["landmarks"], (-1, 2)) - LARGE).max() < 4


def test_a_box_that_is_drawn_says_where_to_look(seen):
    (large, small, _) = seen["stills"]
    assert np.abs(np.reshape(large["whole"]["faces"], (-1, 2)) - LARGE).max() < 2
    assert np.abs(np.reshape(small["boxed"]["faces"], (-1, 2)) - SMALL).max() < 1
    assert small["boxed"]["texts"]["hint"] == "1 found"


def test_a_box_over_the_camera_begins_anew(seen):
    """There is nothing in it, so that the whole picture is looked at again with the next frame."""
    ids = [[track["id"] for track in shown["tracks"]] for shown in seen["boxed"]]
    assert ids[0] == [0] and ids[-1] == [1] and ids.count([]) == 1


def test_it_needs_no_detector_and_does_not_speak_of_faces(seen):
    assert not [url for url in seen["asked"] if "detector" in url or "stills" in url]
    said = [seen["words"], *(found["texts"]["hint"] for each in seen["stills"] for found in each.values())]
    said += seen["start"].values()
    assert not [text for text in said if "face" in str(text).lower()]
    assert "Let the clock fill the picture, or draw a box around it." in seen["start"]["text"]
    assert seen["start"]["fits"] and seen["end"]["fits"]


def test_nothing_found_says_what_to_do(seen):
    """One of the two points is not there, and a box of one point is no clock."""
    half = seen["stills"][2]["whole"]
    assert not half["faces"] and half["texts"]["hint"] == "No clock found in this picture. Draw a box around it."
