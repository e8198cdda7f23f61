"""Int8 inside torch: against whole numbers by hand, against the network in float, and whether it can be trained."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from compress.fakequant import FakeQuantized, affine_int8, folded, supported, weights_int8
from edgewing.errors import InputError
from targets import ranges
from train.blocks import conv_bn
from train.model import build
from train.recipes import Recipe

ONE = Recipe("tiny", "aflw-19", width=0.25, input_size=64)
TWO = Recipe("tiny", "300w-68", width=0.25, input_size=64, stacks=2)
FUSED = Recipe("tiny", "aflw-19", width=0.25, input_size=64, fused=1)


def lively(recipe, seed=0):
    """A network whose batch norms and head say something, and are not what they are at the start."""
    torch.manual_seed(seed)
    network = build(recipe).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.running_mean, std=0.3)
    for stack in network.stacks:
        nn.init.normal_(stack.head.weight, std=0.3)
    return network


def crops(count, size=64, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def images(count, size=64, seed=0):
    return torch.from_numpy(crops(count, size, seed)).permute(0, 3, 1, 2).float() / 255


def calibrated(network, landmarks, name="min-max", **more):
    fake = FakeQuantized(network, landmarks, **more)
    fake.ranges = ranges.measure(name, fake.activations(crops(8)))
    return fake


def steps(values, low, high):
    """float64 -> whole steps of an int8 tensor with zero point, its scale and zero point."""
    scale = (high - low) / 255
    zero = round(-128 - low / scale)
    return np.clip(np.rint(values / scale) + zero, -128, 127), scale, zero


@torch.no_grad()
@pytest.mark.parametrize("groups", [1, 6])
def test_a_convolution_is_the_integer_one(groups):
    """Whole numbers as TFLite multiplies them: int8 inputs and weights, int32 sums and bias, rounded once at last."""
    torch.manual_seed(1)
    layers = conv_bn(6, 12, 3, 2, groups=groups).eval()
    conv, norm, _ = layers
    nn.init.uniform_(norm.weight, 0.5, 2.0)
    nn.init.normal_(norm.bias)
    nn.init.uniform_(norm.running_var, 0.5, 2.0)
    x = torch.randn(2, 6, 10, 10)
    incoming, outgoing = (-2.5, 3.0), (0.0, 4.0)
    weight, bias = folded(conv, norm)
    ours = nn.functional.conv2d(affine_int8(x, *incoming), weights_int8(weight), bias, 2, 1, groups=groups)
    ours = affine_int8(nn.functional.relu6(ours), *outgoing)

    gain = (norm.weight / (norm.running_var + norm.eps).sqrt()).double().numpy()
    w = conv.weight.double().numpy() * gain[:, None, None, None]
    b = (norm.bias - norm.running_mean * norm.weight / (norm.running_var + norm.eps).sqrt()).double().numpy()
    q, scale, zero = steps(x.double().numpy(), *incoming)
    weight_scale = np.abs(w).max(axis=(1, 2, 3)) / 127
    q_weight = np.rint(w / weight_scale[:, None, None, None])
    assert np.abs(q_weight).max() == 127
    q_bias = np.rint(b / (scale * weight_scale))
    padded = np.pad(q - zero, ((0, 0), (0, 0), (1, 1), (1, 1))).astype(np.int64)  # padded with what stands for 0
    total = np.zeros((2, 12, 5, 5), np.int64)
    part = 12 // groups
    for i in range(5):
        for j in range(5):
            patch = padded[:, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            for o in range(12):
                these = slice(o // part * (6 // groups), (o // part + 1) * (6 // groups))
                total[:, o, i, j] = (patch[:, these] * q_weight[o].astype(np.int64)).sum(axis=(1, 2, 3))
    total = total + q_bias[:, None, None]
    real = np.clip(total * (scale * weight_scale)[:, None, None], 0, 6)
    expected, out_scale, out_zero = steps(real, *outgoing)
    found = ours.double().numpy() / out_scale + out_zero
    assert np.abs(found - np.rint(found)).max() < 1e-3  # whole steps
    assert np.abs(found - expected).max() < 1.01 and (np.abs(found - expected) < 0.01).mean() > 0.995
    assert len(np.unique(expected)) > 50


def test_the_picture_is_exact_and_zero_is_a_step():
    levels = torch.arange(256) / 255
    assert torch.allclose(affine_int8(levels, 0.0, 1.0), levels, atol=1e-7)
    values = affine_int8(torch.tensor([0.0, -1.0, 9.0]), -0.37, 2.11)
    assert values[0] == 0 and -0.38 < values[1] < -0.36 and 2.10 < values[2] < 2.12
    assert torch.equal(affine_int8(torch.zeros(3), 0.0, 0.0), torch.zeros(3))


def test_gradients_pass_rounding_and_end_at_clipping():
    x = torch.tensor([-3.0, -0.4, 0.123, 0.9, 5.0], requires_grad=True)
    affine_int8(x, -1.0, 1.0).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]
    weight = torch.randn(3, 2, 3, 3, requires_grad=True)
    rounded = weights_int8(weight)
    rounded.sum().backward()
    assert (weight.grad == 1).all()  # the largest is a step itself
    per_channel = [len(torch.unique((c / c.abs().max() * 127).round())) for c in rounded.detach()]
    assert min(per_channel) > 10 and (rounded - weight).abs().max() <= weight.abs().max() / 127


@torch.no_grad()
@pytest.mark.parametrize("recipe, landmarks", [(ONE, 19), (TWO, 68), (FUSED, 19)])
def test_all_in_float_it_is_the_network(recipe, landmarks):
    """Batch norms folded, coordinates and boundary included, in every stack."""
    network = lively(recipe)
    fake = FakeQuantized(network, landmarks, float_layers=["."])
    x = images(2)
    for ours, expected in zip(fake(x), network(x), strict=True):
        assert expected.std() > 0.05
        assert torch.allclose(ours, expected, atol=1e-3 * expected.abs().max().item())


@torch.no_grad()
@pytest.mark.parametrize("recipe, landmarks", [(ONE, 19), (TWO, 68), (FUSED, 19)])
def test_int8_is_near_float_and_layers_in_float_bring_it_nearer(recipe, landmarks):
    network, x = lively(recipe), images(4, seed=1)
    expected = network(x)[-1]

    def away(fake):
        return ((fake(x)[-1] - expected)[:, :landmarks].std() / expected[:, :landmarks].std()).item()

    everywhere = away(calibrated(network, landmarks))
    half = away(calibrated(network, landmarks, float_layers=[r"^stem\.", "hourglass"]))
    assert 0.001 < half < everywhere < 0.5
    # The exported heatmaps are whole steps; what is not exported stays in float.
    fake = calibrated(network, landmarks)
    low, high = fake.ranges[f"stacks.{recipe.stacks - 1}.head"]
    counted = fake(x)[-1] / ((high - low) / 255)
    rest = (counted - counted.round()).abs()
    assert rest[:, :landmarks].max() < 0.01
    if recipe is TWO:
        assert rest[:, landmarks:].mean() > 0.2


def test_measuring_is_in_float_and_names_every_site():
    network = lively(ONE)
    fake = FakeQuantized(network, 19)
    seen = next(iter(fake.activations(crops(1))))
    convolutions = {name for name, m in network.named_modules() if isinstance(m, nn.Conv2d) and "coord" not in name}
    assert convolutions <= seen.keys() and {"picture", "stacks.0.entry", "stacks.0.hourglass:0"} <= seen.keys()
    with torch.no_grad():
        expected = network(torch.from_numpy(crops(1)).permute(0, 3, 1, 2) / 255)[-1]
    assert np.allclose(seen["stacks.0.head"], expected[:, :19].numpy(), atol=1e-3)


def test_training_brings_int8_nearer_to_float():
    """In ranges that are too narrow, so that there is much to win. Gradients reach all weights, whose names are the
    network's, and following them helps."""
    network = lively(ONE)
    x = images(4)
    with torch.no_grad():
        expected = network(x)[-1]
    student = copy.deepcopy(network)
    fake = calibrated(student, 19)
    fake.ranges = {site: (0.5 * low, 0.5 * high) for site, (low, high) in fake.ranges.items()}
    optimiser = torch.optim.Adam(student.parameters(), 1e-3)
    losses = []
    for _ in range(15):
        loss = (fake(x)[-1] - expected).pow(2).mean()
        optimiser.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in student.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert student.state_dict().keys() == network.state_dict().keys()
    for name, buffer in student.named_buffers():  # statistics are kept
        if "running" in name:
            assert torch.equal(buffer, network.get_buffer(name)), name


def test_other_networks_are_refused():
    other = build(Recipe("other", "aflw-19", width=0.25, input_size=64, block="hierarchical"))
    assert not supported(other) and supported(build(ONE))
    with pytest.raises(InputError, match="inverted"):
        FakeQuantized(other, 19)
