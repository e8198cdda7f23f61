"""Motion JPEG out of pipes: of bytes cut anywhere, of programs that end, fail or are ended, of GStreamer."""

import os
import shutil
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from edgewing import images
from edgewing.camera import pipes, sources
from edgewing.errors import InputError
from tests.edgewing import clips

needs_gstreamer = pytest.mark.skipif(
    shutil.which(pipes.GSTREAMER) is None or os.system("gst-inspect-1.0 --exists jpegenc 2>/dev/null"),
    reason="needs Debian's gstreamer1.0-tools and gstreamer1.0-plugins-good",
)


def jpeg(level, shape=(120, 160)):
    return cv2.imencode(".jpg", np.full((*shape, 3), level, np.uint8))[1].tobytes()


def with_thumbnail(data):
    """The picture with a small one in a segment of its own, as cameras write it."""
    small = jpeg(200, (8, 8))
    return data[:2] + b"\xff\xe1" + (2 + len(small)).to_bytes(2, "big") + small + data[2:]


def levels(frames):
    return [round(float(frame.image.mean()) / 8) for frame in frames]


@pytest.fixture
def camera(tmp_path, monkeypatch):
    """make(code) -> a source: a program called rpicam-vid that is this Python code."""

    def make(code):
        program = tmp_path / "rpicam-vid"
        program.write_text(f"#!{sys.executable}\nimport sys, time, os\nout = sys.stdout.buffer\n{code}\n")
        program.chmod(0o755)
        return sources.open(f"{program} --width 160")

    return make


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_pictures_out_of_bytes_that_are_cut_anywhere(size):
    pictures = [with_thumbnail(jpeg(8 * n)) for n in range(4)]
    data = b"junk \xff\xd8\xff\xd8 " + b"--frame\r\n".join(pictures) + jpeg(0)[:-40]
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    assert list(pipes.jpegs(iter(blocks))) == pictures


@pytest.mark.parametrize("size", [7, 10**6])
def test_a_picture_that_is_cut_off_costs_no_other(size, capsys):
    noise = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))[1].tobytes()
    pictures = [jpeg(0), noise[: len(noise) * 6 // 10], jpeg(16), jpeg(24)]
    data = b"".join(pictures)
    found = list(pipes.jpegs(iter([data[at : at + size] for at in range(0, len(data), size)])))
    assert found == pictures
    for data, whole in zip(found, (True, False, True, True)):
        if whole:
            assert images.decode(data).shape == (120, 160, 3)
        else:
            with pytest.raises(InputError, match="cut off"):
                images.decode(data)
    with pytest.raises(InputError, match="cut off"):
        images.decode(pictures[1] + pictures[2])


def test_frames_of_a_program_and_a_broken_one_between(camera, tmp_path, capsys):
    pictures = [jpeg(8 * n) for n in range(20)]
    at = pictures[5].index(b"\xff\xc0") + 5
    pictures[5] = pictures[5][:at] + bytes(4) + pictures[5][at + 4 :]  # 0 x 0 px
    (tmp_path / "frames").write_bytes(b"".join(pictures))
    source = camera(f"out.write(open({str(tmp_path / 'frames')!r}, 'rb').read())\nsys.stderr.write(repr(sys.argv[1:]))")
    frames = list(source.frames())
    assert levels(frames) == [n for n in range(20) if n != 5] and source.live
    assert [frame.number for frame in frames] == levels(frames)  # the broken one counts
    assert "1 broken frames are left out" in capsys.readouterr().err
    source.pipe.said.seek(0)
    said = source.pipe.said.read().decode()
    assert said == repr(["--width", "160", "-t", "0", "--codec", "mjpeg", "-n", "-v", "0", "-o", "-"])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "sys.stderr.write('ERROR: *** no cameras available ***\\nbye\\n'); sys.exit(255)",
            "code 255 after 0 frames: ERROR",
        ),
        ("out.write(b'no picture' * 999)", "gives no motion JPEG"),
    ],
)
def test_a_program_that_fails_is_one_line(camera, code, said):
    with pytest.raises(InputError) as error:
        list(camera(code).frames())
    assert said in str(error.value) and "\n" not in str(error.value)


def test_a_program_that_is_silent_is_ended(camera, tmp_path):
    feed = sources.Newest(camera(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(60)"), 1.0)
    with pytest.raises(InputError, match="no frame for 1 s"):
        next(feed.frames())
    feed.close()
    assert feed.source.pipe.process.poll() is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_standard_input(tmp_path):
    code = "from edgewing.camera import sources; print([f.image.shape for f in sources.open('-').frames()])"
    done = subprocess.run([sys.executable, "-c", code], input=jpeg(9) + jpeg(80), capture_output=True, timeout=60)
    assert done.stdout.decode() == "[(120, 160, 3), (120, 160, 3)]\n", done.stderr


def test_what_is_typed_for_each_kind(tmp_path, monkeypatch):
    encoded = ["!", "videoconvert", "!", "video/x-raw,format=RGB", "!", "jpegenc", "quality=95", "!", "fdsink", "fd=1"]
    csi = "nvarguscamerasrc ! video/x-raw(memory:NVMM),width=1280,height=720 ! nvvidconv"
    assert pipes.command(csi) == ["gst-launch-1.0", "-q", *csi.split(), *encoded]
    usb = "v4l2src device=/dev/video2 ! image/jpeg,width=640"
    assert pipes.command(usb) == ["gst-launch-1.0", "-q", *usb.split(), "!", "fdsink", "fd=1"]
    assert pipes.command("libcamera-vid --codec mjpeg -t 5")[1:7] == ["--codec", "mjpeg", "-t", "5", "-n", "-v"]
    monkeypatch.chdir(tmp_path)
    clips.write(tmp_path / "a ! b.avi", [np.zeros((64, 64, 3), np.uint8)], "MJPG")
    assert isinstance(sources.open("a ! b.avi"), sources.Video)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="gst-launch-1.0: No such file.*; apt-get install gstreamer1.0-tools"):
        sources.open("videotestsrc ! videoconvert")
    with pytest.raises(InputError, match="No closing quotation"):
        sources.open("rpicam-vid 'a")


@needs_gstreamer
def test_a_gstreamer_pipeline():
    source = sources.open("videotestsrc num-buffers=7 pattern=red ! video/x-raw,width=322,height=242,framerate=30/1")
    frames = list(source.frames())
    assert len(frames) == 7 and frames[0].image.shape == (242, 322, 3)
    assert np.abs(frames[0].image.mean(axis=(0, 1)) - [255, 0, 0]).max() < 12
    with pytest.raises(InputError, match='ended with code 1 after 0 frames: .*no element "nosuchsrc"'):
        list(sources.open("nosuchsrc ! videoconvert").frames())


@needs_gstreamer
def test_a_live_pipeline_is_ended():
    feed = sources.Newest(sources.open("videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1"))
    numbers = []
    for frame in feed.frames():
        numbers.append(frame.number)
        if len(numbers) == 3:
            break
    begun = time.perf_counter()
    feed.close()
    assert time.perf_counter() - begun < 5 and feed.source.pipe.process.poll() is not None
