"""What README shows is what it prints, and its first commands work as they are typed in a fresh clone.

Two things are not as a reader has them: the packages of `make install`, which are 2.6 GB, are those that are here
already, and `pip install` is left out.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [line.split("  #")[0].strip() for line in re.search(r"```sh\n(.*?)```", README, re.S)[1].splitlines()]
INSTALL, ACTIVATE, RUN, WEB, CAMERA, *DEMOS = COMMANDS

# In place of Python, for `make install`: makes an environment with the packages that are here, and no pip.
MAKER = f"""#!{sys.executable}
import pathlib, sys, sysconfig, venv
assert sys.argv[1:] == ["-m", "venv", ".venv"], sys.argv
venv.create(".venv", symlinks=True)
(pathlib.Path(".venv/lib") / f"python{{sysconfig.get_python_version()}}" / "site-packages/packages.pth").write_text(
    {sysconfig.get_path("purelib")!r})
for name, text in (("pip", "#!/bin/sh\\n"), ("edgewing", "#!" + str(pathlib.Path(".venv/bin/python").absolute())
                   + "\\nimport edgewing.cli\\nedgewing.cli.main()\\n")):
    path = pathlib.Path(".venv/bin", name)
    path.write_text(text)
    path.chmod(0o755)
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    """The files of the repository, and no others; after the first commands, all but those that do not end."""
    folder = tmp_path_factory.mktemp("clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("needs a clone, to know which files are of the repository")
    for name in filter(None, listed.stdout.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    packages = ROOT / "apps/web/node_modules"
    if packages.is_dir():  # no network is needed then to build the page
        shutil.copytree(packages, folder / "apps/web/node_modules", symlinks=True, copy_function=os.link)
        stamp = folder / "apps/web/node_modules/.package-lock.json"
        stamp.unlink()  # it is the original's, and must be newer here
        shutil.copyfile(packages / stamp.name, stamp)
    maker = folder / "maker"
    maker.write_text(MAKER)
    maker.chmod(0o755)
    return folder


def environment(clone) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "PYTHONPATH"}
    ours = {name: value for name, value in ours.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    if not (clone / "apps/web/node_modules").is_dir():  # a real npm would fetch them
        ours["PATH"] = f"{clone}/no-npm:{ours['PATH']}"
        (clone / "no-npm").mkdir(exist_ok=True)
        (clone / "no-npm/npm").write_text("#!/bin/sh\nexit 1\n")
        (clone / "no-npm/npm").chmod(0o755)
    return ours | {"PYTHON": str(clone / "maker")}


def typed(clone, *lines: str, folder: Path | None = None) -> subprocess.CompletedProcess:
    """What a shell makes of these lines, one after the other, until one fails."""
    script = "\n".join(["set -e", *lines])
    return subprocess.run(
        ["bash", "-c", script], cwd=folder or clone, env=environment(clone), capture_output=True, text=True, timeout=200
    )


def test_the_first_commands_are_those_that_are_tried_here():
    assert [INSTALL, ACTIVATE, RUN] == [
        "make install",
        ". .venv/bin/activate",
        "edgewing run docs/portrait.jpg --save points.png",
    ]
    assert [WEB, CAMERA] == ["edgewing web", "pip install -e '.[camera]' && edgewing camera"]
    assert DEMOS == ["make demo", "make demo DATA=photographs LAYOUT=300w-68"]  # tests/test_makefile.py
    assert README.count(ACTIVATE) == 1


@pytest.fixture(scope="module")
def installed(clone):
    done = typed(clone, INSTALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"next: {ACTIVATE}"
    return done


def test_a_picture(clone, installed):
    done = typed(clone, ACTIVATE, RUN)
    assert done.returncode == 0, done.stderr
    assert "found 1;" in done.stdout and "68 landmarks" in done.stdout
    assert (clone / "points.png").stat().st_size > 10_000


def test_the_camera_page(clone, installed):
    """On a free port, for 8000 may be somebody's."""
    script = f"{ACTIVATE}\nexec {WEB} --port 0"
    shell = ["bash", "-ec", script]
    with subprocess.Popen(
        shell,
        cwd=clone,
        env=environment(clone),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts with `&` is deaf to Ctrl-C, and so is all that it starts: tests too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        lines = iter(server.stdout.readline, "")
        url = next((line.split()[-1] for line in lines if line.startswith("this machine: ")), None)
        if (ROOT / "apps/web/node_modules").is_dir():
            assert url, server.stderr.read()
            with urllib.request.urlopen(f"{url}/app.js", timeout=120) as page:
                assert page.status == 200 and len(page.read()) > 10_000
            server.send_signal(signal.SIGINT)
            assert server.wait(120) in (0, 130)
        else:
            assert "the camera page is not built; for edgewing web: make web" in installed.stdout
            assert server.wait(120) == 2 and "type: make web" in server.stderr.read()


def test_the_camera_without_a_screen(clone, installed):
    done = typed(clone, ACTIVATE, CAMERA.split("&& ")[1])
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and "edgewing web" in line and "--no-window" in line


@pytest.mark.parametrize("room", ["train", "compress", "targets", "bench"])
def test_rooms_work_in_every_folder(clone, installed, tmp_path, room):
    done = typed(clone, f". {shlex.quote(str(clone))}/.venv/bin/activate", f"python -m {room} --help", folder=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith(f"usage: python -m {room}"), done.stderr


def test_the_python_of_the_first_screen_prints_what_stands_below_it():
    code, printed = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", README, re.S).groups()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == printed
