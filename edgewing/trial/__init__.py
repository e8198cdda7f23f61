"""The first load of a file that somebody else made, in a process of its own with limits: what it does there it does
not do here. A file that has passed is remembered by its sha256, and so is one that this machine made itself.

ONNX Runtime, LiteRT, ExecuTorch and OpenCV compute and allocate what a file asks for, and where it is wrong the process
may end. No list of what is allowed could keep up with them. What this does not protect from stands in docs/contract.md.

    python -m edgewing.trial FILE...     # these are your own: they are opened without being tried
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import importlib
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from edgewing import files, formats, hints, packages
from edgewing.errors import InputError, printable, reason

SECONDS = 2  # of processor time, to load the file; the library is imported before they are counted
RUN_SECONDS = 5  # and to run it once on zeros: the paper's network, the largest here, takes one on a desktop's core
WALL = 120  # s for all of it; a process that sleeps needs no processor time
MEMORY = 1 << 30  # bytes, and twice the file's: weights are kept as they are and as the kernels want them
LONGEST = 1000  # bytes of an answer
REFUSED = 2  # the exit code where the library said no; the answer is what it said
# module.attempt() imports its library and gives load(data), which gives run(shape)
MODULES = {name: form.runtime for name, form in formats.TABLE.items() if form.runtime and form.tried}
MODULES["yunet"] = "edgewing.detection"
OWN = "own"  # in place of one of MODULES: made on this machine
NEWNET, NEWUSER = 0x40000000, 0x10000000  # of unshare(2)
# Python would look for modules in the folder it is started in, where a stranger's numpy.py may lie beside the file.
START = "import sys; sys.path[:] = sys.argv[2:]; from edgewing import trial; trial._child(sys.argv[1])"
_passed: set[str] = set()  # in this process; the cache may not be writable


@contextlib.contextmanager
def of(path: str | Path, kind: str, shape: Sequence[int] = ()) -> Iterator[None]:
    """While the body runs (the library is imported there, which takes as long as here) the file is loaded and run.

    kind: of MODULES. shape: of the input, where the graph leaves it open.
    Raises InputError at the end where the process died,
    ran into a limit, or the library refused the file.
    """
    if _is_in_package(path) or _is_known(sha256 := _sha256(path), kind):
        yield
        return
    with packages.stream(path, sys.maxsize) as (file, size), tempfile.TemporaryFile() as answer:
        child = _start(path, file, {"kind": kind, "size": size, "shape": list(shape)}, answer)
        try:
            yield
            code = child.wait(WALL)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.kill()
            child.wait()
        answer.seek(0)
        said = printable(answer.read(LONGEST).decode(errors="replace"))
    if code == REFUSED:
        raise InputError(f"{path}: {said}; export it again")
    if code != 0:
        own = hints.typed("python -m edgewing.trial", path)
        raise InputError(f"{path}: {_ending(code)} {said or 'before it was loaded'}; if it is your own: {own}")
    _remember(sha256, kind)


def remember(path: str | Path) -> None:
    """This machine made the file, or its owner vouches for it: it is not tried."""
    _remember(_sha256(path), OWN)


def _ending(code: int | None) -> str:
    how = "did not end" if code is None else f"died of signal {-code}" if code < 0 else f"ended with exit code {code}"
    limits = f"{SECONDS} s to load, {RUN_SECONDS} s to run, {MEMORY >> 20} MiB"
    return f"a process with limits ({limits}), in which it was tried first, {how}"


def _start(path: str | Path, file: BinaryIO, about: dict, answer: BinaryIO) -> subprocess.Popen:
    """The child. The file is its standard input: no right to its folder is needed, and no name can mislead."""
    if not sys.executable or getattr(sys, "frozen", False):
        raise InputError(f"{path}: cannot be tried without a Python to start; call edgewing.trial.remember on it")
    places = [str(Path(place).resolve()) for place in sys.path]
    once = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONDONTWRITEBYTECODE"), "1")
    words = [sys.executable, "-c", START, json.dumps(about), *places]
    return subprocess.Popen(words, stdin=file, stdout=answer, stderr=subprocess.DEVNULL, env={**os.environ, **once})


def _child(about: str) -> None:
    """What the child does; it ends here."""
    known = json.loads(about)
    answer = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the libraries say much about such files
    _leave_the_network()
    load = importlib.import_module(MODULES[known["kind"]]).attempt()
    _limit_memory(MEMORY + 2 * known["size"])
    try:
        _say(answer, "when it was loaded", SECONDS)
        run = load(sys.stdin.buffer.read())
        _say(answer, "when it was run", RUN_SECONDS)
        run(known["shape"])
    except Exception as error:  # every library has kinds of its own
        _say(answer, reason(error), SECONDS)
        os._exit(REFUSED)
    os._exit(0)


def _say(answer: int, text: str, seconds: int) -> None:
    """The answer so far, and the processor time from here on, after which the system ends the process."""
    os.ftruncate(answer, 0)
    os.lseek(answer, 0, os.SEEK_SET)
    os.write(answer, text.encode(errors="replace")[:LONGEST])
    used = sum(os.times()[:2])
    _limit("RLIMIT_CPU", math.ceil(used + seconds))


def _limit_memory(most: int) -> None:
    """So many bytes more than now. What can be written counts, and no mere address space, of which libraries reserve
    much. Only Linux keeps to it."""
    _limit("RLIMIT_CORE", 0)
    with contextlib.suppress(OSError):
        pages = int(Path("/proc/self/statm").read_text().split()[5])
        _limit("RLIMIT_DATA", pages * os.sysconf("SC_PAGESIZE") + most)


def _limit(name: str, value: int) -> None:
    """Set a limit of this process, no higher than it may be; nothing where the system does not know it."""
    with contextlib.suppress(ImportError, AttributeError, ValueError, OSError):
        import resource  # not on Windows

        which = getattr(resource, name)
        hard = resource.getrlimit(which)[1]
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _leave_the_network() -> None:
    """Into one of its own, which has nothing in it: Linux, as root or where users may make namespaces."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # the last: of CDLL(None) on Windows
        unshare = ctypes.CDLL(None).unshare
        _ = unshare(NEWNET) == 0 or unshare(NEWNET | NEWUSER)


def _is_in_package(path: str | Path) -> bool:
    return Path(path).resolve().is_relative_to(Path(__file__).resolve().parents[1])


def _is_known(sha256: str, kind: str) -> bool:
    names = {f"{sha256}-{kind}", f"{sha256}-{OWN}"}
    folder = _folder()
    return bool(names & _passed) or (folder is not None and any((folder / name).exists() for name in names))


def _remember(sha256: str, kind: str) -> None:
    _passed.add(f"{sha256}-{kind}")
    if folder := _folder():
        with contextlib.suppress(OSError):  # then it is tried again
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (folder / f"{sha256}-{kind}").touch()


def _folder() -> Path | None:
    """An empty file in it for each digest and kind; None where the user has no home."""
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        if os.environ.get(name):
            return Path(os.environ[name], "edgewing", "tried")
    with contextlib.suppress(RuntimeError):
        return Path.home() / ".cache" / "edgewing" / "tried"
    return None


def _sha256(path: str | Path) -> str:
    whole = hashlib.sha256()
    with packages.stream(path, sys.maxsize) as (file, _):
        while block := file.read(files.MIB):
            whole.update(block)
    return whole.hexdigest()
