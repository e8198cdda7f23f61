"""`edgewing run` on what is no face, and points that a score says are not there; faces are in test_cli."""

import dataclasses
import functools
import json
import os
import re
import resource
import subprocess
import sys

import numpy as np
import pytest

from edgewing import images
from edgewing.errors import InputError
from edgewing.landmarker import Landmarker
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_cli import PLACE, ROOT, edgewing, refused
from tests.edgewing.test_landmarker import frame

SECOND = ((210.0, 120.0), (250.0, 130.0))


@pytest.fixture
def clocks(tmp_path):
    """Two of them."""
    images.write(tmp_path / "clocks.png", frame([PLACE, SECOND]))
    return tmp_path / "clocks.png"


def found(done) -> dict:
    assert done.returncode == 0, done.stderr
    assert "face" not in re.sub(r"\S*/\S*", "", done.stdout + done.stderr).lower()  # but for names of files
    return json.loads(done.stdout.splitlines()[0])


def test_the_whole_picture_is_the_box_and_a_line_says_so(clock_file, tmp_path):
    images.write(tmp_path / "clock.png", frame([((100.0, 60.0), (220.0, 180.0))]))
    done = edgewing("run", tmp_path / "clock.png", "--model", clock_file, "--json", "-")
    said = done.stderr.splitlines()
    assert said[1].startswith("the whole picture is taken as the clock's box") and "--box x0,y0,x1,y1" in said[1]
    assert "whole found 1;" in said[2] and said[3].startswith("clock 0: box 0, 0, 320, 240; 2 landmarks")
    row = found(done)
    assert row["detector"] == "whole" and "faces" not in row
    (clock,) = row["objects"]
    assert np.abs(np.array(clock["landmarks"]) - [[100, 60], [220, 180]]).max() < 1 and clock["trusted"]


def test_several_boxes(clock_file, clocks, tmp_path):
    boxes = "--box=40,50,140,140", "--box=180,80,280,170"
    done = edgewing("run", clocks, "--model", clock_file, *boxes, "--json", "-", "--save", tmp_path / "drawn.png")
    row = found(done)
    assert "2 boxes given" in done.stderr and row["detector"] is None
    for clock, place in zip(row["objects"], (PLACE, SECOND), strict=True):
        assert np.abs(np.array(clock["landmarks"]) - place).max() < 0.25
    changed = (images.read_image(tmp_path / "drawn.png") != images.read_image(clocks)).any(axis=2)
    assert changed[:, :160].any() and changed[:, 160:].any()
    refused(edgewing("run", clocks, "--model", clock_file, *boxes, "--box=1,2,3"), "--box 1,2,3: expected four numbers")
    refused(
        edgewing("run", clocks, "--model", clock_file, *boxes, "--box=400,0,500,9"),
        "box 400,0,500,9: outside the picture of 320",
    )
    refused(edgewing("run", clocks, clocks, "--model", clock_file, *boxes), "--box says where to look in one picture")


def test_a_face_model_takes_the_whole_picture_where_that_is_asked_for(onnx_file, tmp_path):
    images.write(tmp_path / "close.png", frame([((100.0, 60.0), (220.0, 180.0))]))
    done = edgewing("run", tmp_path / "close.png", "--model", onnx_file, "--detector", "whole", "--json", "-")
    assert done.returncode == 0 and "taken as the face's box" in done.stderr
    assert len(json.loads(done.stdout)["faces"]) == 1


def test_info_says_what_the_points_are_on(clock_file):
    said = edgewing("info", clock_file).stdout
    assert "clock-2, 2 points of a clock" in said and "a score below 0.3 is not in the picture" in said


def test_nothing_to_trust_is_said_without_faces(clock_file, tmp_path):
    images.write(tmp_path / "grey.png", np.full((200, 200, 3), 128, np.uint8))
    row = found(done := edgewing("run", tmp_path / "grey.png", "--model", clock_file, "--json", "-"))
    assert "not trusted, so not drawn" in done.stderr and "say where the clock is with --box" in done.stderr
    assert "side" not in done.stderr and not row["objects"][0]["trusted"]


def test_a_point_that_is_not_there_is_said_and_left_out(clock_file, onnx_file, tmp_path):
    image = frame([PLACE])
    image[..., 2] //= 5  # blue, landmark 1, has a score below 0.3
    images.write(tmp_path / "half.png", image)
    words = ["run", tmp_path / "half.png", "--box", "40,50,140,140", "--json", "-", "--save", tmp_path / "drawn.png"]
    done = edgewing(*words, "--model", clock_file)
    (clock,) = found(done)["objects"]
    assert clock["there"] == [True, False] and clock["scores"][1] < 0.3 < clock["scores"][0]
    assert "1 of 2 landmarks, mean score" in done.stderr
    changed = np.argwhere((images.read_image(tmp_path / "drawn.png") != image).any(axis=2))
    assert np.abs(changed - np.array(PLACE[0])[::-1]).max() < 12, "neither the other point nor a line to it"
    (face,) = json.loads(edgewing(*words, "--model", onnx_file).stdout)["faces"]
    assert "there" not in face, "that model's scores do not say"
    assert (images.read_image(tmp_path / "drawn.png") != image).any(axis=2)[95:105, 105:115].any()


def test_python_has_the_same(clock_file):
    image = frame([PLACE])
    image[..., 2] //= 5
    (clock,) = Landmarker(clock_file)(image, [(40, 50, 140, 140)])
    assert clock.there.tolist() == [True, False] and clock.confidence == clock.scores[0]
    assert np.isnan(clock.shown()[1]).all() and np.array_equal(clock.shown()[0], clock.landmarks[0])
    (whole,) = Landmarker(clock_file)(image)
    assert whole.box.tolist() == [-0.5, -0.5, 319.5, 239.5]


def test_heatmaps_after_the_graph_say_it_too(tmp_path):
    tiny = tiny_contract(decoded=False)
    contract = tiny.replace(decode=dataclasses.replace(tiny.decode, least_score=0.3))
    path = write_onnx(tmp_path / "maps.onnx", contract, decoded=False)
    image = frame([PLACE])
    image[..., 2] //= 5
    (face,) = Landmarker(path)(image, [(40, 50, 140, 140)])
    assert face.there.tolist() == [True, False] and face.heatmaps.shape[0] == 3


def test_folders_and_standard_input(onnx_file, tmp_path):
    """A folder's pictures as a person counts, after what was named before it."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in (10, 9, 1):
        images.write(folder / f"face{number}.png", frame([PLACE]))
    words = ["--model", onnx_file, "--detector", "whole", "--json", "-"]
    done = edgewing("run", folder / "face9.png", folder, *words)
    names = [json.loads(line)["image"].rsplit("/", 1)[1] for line in done.stdout.splitlines()]
    assert names == ["face9.png", "face1.png", "face9.png", "face10.png"]
    data = (folder / "face1.png").read_bytes()
    command = [sys.executable, "-m", "edgewing", "run", "-", *map(str, words), "--save", str(tmp_path / "drawn.png")]
    done = subprocess.run(command, input=data, capture_output=True, cwd=ROOT)
    assert json.loads(done.stdout)["image"] == "-" and images.read_image(tmp_path / "drawn.png").shape == (240, 320, 3)
    done = subprocess.run(command[:-2], input=data[:500], capture_output=True, cwd=ROOT)
    assert done.returncode == 2 and b"standard input: the picture is cut off" in done.stderr


def test_lines_that_are_done_stay_when_the_rest_cannot_be(onnx_file, tmp_path):
    """Of a disk that is full, and of the folder's own file, which no picture is."""
    for number in range(30):
        images.write(tmp_path / f"face{number}.png", frame([PLACE]))
    words = ["run", tmp_path, "--model", onnx_file, "--detector", "whole", "--json", tmp_path / "points.jsonl"]
    assert [edgewing(*words).returncode for _ in range(2)] == [0, 0]
    whole = (tmp_path / "points.jsonl").read_text().splitlines()
    limit = functools.partial(resource.setrlimit, resource.RLIMIT_FSIZE, (len(whole[0]) * 4, len(whole[0]) * 4))
    command = [sys.executable, "-m", "edgewing", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, preexec_fn=limit)
    assert done.returncode == 2 and "points.jsonl: " in done.stderr
    kept = (tmp_path / "points.jsonl").read_text().splitlines()
    assert 2 <= len(kept) <= 4 and [json.loads(one)["image"] for one in kept] == [
        json.loads(one)["image"] for one in whole[: len(kept)]
    ]


def test_an_address_is_not_fetched_and_an_empty_folder_is_said(onnx_file, tmp_path):
    refused(edgewing("run", "https://host/a.jpg"), "nothing is fetched; pipe it: curl -s https://host/a.jpg")
    (tmp_path / "empty").mkdir()
    refused(edgewing("run", tmp_path / "empty"), "no picture in this folder")


def test_circles_are_drawn_where_the_model_says_how_large(onnx_file, tmp_path):
    words = ["run", ROOT / "docs/portrait.jpg", "--radius"]
    refused(edgewing(*words), "--radius is drawn with --save OUT")
    words += ["--save", tmp_path / "drawn.png", "--model", onnx_file]
    refused(edgewing(*words), "python -m bench calibrate measures it")
    for extra in ([], ["--radius"]):
        saved = tmp_path / f"{len(extra)}.png"
        edgewing("run", ROOT / "docs/portrait.jpg", "--model", "edgewing-s", "--save", saved, *extra)
    plain, circled = (images.read_image(tmp_path / f"{number}.png") for number in (0, 1))
    assert not np.array_equal(plain, circled)


def test_what_no_network_can_look_at_is_one_line(tmp_path):
    picture, video = tmp_path / "a.png", tmp_path / "clip.mp4"
    images.write(picture, frame([PLACE]))
    video.write_bytes(b"a video")
    refused(edgewing("run", picture, "--box=0,0,1e39,1e39"), "far larger than the picture of 320 x 240 px")
    refused(edgewing("run", video), f"is a video, whose frames this takes: edgewing camera --source {video}")
    refused(edgewing("run", ""), "the name is empty")
    refused(edgewing("run", picture, "--model", ""), "--model: the name is empty")
    refused(edgewing("run", picture, "--save", ""), "--save: the name is empty")
    assert "x is no number from 1 to 64" in edgewing("run", picture, "--threads", "x").stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "clip.mp4"]


def test_results_go_where_a_link_leads_and_the_systems_names_of_standard_output_are_that(onnx_file, tmp_path):
    picture, real, link = tmp_path / "a.png", tmp_path / "real.jsonl", tmp_path / "link.jsonl"
    images.write(picture, frame([PLACE]))
    real.write_text("old")
    link.symlink_to(real)
    words = "run", picture, "--model", onnx_file, "--box=40,50,140,140", "--json"
    assert edgewing(*words, link).returncode == 0 and link.is_symlink()
    faces = json.loads(real.read_text())["faces"]
    assert np.abs(np.array(faces[0]["landmarks"]) - PLACE).max() < 0.25
    assert len(json.loads(edgewing(*words, "/dev/stdout").stdout)["faces"]) == 1
    os.mkfifo(pipe := tmp_path / "pipe")
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        assert edgewing(*words, pipe).returncode == 0
        assert len(json.loads(reader.stdout.read())["faces"]) == 1


def test_boxes_that_are_none_are_faults_of_the_input(onnx_file):
    landmarker, picture = Landmarker(onnx_file), frame([PLACE])
    for boxes in ([40, 50, 140, 140], [[1, 2, 3]], [["a", 2, 3, 4]]):
        with pytest.raises(InputError, match="expected x0, y0, x1, y1 in image px"):
            landmarker(picture, boxes)
    with pytest.raises(InputError, match="outside the picture of 320 x 240 px"):
        landmarker(picture, [[400, 0, 500, 9]])
    with pytest.raises(InputError, match="0 threads"):
        Landmarker(onnx_file, threads=0)
