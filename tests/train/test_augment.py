"""Pictures and points must move together: bright dots drawn at the landmarks are found again at the moved landmarks."""

import cv2
import numpy as np
import pytest
import torch

from edgewing import geometry, layouts
from train import recipes
from train.augment import Augment

SIZE, CONTEXT, CACHE = 128, 1.5, 240
GEOMETRY_ONLY = {"light": 0.0, "grey": 0.0, "blur": 0.0, "low_resolution": 0.0, "noise": 0.0, "occlusion": 0.0}
RECIPE = recipes.replace(recipes.get("mobile"), input_size=SIZE, layout="aflw-19", **GEOMETRY_ONLY)


def dotted(count, seed=0):
    """Black squares with a white dot at each landmark, all landmarks well inside and apart."""
    random = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(np.arange(5), np.arange(4)), -1).reshape(-1, 2)[:19] * [22, 26] + [76, 80]
    landmarks = (grid[None] + random.uniform(-4, 4, (count, 19, 2))).astype(np.float32)
    images = np.zeros((count, CACHE, CACHE, 3), np.uint8)
    y, x = np.mgrid[:CACHE, :CACHE]
    for image, points in zip(images, landmarks):
        for u, v in points:
            image[...] = np.maximum(
                image, (255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / 8))[..., None].astype(np.uint8)
            )
    return torch.from_numpy(images), torch.from_numpy(landmarks)


def centroid(picture, point, reach=5):
    """Centre of brightness around a point, crop px; None where it is too near the border."""
    column, row = (int(round(float(v))) for v in point)
    if not (reach < column < SIZE - reach - 1 and reach < row < SIZE - reach - 1):
        return None
    window = picture[row - reach : row + reach + 1, column - reach : column + reach + 1].astype(float)
    y, x = np.mgrid[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return np.array([(window * x).sum(), (window * y).sum()]) / window.sum()


@pytest.mark.parametrize(
    "fields", [{"rotation": 0.0, "shift": 0.0, "flip": 0.0}, {"flip": 1.0}, {}], ids=["scale", "flip", "all"]
)
def test_points_move_with_the_picture(fields):
    images, landmarks = dotted(6)
    augment = Augment(recipes.replace(RECIPE, **fields), CACHE, CONTEXT)
    crops, moved = augment(images, landmarks, torch.Generator().manual_seed(1))
    found = 0
    for crop, points in zip(crops.numpy(), moved.numpy()):
        for point in points:
            centre = centroid(crop[0], point)
            if centre is not None:
                found += 1
                assert np.abs(centre - point).max() < 0.25
    assert found > 60


def test_flip_renames_left_and_right():
    images, landmarks = dotted(1)
    augment = Augment(recipes.replace(RECIPE, flip=1.0, rotation=0.0, shift=0.0, scale=0.0), CACHE, CONTEXT)
    _, mirrored = augment(images, landmarks, torch.Generator().manual_seed(0))
    _, plain = augment.plain(images, landmarks)
    index = layouts.get("aflw-19").flip_index
    expected = plain[0, index] * torch.tensor([-1.0, 1.0]) + torch.tensor([SIZE - 1.0, 0.0])
    torch.testing.assert_close(mirrored[0], expected, atol=1e-3, rtol=0)


def test_plain_is_the_gtbox_crop():
    """Through the cache's square and back: the same frame as geometry's crop of the picture itself."""
    random = np.random.default_rng(0)
    picture = cv2.GaussianBlur(random.integers(0, 256, (300, 320, 3)).astype(np.uint8), (0, 0), 5)
    points = (random.uniform(90, 200, (19, 2))).astype(np.float32)
    tight = geometry.crop_from_landmarks(points, SIZE)
    square = geometry.Crop(tight.centre, CONTEXT * tight.side, CACHE)
    cached = geometry.warp(picture, square.to_image, CACHE)
    crops, landmarks = Augment(RECIPE, CACHE, CONTEXT).plain(
        torch.from_numpy(cached[None]),
        torch.from_numpy(geometry.apply(square.to_crop, points)[None].astype(np.float32)),
    )
    expected = geometry.warp(picture, tight.to_image, SIZE)
    assert np.abs(crops[0].permute(1, 2, 0).numpy() * 255 - expected).mean() < 1.5
    np.testing.assert_allclose(landmarks[0].numpy(), geometry.apply(tight.to_crop, points), atol=1e-3)


def test_one_seed_gives_one_batch_and_another_gives_another():
    recipe = recipes.replace(recipes.get("mobile"), input_size=SIZE, layout="aflw-19")
    augment = Augment(recipe, CACHE, CONTEXT)
    images, landmarks = dotted(4)
    first, again, other = (augment(images, landmarks, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_every_change_happens_and_values_stay_in_range():
    images, landmarks = dotted(8)
    images = images // 2 + torch.tensor([90, 60, 30], dtype=torch.uint8)
    still = {"rotation": 0.0, "scale": 0.0, "shift": 0.0, "flip": 0.0}
    plain, _ = Augment(RECIPE, CACHE, CONTEXT).plain(images, landmarks)
    for name in GEOMETRY_ONLY:
        recipe = recipes.replace(RECIPE, **still, **{name: 1.0})
        crops, moved = Augment(recipe, CACHE, CONTEXT)(images, landmarks, torch.Generator().manual_seed(0))
        assert (crops - plain).abs().max() > 0.01, name
        assert 0 <= crops.min() and crops.max() <= 1
        assert (moved - Augment(recipe, CACHE, CONTEXT).plain(images, landmarks)[1]).abs().max() < 1e-3


def test_the_clean_crops_are_the_same_crops_before_light_and_dirt():
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, layout="aflw-19", occlusion=1.0, noise=1.0)
    images = torch.randint(0, 256, (4, 120, 120, 3), dtype=torch.uint8)
    landmarks = torch.rand(4, 19, 2) * 100 + 10
    make = Augment(recipe, 120, 1.5)
    crops, points, _, clean = make.batch(images, landmarks, None, torch.Generator().manual_seed(3))
    calm = recipes.replace(recipe, occlusion=0.0, noise=0.0, blur=0.0, low_resolution=0.0, light=0.0, grey=0.0)
    expected, same, *_ = Augment(calm, 120, 1.5).batch(images, landmarks, None, torch.Generator().manual_seed(3))
    assert torch.equal(points, same) and torch.allclose(clean, expected, atol=1e-6)
    assert (crops - clean).abs().mean() > 0.01


def test_labels_that_lie_to_one_side_lie_to_the_same_side_in_a_mirror():
    recipe = recipes.replace(
        recipes.get("mobile"), input_size=64, layout="aflw-19", flip=1.0, rotation=0.0, scale=0.0, shift=0.0
    )
    images = torch.randint(0, 256, (4, 120, 120, 3), dtype=torch.uint8)
    true = torch.rand(4, 19, 2) * 80 + 20
    lateral, step = 0.02, 120 / 1.5 / 64  # cache px per crop px
    biased = true + torch.tensor([lateral * 64 * step, 0.0])
    generator = torch.Generator().manual_seed(0)
    mirrored = Augment(recipe, 120, 1.5)(images, true, generator)[1]
    kept = Augment(recipes.replace(recipe, lateral=lateral), 120, 1.5)(images, biased, generator)[1]
    assert torch.allclose(kept, mirrored + torch.tensor([lateral * 64, 0.0]), atol=1e-3)


def test_absent_points_and_visibility_change_places_in_a_mirror():
    """AFLW's points 0 and 5 are one pair: what the mirrored picture lacks is the other one."""
    layout = layouts.get(RECIPE.layout)
    first, second = layout.flip_pairs[0]
    images, landmarks = dotted(1)
    landmarks[0, first] = torch.nan
    visibility = torch.full((1, 19), 2, dtype=torch.uint8)
    visibility[0, first] = 0
    augment = Augment(recipes.replace(RECIPE, flip=1.0), CACHE, CONTEXT)
    batch = augment.batch(images, landmarks, visibility, torch.Generator().manual_seed(0))
    assert batch.landmarks.isnan().any(dim=-1)[0].nonzero().flatten().tolist() == [second]
    assert (batch.visibility[0] == 0).nonzero().flatten().tolist() == [second]


def test_points_that_a_rectangle_covers_are_hidden_and_no_others():
    images, landmarks = dotted(8)
    visibility = torch.full((8, 19), 2, dtype=torch.uint8)
    visibility[:, 3] = 0
    still = {"rotation": 0.0, "shift": 0.0, "scale": 0.0, "flip": 0.0}
    augment = Augment(recipes.replace(RECIPE, occlusion=1.0, **still), CACHE, CONTEXT)
    batch = augment.batch(images, landmarks, visibility, torch.Generator().manual_seed(4))
    assert (batch.visibility[:, 3] == 0).all()
    hidden = 0
    for crop, clean, points, seen in zip(batch.crops, batch.clean, batch.landmarks, batch.visibility):
        changed = (crop != clean).any(dim=0)
        for (x, y), value in zip(points.round().long().tolist(), seen.tolist()):
            if value == 2:  # its dot is white in the clean crop: what covers it is another colour
                assert not changed[y, x]
            hidden += value == 1
    assert 10 < hidden < 100
