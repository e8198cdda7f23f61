"""A drawn head that moves: one person before a camera that stands still."""

import numpy as np
import pytest

pytest.importorskip("numba", reason="no numba; pip install -r requirements/dev.txt")

from train.data.drawn.heads import moving


def test_the_head_moves_and_the_ground_stands_still():
    first, second, third = (frame.astype(int) for frame in moving.frames(80, 3))
    corner, middle = np.s_[:20, :20], np.s_[60:180, 60:180]
    for other in (second, third):
        assert abs(first[corner] - other[corner]).mean() < 12  # the exposure is for the face
        assert abs(first[middle] - other[middle]).mean() > 8
    assert abs(second[middle] - third[middle]).mean() > 8


def test_the_last_frame_goes_over_into_the_first():
    frames = [frame.astype(int) for frame in moving.frames(80, 90)]
    steps = [abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1])]
    assert steps[-1] < 1.5 * max(steps[:-1])
