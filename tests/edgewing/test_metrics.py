"""NME by hand, AUC against the integral it stands for."""

import numpy as np
import pytest

from edgewing import layouts, metrics
from edgewing.errors import InputError


@pytest.fixture
def faces():
    """(5, 68, 2) true landmarks, px."""
    return np.random.default_rng(0).uniform(0, 200, (5, 68, 2))


def test_nme_by_hand(faces):
    layout = layouts.get("300w-68")
    distance = metrics.normaliser(faces, layout)
    assert np.allclose(distance, np.linalg.norm(faces[:, 36] - faces[:, 45], axis=1))
    moved = faces + [3.0, 4.0]
    assert np.allclose(metrics.errors(moved, faces, distance), 5 / distance)


def test_normalisers(faces):
    layout = layouts.get("300w-68")
    pupils = np.linalg.norm(faces[:, 36:42].mean(axis=1) - faces[:, 42:48].mean(axis=1), axis=1)
    assert np.allclose(metrics.normaliser(faces, layout, "inter-pupil"), pupils)
    width, height = (faces.max(axis=1) - faces.min(axis=1)).T
    assert np.allclose(metrics.normaliser(faces, layout, "box"), np.sqrt(width * height))
    wflw = np.random.default_rng(1).uniform(0, 200, (2, 98, 2))
    expected = np.linalg.norm(wflw[:, 60] - wflw[:, 72], axis=1)
    assert np.allclose(metrics.normaliser(wflw, layouts.get("wflw-98")), expected)


def test_the_datasets_own_boxes():
    layout = next(v for v in layouts.table().values() if "dataset" in v.normalisers.values())
    name = next(k for k, v in layout.normalisers.items() if v == "dataset")
    landmarks = np.random.default_rng(0).uniform(0, 50, (2, layout.points, 2))
    boxes = np.array([[0, 0, 30, 40], [10, 10, 110, 35]], float)
    assert np.allclose(metrics.normaliser(landmarks, layout, name, boxes), [np.sqrt(1200), 50])
    with pytest.raises(InputError, match="needs the dataset's boxes"):
        metrics.normaliser(landmarks, layout, name)


@pytest.mark.parametrize("threshold", [0.08, 0.10])
def test_auc_is_the_area_under_the_ced(threshold):
    """Closed form against the numerical integral of the step curve, infinities included."""
    errors = np.append(np.random.default_rng(0).gamma(4, 0.015, 400), [np.inf] * 7)
    ticks = np.linspace(0, threshold, 200_001)
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz
    numerical = area(metrics.cumulative_errors(errors, ticks), ticks) / threshold
    assert metrics.area_under_curve(errors, threshold) == pytest.approx(numerical, abs=1e-5)


def test_ced_and_failure_rate_agree():
    errors = np.array([0.01, 0.08, 0.1, 0.2, np.inf])
    assert np.allclose(metrics.cumulative_errors(errors, np.array([0.0, 0.08, 0.1, 1.0])), [0, 0.4, 0.6, 0.8])
    for threshold in (0.08, 0.1):
        ced = metrics.cumulative_errors(errors, np.array([threshold]))[0]
        assert metrics.failure_rate(errors, threshold) == pytest.approx(1 - ced)


def test_a_face_without_prediction_fails_and_leaves_the_mean(faces):
    layout = layouts.get("300w-68")
    distance = metrics.normaliser(faces, layout)
    predicted = faces + [3.0, 4.0]
    predicted[2] = np.nan
    errors = metrics.errors(predicted, faces, distance)
    assert np.isinf(errors[2])
    summary = metrics.summarise(errors)
    assert (summary.faces, summary.failed) == (5, 1)
    assert summary.nme == pytest.approx((5 / distance)[[0, 1, 3, 4]].mean())
    assert summary.fr10 >= 0.2


def test_perfect_and_hopeless():
    assert metrics.summarise(np.zeros(3)) == metrics.Summary(3, 0, 0.0, 0.0, 0.0, 1.0, 1.0)
    hopeless = metrics.summarise(np.full(2, np.inf))
    assert (hopeless.nme, hopeless.fr08, hopeless.auc10, hopeless.failed) == (np.inf, 1.0, 0.0, 2)


def test_correct_keypoints_of_the_torso():
    layout = layouts.get("lsp-14")
    true = np.zeros((2, 14, 2))
    true[0, 9], true[1, 9] = (30, 40), (60, 80)  # left shoulder; the right hip stays at (0, 0): torsos of 50 and 100 px
    distance = metrics.normaliser(true, layout)
    assert distance.tolist() == [50, 100]
    predicted = true.copy()
    predicted[:, 0] += (0, 10)  # a fifth of the first torso, still right; a tenth of the second
    predicted[:, 1] += (10.1, 0)  # wrong only in the first
    predicted[1, 2] = np.nan
    found = metrics.correct_keypoints(predicted, true, distance, layout.pck)
    assert found == {"threshold": 0.2, "share": pytest.approx(26 / 28)}
    found = metrics.correct_keypoints(predicted, true, distance, 0.05)
    assert found == {"threshold": 0.05, "share": pytest.approx(23 / 28)}
    assert metrics.correct_keypoints(true, true, distance, 0.0) is None


def test_refusals(faces):
    layout = layouts.get("300w-68")
    with pytest.raises(InputError, match="unknown normaliser of 300w-68 'inter-occular'; did you mean 'inter-ocular'"):
        metrics.normaliser(faces, layout, "inter-occular")
    faces[3, 36] = faces[3, 45]
    with pytest.raises(InputError, match="zero for face 3"):
        metrics.normaliser(faces, layout)
    clock = layouts.Layout("clock-68", 68, normalisers=layout.normalisers, object="clock")
    with pytest.raises(InputError, match="zero for clock 3"):
        metrics.normaliser(faces, clock, "inter-ocular")
    with pytest.raises(InputError, match="nothing to score"):
        metrics.summarise(np.empty(0))


def test_points_that_are_not_there_have_no_part_in_errors_or_box():
    layout = layouts.get("300w-68")
    true = np.random.default_rng(1).uniform(10, 90, (2, 68, 2))
    predicted = true + [3, 4]
    true[1, 36] = np.nan
    assert metrics.measurable(true[:1], layout, "inter-ocular") and not metrics.measurable(true, layout, "inter-ocular")
    with pytest.raises(InputError, match="face 1 does not have"):
        metrics.normaliser(true, layout, "inter-ocular")
    distance = metrics.normaliser(true, layout, metrics.BOX)
    assert np.allclose(metrics.errors(predicted, true, distance), 5 / distance)
    predicted[1, 36] = np.nan  # of a point that is not there nobody asks
    assert np.isfinite(metrics.errors(predicted, true, distance)).all()
    predicted[1, 37] = np.nan
    assert np.isinf(metrics.errors(predicted, true, distance)[1])


def test_ends_in_one_place_are_no_normaliser():
    layout, faces = layouts.get("300w-68"), np.random.default_rng(2).uniform(0, 100, (3, 68, 2))
    assert metrics.normaliser_of_all(faces, layout) == "inter-ocular"
    faces[1, 36] = faces[1, 45]
    assert metrics.normaliser_of_all(faces, layout) == metrics.BOX


def test_area_under_roc_counts_pairs():
    rng = np.random.default_rng(3)
    scores, positive = rng.integers(0, 6, 200) / 5, rng.random(200) < 0.3
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[positive] for b in scores[~positive]]
    assert metrics.area_under_roc(scores, positive) == pytest.approx(np.mean(pairs))
    assert metrics.area_under_roc(np.array([0.9, 0.1]), np.array([True, False])) == 1.0
    assert metrics.area_under_roc(scores, np.ones(200, bool)) is None


def test_a_normaliser_may_be_the_diagonal_of_the_points(faces):
    layout = layouts.Layout("own", 68, normalisers={"size": "diagonal"}, default_normaliser="size")
    expected = np.hypot(*np.ptp(faces, axis=1).T)
    assert np.allclose(metrics.normaliser(faces, layout), expected)
