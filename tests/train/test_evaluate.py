import numpy as np
import pytest
import torch
from torch import nn

from edgewing import layouts
from edgewing.errors import InputError
from train import recipes
from train.evaluate import Faces, append_metrics, evaluate, predict

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, layout="aflw-19")


class Painted(nn.Module):
    """A network whose answer is known: a landmark's heatmap is where the crop is of that landmark's brightness."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images):
        cells = nn.functional.avg_pool2d(images[:, :1], 4) * 255 * self.scale
        levels = torch.arange(10, 210, 10, device=images.device)[:20, None, None]
        return [torch.exp(-(((cells - levels) / 2) ** 2))]


def painted_faces(count=3):
    """Crops with one 4x4 square of brightness 10 (n + 1) per landmark n, each on a cell of its own."""
    random = np.random.default_rng(0)
    crops = np.zeros((count, 64, 64, 3), np.uint8)
    landmarks = np.zeros((count, 19, 2), np.float32)
    for crop, points in zip(crops, landmarks):
        for n, cell in enumerate(random.permutation(256)[:19]):
            y, x = divmod(int(cell), 16)
            crop[4 * y : 4 * y + 4, 4 * x : 4 * x + 4] = 10 * (n + 1)
            points[n] = 4 * x + 1.5, 4 * y + 1.5
    return Faces(crops, landmarks, np.array([f"face {i}" for i in range(count)]))


def test_landmarks_are_in_crop_pixels_with_scores():
    faces = painted_faces()
    landmarks, scores = predict(Painted(), RECIPE, faces.crops, batch=2)
    np.testing.assert_allclose(landmarks, faces.landmarks, atol=0.05)
    assert scores.min() > 0.99
    assert evaluate(Painted(), RECIPE, faces).errors.max() < 1e-3


def test_mirrored_heatmaps_are_put_back():
    """Swapped by the flip table and mirrored, the second look must say the same where the face is its own mirror."""
    faces = painted_faces()
    index = layouts.get("aflw-19").flip_index

    class Sees(Painted):
        def forward(self, images):
            (heatmaps,) = super().forward(images)
            # In a mirrored crop a symmetric network takes every landmark for its partner.
            if self.second:
                heatmaps[:, :19] = heatmaps[:, :19][:, torch.as_tensor(index)]
            self.second = not self.second
            return [heatmaps]

    network = Sees()
    network.second = False
    landmarks, _ = predict(network, RECIPE, faces.crops, mirrored=True)
    np.testing.assert_allclose(landmarks, faces.landmarks, atol=0.05)


def test_faces_round_trip_and_broken_files(tmp_path):
    faces = painted_faces()
    path = tmp_path / "faces" / "validation.npz"
    faces.save(path)
    loaded = Faces.load(path)
    assert np.array_equal(loaded.crops, faces.crops) and list(loaded.names) == ["face 0", "face 1", "face 2"]
    assert [p.name for p in path.parent.iterdir()] == ["validation.npz"]
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"no zip"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="not a faces file"):
            Faces.load(path)
    np.savez(path, crops=np.array([object()], dtype=object), landmarks=1, names=1)
    with pytest.raises(InputError, match="not a faces file"):  # a pickle inside
        Faces.load(path)
    with pytest.raises(InputError, match="no such file"):
        Faces.load(tmp_path / "none.npz")


def test_metrics_are_appended(tmp_path):
    append_metrics(tmp_path / "metrics.jsonl", step=1)
    append_metrics(tmp_path / "metrics.jsonl", step=2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n{"step": 2}\n'
