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


def test_a_service_may_have_no_stderr():
    code = """
import os, sys
os.close(2)
sys.stderr = None
from edgewing import notices
with notices.quiet():
    pass
with notices.quiet(1, 2):
    print("inside", flush=True)
print("after", flush=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"after\n"


def test_writing_a_picture_silences_no_other_thread(tmp_path):
    code = """
import os, sys, threading, time
import numpy as np
from edgewing import images
image = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
def speak():
    for _ in range(200):
        os.write(2, b"x")
        time.sleep(0.001)
thread = threading.Thread(target=speak)
thread.start()
while thread.is_alive():
    images.write(sys.argv[1], image)
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.png"], capture_output=True, check=True)
    assert done.stderr == 200 * b"x"
