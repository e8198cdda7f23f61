"""What a run says of the machine that it runs on."""

import pytest

from train.log import crowded


@pytest.mark.parametrize(
    ("load", "cores", "threads", "warns"),
    [(2.0, 2, 2, False), (3.1, 2, 2, True), (9.0, 2, 1, False), (7.9, 8, 8, False), (12.0, 8, 4, True)],
)
def test_threads_that_must_share_their_cores_are_told_of(load, cores, threads, warns):
    line = crowded(load, cores, threads)
    assert bool(line) == warns
    if warns:
        assert "OMP_NUM_THREADS=1" in line and "\n" not in line
