"""What type checkers and editors see of the package: public modules are sound, and its lazy names have their types."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import edgewing

landmarker = edgewing.Landmarker("edgewing-s")
picture = edgewing.read_image("face.png")
reveal_type(landmarker(picture)[0].landmarks)
reveal_type(landmarker([picture, "face.png"]))
for frame, faces in edgewing.stream(0, landmarker):
    reveal_type(faces[0].pose)
reveal_type(edgewing.Tracker(landmarker)(picture, 0.0))
"""


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    cache = tmp_path_factory.mktemp("mypy")

    def run(*words):
        command = [sys.executable, "-m", "mypy", "--cache-dir", str(cache), *words]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250)
        assert done.returncode < 2, done.stderr
        return done.stdout

    return run


def test_the_public_modules_are_sound(mypy):
    assert "Success: no issues found" in (said := mypy()), said


def test_a_program_sees_types_and_its_mistakes(mypy, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM + "landmarker(5)\n")
    said = mypy(str(program))
    assert '"numpy.ndarray[' in said and '"list[edgewing.camera.tracking.Track]"' in said, said
    assert '"list[edgewing.faces.Faces]"' in said and '"edgewing.expression.Pose | None"' in said, said
    assert 'matches argument type "int"' in said and "Found 1 error" in said, said
