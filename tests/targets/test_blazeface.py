"""The detector for iOS finds what the .tflite finds."""

import numpy as np
import pytest
import torch

from edgewing import detection, images
from targets import blazeface
from targets.coreml_evaluator import Program

SHORT = detection.BLAZEFACE["blazeface-short"]


@pytest.fixture(scope="module")
def program():
    """The committed package, operation by operation."""
    import coremltools as ct

    return Program(ct.models.MLModel(str(blazeface.PACKAGE), skip_model_load=True))


@pytest.fixture(scope="module")
def given():
    """Pictures as the network takes them: with one face, with several, with faces that are too small for it, noise."""
    docs = blazeface.PACKAGE.parents[2] / "docs"
    many = images.read_image(docs / "faces.jpg")
    shown = [images.read_image(docs / "portrait.jpg"), many[:, :400], many]
    shown.append(np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    return [detection.fit_into_square(one, SHORT.side)[0][None].astype(np.float32) / 127.5 - 1 for one in shown]


def test_in_torch_it_is_the_file(given):
    network, reference = blazeface.BlazeFace(SHORT.path), detection.BlazeFace(SHORT).network
    for picture in given:
        boxes, scores = reference(picture)
        with torch.no_grad():
            raw = dict(zip(blazeface.OUTPUTS, network(torch.from_numpy(picture))))
        # of anchors without a face it says thousands of px
        assert np.allclose(raw["regressors"][0].numpy(), boxes, rtol=1e-4, atol=1e-3)
        assert np.allclose(raw["classificators"][0, :, 0].numpy(), scores, rtol=1e-4, atol=1e-3)


def test_the_package_finds_the_same_faces(program, given):
    """In half precision: boxes to 0.02 px of 128."""
    reference, counts = detection.BlazeFace(SHORT), []
    for picture in given:
        raw = program.run(torch.from_numpy(picture))
        answers = ((raw["regressors"][0], raw["classificators"][0, :, 0]), reference.network(picture))
        ours, expected = (reference.decode(boxes, sure(scores)) for boxes, scores in answers)
        assert len(ours) == len(expected)
        counts.append(len(ours))
        for one, other in zip(ours, expected):
            assert np.abs(one.box - other.box).max() < 0.02 and abs(one.score - other.score) < 0.002
    assert counts[0] == 1 < counts[1]


def sure(scores):
    return 1 / (1 + np.exp(-np.clip(scores, -80, 80)))
