import numpy as np

from train.stream import Stream


def test_every_face_once_per_epoch_in_another_order():
    stream = Stream(np.arange(10, 30), np.ones(20), batch=4, seed=1)
    seen = np.concatenate([stream.faces(step) for step in range(10)])
    assert sorted(seen[:20]) == sorted(seen[20:]) == list(range(10, 30))
    assert list(seen[:20]) != list(seen[20:])


def test_weights_repeat_faces():
    stream = Stream(np.arange(2), np.array([3.0, 0.5]), batch=7, seed=0)
    seen = np.concatenate([stream.faces(step) for step in range(200)])
    assert 5.3 < (seen == 0).sum() / (seen == 1).sum() < 6.8  # 3 : 0.5


def test_any_step_is_the_same_from_wherever_one_starts():
    make = lambda: Stream(np.arange(13), np.full(13, 1.3), batch=5, seed=3)  # noqa: E731
    forward = make()
    steps = [forward.faces(step) for step in range(30)]
    late = make()
    assert np.array_equal(late.faces(29), steps[29])
    assert np.array_equal(late.faces(2), steps[2])


def test_batches_longer_than_an_epoch_and_steps():
    stream = Stream(np.arange(3), np.ones(3), batch=8, seed=0)
    assert sorted(stream.faces(0)) == sorted([0, 1, 2] * 2 + list(stream.faces(0)[6:]))
    assert stream.steps(16) == 6
