"""A terminal has one line that gives the cursor back; a log has lines of its own, and nothing of it."""

import os
import pty
import subprocess
import sys

import pytest

CODE = """
from train.progress import ProgressLine
from targets.progress import Progress, silence
line = ProgressLine("cut out", 3)
line.tell(done=2)
print("said meanwhile")
line.tell("step 3", 3)
with Progress("tflite int8") as say, silence():
    say("converting")
    print("the library talks")
{end}
"""


@pytest.mark.parametrize(("end", "code"), [("line.close()", 0), ("raise KeyError", 1)])
@pytest.mark.parametrize("terminal", ["xterm", "dumb"])
def test_on_a_terminal(end, code, terminal):
    ours, theirs = pty.openpty()
    words, env = [sys.executable, "-c", CODE.format(end=end)], {**os.environ, "TERM": terminal}
    child = subprocess.Popen(words, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    text = b""
    while part := _read(ours):
        text += part
    assert child.wait() == code
    assert b"said meanwhile" in text and text.count(b"Traceback") == code, text
    assert b"tflite int8: converting" in text
    if terminal == "xterm":
        assert text.count(b"\x1b[?25h") >= text.count(b"\x1b[?25l") >= 2, text
        assert b"cut out" in text and b"step 3" in text
    assert b"the library talks" not in text


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux' way to say that the other end is closed
        return b""


def test_in_a_log():
    done = subprocess.run([sys.executable, "-c", CODE.format(end="line.close()")], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("said meanwhile\n", "tflite int8: converting\n")
