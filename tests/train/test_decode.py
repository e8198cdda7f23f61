import numpy as np
import pytest
import torch

from edgewing import decoding
from train.decode import Decode


@pytest.mark.parametrize("how", [decoding.Decode(), decoding.Decode(threshold=0.2, power=4)])
def test_torch_and_numpy_agree_to_a_hundredth_of_a_pixel(how):
    random = np.random.default_rng(0)
    y, x = np.mgrid[:24, :32]
    centres = random.uniform(-1, 33, (3, 7, 2))
    heatmaps = np.exp(-((x - centres[..., :1, None]) ** 2 + (y - centres[..., 1:, None]) ** 2) / 4)
    heatmaps += random.normal(0, 0.05, heatmaps.shape)
    heatmaps[0, 0] = 0  # no peak at all
    heatmaps[0, 1] = -1
    heatmaps = heatmaps.astype(np.float32)
    landmarks, scores = Decode(how, 24, 32, 4.0)(torch.from_numpy(heatmaps))
    expected, expected_scores = decoding.decode(heatmaps, 4.0, how)
    np.testing.assert_allclose(landmarks.numpy(), expected, atol=0.01)
    np.testing.assert_allclose(scores.numpy(), expected_scores, atol=1e-6)


def test_gradients_are_finite_without_a_peak():
    heatmaps = torch.zeros(1, 2, 8, 8, requires_grad=True)
    Decode(decoding.Decode(), 8, 8, 4.0)(heatmaps)[0].sum().backward()
    assert torch.isfinite(heatmaps.grad).all()
