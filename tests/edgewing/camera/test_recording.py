"""Videos and JSON lines that are whole under their name, or not there."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from edgewing.camera import recording
from edgewing.errors import InputError
from tests.edgewing import clips


def grey(level, shape=(120, 160)):
    return np.full((*shape, 3), level, np.uint8)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", sorted(recording.CODECS))
def test_every_kind_of_video_can_be_written_and_read_again(tmp_path, suffix, capfd):
    video = recording.VideoFile(tmp_path / f"out{suffix}", 20.0)
    for number in range(12):
        video.write(grey(20 * number), number / 20)
    assert names(tmp_path) != [f"out{suffix}"]  # not yet under its name
    assert video.close() and names(tmp_path) == [f"out{suffix}"]
    assert video.codec in recording.CODECS[suffix] and video.how and capfd.readouterr().err == ""
    shown = [frame.mean() for frame in clips.read(tmp_path / f"out{suffix}")]
    assert len(shown) == 12 and np.allclose(shown, 20 * np.arange(12), atol=6)


@pytest.mark.parametrize("fps", [0.01, 29.97, 59.94, 65.5354, 70.1234, 119.88, 239.7602, 1000 / 7])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_rate_that_mpeg_4_cannot_hold_is_rounded(tmp_path, fps, suffix):
    video = recording.VideoFile(tmp_path / f"out{suffix}", fps)
    assert video.fps == pytest.approx(fps, rel=1e-3)
    video.write(grey(0), 0.0)
    video.write(grey(9), 1 / fps)
    assert video.close() and len(clips.read(tmp_path / f"out{suffix}")) == 2


def test_what_cannot_be_encoded_leaves_the_file_of_before(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"an earlier one")
    video = recording.VideoFile(path, 1e-6)
    with pytest.raises(InputError, match=r"out.mp4: this OpenCV writes no .mp4 of 160 x 120 px at .*; try a name in"):
        video.write(grey(0), 0.0)
    assert not video.close() and path.read_bytes() == b"an earlier one" and names(tmp_path) == ["out.mp4"]


def test_dropped_frames_are_filled_so_that_time_is_kept(tmp_path):
    video = recording.VideoFile(tmp_path / "out.avi", 20.0)
    for at, level in ((7.0, 0), (7.05, 100), (7.25, 200)):
        video.write(grey(level), at)
    video.close()
    shown = [round(float(frame.mean()), -2) for frame in clips.read(tmp_path / "out.avi")]
    assert shown == [0, 100, 100, 100, 100, 200]


def test_a_long_pause_fills_no_disk(tmp_path):
    video = recording.VideoFile(tmp_path / "out.avi", 20.0)
    video.write(grey(0), 0.0)
    video.write(grey(9), 1e9)
    assert video.frames == 2 + recording.LONGEST_PAUSE * 20
    for number in range(1, 4):  # what follows is not late by what was left out
        video.write(grey(9), 1e9 + number / 20)
    assert video.frames == 5 + recording.LONGEST_PAUSE * 20


def test_frames_of_another_size_are_fitted_in_and_odd_sizes_taken(tmp_path):
    video = recording.VideoFile(tmp_path / "out.mp4", 20.0)
    for number, shape in enumerate([(121, 161), (121, 161), (60, 161), (300, 100)]):
        video.write(grey(200, shape), number / 20)
    video.close()
    frames = clips.read(tmp_path / "out.mp4")
    assert [frame.shape for frame in frames] == [(122, 162, 3)] * 4
    assert frames[0].min() > 150  # made even without a black edge
    wide, tall = (frame.mean(axis=2) > 100 for frame in frames[2:])
    assert wide[61].all() and not wide[:20].any() and not wide[-20:].any()
    assert tall[:, 81].all() and not tall[:, :50].any() and not tall[:, -50:].any()


def test_what_was_discarded_or_never_begun_is_not_there(tmp_path):
    begun, never = (recording.VideoFile(tmp_path / name, 20.0) for name in ("begun.mp4", "never.mp4"))
    begun.write(grey(1), 0.0)
    lines = recording.Lines(tmp_path / "lines.jsonl")
    lines.write({"frame": 0})
    begun.discard(), lines.discard()
    assert not never.close() and names(tmp_path) == []


def test_lines_are_json_and_get_their_name_at_the_end(tmp_path, capsys):
    lines = recording.Lines(tmp_path / "lines.jsonl")
    lines.write({"frame": 0, "faces": []})
    lines.write({"frame": 1})
    assert "lines.jsonl" not in names(tmp_path)
    assert lines.close()
    assert [json.loads(line)["frame"] for line in (tmp_path / "lines.jsonl").read_text().splitlines()] == [0, 1]
    none = recording.Lines(tmp_path / "lines.jsonl")  # a session that had no frame costs nobody an older file
    assert not none.close() and len((tmp_path / "lines.jsonl").read_text().splitlines()) == 2
    to_stdout = recording.Lines("-")
    to_stdout.write({"frame": 0})
    assert not to_stdout.close() and capsys.readouterr().out == '{"frame":0}\n'


@pytest.mark.parametrize("kind", [recording.Lines, lambda path: recording.VideoFile(path, 20.0)])
def test_a_place_that_cannot_be_written_is_refused_at_the_start(tmp_path, kind):
    (tmp_path / "folder.mp4").mkdir()
    for path, said in ((tmp_path / "none/out.mp4", "there is no folder"), (tmp_path / "folder.mp4", "is a folder")):
        with pytest.raises(InputError, match=said):
            kind(path)


FULL = """
import resource, sys
import numpy as np
from edgewing.camera import recording
from edgewing.errors import InputError
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # the system says of it what it says of a full disk
noise = np.random.default_rng(0)
kept = recording.VideoFile(sys.argv[1], 20.0) if sys.argv[1][-1] != "l" else recording.Lines(sys.argv[1])
try:
    for number in range(40):
        if isinstance(kept, recording.Lines):
            kept.write({"frame": number, "faces": [0] * 5000})
        else:
            kept.write(noise.integers(0, 256, (120, 160, 3), np.uint8), number / 20)
    kept.close()
except InputError as error:
    print(error)
if isinstance(kept, recording.Lines):
    kept.close()
"""


def on_a_full_disk(path):
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("suffix", sorted(recording.CODECS))
def test_a_video_that_the_disk_did_not_take_gets_no_name(tmp_path, suffix):
    said = on_a_full_disk(tmp_path / f"out{suffix}")
    assert re.search(r"not written: of 40 frames \d+ reached the disk; make room there", said)
    assert names(tmp_path) == []


def test_lines_that_the_disk_took_stay_and_are_whole(tmp_path):
    said = on_a_full_disk(tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["frame"] for row in rows] == list(range(len(rows))) and 10 < len(rows) < 40
    assert f"after {len(rows)} whole lines; make room there" in said and names(tmp_path) == ["out.jsonl"]


def test_a_frame_larger_than_videos_can_be_is_made_smaller(tmp_path, capsys):
    video = recording.VideoFile(tmp_path / "out.mp4", 20.0)
    video.write(grey(200, (50, 8194)), 0.0)
    assert video.close() and "made smaller, to 8190 px" in capsys.readouterr().err
    (frame,) = clips.read(tmp_path / "out.mp4")
    assert frame.shape == (50, 8190, 3) and frame.mean() > 190


@pytest.mark.parametrize("name", [b"Zo\xeb.mp4", b"12:30.avi", b"a b.webm"])
def test_any_name_of_a_file_can_be_written(tmp_path, name):
    path = tmp_path / os.fsdecode(name)
    video = recording.VideoFile(path, 20.0)
    video.write(grey(200), 0.0)
    assert video.close() and names(tmp_path) == [path.name]


def test_a_link_that_was_laid_for_the_file_in_progress_is_not_followed(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in (".out.part.jsonl", f".out.jsonl.{os.getpid()}.part", ".out.jsonl.part"):
        (tmp_path / name).symlink_to(victim)
    lines = recording.Lines(tmp_path / "out.jsonl")
    lines.write({"frame": 0})
    assert lines.close() and victim.read_text() == "mine"


def test_a_device_keeps_its_name():
    lines = recording.Lines("/dev/null")
    lines.write({"frame": 0})
    assert lines.close() and not os.path.isfile("/dev/null")


def test_an_unknown_suffix_says_which_there_are(tmp_path):
    with pytest.raises(InputError, match=r"must end in one of \.mp4, \.mkv, \.avi, \.webm"):
        recording.VideoFile(tmp_path / "out.gif", 20.0)
