"""Which file of float weights a user means: a run's, or what ships under that name."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgewing.errors import InputError

MODEL, SUFFIX = "model.safetensors", ".safetensors"
LOCK = ".lock"  # of the process that trains the run
LARGEST_FILE = 1 << 30  # bytes of weights; the paper's network has 97 MB
RUNS = Path("runs")
ABOUT = "a run's folder, a .safetensors file, or a name: edgewing-m"  # for --help
SHIPPED = Path(__file__).resolve().parent.parent / "models"  # float weights of what ships, and of the README's run


def run_folder(name: str) -> Path:
    """``runs/NAME``, or the path itself where one is given."""
    return Path(name) if "/" in name else RUNS / name


def refuse_strange(run: Path) -> None:
    """InputError where the folder holds files and no command made a run of it: they might be written over."""
    marks = LOCK, "recipe.json", "ranges.json", f"*{SUFFIX}", "round-1"  # the last: of `prune --rounds`
    if run.is_dir() and any(run.iterdir()) and not any(any(run.glob(mark)) for mark in marks):
        raise InputError(f"{run}: holds files and is no run; name another --run, one that is not there yet")


def weights(run: str | Path) -> Path:
    """The file of the weights that are meant.

    InputError: there is no such run, or a name stands for two that differ.
    """
    from edgewing import models  # numpy, which no --help needs

    given = Path(run)
    bare = len(given.parts) == 1
    own, shipped = RUNS / given.name / MODEL, SHIPPED / f"{given.name.removesuffix(SUFFIX)}{SUFFIX}"
    # a folder that happens to be called as a shipped model is, does not hide it
    if bare and shipped.is_file() and (given.name in models.SHIPPED or not given.exists()):
        if own.is_file() and own.read_bytes() != shipped.read_bytes():
            raise InputError(f"{run}: {own} and {shipped} are other weights; give the path of those that you mean")
        return shipped
    if given.exists():
        return given / MODEL if given.is_dir() else given
    if bare and own.parent.is_dir():
        return own
    known = {path.stem for path in SHIPPED.glob(f"*{SUFFIX}")} | {path.parent.name for path in RUNS.glob(f"*/{MODEL}")}
    near = difflib.get_close_matches(given.name, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else "give a run's folder, a .safetensors file, or a name: edgewing-m"
    raise InputError(f"{run}: no such run; {hint}")
