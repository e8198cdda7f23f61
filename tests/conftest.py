"""One thread for every test and the processes it starts: tiny networks gain nothing from more, and on a busy machine
threads that wait for one another take many times longer. And no telemetry of the libraries under test."""

import os
import sys

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # as edgewing does: some tests import onnxruntime before it
# As in an environment that was activated: printed commands have the names python and edgewing there.
os.environ["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)])


@pytest.fixture(autouse=True)
def notices_are_new():
    """What is said once in a process is said once in a test, whichever tests ran before."""
    from edgewing import notices

    notices._told.clear()


SHARED = ("tests/targets/test_", "tests/apps/web/")  # one export, one build of the page


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where several processes run the tests, a file's run in one, for they share what it made; so do SHARED's."""
    from xdist.scheduler import LoadScopeScheduling

    class Files(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return next((start for start in SHARED if nodeid.startswith(start)), nodeid.split("::")[0])

    return Files(config, log)
