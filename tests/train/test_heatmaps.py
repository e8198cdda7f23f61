"""Against slow references that are obviously right: a loop over pixels, and scipy's splprep (FITPACK)."""

import cv2
import numpy as np
import pytest
import torch
from scipy.interpolate import splev, splprep

from edgewing import layouts
from train import heatmaps, recipes
from train.data.drawn import draw
from train.heatmaps import GroundTruth
from train.loss import heatmap_loss

BASE = recipes.replace(recipes.get("mobile"), input_size=128)


def face(layout="300w-68", size=128):
    drawn = draw(3, layout)
    low, high = drawn.landmarks.min(0), drawn.landmarks.max(0)
    return ((drawn.landmarks - low) / (high - low) * 0.7 + 0.15) * size


def truth(recipe, landmarks):
    target, mask = heatmaps.GroundTruth(recipe)(torch.from_numpy(landmarks[None].astype(np.float32)))
    return target[0].numpy(), mask[0].float().numpy()


def test_cell_targets_are_the_papers_windows():
    recipe = recipes.replace(BASE, targets="cell", sigma=1.75)
    landmarks = face()
    landmarks[0] = (1.0, 126.9)  # in a corner: clipped at the border
    landmarks[1] = (-40.0, 20.0)  # outside: nothing
    target, _ = truth(recipe, landmarks)
    for n, (u, v) in enumerate(landmarks):
        column, row = int(np.floor((u + 0.5) / 4)), int(np.floor((v + 0.5) / 4))
        for y in range(32):
            for x in range(32):
                inside = abs(x - column) <= 3 and abs(y - row) <= 3
                expected = np.exp(-((x - column) ** 2 + (y - row) ** 2) / (2 * 1.75**2)) if inside else 0.0
                assert target[n, y, x] == pytest.approx(expected, abs=1e-6)


def test_subpixel_targets_are_centred_on_the_landmark():
    landmarks = face()
    target, _ = truth(BASE, landmarks)
    y, x = np.mgrid[:32, :32]
    for n, (u, v) in enumerate((landmarks - 1.5) / 4):
        np.testing.assert_allclose(target[n], np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 1.5**2)), atol=1e-6)


@pytest.mark.parametrize("targets", ["cell", "subpixel"])
def test_weight_map_is_the_dilated_target_from_a_fifth_on(targets):
    recipe = recipes.replace(BASE, targets=targets)
    target, mask = truth(recipe, face())
    for channel in range(len(target)):
        dilated = cv2.dilate(target[channel], np.ones((3, 3)), borderType=cv2.BORDER_CONSTANT, borderValue=0)
        np.testing.assert_array_equal(mask[channel], (dilated >= 0.2).astype(np.float32))


def test_the_released_codes_masks_are_options():
    """Around a straight line: 5 rows by the paper, 7 by the released code, whose boundary map runs from 0 to 255."""
    landmarks = np.tile(np.linspace(30, 226, 19)[:, None], (1, 2)).astype(np.float32)
    landmarks[:, 1] = 101.5
    recipe = recipes.replace(BASE, layout="aflw-19", input_size=256, targets="cell")
    rows = {}
    for boundary_mask in ("paper", "released"):
        _, mask = truth(recipes.replace(recipe, boundary_mask=boundary_mask), landmarks)
        rows[boundary_mask] = np.flatnonzero(mask[-1, :, 16]).tolist()  # a column in the middle of the left eyebrow
        assert (mask[:-1] == truth(recipe, landmarks)[1][:-1]).all()
    assert rows == {"paper": [23, 24, 25, 26, 27], "released": [22, 23, 24, 25, 26, 27, 28]}
    base = recipes.replace(recipe, boundary_mask="released", weight_map="base")
    assert np.flatnonzero(truth(base, landmarks)[1][-1, :, 16]).tolist() == [23, 24, 25, 26, 27]


@pytest.mark.parametrize("mask, expected", [("paper", True), ("released", False)])
def test_a_value_of_just_a_fifth_is_in_the_papers_mask_alone(mask, expected):
    truth_of = heatmaps.GroundTruth(recipes.replace(BASE, mask=mask, boundary_mask=mask))
    values = torch.tensor([heatmaps.MASK_LEVEL])
    assert bool(truth_of.above(values, heatmaps.MASK_LEVEL)) is expected
    assert bool(truth_of.boundary_above[0](values, truth_of.boundary_above[1]))


def test_base_map_is_not_dilated_and_none_is_none():
    target, mask = truth(recipes.replace(BASE, weight_map="base"), face())
    np.testing.assert_array_equal(mask, (target >= 0.2).astype(np.float32))
    recipe = recipes.replace(BASE, weight_map="none")
    assert heatmaps.GroundTruth(recipe)(torch.from_numpy(face()[None].astype(np.float32)))[1] is None


@pytest.mark.parametrize("layout", ["300w-68", "wflw-98", "cofw-29", "aflw-19"])
def test_boundary_map_is_the_distance_to_fitpacks_splines(layout):
    recipe = recipes.replace(BASE, layout=layout)
    landmarks = face(layout)
    target, _ = truth(recipe, landmarks)
    points = (landmarks - 1.5) / 4
    curves = layouts.get(layout).curves.values()
    samples = []
    for curve in curves:
        knots, _ = splprep(points[list(curve)].T, s=0, k=min(3, len(curve) - 1))
        samples.append(np.array(splev(np.linspace(0, 1, 2000), knots)).T)
    samples = np.concatenate(samples)
    y, x = np.mgrid[:32, :32]
    distance = np.sqrt(((np.stack([x, y], -1).reshape(-1, 1, 2) - samples[None]) ** 2).sum(-1).min(1)).reshape(32, 32)
    expected = np.where(distance < 3, np.exp(-(distance**2) / 2), 0)
    # 0.05: a curve is drawn as 4 straight pieces between two points
    assert np.abs(target[-1] - expected)[np.abs(distance - 3) > 0.1].max() < 0.05


def test_splines_of_few_or_coinciding_points():
    line = np.float32([[0, 0], [2, 2], [2, 2], [4, 4]])  # three distinct points on a line
    dot = np.float32([[5, 5]] * 4)
    for points, along in ((line, [0, 4]), (dot, [5, 5])):
        curve = heatmaps.spline(torch.from_numpy(points[None]), 4)[0].numpy()
        assert np.isfinite(curve).all()
        np.testing.assert_allclose(curve[:, 0], curve[:, 1], atol=1e-5)
        np.testing.assert_allclose(curve[[0, -1], 0], along, atol=1e-5)


def test_faces_outside_the_crop_and_collapsed_ones_stay_finite():
    landmarks = np.stack([face() + 1e4, face() * 0 + 64, face() - 300]).astype(np.float32)
    for targets in ("cell", "subpixel"):
        target, mask = heatmaps.GroundTruth(recipes.replace(BASE, targets=targets))(torch.from_numpy(landmarks))
        assert torch.isfinite(target).all() and mask.shape == target.shape
        assert target[0].max() < 1e-6


def test_a_batch_is_its_faces_one_by_one():
    faces = np.stack([face(), face() * 0.8 + 5, np.roll(face(), 7, axis=0)]).astype(np.float32)
    make = heatmaps.GroundTruth(recipes.replace(BASE, targets="cell"))
    together = make(torch.from_numpy(faces))
    for i, one in enumerate(faces):
        alone = make(torch.from_numpy(one[None]))
        torch.testing.assert_close(together[0][i], alone[0][0], atol=1e-6, rtol=0)
        torch.testing.assert_close(together[1][i], alone[1][0])


def test_no_boundary_for_a_layout_without_curves():
    recipe = recipes.replace(BASE, layout="lsp-14")
    target, mask = heatmaps.GroundTruth(recipe)(torch.rand(2, 14, 2) * 128)
    assert target.shape == mask.shape == (2, 14, 32, 32)


def with_gaps(absent):
    """Two faces, of which the second lacks the points ``absent``."""
    landmarks = torch.from_numpy(np.stack([face(), face()]).astype(np.float32))
    landmarks[1, absent] = torch.nan
    return landmarks


def test_a_point_that_is_not_there_has_an_empty_heatmap_and_curves_pass_it_by():
    jaw = layouts.get(BASE.layout).curves["contour"]
    landmarks = with_gaps(list(jaw[:9]))
    target, mask = GroundTruth(BASE)(landmarks)
    assert torch.isfinite(target).all()
    assert not target[1, list(jaw[:9])].any() and not mask[1, list(jaw[:9])].any()
    torch.testing.assert_close(target[0, :-1], GroundTruth(BASE)(landmarks[:1])[0][0, :-1])
    half = GroundTruth(BASE)(with_gaps(list(jaw)))[0][1, -1]  # no contour at all
    assert 0 < half.sum() < target[1, -1].sum() < target[0, -1].sum()


@pytest.mark.parametrize("absent", ["ignore", "empty"])
def test_what_is_not_there_is_left_alone_or_trained_to_be_empty(absent):
    recipe = recipes.replace(BASE, absent=absent)
    outputs = torch.zeros(2, 69, 32, 32, requires_grad=True)
    landmarks = with_gaps([36, 0])
    truth_of = GroundTruth(recipe)
    target, mask = truth_of(landmarks)
    heatmap_loss([outputs + 0.1], target, mask, "mse", 10.0, truth_of.counted(landmarks)).backward()
    learnt = outputs.grad.abs().amax(dim=(2, 3)) > 0
    expected = torch.ones(2, 69, dtype=torch.bool)
    if absent == "ignore":
        expected[1, [0, 36, 68]] = False  # and the boundary, of which a part is not known
    assert learnt.tolist() == expected.tolist()


def test_hidden_points_have_the_height_that_the_recipe_says():
    landmarks = with_gaps([])
    visibility = torch.full((2, 68), 2, dtype=torch.uint8)
    visibility[1, 5] = 1
    lower, mask = GroundTruth(recipes.replace(BASE, hidden=0.5))(landmarks, visibility)
    full, same = GroundTruth(BASE)(landmarks, visibility)
    torch.testing.assert_close(lower[1, 5], full[1, 5] / 2)
    torch.testing.assert_close(lower[0], full[0])
    assert torch.equal(mask, same)  # where to look does not depend on it
