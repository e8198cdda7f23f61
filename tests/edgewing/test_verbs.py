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


def test_ctrl_c_while_a_verb_is_still_read_is_one_line():
    code = """if True:
        import os, signal, sys
        from bench.__main__ import main
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has it ignored
        class Pressed:
            def find_spec(self, name, path=None, target=None):
                if name == "rich":
                    os.kill(os.getpid(), signal.SIGINT)
        sys.meta_path.insert(0, Pressed())
        main(["accuracy", "--model", "edgewing-s", "--data", "faces"])
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
