"""When there can be no window; and the window itself, in an X server without a screen, with the OpenCV that has one."""

import os
import shutil
import subprocess
import sys
import time

import cv2
import pytest

from edgewing import images, window
from edgewing.errors import InputError
from tests.edgewing import clips

HEADLESS = "    GUI:                           NONE"


@pytest.fixture
def with_window(monkeypatch):
    """This OpenCV, whichever it is, says that it has a window."""
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "    GUI:                           QT5")
    monkeypatch.setattr(window.sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


def test_an_opencv_without_a_window_is_named(monkeypatch):
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: HEADLESS)
    with pytest.raises(InputError, match=r"has no window; pip install opencv-python.*--save.*`edgewing web`"):
        window.refuse_without()


@pytest.mark.parametrize("display", ["", ":9871", ":9871.0"])
def test_no_display_or_a_dead_one(with_window, monkeypatch, display):
    monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(InputError, match="no display to open a window on; use --save"):
        window.refuse_without()


@pytest.mark.parametrize("name, value", [("DISPLAY", "elsewhere:0"), ("WAYLAND_DISPLAY", "wayland-0")])
def test_a_display_that_may_be_there_is_tried(with_window, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    window.refuse_without()


@pytest.mark.full
def test_a_real_window_shows_takes_keys_and_is_closed(tmp_path):
    missing = [name for name in ("Xvfb", "xdotool") if not shutil.which(name)]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)}: apt-get install xvfb xdotool")
    site, folder = tmp_path / "site", tmp_path / "shots"
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", site]
    done = subprocess.run([*pip, "opencv-python>=4.13,<6"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs opencv-python from PyPI: {done.stderr.splitlines()[-1]}")
    clip = clips.write(tmp_path / "clip.mp4", clips.moving(40))
    screen = subprocess.Popen(["Xvfb", ":9872", "-screen", "0", "800x600x24"], stderr=subprocess.DEVNULL)
    environment = os.environ | {"DISPLAY": ":9872", "PYTHONPATH": os.pathsep.join([str(site), os.getcwd()])}
    try:
        time.sleep(2)
        words = [sys.executable, "-m", "edgewing", "camera", "--model", "edgewing-s", "--source", clip, "--loop"]
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        found = [process.stdout.readline(), process.stdout.readline()]
        assert found[1].startswith("keys: 1 points")
        search = ["xdotool", "search", "--sync", "--onlyvisible", "--name", window.TITLE]
        (number, *_) = subprocess.check_output(search, env=environment, text=True, timeout=60).split()
        for key in ("2", "m", "3", "c", "q"):
            time.sleep(2)
            subprocess.check_call(["xdotool", "windowfocus", number, "key", key], env=environment)
        out, _ = process.communicate(timeout=60)
    finally:
        screen.terminate()
        screen.wait()
    assert process.returncode == 0 and "this model gives no heatmaps" in out and "dropped" in out
    (shot,) = folder.iterdir()
    assert images.read_image(shot).shape == (240, 320, 3)
