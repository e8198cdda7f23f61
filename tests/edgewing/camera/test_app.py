"""`edgewing camera` as it is typed, on drawn faces with the shipped model, and what its parts do."""

import dataclasses
import functools
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from edgewing import detection, images
from edgewing.camera import overlay
from edgewing.camera.app import press
from edgewing.camera.overlay import Look, Painter
from edgewing.camera.tracking import Tracker
from edgewing.landmarker import Landmarker
from tests.edgewing import clips
from tests.edgewing.camera.test_tracking import FACE, find_blobs, picture
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_landmarker import frame

MODEL = "edgewing-s"
CODE = "from edgewing import cli; from edgewing.camera import sources; sources.COMES_BACK = 0.5; cli.main()"


def command(*words):
    return [sys.executable, "-c", CODE, "camera", "--model", MODEL, *map(str, words)]


def camera(*words, code=0, cwd=None):
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=120, cwd=cwd)
    assert done.returncode == code, done.stderr
    return done


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def error(done):
    """The one line, after the notice about the weights and the note that a stream broke off."""
    said = [line for line in done.stderr.splitlines() if "; looking for it again" not in line]
    assert [line.split(":")[0] for line in said] in (["notice", "error"], ["error"]), done.stderr
    return said[-1]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.write(tmp_path_factory.mktemp("clip") / "clip.mp4", clips.moving(40))


def test_a_video_becomes_a_line_per_frame_and_a_video(clip, tmp_path):
    done = camera("--source", clip, "--no-window", "--json", "out.jsonl", "--save", "out.mp4", cwd=tmp_path)
    rows = lines(tmp_path / "out.jsonl")
    assert [row["frame"] for row in rows] == list(range(40))
    assert np.allclose([row["time"] for row in rows], np.arange(40) / clips.FPS, atol=1e-3)
    assert all(len(row["faces"]) == 1 and row["faces"][0]["track"] == 0 for row in rows)
    assert sum(row["searched"] for row in rows) <= 3
    face = rows[20]["faces"][0]
    assert np.shape(face["landmarks"]) == (68, 2) and np.shape(face["scores"]) == (68,) and len(face["box"]) == 4
    assert 0.6 < face["confidence"] <= 1 and rows[20]["end_to_end_ms"] > rows[20]["model_ms"] > 0
    # the points go with the picture, which is moved by a known amount
    x = np.array([np.mean(row["faces"][0]["landmarks"], axis=0)[0] for row in rows])
    moved = 12 * np.sin(np.arange(40) / 6)
    assert np.abs((x - x.mean()) - (moved - moved.mean())).max() < 2.0
    saved = clips.read(tmp_path / "out.mp4")
    assert len(saved) == 40 and saved[0].shape == (240, 320, 3)
    said = done.stdout.splitlines()
    assert re.fullmatch(r"wrote out.mp4 \((H.264|MPEG-4 .*)\)", said[1]) and said[2] == "wrote out.jsonl"
    assert said[3].startswith("40 frames in ")
    assert "faces in 40 of them" in said[4] and said[-1] == "next: edgewing info edgewing-s"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "out.mp4"]


def test_plain_is_the_points_without_the_panel(clip, tmp_path):
    for name, words in (("plain.avi", ["--plain"]), ("panel.avi", [])):
        camera("--source", clip, "--no-window", "--frames", "2", "--save", name, *words, cwd=tmp_path)
    plain, panel = (clips.read(tmp_path / name)[1].astype(int) for name in ("plain.avi", "panel.avi"))
    before = clips.read(clip)[1].astype(int)
    corner = np.s_[8:40, 8:80]  # of the panel
    assert np.abs(plain[corner] - before[corner]).max() < 40 < np.abs(panel[corner] - before[corner]).mean()
    assert np.abs(plain - before).max() > 100  # the points


def test_lines_on_stdout_and_all_else_on_stderr(clip):
    done = camera("--source", clip, "--no-window", "--json", "-", "--frames", "3")
    assert [json.loads(line)["frame"] for line in done.stdout.splitlines()] == [0, 1, 2]
    assert "3 frames in " in done.stderr


def test_a_picture_and_a_folder_of_several_sizes(tmp_path):
    images.write(tmp_path / "a.png", clips.face())
    images.write(tmp_path / "b.png", np.full((90, 130, 3), 80, np.uint8))
    images.write(tmp_path / "c.png", np.ascontiguousarray(clips.face()[20:, 50:290]))
    camera("--source", "a.png", "--no-window", "--json", "one.jsonl", "--save", "one.png", cwd=tmp_path)
    (row,) = lines(tmp_path / "one.jsonl")
    assert row["image"] == "a.png" and len(row["faces"]) == 1
    changed = np.abs(images.read_image(tmp_path / "one.png").astype(int) - clips.face()).max(axis=2) > 40
    assert 500 < changed.sum() < 20000
    (tmp_path / "one.png").unlink()
    camera("--source", ".", "--no-window", "--json", "all.jsonl", "--save", "all.mp4", cwd=tmp_path)
    rows = lines(tmp_path / "all.jsonl")
    assert [(row["image"], row["width"], len(row["faces"])) for row in rows] == [
        ("a.png", 320, 1),
        ("b.png", 130, 0),
        ("c.png", 240, 1),
    ]
    assert all(row["searched"] for row in rows)


def test_an_object_is_followed_and_nothing_speaks_of_something_else(clock_file, tmp_path):
    frames = [frame([((70 + n, 60), (150 + n, 140))]) for n in range(30)]
    clips.write(tmp_path / "clock.avi", frames, "MJPG")
    words = "--model", clock_file, "--source", "clock.avi", "--no-window", "--json", "out.jsonl", "--save", "out.mp4"
    done = camera(*words, cwd=tmp_path)
    rows = lines(tmp_path / "out.jsonl")
    assert [row["searched"] for row in rows] == [True] + [False] * 29
    assert all(row["objects"][0]["track"] == 0 and row["objects"][0]["there"] == [True, True] for row in rows)
    for number, row in enumerate(rows):
        x, y = np.transpose(row["objects"][0]["landmarks"])
        assert np.abs(x - [70 + number, 150 + number]).max() < 4 and np.abs(y - [60, 140]).max() < 4
    assert "taken as the clock's box" in done.stdout and "objects in 30 of them; searched 1" in done.stdout
    assert "face" not in (done.stdout + (tmp_path / "out.jsonl").read_text()).lower()


def test_no_face_is_said_and_no_error(tmp_path):
    clip = clips.write(tmp_path / "grey.mp4", [np.full((120, 160, 3), 99, np.uint8)] * 5)
    done = camera("--source", clip, "--no-window", "--json", tmp_path / "out.jsonl")
    assert "no face in any frame" in done.stdout
    assert all(row["faces"] == [] and row["searched"] for row in lines(tmp_path / "out.jsonl"))


def test_a_stream_that_is_unplugged_ends_with_whole_files(tmp_path):
    with clips.streaming(clips.moving(30), pause=0.05) as url:
        done = camera("--source", url, "--no-window", "--json", "out.jsonl", "--save", "out.mp4", code=2, cwd=tmp_path)
    assert "gives no more frames" in error(done) and "wrote out.mp4" in done.stdout
    rows = lines(tmp_path / "out.jsonl")
    assert rows and clips.read(tmp_path / "out.mp4")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "out.mp4"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_what_asks_for_the_end_finishes_the_files(clip, tmp_path, number, code):
    words = command("--source", clip, "--loop", "--no-window", "--json", "out.jsonl", "--save", "out.mp4")
    heard = functools.partial(signal.signal, number, signal.SIG_DFL)
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard
    )  # the tests themselves may run under nohup
    process.stdout.readline()  # it has begun
    time.sleep(2)
    assert not (tmp_path / "out.jsonl").exists()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code and (code != 130 or err.splitlines()[-1] == "interrupted"), err
    rows = lines(tmp_path / "out.jsonl")
    assert [row["frame"] for row in rows] == list(range(len(rows))) and f"{len(rows)} frames in " in out
    assert len(clips.read(tmp_path / "out.mp4")) == len(rows)


@pytest.mark.parametrize("json_to", ["-", "out.jsonl"])
def test_when_who_reads_it_ends_the_files_are_finished(clip, tmp_path, json_to):
    words = command("--source", clip, "--no-window", "--json", json_to, "--save", "out.mp4")
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    error = process.stderr.read()
    assert process.wait(timeout=60) == 141 and "error" not in error
    assert clips.read(tmp_path / "out.mp4")
    if json_to != "-":
        assert len(lines(tmp_path / "out.jsonl")) == 40
    assert all(not path.name.startswith(".") for path in tmp_path.iterdir())


def test_a_killed_command_leaves_nothing_under_the_name(clip, tmp_path):
    words = command("--source", clip, "--loop", "--no-window", "--json", "out.jsonl", "--save", "out.mp4")
    process = subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    process.stdout.readline()
    time.sleep(1)
    process.kill()
    process.wait()
    assert not {"out.mp4", "out.jsonl"} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    "words, said",
    [
        (["--source", "none.mp4", "--no-window"], "none.mp4: no such file"),
        (["--source", "97", "--no-window"], "camera 97: cannot be opened"),
        (["--source", "http://127.0.0.1:9/", "--no-window"], "http://127.0.0.1:9/: cannot be opened"),
        (["--source", "text.mp4", "--no-window"], "text.mp4: not a video"),
        (["--source", "{clip}", "--no-window", "--save", "out.gif"], "must end in one of .mp4"),
        (["--source", "{clip}", "--no-window", "--save", "out.png"], "only one picture is saved as a picture"),
        (["--source", "{clip}", "--no-window", "--json", "none/out.jsonl"], "there is no folder none"),
        (["--source", "{clip}", "--no-window", "--view", "heatmap"], "this model gives no heatmaps"),
        (["--source", "{clip}", "--no-window", "--detector", "blaze"], "unknown detector 'blaze'"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(clip, tmp_path, words, said):
    (tmp_path / "text.mp4").write_text("not a video " * 100)
    done = camera(*(word.format(clip=clip) for word in words), code=2, cwd=tmp_path)
    assert said in error(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["text.mp4"]


def test_without_a_display_one_line_says_what_else_there_is(clip):
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(command("--source", clip), capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode == 2
    for part in ("--save", "--no-window", "`edgewing web`"):
        assert part in error(done)


@pytest.fixture
def tracks():
    tracker = Tracker(Landmarker(MODEL))
    return tracker.landmarker.contract, tracker(clips.face(), 0.0)


def test_the_mirror_turns_the_picture_and_no_label(tracks):
    contract, found = tracks
    paint = Painter(contract)
    before = found[0].landmarks.copy()
    for view in ("points", "mesh", "pose"):
        plain, mirrored = (paint(clips.face(), found, Look(view, mirror)) for mirror in (False, True))
        assert np.array_equal(plain[:, ::-1], mirrored)
    assert np.array_equal(found[0].landmarks, before)
    # index 36 is the outer corner of the eye on the picture's left, in the mirrored view too
    assert before[36, 0] < before[45, 0]


def test_smoothing_can_be_switched_off(tracks):
    contract, (track,) = tracks
    apart = dataclasses.replace(track, landmarks=track.landmarks + 9)
    paint = Painter(contract)
    smooth, raw = (paint(clips.face(), [apart], Look(smoothing=on)) for on in (True, False))
    assert np.array_equal(raw, paint(clips.face(), [track], Look())) and not np.array_equal(smooth, raw)


def test_keys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    look, shown, contract = Look(), clips.face(), tiny_contract()
    assert press("2", look, contract, shown) == "" and look.view == "mesh"
    assert "gives no heatmaps" in press("3", look, contract, shown) and look.view == "mesh"
    press("m", look, contract, shown), press("s", look, contract, shown)
    assert (look.mirror, look.smoothing) == (True, False)
    for _ in range(2):
        name = press("c", look, contract, shown).removeprefix("wrote ")
        assert np.array_equal(images.read_image(tmp_path / name), shown)
    assert len(list(tmp_path.iterdir())) == 2
    assert press("x", look, contract, shown) == press("", look, contract, shown) == ""
    heatmaps = tiny_contract(decoded=False)
    assert press("3", look, heatmaps, shown) == "" and look.view == "heatmap"
    assert press("4", look, heatmaps, shown) == "" and look.view == "boundary"  # the tiny model has a third channel


def test_heatmaps_shine_where_the_points_are(tmp_path):
    path = write_onnx(tmp_path / "maps.onnx", tiny_contract(decoded=False), decoded=False)
    detector = detection.Detector("blobs", find_blobs, detection.Fit((0, 0), (1, 1)))
    tracker = Tracker(Landmarker(path, detector))
    tracks = tracker(picture((150, 100)), 0.0)
    dark = np.zeros((240, 320, 3), np.uint8)
    lit = Painter(tracker.landmarker.contract)(dark, tracks, Look("heatmap")).astype(float).sum(axis=2)
    for x, y in FACE + (150, 100):
        part = lit[int(y) - 7 : int(y) + 8, int(x) - 7 : int(x) + 8]
        rows, columns = np.mgrid[-7:8, -7:8]
        middle = (columns * part).sum() / part.sum(), (rows * part).sum() / part.sum()
        assert part.max() > 300 and np.abs(middle).max() < 0.5
    assert lit[100, 150] == 0


def test_the_panel_stays_in_its_corner_and_out_of_tiny_pictures():
    figures = overlay.Figures(30.0, 1.25, 4.5, 2)
    picture = np.full((480, 640, 3), 128, np.uint8)
    overlay.panel(picture, "edgewing-s int8", figures, Look(), 1, "a remark of some length that has to be wrapped")
    changed = np.argwhere((picture != 128).any(axis=2))
    assert changed.min() > 0 and changed.max(axis=0)[0] < 160 and changed.max(axis=0)[1] < 320
    tiny = np.full((30, 40, 3), 128, np.uint8)
    overlay.panel(tiny, "edgewing-s int8", figures, Look(), 1)
    assert (tiny == 128).all()


def test_the_mesh_has_every_point_and_no_crossing():
    points = np.random.default_rng(0).uniform(0, 100, (30, 2))
    edges = overlay.triangles(points)
    assert set(np.ravel(edges)) == set(range(30)) and len(edges) <= 3 * 30 - 6  # Euler
    for a, b in edges:
        for c, d in edges:
            if len({a, b, c, d}) == 4:
                assert not crosses(*(points[i] for i in (a, b, c, d)))


def crosses(a, b, c, d):
    def side(p, q, r):
        return np.sign((q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]))

    return side(a, b, c) != side(a, b, d) and side(c, d, a) != side(c, d, b)
