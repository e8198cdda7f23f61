"""apps/android brings Gradle's wrapper, so that nobody has to install Gradle: the published jar, and it starts."""

import hashlib
import os
import shutil
import subprocess

import pytest

from tests.apps.android.conftest import APP

PUBLISHED = "55243ef57851f12b070ad14f7f5bb8302daceeebc5bce5ece5fa6edb23e1145c"  # of 9.4.1, gradle.org/release-checksums
PROPERTIES = "gradle/wrapper/gradle-wrapper.properties"


def test_the_jar_is_the_published_one_of_the_version_that_is_fetched():
    assert hashlib.sha256((APP / "gradle/wrapper/gradle-wrapper.jar").read_bytes()).hexdigest() == PUBLISHED
    assert "/gradle-9.4.1-bin.zip\n" in (APP / PROPERTIES).read_text()


@pytest.mark.skipif(os.name != "posix", reason="gradlew is for a POSIX shell")
def test_another_gradle_than_the_published_one_is_not_started(tmp_path):
    if shutil.which("java") is None:
        pytest.skip("needs Java (Debian package default-jre-headless)")
    shutil.copytree(APP / "gradle", tmp_path / "gradle")
    shutil.copy(APP / "gradlew", tmp_path)
    (tmp_path / "gradle-9.4.1-bin.zip").write_bytes(b"something else")
    properties = (tmp_path / PROPERTIES).read_text()
    (tmp_path / PROPERTIES).write_text(
        properties.replace("https\\://services.gradle.org/distributions", f"file:{tmp_path}")
    )
    where = {**os.environ, "GRADLE_USER_HOME": str(tmp_path / "home")}
    done = subprocess.run([tmp_path / "gradlew", "--version"], env=where, capture_output=True, text=True, timeout=120)
    assert done.returncode and "Verification of Gradle distribution failed!" in done.stderr, done.stderr
