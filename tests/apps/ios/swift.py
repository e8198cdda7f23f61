"""A Swift compiler: that of Debian 13, unpacked in cache/swift (download 550 MB, on disk 2.5 GB), in a root of its own.

swift.install()
swift.run(out, "swiftc", "-O", "/repository/file.swift", "-o", "/out/program")
"""

import json
import shutil
import subprocess
from pathlib import Path

from tests import debian

REPOSITORY = Path(__file__).parents[3]
ROOT = REPOSITORY / "cache/swift"
RELEASE, PACKAGES = "trixie", ["swiftlang", "libc6-dev", "libstdc++-14-dev"]
INSIDE = """
for folder in proc dev; do mount --rbind /$folder $folder; done
mount --rbind "$1" repository
mount --rbind "$2" out
shift 2
exec chroot . "$@"
"""


def install() -> None:
    """Fetch and unpack it, unless it is there. Raises debian.Unavailable."""
    stamp = ROOT / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == PACKAGES:
        return
    shutil.rmtree(ROOT, ignore_errors=True)
    root = ROOT / "root"
    debian.unpack(PACKAGES, root, release=RELEASE)
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("proc", "dev", "tmp", "repository", "out"):
        (root / name).mkdir(exist_ok=True)
    stamp.write_text(json.dumps(PACKAGES))


def run(out: Path, *words: str) -> subprocess.CompletedProcess:
    """A program of that root, which sees this repository as /repository and a folder as /out. What the kernel does not
    let a user do (some systems) ends with its words on stderr."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-ec", INSIDE, "sh"]
    command += [str(REPOSITORY), str(out), *words]
    return subprocess.run(command, cwd=ROOT / "root", capture_output=True, text=True, timeout=1800)
