"""Faces that are drawn as a network trains: which ones depends on seed and step alone."""

import itertools

import numpy as np
import pytest

from edgewing import layouts
from train.data import drawn
from train.data.cache import CONTEXT, cut
from train.data.drawn.fresh import Fresh

FRESH = Fresh("cartoons", "aflw-19", 64, batch=4, seed=3)


def taken(*arguments, **named) -> list[tuple]:
    return list(FRESH.batches(*arguments, **named))


@pytest.fixture(scope="module")
def whole():
    return taken(0, 3, processes=1)


def test_a_step_has_the_same_faces_wherever_one_starts_and_whoever_draws(whole):
    for others in (taken(1, 3, processes=3), taken(2, 3, processes=1)):
        for expected, found in zip(whole[3 - len(others) :], others, strict=True):
            assert expected[0] == found[0]
            assert all(np.array_equal(a, b) for a, b in zip(expected[1:], found[1:], strict=True))


def test_workers_share_a_step(whole):
    for rank in (0, 1):
        (found,) = taken(1, 2, share=(rank, 2), processes=1)
        assert all(np.array_equal(a[rank::2], b) for a, b in zip(whole[1][1:], found[1:], strict=True))


def test_they_are_faces_as_a_cache_has_them(whole):
    step, images, landmarks, visibility = whole[1]
    assert images.shape == (4, 64, 64, 3) and landmarks.shape == (4, 19, 2) and visibility.tolist() == [[2] * 19] * 4
    face = drawn.paint(FRESH.numbers(step)[0], "cartoons", "aflw-19")
    image, points = cut(face, layouts.get("aflw-19"), 64, CONTEXT, "gtbox")
    assert np.abs(images[0].astype(int) - image).mean() < 0.5  # OpenCV rounds otherwise with other threads
    assert np.abs(landmarks[0] - points).max() < 1e-3


def test_no_face_comes_twice_and_none_is_of_those_that_measure():
    seeds = (0, 1, 2**31 - 1)
    made = [(seed, step) for seed in seeds for step in (0, 1, 2, 10**9 - 1)]
    ranges = [Fresh("heads", "300w-68", 240, 2**16, seed).numbers(step) for seed, step in made]
    for a, b in itertools.combinations(ranges, 2):
        assert max(a.start, b.start) >= min(a.stop, b.stop)
    last = drawn._numbers(10**7, 2**31 - 1)
    assert min(r.start for r in ranges) > last.stop


def test_who_stops_listening_is_not_waited_for():
    """More steps were ordered than are taken: closing gives the processes back."""
    batches = FRESH.batches(0, 10**6, processes=1)
    assert next(batches)[0] == 0
    batches.close()
