"""apps/android compiles, and its core gives the reference's answers."""

import json
import re
import subprocess

import pytest

from edgewing import expression, models
from tests.apps import golden
from tests.apps.android.conftest import APP, COMPILER

FORBIDDEN = ("android", "com.google", "org.tensorflow")


@pytest.fixture
def run(java, compiled, tmp_path):
    def run(vectors, *models) -> subprocess.CompletedProcess:
        (tmp_path / "expression.json").write_text(json.dumps(expression.packed()))
        command = [java, "-cp", f"{compiled}:{COMPILER / 'kotlin-stdlib.jar'}", "GoldenKt"]
        command += [vectors, tmp_path / "expression.json", *models]
        return subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=120)

    return run


def test_golden_vectors_and_a_real_file(run):
    """Every vector of every kind, turned crops too; a sealed model, of which no bit may change."""
    file = models.path("edgewing-xs", "tflite")
    done = run(golden.FILE, file)
    assert done.returncode == 0, done.stderr
    counted = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    vectors = json.loads(golden.FILE.read_text())
    expected = {kind: len(ones) for kind, ones in vectors.items()} | {"edgewing-xs": file.stat().st_size}
    assert {name: int(count) for name, count in counted.items()} == expected


@pytest.mark.parametrize("kind", golden.FALSIFIED)
def test_another_answer_is_told(run, tmp_path, kind):
    """What compares must be able to fail."""
    (tmp_path / "wrong.json").write_text(json.dumps({kind: golden.falsified(kind)}))
    done = run(tmp_path / "wrong.json")
    assert done.returncode == 1 and f"{kind} 0: " in done.stderr


def test_the_core_needs_no_android():
    for file in (APP / "edgewing/src/main/kotlin/edgewing/core").glob("*.kt"):
        imports = re.findall(r"(?m)^import (\S+)", file.read_text())
        assert not [name for name in imports if name.startswith(FORBIDDEN)], file
