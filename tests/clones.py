"""A fresh clone of this repository, with the packages that are here already, and a shell in it.

Two things are not as a reader has them: the packages of `make install`, which are 2.6 GB, are those that are here
already, and `pip install` is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# In place of Python, for `make install`: makes an environment with the packages that are here, and no pip.
MAKER = f"""#!{sys.executable}
import pathlib, sys, sysconfig, venv
assert sys.argv[1:] == ["-m", "venv", ".venv"], sys.argv
venv.create(".venv", symlinks=True)
(pathlib.Path(".venv/lib") / f"python{{sysconfig.get_python_version()}}" / "site-packages/packages.pth").write_text(
    {sysconfig.get_path("purelib")!r})
here = "#!" + str(pathlib.Path(".venv/bin/python").absolute())
for name, text in (("pip", "#!/bin/sh\\n"), ("edgewing", here + "\\nimport edgewing.cli\\nedgewing.cli.main()\\n"),
                   ("torchrun", here + "\\nfrom torch.distributed.run import main\\nmain()\\n")):
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
    shell = ["bash", "-ec", "\n".join(lines)]
    where = {"cwd": folder or clone, "env": environment(clone)}
    return subprocess.run(shell, **where, capture_output=True, text=True, timeout=600)
