"""apps/ios compiles, and its core gives the reference's answers: `make swift`. What touches Apple's frameworks is
compiled against stubs of their signatures, and has never run."""

import json
import re

import pytest

from edgewing import expression
from tests import debian
from tests.apps import golden
from tests.apps.ios import swift

HERE = swift.REPOSITORY / "tests/apps/ios"
APP = swift.REPOSITORY / "apps/ios"
MODULE = """import Foundation
extension Bundle { static var module: Bundle { fatalError() } } // SwiftPM writes it
"""
pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


def sources(folder: str) -> list[str]:
    found = sorted((APP / folder).glob("*.swift"))
    assert found
    return [f"/repository/{file.relative_to(swift.REPOSITORY)}" for file in found]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Where programs and modules of the compiler go, EdgewingCore among them."""
    try:
        swift.install()
    except debian.Unavailable as reason:
        pytest.skip(f"no Swift here: {reason}")
    folder = tmp_path_factory.mktemp("swift")
    module(folder, "EdgewingCore", *sources("Sources/EdgewingCore"), "-O", "-emit-library", "-static")
    return folder


def module(out, name: str, *words: str) -> None:
    """Compile one that others import."""
    given = ["swiftc", "-parse-as-library", "-module-name", name, "-I", "/out", *words]
    given += ["-emit-module", "-emit-module-path", f"/out/{name}.swiftmodule", "-o", f"/out/lib{name}.a"]
    done = swift.run(out, *given)
    assert done.returncode == 0 and "warning:" not in done.stderr, done.stderr


@pytest.fixture(scope="module")
def program(out):
    (out / "main.swift").write_text((HERE / "Golden.swift").read_text())
    words = ["-module-name", "main", "-I", "/out", "-L", "/out", "-lEdgewingCore", "-o", "/out/golden"]
    done = swift.run(out, "swiftc", "/out/main.swift", *words)
    assert done.returncode == 0, done.stderr
    return out


def answers(program, vectors: str):
    (program / "expression.json").write_text(json.dumps(expression.packed()))
    return swift.run(program, "/out/golden", vectors, "/out/expression.json")


def test_golden_vectors(program):
    """Every vector of every kind, turned crops too."""
    done = answers(program, f"/repository/{golden.FILE.relative_to(swift.REPOSITORY)}")
    assert done.returncode == 0, done.stdout + done.stderr
    counted = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    vectors = json.loads(golden.FILE.read_text())
    expected = {kind: len(ones) for kind, ones in vectors.items()}
    assert {name: int(count) for name, count in counted.items()} == expected


@pytest.mark.parametrize("kind", golden.FALSIFIED)
def test_another_answer_is_told(program, kind):
    """What compares must be able to fail."""
    (program / "wrong.json").write_text(json.dumps({kind: golden.falsified(kind)}))
    done = answers(program, "/out/wrong.json")
    assert done.returncode == 1 and f"{kind} 0: " in done.stdout


def test_the_library_and_the_sample_compile_against_stubs(out):
    stubs = re.split(r"(?m)^// module (\w+)\n", (HERE / "stubs.txt").read_text())
    for name, text in zip(stubs[1::2], stubs[2::2]):
        (out / f"{name}.swift").write_text(text)
        module(out, name, f"/out/{name}.swift")
    module(out, "Edgewing", *sources("Sources/Edgewing"))
    (out / "Module.swift").write_text(MODULE)
    module(out, "App", *sources("Sample/App"), "/out/Module.swift")
