"""Libraries say nothing while they work, in C or in Python, and what is said before and after arrives."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
TALK = """
import logging, os, sys, warnings
from edgewing import notices
from targets.progress import silence

def talk(words):
    print(words)
    print(words, file=sys.stderr)
    sys.stdout.flush()
    os.write(1, f"{words} in C\\n".encode())
    os.write(2, f"{words} in C\\n".encode())
    logging.getLogger("some.library").error(words)
    warnings.warn(words)
"""


def said(code):
    """Standard output and error, in a process of its own: here pytest stands between Python and both."""
    done = subprocess.run([sys.executable, "-c", TALK + code], cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def test_silence_is_of_all_ways_to_say_something_and_ends():
    out, err = said("""
try:
    with silence():
        talk("inside")
        raise ValueError
except ValueError:
    talk("after")
""")
    assert out == "after\nafter in C\n"
    assert err.count("after") == 4 and "inside" not in err  # print, C, log, warning


def test_debug_is_not_silent():
    out, err = said("with silence(debug=True): talk('inside')")
    assert out == "inside\ninside in C\n" and "inside in C" in err


def test_quiet_is_of_stderr_alone():
    out, err = said("with notices.quiet(): talk('inside')")
    assert out == "inside\ninside in C\n" and err == ""
