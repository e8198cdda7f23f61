"""Quiet for some threads of a process, and its streams afterwards."""

import subprocess
import sys

THREADS = """
import os, threading
from edgewing import notices
inside, out = threading.Barrier(2), threading.Barrier(2)
def first():
    with notices.quiet():
        inside.wait()
        os.write(2, b"first")
    out.wait()
def second():
    with notices.quiet():
        inside.wait()
        out.wait()  # the first has left
        os.write(2, b"second")
both = [threading.Thread(target=one) for one in (first, second)]
[one.start() for one in both], [one.join() for one in both]
os.write(2, b"after")
"""


def test_the_first_thread_makes_it_quiet_and_the_last_one_ends_it():
    done = subprocess.run([sys.executable, "-c", THREADS], capture_output=True, check=True)
    assert done.stderr == b"after"
