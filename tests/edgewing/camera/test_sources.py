"""Frames of real files and of a stream over HTTP; every fault that a source may have."""

import os
import threading
import time

import numpy as np
import pytest

from edgewing import images
from edgewing.camera import sources
from edgewing.errors import InputError
from tests.edgewing import clips


def grey(level, shape=(120, 160)):
    return np.full((*shape, 3), level, np.uint8)


@pytest.fixture
def clip(tmp_path):
    """Thirty frames, each brighter than the one before by 8."""
    return clips.write(tmp_path / "clip.avi", [grey(8 * n) for n in range(30)], "MJPG")


def levels(frames):
    return [round(float(frame.image.mean()) / 8) for frame in frames]


def test_a_video_gives_every_frame_in_order_with_its_time(clip):
    source = sources.open(str(clip))
    frames = list(source.frames())
    source.close()
    assert levels(frames) == list(range(30)) and [f.number for f in frames] == list(range(30))
    assert np.allclose([f.time for f in frames], np.arange(30) / clips.FPS, atol=1e-3)
    assert not source.live and source.fps == clips.FPS and frames[0].image.shape == (120, 160, 3)


def test_colours_are_rgb(tmp_path):
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 220
    path = clips.write(tmp_path / "red.avi", [red], "MJPG")
    (frame,) = sources.open(str(path)).frames()
    assert np.abs(frame.image.mean(axis=(0, 1)) - [220, 0, 0]).max() < 12


def test_a_looped_video_goes_on_in_time(clip):
    frames = sources.open(str(clip), loop=True).frames()
    taken = [next(frames) for _ in range(75)]
    assert levels(taken) == [n % 30 for n in range(75)]
    assert np.allclose(np.diff([f.time for f in taken]), 1 / clips.FPS, atol=1e-3)


def test_a_video_that_is_cut_off_gives_what_it_has_and_says_so(clip, tmp_path, capsys):
    cut = tmp_path / "cut.avi"
    data = clip.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    frames = list(sources.open(str(cut)).frames())
    assert 5 < len(frames) < 25 and levels(frames) == list(range(len(frames)))
    said = capsys.readouterr().err
    assert said == f"note: {cut}: {len(frames)} of its 30 frames can be read; it may be cut off\n"


def test_frames_that_cannot_be_decoded_are_left_out_and_counted(clip, tmp_path, capsys):
    """In the middle of a video and at its start; times go on as if they were there."""
    data, at = clip.read_bytes(), -1
    for number in range(12):
        at = data.index(b"\xff\xd8", at + 1)
        if number in (0, 7, 8):
            end = data.index(b"\xff\xd9", at)
            data = data[:at] + bytes(end - at) + data[end:]
    dead = tmp_path / "dead.avi"
    dead.write_bytes(data)
    frames = list(sources.open(str(dead)).frames())
    assert levels(frames) == [n for n in range(30) if n not in (0, 7, 8)]
    assert np.allclose([f.time for f in frames], np.array(levels(frames)) / clips.FPS, atol=1e-3)
    assert capsys.readouterr().err == f"note: {dead}: 3 frames cannot be decoded and are left out\n"


@pytest.mark.parametrize("name", ["12:30:45.avi", "http:x.avi", b"Zo\xeb.avi", "-x.avi", "a b.avi", "%03d.avi"])
def test_any_name_of_a_file_can_be_opened(clip, tmp_path, monkeypatch, name):
    name = os.fsdecode(name)
    clip.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(list(sources.open(name).frames())) == 30


def test_a_pipe_is_read_like_a_video(clip, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(clip.read_bytes()))
    writer.start()
    assert levels(sources.open(str(tmp_path / "pipe")).frames()) == list(range(30))
    writer.join()


def test_a_paced_video_keeps_its_own_time(clip):
    begun = time.perf_counter()
    frames = list(sources.open(str(clip), paced=True).frames())
    assert frames[-1].read - begun >= 29 / clips.FPS


def test_pictures_of_a_folder_by_name_and_broken_ones_passed_over(tmp_path, capsys):
    for name, shape in (("b.png", (40, 50)), ("a.png", (60, 70))):
        images.write(tmp_path / name, grey(9, shape))
    (tmp_path / "c.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut")
    (tmp_path / "notes.txt").write_text("no picture")
    frames = list(sources.open(str(tmp_path)).frames())
    assert [(f.name, f.image.shape[:2]) for f in frames] == [("a.png", (60, 70)), ("b.png", (40, 50))]
    assert capsys.readouterr().err.startswith(f"passed over: {tmp_path / 'c.jpg'}: the picture is cut off")


def refused(tmp_path):
    """name -> (what is given, what is said)."""
    (tmp_path / "text.mp4").write_text("not a video " * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    whole = clips.write(tmp_path / "whole.mp4", [grey(n) for n in range(30)]).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])  # an .mp4's index is at its end
    return {
        "text": (tmp_path / "text.mp4", "not a video that can be read"),
        "cut": (tmp_path / "cut.mp4", "or cut off; copy or convert it again"),
        "empty": (tmp_path / "empty.mp4", "is empty"),
        "no name": ("", "is empty; it takes a camera's number"),
        "device": ("/dev/null", "is a device, but no camera"),
        "missing": (tmp_path / "none.mp4", "no such file; --source takes"),
        "folder": (tmp_path / "nothing", "no picture in this folder"),
        "camera": ("97", "camera 97: cannot be opened; is it plugged in"),
        "stream": ("http://127.0.0.1:9/camera", "cannot be opened; check the address"),
    }


@pytest.mark.parametrize("case", ["text", "cut", "empty", "no name", "device", "missing", "folder", "camera", "stream"])
def test_what_cannot_be_opened_is_refused(tmp_path, case):
    what, said = refused(tmp_path)[case]
    with pytest.raises(InputError, match=said):
        sources.open(str(what))


def test_pictures_with_numbers_are_a_video(tmp_path, capsys):
    for number in (1, 2, 9, 10, 1000, 12345):
        images.write(tmp_path / f"a%b{number:04d}.png", grey(number % 200))
    (tmp_path / "a%b0011.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    images.write(tmp_path / "a%b77.png", grey(0))  # not of four digits
    source = sources.open(str(tmp_path / "a%b%04d.png"))
    frames = list(source.frames())
    assert [frame.name[3:-4] for frame in frames] == ["0001", "0002", "0009", "0010", "1000", "12345"]
    assert source.follows and source.fps == 30 and frames[2].time == pytest.approx(2 / 30)
    assert "passed over" in capsys.readouterr().err
    for none in ("b%04d.png", "%04d.jpg", "none/%04d.png"):
        with pytest.raises(InputError, match="no such file"):
            sources.open(str(tmp_path / none))


def test_one_broken_picture_is_an_error(tmp_path):
    (tmp_path / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n cut")
    with pytest.raises(InputError, match="cut off"):
        list(sources.open(str(tmp_path / "face.png")).frames())


def test_the_newest_frame_wins_and_the_overtaken_are_counted(clip):
    feed = sources.Newest(sources.open(str(clip), paced=True))
    taken = []
    for frame in feed.frames():
        taken.append((frame.number, time.perf_counter() - frame.read))
        time.sleep(3.5 / clips.FPS)  # work that takes three and a half frames
    feed.close()
    numbers, ages = zip(*taken)
    assert feed.dropped == 30 - len(numbers) > 12 and numbers[-1] == 29
    # a frame is at most one frame old when it is taken, however long the work on the one before took
    assert np.median(ages) < 1.5 / clips.FPS


def test_a_stream_is_live_and_ends_with_an_error_when_it_is_gone(monkeypatch, capsys):
    monkeypatch.setattr(sources, "COMES_BACK", 0.5)
    with clips.streaming([grey(8 * n) for n in range(20)], pause=0.03, times=1) as url:
        feed = sources.Newest(sources.open(url))
        taken = []
        with pytest.raises(InputError, match=r"gives no more frames after \d+; is it still connected\?"):
            for frame in feed.frames():
                taken.append(frame)
        feed.close()
    assert taken and levels(taken) == sorted(levels(taken)) and feed.source.live


def test_a_stream_that_broke_off_is_taken_up_again(capfd):
    with clips.streaming([grey(8 * n) for n in range(20)], pause=0.03) as url:
        source = sources.open(url)
        frames = source.frames()
        taken = [next(frames) for _ in range(45)]
        source.close()
    assert [frame.number for frame in taken] == list(range(45)) and (np.diff([frame.time for frame in taken]) > 0).all()
    said = capfd.readouterr().err
    assert f"note: {url}: broke off after " in said and "; looking for it again\n" in said


def test_a_video_at_an_address_gives_every_frame_and_ends(clip):
    with clips.serving(clip) as url:
        source = sources.open(url)
        assert levels(source.frames()) == list(range(30)) and not source.live
        source.close()


def test_a_device_by_its_file(tmp_path):
    (tmp_path / "front").symlink_to("/dev/video97")
    (tmp_path / "none").symlink_to("/dev/null")
    with pytest.raises(InputError, match="no such file"):
        sources.open(str(tmp_path / "front"))
    with pytest.raises(InputError, match="is a device, but no camera"):
        sources.open(str(tmp_path / "none"))


def test_a_stream_that_stands_still_is_given_up():
    with clips.streaming([grey(8 * n) for n in range(20)], pause=0.02, hold=30.0) as url:
        feed = sources.Newest(sources.open(url), patience=1.0)
        with pytest.raises(InputError, match="no frame for 1 s; is it still there"):
            for _ in feed.frames():
                pass
        begun = time.perf_counter()
        feed.close()
        assert time.perf_counter() - begun < 3


def test_a_stop_is_obeyed_while_nothing_comes():
    with clips.streaming([grey(8 * n) for n in range(20)], pause=0.02, hold=30.0) as url:
        feed = sources.Newest(sources.open(url))
        for frame in feed.frames():
            if frame.number >= 3:
                feed.stop()
        feed.close()
