"""README, the first steps, the Python API and the points of one's own: what they show works as it is typed, in a fresh
clone, and prints what stands below it.

A line that takes long is shortened by the words that stand here. A line that is not tried names its reason.
"""

import re
import shlex
import shutil
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

import edgewing
from edgewing import images
from edgewing.camera.tracking import Track
from tests.clones import ROOT, clone, environment, typed  # noqa: F401  a fixture
from tests.pages import blocks, lines
from tests.train import test_layout_new as cats
from tests.train.data.folders import write_wflw

ACTIVATE = ". .venv/bin/activate"


@dataclass(frozen=True)
class How:
    """more: words behind the line, which make it short. ends: exit codes that are right; after 1 it prints another text
    than the page. never: why it is not tried. loose: its figures are not those of the page."""

    more: str = ""
    ends: tuple[int, ...] = (0,)
    never: str = ""
    loose: bool = False


SERVES = How(never="does not end: test_the_camera_page")
DEMO = How(never="ten minutes: tests/test_makefile.py has its logic, tests/test_own_landmarks.py its stages")
NO_SCREEN = How(ends=(2,))  # what it says then: test_the_camera_without_a_screen
TINY = (
    "--network mobile --width 0.25 --input-size 64 --stacks 1 --batch 2 --steps 1 --validation 0.4 --learning-rate 1e-3"
)
LEARNS = "--steps 200 --input-size 64 --width 0.5 --batch 16 --learning-rate 6e-3 --warmup 20 --ema 0.9"
TRAIN = "train fit data/WFLW --layout wflw-98 --recipe paper-wflw --run paper"
TABLE = {
    "README.md": {
        "edgewing web": SERVES,
        "pip install -e '.[camera]' && edgewing camera": NO_SCREEN,
        "make demo": DEMO,
        "make demo DATA=photographs LAYOUT=300w-68": DEMO,
        "edgewing camera": NO_SCREEN,
        "make web && edgewing web": SERVES,
        f"python -m {TRAIN}": How(f"{TINY} --evaluate-every 1"),
        f"torchrun --nproc-per-node 4 -m -- {TRAIN}": How(never="four workers: tests/train/test_workers.py has two"),
        f"torchrun --nnodes 2 --nproc-per-node 8 --rdzv-backend c10d --rdzv-endpoint HOST:29500 -m -- {TRAIN}": How(
            never="two machines"
        ),
        "python -m bench ablate data/WFLW --layout wflw-98 --recipe paper-wflw --run ablation": How(
            never="24 trainings: tests/bench/training/test_ablate.py has a small one"
        ),
    },
    "docs/first-steps.md": {"edgewing web": SERVES, "make demo": DEMO},
    "docs/app.md": {},
    "docs/own-landmarks.md": {
        "python -m train fit cats --layout cat.json --recipe small --run cat --validation 0.4 --steps 500": How(LEARNS),
        # A network of so few steps may fail its gate on one processor and pass it on another.
        "python -m compress quantize runs/cat": How(ends=(0, 1), loose=True),
        "python -m targets runs/cat --to tflite": How(ends=(0, 1), loose=True),
        "edgewing run new.png --model runs/cat/export/cat-int8.tflite --box 27,27,157,201 --save found.png": How(
            loose=True
        ),
        "edgewing web --model runs/cat/export/cat-int8.tflite --build page": How(loose=True),
    },
}


@pytest.fixture(scope="module")
def installed(clone):  # noqa: F811
    done = typed(clone, "make install")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"next: {ACTIVATE}"
    return done


@pytest.fixture(scope="module")
def place(clone, installed):  # noqa: F811
    """The clone, with files that readers have: pictures, a video, labelled cats, WFLW as its owners publish it."""
    portrait = images.read_image(ROOT / "docs/portrait.jpg")
    for name in ("photo", "a", "b"):
        shutil.copy(ROOT / "docs/portrait.jpg", clone / f"{name}.jpg")
    clip = cv2.VideoWriter(str(clone / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 25, (512, 512))
    for step in range(5):
        clip.write(np.roll(portrait, step, axis=1)[..., ::-1].copy())
    clip.release()
    cats.written(clone / "cats", count=20)
    images.write(clone / "new.png", cats.cat(angle=0.3)[0])
    write_wflw(clone / "data/WFLW", pictures=8)
    return clone


def steps(page: str) -> Iterator[tuple[str, str, str]]:
    """(language, text, what the page shows of its output) of each block that is typed, a program, or a file."""
    found = blocks((ROOT / page).read_text())
    for (language, body), (after, shown) in zip(found, [*found[1:], ("", "")]):
        if language in ("sh", "python", "json"):
            yield language, body, shown if after == "text" else ""


LONG = "docs/own-landmarks.md"  # trains: test_own_landmarks.py has its stages in the short run


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.full) if p == LONG else p for p in TABLE])
def test_a_page_as_typed(place, page):
    for language, body, shown in steps(page):
        if language == "json":
            assert body == (place / "cat.json").read_text()
            continue
        said, loose = program(place, body) if language == "python" else shell(place, TABLE[page], body)
        missing = [] if said is None else list(lacking(shown, said, loose))
        assert not missing, f"{page}: not printed: {missing}\n{said}"
        for rejected in place.glob("runs/cat/export/*.rejected.tflite"):  # of a network of so few steps
            shutil.move(rejected, rejected.with_name(rejected.name.replace(".rejected", "")))


def program(place, code: str) -> tuple[str, bool]:
    done = typed(place, ACTIVATE, f"python -c {shlex.quote(code)}")
    assert done.returncode == 0, done.stderr
    return done.stdout, False


def shell(place, table: dict[str, How], block: str) -> tuple[str | None, bool]:
    """What the lines of a block print together, and whether any of them has other figures than the page. None where
    a gate failed."""
    said, loose = "", False
    for line in lines(block):
        how = table.get(line, How())
        if how.never:
            continue
        before = () if "activate" in line or line.startswith("make install") else (ACTIVATE,)
        done = typed(place, *before, f"{line} {how.more}")
        assert done.returncode in how.ends, f"{line} {how.more}: {done.returncode}\n{done.stdout}{done.stderr}"
        if done.returncode == 1:
            return None, True
        said, loose = said + done.stdout, loose or bool(how.more) or how.loose
    return said, loose


def lacking(shown: str, said: str, loose: bool) -> Iterator[str]:
    """Lines of the page that are not among those that were printed, in this order."""
    there = iter([plain(line, loose) for line in said.splitlines()])
    for line in shown.splitlines():
        if line != "..." and not any(plain(line, loose) == other for other in there):
            yield line


def plain(line: str, loose: bool) -> str:
    """Without what may differ: versions, and where the figures are others those, and what is chosen or said by them."""
    line = re.sub(r"ai-edge-litert \S+, XNNPACK \d+/\d+", "LITERT", line)
    if loose:
        line = re.sub(r"moving-average|mean-min-max|min-max|percentile(-99.9)?|mse", "RANGES", line)
        line = re.sub(r", (\d+ blocks? in float|float: [^,]+)", "", line)
        line = re.sub(r"layout cat-6, .*; on cpu", "OPTIONS", re.sub(r"passes|fails", "VERDICT", line))
        line = re.sub(r"[-+]?\d+(\.\d+)?", "#", " ".join(line.split()))
    return line


@pytest.mark.parametrize("page", TABLE)
def test_the_table_names_lines_of_the_page(page):
    on_page = {line for language, body, _ in steps(page) if language == "sh" for line in lines(body)}
    assert set(TABLE[page]) <= on_page


def test_the_camera_page(clone, installed):  # noqa: F811
    """On a free port, for 8000 may be somebody's."""
    with subprocess.Popen(
        ["bash", "-ec", f"{ACTIVATE}\nexec edgewing web --port 0"],
        cwd=clone,
        env=environment(clone),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts with `&` is deaf to Ctrl-C, and so is all that it starts: tests too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        said = iter(server.stdout.readline, "")
        url = next((line.split()[-1] for line in said if line.startswith("this machine: ")), None)
        if (ROOT / "apps/web/node_modules").is_dir():
            size = 0
            if url:
                with urllib.request.urlopen(f"{url}/edgewing.js", timeout=120) as page:
                    size = len(page.read())
            server.send_signal(signal.SIGINT)  # before anything is asserted: a failed test waits for it too
            assert server.wait(120) in (0, 130) and size > 10_000
        else:
            assert "the camera page is not built; for edgewing web: make web" in installed.stdout
            assert server.wait(120) == 2 and "type: make web" in server.stderr.read()


def test_the_camera_without_a_screen(clone, installed):  # noqa: F811
    done = typed(clone, ACTIVATE, "edgewing camera")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "edgewing web" in line and "--no-window" in line


@pytest.mark.parametrize("room", ["train", "compress", "targets", "bench"])
def test_rooms_work_in_every_folder(clone, installed, tmp_path, room):  # noqa: F811
    done = typed(clone, f". {shlex.quote(str(clone))}/.venv/bin/activate", f"python -m {room} --help", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m {room}"), done.stderr


def test_the_api_page_has_every_public_name():
    page = (ROOT / "docs/app.md").read_text()
    classes = (edgewing.Landmarker, edgewing.Face, edgewing.Faces, edgewing.Tracker, Track)
    own = [name for cls in classes for name in [*vars(cls), *getattr(cls, "__annotations__", ())]]
    inner = {"find", "look", "least_score", "error", "shown", "landmarker", "settings", "searched"}
    public = {name for name in [*edgewing.__all__, *own] if not name.startswith("_")} - inner
    assert len(public) > 30 and not [name for name in public if not re.search(rf"\b{name}\b", page)]
