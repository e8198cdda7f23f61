"""Following and smoothing, as edgewing.camera.tracking does them, on the same frames at the same times."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from bench.time.browser import clip
from edgewing import detection, layouts, web
from edgewing.camera import tracking
from edgewing.landmarker import Landmarker
from tests.apps.web.test_detector import looks
from tests.edgewing.conftest import clock_contract, write_onnx
from tests.edgewing.test_landmarker import frame

SIZE = {"width": 320, "height": 240}


class Listening:
    """Landmark runtime and detector of a real Landmarker, with what they were asked and what they answered."""

    def __init__(self, name: str, detector: str = web.DETECTOR):
        detector = detection.open(detector)
        finder = detector.find
        self.landmarker = Landmarker(name, detection.Detector(detector.name, self.find, detector.fit))
        self.finder, self.graph_run = finder, self.landmarker.runtime.graph.run
        self.landmarker.runtime.graph.run = self.run
        self.asked, self.faces, self.searches = [], [], []

    def find(self, image):
        if self.finder is detection.whole:
            return self.finder(image)
        found, made = looks(self.finder, image)
        self.searches += made
        return found

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


def check_tracks(
    ask, listening: Listening, scenes: list, settings: tracking.Settings, most: int = 1
) -> list[list[tracking.Track]]:
    """Python's tracks of the scenes, after they were compared with the page's. most: grey levels."""
    tracker = tracking.Tracker(listening.landmarker, settings)
    expected = [tracker(frame, time) for frame, time in scenes]
    contract = json.loads(json.dumps(dataclasses.asdict(listening.landmarker.contract)))
    constants = web.constants(listening.landmarker.contract.layout) | {"tracking": dataclasses.asdict(settings)}
    got = ask("follow", contract, constants, scenes, listening.faces, listening.searches)
    assert got["searched"] == len(listening.searches)
    # every crop that the network was shown is the same, but for a grey level where a box is rounded the other way
    assert len(got["asked"]) == len(listening.asked)
    for ours, python in zip(got["asked"], listening.asked):
        off = np.abs(ours.astype(int) - python)
        assert off.max() <= most and off.mean() < 0.1
    for tracks, pythons in zip(got["tracks"], expected):
        assert [track["id"] for track in tracks] == [track.id for track in pythons]
        for track, python in zip(tracks, pythons):
            assert np.abs(track["landmarks"].reshape(-1, 2) - python.landmarks).max() < 1e-3
            assert np.abs(track["raw"].reshape(-1, 2) - python.face.landmarks).max() < 1e-3
            assert track["confidence"] == pytest.approx(python.confidence, abs=1e-5)
            assert track["age"] == pytest.approx(python.age, abs=1e-9)
            assert track["there"] == python.face.there.tolist()
    return expected


def test_tracks_are_pythons_frame_by_frame(ask):
    """With a threshold above what a network says of a grey ground, which differs from one to the next."""
    usual = tracking.settings()
    settings = dataclasses.replace(usual, track=dataclasses.replace(usual.track, least_kept=0.7))
    listening = Listening("edgewing-s")
    expected = check_tracks(ask, listening, scenes(), settings)
    counts = [len(tracks) for tracks in expected]
    assert {0, 1, 2} <= set(counts) and len(listening.searches) < len(expected), counts


@pytest.mark.parametrize("degrees", [37, 90, 180, -100])
def test_a_rolled_face_is_looked_at_turned_as_in_python(ask, degrees):
    """It is found, and followed while it turns further. In a turned crop every pixel has its own place, in 1/32 px:
    where the last bit of the turn differs some are rounded the other way, which at an edge is a few levels."""
    listening = Listening("edgewing-s")
    face = clip(1, 0, **SIZE)[0]
    frames = []
    for number in range(6):
        about = cv2.getRotationMatrix2D((159.5, 119.5), -degrees - 8 * number, 0.9)
        frames.append(cv2.warpAffine(face, about, (SIZE["width"], SIZE["height"]), borderValue=(100, 100, 100)))
    expected = check_tracks(ask, listening, list(zip(frames, (np.arange(6) / 10).tolist())), tracking.settings(), 8)
    turns = [track.face.crop.turn for (track,) in expected]
    away = np.degrees(turns) - (np.array(degrees) + 8 * np.arange(6))
    assert np.abs((away + 180) % 360 - 180).max() < 45 and np.ptp(turns) > 0


def test_an_object_is_followed_as_in_python(ask, tmp_path):
    """Looked for in the whole picture; it moves, loses a point, goes, and comes back elsewhere."""
    contract = clock_contract()
    path = write_onnx(tmp_path / "clock.onnx", contract)
    frames = [frame([((70 + 3 * n, 60), (150 + 3 * n, 140))]) for n in range(12)]
    frames[5] = np.stack([frames[5][..., 0], frames[5][..., 1], frames[5][..., 2] // 5], axis=2)
    frames[8:10] = [frame([])] * 2
    listening = Listening(str(path), "whole")
    expected = check_tracks(ask, listening, list(zip(frames, (np.arange(12) / 3).tolist())), tracking.settings(False))
    assert [len(tracks) for tracks in expected] == [1] * 5 + [0] + [1] * 2 + [0, 0, 1, 1] and not listening.searches


def test_points_that_are_not_there_count_as_little_as_in_python(ask, tmp_path):
    """With a model of eight points, of which scores say that four are there."""
    rng = np.random.default_rng(0)
    contract = clock_contract().replace(
        layout=layouts.Layout("clock-8", 8, object="clock"),
        outputs=[
            dataclasses.replace(output, shape=[1, 8, 2] if output.meaning == "landmarks" else [1, 8])
            for output in clock_contract().outputs
        ],
    )
    listening = Listening(str(write_onnx(tmp_path / "clock.onnx", clock_contract())), "whole")
    listening.landmarker.runtime.contract = contract
    listening.graph_run = lambda tensor: {
        "landmarks": (rng.uniform(-1, 1, (1, 8, 2)) + [[[8, 8], [24, 8], [8, 24], [24, 24]] + [[99, 1]] * 4]).astype(
            "f"
        ),
        "scores": np.array([[0.9, 0.8, 0.7, 0.9, 0.1, 0.2, 0.1, 0.2]], np.float32),
    }
    blank = np.zeros((240, 320, 3), np.uint8)
    expected = check_tracks(ask, listening, [(blank, n / 30) for n in range(9)], tracking.settings(False))
    assert [len(tracks) for tracks in expected] == [1] * 9
    assert expected[8][0].confidence == pytest.approx(0.825) and expected[8][0].id == 0


def test_times_that_go_back_are_refused(ask):
    contract = json.loads(json.dumps(dataclasses.asdict(Landmarker("edgewing-s").contract)))
    blank = np.zeros((64, 64, 3), np.uint8)
    nothing = {"boxes": np.zeros((896, 16), np.float32), "scores": np.full(896, -9, np.float32)}
    with pytest.raises(RuntimeError, match="a frame of time 1 s after one of 2 s"):
        ask(
            "follow",
            contract,
            web.constants(layouts.get("300w-68")),
            [[blank, 2.0], [blank, 1.0]],
            [],
            [nothing, nothing],
        )
