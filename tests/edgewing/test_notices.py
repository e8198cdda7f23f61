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


AS_ON_WINDOWS = """
import os, signal, sys
del signal.SIGKILL, signal.SIGHUP, os.fchmod
sys.modules |= {"resource": None, "fcntl": None}
import edgewing.cli, edgewing.doctor, edgewing.camera.app, edgewing.camera.streams, edgewing.measure
from edgewing import files
files.write("a.txt", b"1")
"""


def test_what_windows_lacks_is_not_needed(tmp_path):
    subprocess.run([sys.executable, "-c", AS_ON_WINDOWS], cwd=tmp_path, check=True)
    assert (tmp_path / "a.txt").read_bytes() == b"1"
