"""BlazeFace's outputs to boxes, as Python does it; the network's answers are those of the real one."""

import numpy as np
import pytest

from bench.time.browser import clip
from edgewing import detection, layouts, web


def looks(finder, image):
    """What the network itself answers in each look: (A, 16) boxes and (A,) scores before the sigmoid."""
    network, made = finder.network, []

    def asked(square):
        boxes, scores = network(square)
        made.append({"boxes": boxes.copy(), "scores": scores.copy()})
        return boxes, scores

    finder.network = asked
    try:
        return finder(image), made
    finally:
        finder.network = network


@pytest.fixture(scope="module")
def detector():
    return detection.open(web.DETECTOR)


@pytest.mark.parametrize("shape", [(640, 480), (360, 640), (250, 120)])
def test_boxes_are_pythons(ask, detector, shape):
    left, right = (clip(3, seed, 360, 360)[1] for seed in (1, 4))
    image = np.full((*shape, 3), 110, np.uint8)
    pair = np.hstack([left, right])
    image[: min(360, shape[0]), : min(720, shape[1])] = pair[: shape[0], : shape[1]]
    expected, (_, made) = detector(image), looks(detector.find, image)
    got = ask("find", web.constants(layouts.get("300w-68"))["detector"], made, image)
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert np.abs(np.array(one["box"]) - other.box).max() < 1e-3
        assert one["score"] == pytest.approx(other.score, abs=1e-6)
    if shape == (360, 640):
        assert expected, "a test without a face finds nothing out"


def test_finds_of_one_face_are_blended(ask):
    rng = np.random.default_rng(5)
    centres = np.repeat(rng.uniform(20, 100, (4, 2)), 5, axis=0) + rng.normal(0, 3, (20, 2))
    half = rng.uniform(8, 15, (20, 2))
    boxes = np.hstack([centres - half, centres + half])
    boxes[0, 2:] = boxes[0, :2]  # without area
    scores = rng.uniform(0.5, 1, 20)
    expected = detection.merge(boxes, scores)
    sent = [{"box": box, "score": score} for box, score in zip(boxes.tolist(), scores.tolist())]
    got = ask("detector.merge", sent, detection.SAME_FACE)
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert np.allclose(one["box"], other.box) and one["score"] == pytest.approx(other.score)


def test_anchors_of_every_blazeface(ask):
    for name, anchors in detection.BLAZEFACE.items():
        count = len(anchors.centres)
        raw = np.zeros((count, 16), np.float32)
        raw[:, 2:4] = 1.0
        for index in (0, count // 3, count - 1):
            scores = np.full(count, -9, np.float32)
            scores[index] = 9
            settings = {"side": anchors.side, "cells": anchors.cells, "least": anchors.least, "same": 0.3}
            settings |= {"close": 1}
            settings |= {"name": name, "fit": {"shift": [0, 0], "scale": [1, 1]}}
            black = np.zeros((anchors.side, anchors.side, 3), np.uint8)
            (found,) = ask("find", settings, [{"boxes": raw, "scores": scores}], black)
            assert np.allclose(found["box"][:2], anchors.centres[index] - 0.5 - 0.5), (name, index)
