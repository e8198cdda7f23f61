"""Which commit of edgewing this is, for rows and contracts: both mean the same by it.

A copy that lies in somebody else's repository has no commit: theirs would say nothing of it. Git's own variables, which
hooks and scripts set, may name another repository and are not looked at.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 10
# What makes and measures models. Results, runs and pictures beside it do not make a figure another one.
CODE = ("edgewing", "train", "targets", "compress", "bench", "requirements", "pyproject.toml", ":!bench/results")


def git(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """Run git on the repository that a folder lies in. OSError, TimeoutExpired: there is no git, or it hangs."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith("GIT_CONFIG")}
    call = ["git", "-C", str(folder), *words]
    return subprocess.run(call, capture_output=True, text=True, errors="replace", timeout=SECONDS, env=environment)


@functools.cache
def commit(root: Path = ROOT) -> dict:
    """``commit`` and ``dirty``: whether code differs from it, or is new. '' and None where this is no clone of ours."""
    nothing = {"commit": "", "dirty": None}
    try:
        named = re.search(r'^name = "(.*)"', (root / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
        top, head = git(root, "rev-parse", "--show-toplevel"), git(root, "rev-parse", "HEAD")
        status = git(root, "status", "--porcelain", "--", *CODE)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return nothing
    whole = not (top.returncode or head.returncode or status.returncode)
    if not whole or named is None or named[1] != "edgewing" or Path(top.stdout.strip()).resolve() != root.resolve():
        return nothing
    return {"commit": head.stdout.strip(), "dirty": bool(status.stdout.strip())}


def short() -> str:
    """The commit in twelve digits, with ``+`` where code differs from it; '' where there is none."""
    known = commit()
    return known["commit"][:12] + "+" * bool(known["dirty"])
