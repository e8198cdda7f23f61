"""Following and smoothing, as edgewing.tracking does them, on the same frames at the same times."""

import dataclasses
import json

import numpy as np
import pytest

from bench.web import clip
from edgewing import detection, tracking, web
from edgewing.landmarker import Landmarker
from tests.apps.web.test_detector import outputs

SIZE = {"width": 320, "height": 240}


@pytest.mark.parametrize("size", [40.0, 180.0])
def test_steady_points_are_pythons(ask, size):
    """At rest, moving, at uneven times, twice at one time, and after a long gap."""
    rng = np.random.default_rng(1)
    times = np.cumsum(np.r_[100.0, rng.uniform(0.01, 0.06, 30), 0.0, 0.03, 2.0, 0.03, 0.03])
    path = np.stack([50 * np.sin(times), 30 * times - 3000], axis=1)[:, None]
    samples = (path + rng.uniform(0, size, (1, 68, 2)) + rng.normal(0, 0.4, (len(times), 68, 2))).astype(np.float32)
    settings = tracking.settings().filter
    filtered = tracking.OneEuro(settings)
    expected = np.array([filtered(points, time, size) for points, time in zip(samples, times)])
    sent = [[points.ravel(), time, size] for points, time in zip(samples, times.tolist())]
    got = np.array(ask("steady", dataclasses.asdict(settings), sent)).reshape(expected.shape)
    assert np.abs(got - expected).max() < 1e-3
    assert np.abs(expected - samples).max() > 0.3, "the filter must have something to do"


class Listening:
    """Landmark runtime and detector of a real Landmarker, with what they were asked and what they answered."""

    def __init__(self, name: str):
        detector = detection.open(web.DETECTOR)
        finder = detector.find
        self.landmarker = Landmarker(name, detection.Detector(detector.name, self.find, detector.fit))
        self.finder, self.graph_run = finder, self.landmarker.runtime.graph.run
        self.landmarker.runtime.graph.run = self.run
        self.asked, self.faces, self.searches = [], [], []

    def find(self, image):
        self.searches.append(outputs(self.finder, image))
        return self.finder(image)

    def run(self, tensor):
        named = self.graph_run(tensor)
        self.asked.append(tensor.ravel().copy())
        self.faces.append({name: value.astype(np.float32) for name, value in named.items()})
        return named


def scenes():
    """A face that moves; gone; back elsewhere; then two; one leaves. (frame, time in s)."""
    blank = np.full((SIZE["height"], SIZE["width"], 3), 100, np.uint8)
    first, second = clip(12, 0, **SIZE), clip(12, 4, 160, 240)
    small = clip(12, 2, 160, 240)
    frames = [*first[:6], blank, blank, blank, *first[8:11]]
    frames += [np.hstack([one, other]) for one, other in zip(small[:8], second[:8])]
    frames += [np.hstack([one, blank[:, 160:]]) for one in small[8:12]]
    times = 10 + np.cumsum([0.12 + 0.07 * (number % 3) for number in range(len(frames))])
    return list(zip(frames, times.tolist()))


def test_tracks_are_pythons_frame_by_frame(ask):
    """With a threshold above what a network says of a grey ground, which differs from one to the next."""
    usual = tracking.settings()
    settings = dataclasses.replace(usual, track=dataclasses.replace(usual.track, least_kept=0.7))
    listening = Listening("edgewing-s")
    tracker = tracking.Tracker(listening.landmarker, settings)
    expected = [tracker(frame, time) for frame, time in scenes()]
    contract = json.loads(json.dumps(dataclasses.asdict(listening.landmarker.contract)))
    constants = web.constants() | {"tracking": dataclasses.asdict(settings)}
    got = ask("follow", contract, constants, scenes(), listening.faces, listening.searches)

    counts = [len(tracks) for tracks in expected]
    assert {0, 1, 2} <= set(counts) and len(listening.searches) < len(expected), counts
    assert got["searched"] == len(listening.searches)
    # every crop that the network was shown is the same, but for a grey level where a box is rounded the other way
    assert len(got["asked"]) == len(listening.asked)
    for ours, python in zip(got["asked"], listening.asked):
        assert np.abs(ours.astype(int) - python).max() <= 1
    for tracks, pythons in zip(got["tracks"], expected):
        assert [track["id"] for track in tracks] == [track.id for track in pythons]
        for track, python in zip(tracks, pythons):
            assert np.abs(track["landmarks"].reshape(-1, 2) - python.landmarks).max() < 1e-3
            assert np.abs(track["raw"].reshape(-1, 2) - python.face.landmarks).max() < 1e-3
            assert track["confidence"] == pytest.approx(python.confidence, abs=1e-5)
            assert track["age"] == pytest.approx(python.age, abs=1e-9)


def test_times_that_go_back_are_refused(ask):
    contract = json.loads(json.dumps(dataclasses.asdict(Landmarker("edgewing-s").contract)))
    blank = np.zeros((64, 64, 3), np.uint8)
    nothing = {"boxes": np.zeros((896, 16), np.float32), "scores": np.full(896, -9, np.float32)}
    with pytest.raises(RuntimeError, match="a frame of time 1 s after one of 2 s"):
        ask("follow", contract, web.constants(), [[blank, 2.0], [blank, 1.0]], [], [nothing, nothing])
