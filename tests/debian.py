"""Debian's packages in a folder of their own: apt's state on this machine is not touched, and nothing is installed.

unpack(["qemu-user-static"], ROOT / "qemu", alone=True)
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = "bookworm"  # the one whose sources are set up where these tests are run


class Unavailable(Exception):
    """It cannot be had on this machine; the text says why."""


def unpack(packages: Sequence[str], into: Path, architecture: str = "", release: str = HERE, alone: bool = False):
    """Packages of an architecture and a release, with what they depend on, or the first alone. Raises Unavailable."""
    system = Path("/etc/os-release")
    if sys.platform != "linux" or f"VERSION_CODENAME={HERE}" not in (system.read_text() if system.exists() else ""):
        raise Unavailable(f"needs the packages of Debian {HERE}; this is another system")
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Unavailable(f"needs {program}")
    state = into.parent / f"apt-{into.name}"
    shutil.rmtree(state, ignore_errors=True)
    for folder in ("lists/partial", "archives/partial", "sources"):
        (state / folder).mkdir(parents=True)
    (state / "status").touch()
    for file in Path("/etc/apt").glob("sources.list.d/debian*"):
        (state / "sources" / file.name).write_text(re.sub(rf"\b{HERE}\b", release, file.read_text()))
    architecture = architecture or output("dpkg", "--print-architecture").strip()
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": state,
        "Dir::State::lists": state / "lists",
        "Dir::State::status": state / "status",
        "Dir::Cache": state,
        "Debug::NoLocking": "1",
    }
    if release != HERE:
        options |= {"Dir::Etc::sourcelist": "/dev/null", "Dir::Etc::sourceparts": state / "sources"}
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    output(*apt, "update")
    output(*apt, "install", "-y", "--no-install-recommends", "--download-only", *packages)
    for package in sorted((state / "archives").glob("*.deb")):
        if not alone or package.name.startswith(packages[0]):
            output("dpkg-deb", "-x", str(package), str(into))
    shutil.rmtree(state)


def output(*words: str, environment: dict | None = None, seconds: float = 600) -> str:
    """What a program prints; Unavailable with its last line where it fails."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=seconds, env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{words[0]}: {error}") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or [f"ended with code {done.returncode}"]
        raise Unavailable(f"{Path(words[0]).name}: {lines[-1]}")
    return done.stdout
