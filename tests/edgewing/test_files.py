"""Files appear whole or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgewing import files
from edgewing.errors import InputError


def test_write_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.json"
    files.write(path, b"old")
    files.write(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.json"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    (tmp_path / "a.json").write_bytes(b"old")
    with pytest.raises(InputError, match="a.json: cannot be written"), files.beside(tmp_path / "a.json") as part:
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert os.listdir(tmp_path) == ["a.json"] and (tmp_path / "a.json").read_bytes() == b"old"
    with pytest.raises(InputError, match="is a folder"):
        files.write(tmp_path, b"x")
    with pytest.raises(InputError, match="is a folder"):
        files.write(".", b"x")


def test_limits(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert files.read(path, 5) == b"12345"
    with pytest.raises(InputError, match="the limit is"):
        files.read(path, 4)
    with pytest.raises(InputError, match="larger than"):
        files.read("/dev/zero", 1000)  # a device says its size is 0
    with pytest.raises(InputError, match="cannot be read"):
        files.read("a\0b", 10)


KILLED = """
import os, signal, sys; from pathlib import Path; from edgewing import files
with getattr(files, sys.argv[2])(Path(sys.argv[1])) as path:
    path.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    """Whatever it was making; what a living process makes, and files of others, stay."""
    for name, how in (
        ("a.onnx", "workshop"),
        ("b.safetensors", "beside"),
        ("noextension", "beside"),
        ("b.x", "workshop"),
    ):
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / name, how], cwd=Path(__file__).parents[2])
        assert done.returncode == -signal.SIGKILL
        assert len(os.listdir(tmp_path)) == 1  # each removed what the one before had left
    others = [".a.onnx.12.part", ".a.0a1b2c3d-1.part", f"{files.tag(tmp_path / 'a.onnx')}part"]
    for name in others:
        (tmp_path / name).write_text("of others")
    with files.workshop(tmp_path / "a.onnx") as path:
        assert path.parent.parent == tmp_path and path.name == "a.onnx"
        with files.workshop(tmp_path / "a.onnx") as second:
            assert path.parent.is_dir() and second != path
        assert sorted(os.listdir(tmp_path)) == sorted([*others, path.parent.name])
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_arrays_are_unpacked_up_to_a_limit(tmp_path):
    path = tmp_path / "a.npz"
    np.savez_compressed(path, zeros=np.zeros(4 << 20, np.uint8), one=np.ones(3))
    assert path.stat().st_size < 1 << 16
    found = files.arrays(path, 5 << 20)
    assert found["zeros"].shape == (4 << 20,) and found["one"].tolist() == [1, 1, 1]
    with pytest.raises(InputError, match="unpacks to more than 3 MiB"):
        files.arrays(path, 3 << 20)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(files.BROKEN_ARRAYS):
        files.arrays(path, 5 << 20)
