"""The Kotlin of apps/android, compiled: its core as it is, its Android classes against stubs of the signatures."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
APP = HERE.parents[2] / "apps/android"
COMPILER = HERE / "node_modules/kotlin-compiler/lib"
PARTS = ("compiler", "stdlib", "script-runtime", "reflect", "daemon")


@pytest.fixture(scope="session")
def java() -> str:
    found = shutil.which("java")
    if found is None:
        pytest.skip("needs Java (Debian package default-jre-headless)")
    if not COMPILER.is_dir():
        pytest.skip("needs the Kotlin compiler, an npm package of 90 MB: make kotlin")
    return found


@pytest.fixture(scope="session")
def compiled(java, tmp_path_factory) -> Path:
    """Classes of the library, the sample and Golden.kt, in one run of the compiler, whose start takes longest."""
    folder = tmp_path_factory.mktemp("kotlin")
    stubs = []
    for number, part in enumerate(re.split(r"(?m)^(?=package )", (HERE / "stubs.txt").read_text())[1:]):
        stubs.append(folder / f"Stub{number}.kt")
        stubs[-1].write_text(part)
    sources = [APP / "edgewing/src/main/kotlin", APP / "sample/src/main/kotlin", HERE / "Golden.kt", *stubs]
    jars = [*(f"kotlin-{part}" for part in PARTS), "annotations-13.0"]
    compiler = ":".join(str(COMPILER / f"{jar}.jar") for jar in jars)
    command = [java, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", compiler]
    command += ["org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-reflect", "-no-stdlib"]
    command += ["-cp", COMPILER / "kotlin-stdlib.jar", "-d", folder / "classes", *sources]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if "warning:" in line and "Stub" not in line]
    assert not ours, "\n".join(ours)
    return folder / "classes"
