"""Files appear whole or not at all."""

import os

import pytest

from edgewing import files
from edgewing.errors import InputError


def test_write_replaces_and_leaves_nothing_behind(tmp_path):
    path = tmp_path / "a.json"
    files.write(path, b"old")
    files.write(path, b"new")
    assert path.read_bytes() == b"new" and os.listdir(tmp_path) == ["a.json"]


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        files.write(tmp_path / "folder", b"x")  # renaming a file onto a folder fails at the last moment
    assert os.listdir(tmp_path) == ["folder"]
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
