"""Verbs are imported when they are typed: what is missing then is one line, too."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("words", [["accuracy", "--help"], ["accuracy", "--model", "edgewing-s"]])
def test_a_package_that_is_not_installed(words):
    code = f"import sys; sys.modules['rich'] = None\nfrom bench.__main__ import main\nmain({words})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "error: the package rich is not installed; in the repository type: make install\n"
