"""Digests of files: remembered as long as nobody touched the file, and not a moment longer."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from train.data.contents import INDEX, Contents

ROOT = Path(__file__).parents[3]


@pytest.fixture
def files(tmp_path):
    (tmp_path / "files").mkdir()
    found = [tmp_path / "files" / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(found):
        path.write_bytes(bytes([number]) * 1000)
    return found


def digests(root, paths, settled=0.0):
    """Their digests, and how many files were read for them."""
    with Contents(root, settled) as contents:
        return [contents.digest(path) for path in paths], contents.files_read


def true(paths):
    return [hashlib.sha256(path.read_bytes()).digest() for path in paths]


def test_what_nobody_touched_is_read_once(tmp_path, files):
    assert digests(tmp_path / "cache", files) == (true(files), 5)
    assert digests(tmp_path / "cache", files) == (true(files), 0)
    assert digests(None, files) == (true(files), 5)


def test_bytes_that_change_under_the_same_size_and_time(tmp_path, files):
    digests(tmp_path, files)
    times = os.stat(files[1])
    files[1].write_bytes(b"x" * 1000)
    os.utime(files[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    os.replace(files[2], files[3])  # another file under an old name
    paths = [files[0], files[1], files[3]]
    assert digests(tmp_path, paths) == (true(paths), 2)


def test_a_file_that_changed_a_moment_ago_is_not_remembered(tmp_path, files):
    for _ in range(2):
        assert digests(tmp_path, files, settled=1e6) == (true(files), 5)


def test_a_file_of_many_samples_is_read_once(tmp_path, files):
    assert digests(tmp_path, [files[0]] * 40, settled=1e6)[1] == 1


def test_a_missing_file_has_none(tmp_path):
    assert digests(tmp_path, [tmp_path / "gone", tmp_path]) == ([b"", b""], 0)


def test_a_broken_index_is_made_anew(tmp_path, files):
    for content in (b"", b"SQLite format 3\0" + bytes(5000), b"rubbish" * 1000):
        (tmp_path / INDEX).write_bytes(content)
        assert digests(tmp_path, files) == (true(files), 5)
        assert digests(tmp_path, files) == (true(files), 0)


def test_no_place_for_an_index_is_no_error(tmp_path, files):
    assert digests(files[0] / "cache", files) == (true(files), 5)


def test_an_index_that_another_process_holds_is_no_error(tmp_path, files):
    digests(tmp_path, files[:2])
    code = (
        "import sqlite3, sys; held = sqlite3.connect(sys.argv[1])\nheld.execute('BEGIN EXCLUSIVE')\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / INDEX)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as holder:
        assert holder.stdout.readline() == b"held\n"
        with Contents(tmp_path, settled=0, patience=0.01) as contents:
            assert [contents.digest(path) for path in files] == true(files)
        holder.stdin.close()
    assert digests(tmp_path, files)[0] == true(files)
