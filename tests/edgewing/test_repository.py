"""Which commit a row and a contract name: that of this code, or none."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from edgewing import repository, rows


def git(folder, *words):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    return subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def clone(tmp_path):
    """A small clone of ours: a package, results and a run."""
    root = tmp_path / "clone"
    (root / "edgewing").mkdir(parents=True)
    (root / "bench/results").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "edgewing"\n')
    (root / "edgewing/a.py").write_text("a = 1\n")
    (root / "bench/results/rows.jsonl").write_text("{}\n")
    git(tmp_path, "init", "-q", root)
    git(root, "add", ".")
    git(root, "commit", "-qm", "first")
    return root


def known(root):
    repository.commit.cache_clear()
    return repository.commit(root)


def test_the_commit_and_what_counts_as_changed(clone):
    head = git(clone, "rev-parse", "HEAD").strip()
    assert known(clone) == {"commit": head, "dirty": False}
    (clone / "bench/results/rows.jsonl").write_text("{}\n{}\n")
    (clone / "runs").mkdir()
    (clone / "runs/log").write_text("a run")
    assert known(clone)["dirty"] is False
    (clone / "edgewing/new.py").write_text("b = 1\n")
    assert known(clone) == {"commit": head, "dirty": True}


def test_a_copy_in_another_repository_has_no_commit(clone, tmp_path):
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", other)
    for place in (other, other / "vendor"):
        shutil.copytree(clone / "edgewing", place / "edgewing")
    (other / "pyproject.toml").write_text('[project]\nname = "other"\n')
    shutil.copy(clone / "pyproject.toml", other / "vendor")
    git(other, "add", ".")
    git(other, "commit", "-qm", "theirs")
    for place in (other, other / "vendor", tmp_path / "nowhere"):
        assert known(place) == {"commit": "", "dirty": None}


def test_variables_of_git_name_no_other_repository(clone, tmp_path, monkeypatch):
    head = known(clone)["commit"]
    other = tmp_path / "other"
    git(tmp_path, "init", "-q", other)
    git(other, "commit", "-qm", "theirs", "--allow-empty")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    assert known(clone)["commit"] == head


def test_rows_and_contracts_say_the_same():
    repository.commit.cache_clear()
    row = rows.header("latency", {}, {}, "")
    assert repository.short().rstrip("+") == row["commit"][:12]
    assert repository.short().endswith("+") == bool(row["dirty"])
    assert os.path.samefile(repository.ROOT, Path(__file__).parents[2])
