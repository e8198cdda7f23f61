"""Expected parameters and MACs: the published network (24.15 M, 26.8 G at 98 points and 4 stacks), counted per part."""

import numpy as np
import pytest
import torch

from edgewing.errors import InputError
from train import blocks, model, recipes

PARAMETERS = {
    98: (6_333_603, 12_273_414, 18_213_225, 24_153_036),
    68: (6_325_893, 12_250_314, 18_174_735, 24_099_156),
    29: (6_315_870, 12_220_284, 18_124_698, 24_029_112),
    19: (6_313_300, 12_212_584, 18_111_868, 24_011_152),
    14: (6_312_015, 12_208_734, 18_105_453, 24_002_172),
}


@pytest.mark.parametrize("landmarks", PARAMETERS)
@pytest.mark.parametrize("stacks", [1, 2, 3, 4])
def test_paper_network_has_the_published_parameters(landmarks, stacks):
    with torch.device("meta"):
        network = model.paper_hourglass(landmarks, stacks)
    assert model.parameters(network) == PARAMETERS[landmarks][stacks - 1]


def test_without_boundary():
    with torch.device("meta"):
        network = model.paper_hourglass(14, 4, boundary=False)
    assert model.parameters(network) == 23_998_840
    assert network.stacks[-1].head.out_channels == 14
    assert all(stack.entry.mask is None for stack in network.stacks)


def test_macs_of_one_stack_at_256():
    assert model.macs(model.paper_hourglass(98, 1), 256) / 1e9 == pytest.approx(8.726, abs=5e-4)


def test_paper_network_gives_a_quarter_size_map_per_stack_at_any_size():
    network = model.paper_hourglass(14, 2).eval()
    with torch.no_grad():
        for side in (64, 128):
            outputs = network(torch.rand(2, 3, side, side))
            assert [tuple(o.shape) for o in outputs] == [(2, 15, side // 4, side // 4)] * 2


def test_paper_network_refuses_other_sides():
    with pytest.raises(InputError, match="multiples of 64"):
        model.paper_hourglass(14, 1)(torch.rand(1, 3, 100, 100))


def test_coordinate_maps_run_along_rows_first():
    maps = blocks.coordinate_maps(5, 3)[0].numpy()
    np.testing.assert_allclose(maps[0], np.repeat([[-1], [-0.5], [0], [0.5], [1]], 3, axis=1))
    np.testing.assert_allclose(maps[1], np.repeat([[-1, 0, 1]], 5, axis=0))
    np.testing.assert_allclose(maps[2], np.hypot(maps[0], maps[1]) / np.sqrt(2), rtol=1e-6)


def test_coordconv_is_one_convolution_of_the_concatenation():
    """The released code's form: [features, y, x, r, boundary y, boundary x] through one weight."""
    torch.manual_seed(0)
    layer = blocks.CoordConv(4, 6, 3, 2, boundary=True).eval()
    x, boundary = torch.rand(2, 4, 8, 8), torch.rand(2, 1, 8, 8) * 0.1
    maps = blocks.coordinate_maps(8, 8).expand(2, -1, -1, -1)
    whole = torch.cat([x, maps, maps[:, :2] * (boundary.clamp(0, 1) > 0.05)], dim=1)
    weight = torch.cat([layer.conv.weight, layer.coord.weight], dim=1)
    expected = torch.nn.functional.conv2d(whole, weight, layer.conv.bias, 2, 1)
    torch.testing.assert_close(layer(x, boundary), expected, atol=1e-5, rtol=1e-5)


def test_coordconv_begins_as_that_one_convolution_would():
    """By a fan-in of its own the coordinates' part would begin nine times as large, and decide what the first steps
    learn."""
    torch.manual_seed(0)
    layer = blocks.CoordConv(256, 64, boundary=True)
    bound = 1 / (256 + 5) ** 0.5  # of PyTorch's uniform start
    for weight in (layer.conv.weight, layer.coord.weight, layer.conv.bias):
        assert 0.9 * bound < weight.abs().max() <= bound


def test_coordinates_are_buffers_that_move_with_the_network_and_are_not_saved():
    layer = blocks.CoordConv(4, 6)
    assert "maps" in dict(layer.named_buffers())
    assert not any("maps" in key for key in layer.state_dict())


def test_second_stack_sees_the_boundary_of_the_first():
    torch.manual_seed(0)
    network = model.build(recipes.replace(recipes.get("mobile"), input_size=64, stacks=2, width=0.25)).eval()
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        network.stacks[0].carry_heatmaps.weight.zero_()  # leave only the coordinates' way
        before = network(images)[1]
        network.stacks[0].head.bias[-1] += 1  # the last channel is the boundary
        after = network(images)[1]
        assert (before - after).abs().max() > 1e-4
        network.stacks[0].head.bias[0] += 1  # a landmark's channel is not
        torch.testing.assert_close(network(images)[1], after)


@pytest.mark.parametrize(("size", "depth"), [(112, 2), (128, 3), (160, 3), (192, 3), (224, 3), (256, 4)])
def test_mobile_network_is_as_deep_as_its_heatmap_divides_down_to_4_cells(size, depth):
    recipe = recipes.replace(recipes.get("mobile"), input_size=size, width=0.5)
    network = model.build(recipe).eval()
    assert len(network.stacks[0].hourglass.down) == depth
    with torch.no_grad():
        assert network(torch.rand(1, 3, size, size))[-1].shape == (1, 69, size // 4, size // 4)


@pytest.mark.parametrize("block", blocks.BLOCKS)
def test_mobile_blocks_and_half_size_heatmaps(block):
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, heatmap_size=32, block=block, stacks=2, width=0.5)
    outputs = model.build(recipe).eval()(torch.rand(1, 3, 64, 64))
    assert [tuple(o.shape) for o in outputs] == [(1, 69, 32, 32)] * 2


def test_fused_levels_have_no_depthwise_convolution_and_maps_their_own_channels():
    recipe = recipes.replace(recipes.get("small"), input_size=64, fused=1, maps=(16, 24, 40), stacks=2)
    network = model.build(recipes.loads(recipes.dumps(recipe))).eval()
    glass = network.stacks[0].hourglass
    finest = [*network.stem[1:], glass.skip[0], glass.down[0][0], network.stacks[1].top]
    assert all(type(block) is blocks.Fused for block in finest)
    assert type(glass.back[0]) is type(glass.middle) is blocks.Inverted  # of the level below, and the lowest
    assert [glass.back[0].project[0].out_channels, glass.middle.project[0].out_channels] == [16, 40]
    assert network(torch.rand(1, 3, 64, 64))[-1].shape == (1, 69, 16, 16)
    everywhere = model.build(recipes.replace(recipe, fused=5))
    assert all(m.groups == 1 for m in everywhere.modules() if isinstance(m, torch.nn.Conv2d))


def test_an_hourglass_has_no_more_levels_than_channels_are_given_for():
    recipe = recipes.replace(recipes.get("mobile"), maps=(16, 24))
    assert len(model.build(recipe).stacks[0].hourglass.down) == 1
    with pytest.raises(InputError, match="maps"):
        recipes.replace(recipe, maps=(16, 0))


def test_channels_of_a_recipe_build_a_narrower_network():
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, width=0.5)
    usual = model.channels(model.build(recipe))
    narrower = {
        "stem.1.expand.0": (usual["stem.1.expand.0"][0], 8), "stem.1.expand.1": (8, 8),
        "stem.1.depthwise.0": (8, 8), "stem.1.depthwise.1": (8, 8),
        "stem.1.project.0": (8, usual["stem.1.project.0"][1]),
    }  # fmt: skip
    recipe = recipes.replace(recipe, channels=narrower)
    network = model.build(recipe).eval()
    assert network.stem[1].depthwise[0].groups == 8
    assert network(torch.rand(1, 3, 64, 64))[-1].shape == (1, 69, 16, 16)
    assert model.channels(model.build(recipes.loads(recipes.dumps(recipe)))) == model.channels(network)


def test_channels_of_an_unknown_layer_are_an_input_error():
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, channels={"stem.9": (8, 8)})
    with pytest.raises(InputError, match="stem.9"):
        model.build(recipe)
