"""The Makefile's logic, with programs of our own in place of Python: what runs, in which order, and how it ends."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NPM = """#!/bin/sh
echo "npm $*" >> ../../calls
case "$*" in
    ci*) mkdir -p node_modules && touch node_modules/.package-lock.json ;;
    *build) mkdir -p ../../edgewing/page && touch ../../edgewing/page/index.html ;;
esac
exit ${EXIT_npm:-0}
"""
STAGES = ["train fit", "compress prune", "compress quantize", "targets", "bench measure", "bench report"]


@pytest.fixture
def place(tmp_path):
    """A copy of the Makefile beside a .venv whose python writes down its arguments and ends as EXIT_<room> says."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements/dev.txt").write_text("")
    (tmp_path / "runs").mkdir()
    binaries = tmp_path / ".venv/bin"
    binaries.mkdir(parents=True)
    (binaries / "python").write_text(
        '#!/bin/sh\necho "$*" >> calls\n[ "$1" = -m ] || exit 0\neval "exit \\${EXIT_$2:-0}"\n'
    )
    (binaries / "pip").write_text('#!/bin/sh\necho "pip $*" >> calls\n')
    maker = tmp_path / "maker"
    maker.write_text('#!/bin/sh\necho "venv $*" >> calls\n')
    (tmp_path / "apps/web").mkdir(parents=True)
    for name in ("package-lock.json", ".npmrc", "build.mjs", "icon.mjs"):
        (tmp_path / "apps/web" / name).write_text("")
    (tmp_path / "programs").mkdir()
    npm = tmp_path / "programs/npm"
    npm.write_text(NPM)
    for name in ("sh", "awk", "rm", "touch", "test", "mkdir", "cat"):
        (tmp_path / "programs" / name).symlink_to(shutil.which(name))
    for program in (binaries / "python", binaries / "pip", maker, npm):
        program.chmod(0o755)
    return tmp_path


def make(place, *words, **exits):
    environment = os.environ | {f"EXIT_{room}": str(code) for room, code in exits.items()}
    for name in ("MAKEFLAGS", "MAKELEVEL", "DATA", "LAYOUT", "RUN"):
        environment.pop(name, None)
    environment["PATH"] = str(place / "programs")
    call = [shutil.which("make"), f"PYTHON={place}/maker", *words]
    done = subprocess.run(call, cwd=place, env=environment, capture_output=True, text=True)
    log = place / "calls"
    calls = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return done, calls


def stages(calls):
    return [s for call in calls for s in STAGES if re.match(f"-m {s}( |$)", call)]


def test_demo_installs_and_runs_every_stage_and_prints_it(place):
    done, calls = make(place, "demo")
    assert done.returncode == 0, done.stderr
    assert calls[0].startswith("venv -m venv .venv") and any("requirements/dev.txt" in call for call in calls)
    assert stages(calls) == STAGES
    assert all(f"-m {stage}" in done.stdout for stage in STAGES)


def test_second_install_is_nothing_and_a_changed_pin_installs_again(place):
    make(place, "install")
    assert make(place, "install")[1] == []
    later = (place / ".venv/.installed").stat().st_mtime + 5
    os.utime(place / "requirements/dev.txt", (later, later))
    assert any("requirements/dev.txt" in call for call in make(place, "install")[1])


def test_install_builds_the_page_and_ends_with_what_to_type(place):
    done, calls = make(place, "install")
    assert [call for call in calls if call.startswith("npm")] == [
        "npm ci --no-audit --no-fund",
        "npm run --silent check",
        "npm run --silent build",
    ]
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "next: . .venv/bin/activate"
    again, calls = make(place, "install")
    assert calls == [] and again.stdout == "next: . .venv/bin/activate\n"


def test_install_without_the_page_says_what_to_type_for_it(place):
    done, _ = make(place, "install", npm=1)
    assert done.returncode == 0 and "the camera page is not built; for edgewing web: make web\n" in done.stdout
    (place / "programs/npm").unlink()
    done, _ = make(place, "install")
    assert done.returncode == 0 and "for edgewing web: apt-get install nodejs npm, then make web\n" in done.stdout
    assert done.stdout.splitlines()[-1] == "next: . .venv/bin/activate"


def test_a_failed_gate_still_gives_the_report_and_fails(place):
    done, calls = make(place, "demo", targets=1)
    assert stages(calls) == STAGES and done.returncode != 0
    assert "failed its gate" in done.stdout
    assert make(place, "demo")[0].returncode == 0  # forgotten the next time


def test_an_error_stops_at_once(place):
    done, calls = make(place, "demo", targets=2)
    assert stages(calls) == STAGES[:4] and done.returncode != 0
    done, calls = make(place, "demo", train=2)
    assert stages(calls) == STAGES[:1] and done.returncode != 0
    done, calls = make(place, "demo", targets=70)  # nobody knows what was done: no report of it
    assert stages(calls) == STAGES[:4] and done.returncode != 0


def test_own_faces(place):
    _, calls = make(place, "demo", "DATA=some/faces", "LAYOUT=wflw-98")
    fit = next(call for call in calls if "train fit" in call)
    assert "fit some/faces --layout wflw-98" in fit and "--run runs/demo-data" in fit


def test_without_python_it_says_what_to_do(place):
    done, _ = make(place, "install", "PYTHON=python9.9")
    assert done.returncode != 0 and "error: no python9.9; install Python 3.11" in done.stdout + done.stderr


def test_help_lists_the_targets(place):
    done, calls = make(place)
    assert calls == [] and all(
        f"make {name}" in done.stdout for name in ("install", "demo", "test", "test-full", "web", "lint")
    )
