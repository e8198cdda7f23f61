"""Folders through links: all of them, each once, and none without a word."""

import pytest

from edgewing.errors import InputError
from train.data.walk import walk


def names(folder):
    return [(here.relative_to(folder).as_posix(), found) for here, found in walk(folder)]


def test_links_are_followed_once_and_loops_end(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/x.jpg").touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/y.jpg").touch()
    (tmp_path / "a/up").symlink_to(tmp_path / "a")
    (tmp_path / "a/c").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "a/d").symlink_to(tmp_path / "elsewhere")
    assert names(tmp_path / "a") == [(".", []), ("b", ["x.jpg"]), ("c", ["y.jpg"])]


def test_a_link_to_nothing_is_said(tmp_path):
    (tmp_path / "person9").symlink_to(tmp_path / "unmounted")
    with pytest.raises(InputError, match="person9: a link to something that is not there"):
        names(tmp_path)
