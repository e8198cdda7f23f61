"""Pruning, by brute force: NaN put on a channel shows who reads it, and what is left must compute the same numbers."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from compress import importance
from compress import prune as pruning
from compress.channels import Graph
from compress.prune import ROUND_TO, Pruned
from edgewing import layouts
from edgewing.errors import InputError
from tests.targets.discs import discs
from train import checkpoint, recipes
from train.blocks import (
    BOUNDARY_LEVEL,
    CoordConv,
    Fused,
    Hierarchical,
    Hourglass,
    Inverted,
    Stack,
    StackedHourglass,
    conv_bn,
)
from train.credits import Credits
from train.evaluate import Faces
from train.model import build, channels, macs

SIZE, LAYOUT = 64, "300w-68"
MOBILE = recipes.Recipe("mobile", LAYOUT, width=0.5, input_size=SIZE)
PAPER = recipes.replace(recipes.get("paper-300w"), input_size=SIZE)
NETWORKS = {
    "mobile, 1 stack": MOBILE,
    "mobile, 2 stacks": recipes.replace(MOBILE, stacks=2),
    "mobile, fused levels": recipes.replace(MOBILE, fused=2, maps=(24, 32, 40)),
    "mobile from the paper's blocks": recipes.replace(MOBILE, stacks=2, block="hierarchical", width=2.0),
    "paper, 1 stack": recipes.replace(PAPER, stacks=1),
    "paper, 2 stacks": recipes.replace(PAPER, stacks=2),
}


@pytest.fixture(scope="module")
def faces():
    crops, landmarks = discs(8, 0, SIZE, LAYOUT)
    return Faces(crops, landmarks, np.arange(8).astype(str))


def prune(network, recipe, share, faces) -> Pruned:
    """To a share of the multiply-accumulates."""
    return pruning.prune(network, recipe, share * macs(network, recipe.input_size), faces)


def alive(network):
    """Weights and batch statistics such that no channel is like another, and heatmaps cross the boundary's level."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.running_var, 0.5),
                (module.weight, 0.5),
                (module.running_mean, -0.2),
                (module.bias, -0.2),
            ):
                nn.init.uniform_(tensor, low, low + 0.5)
    network.eval()
    images = torch.rand(2, 3, SIZE, SIZE)
    with torch.no_grad():
        for i, stack in enumerate(network.stacks):
            nn.init.normal_(stack.head.weight, std=0.1)
            stack.head.bias[-1] += BOUNDARY_LEVEL - network(images)[i][:, -1].median()
    return network


def inner(network):
    """Convolutions that read channels of the network; depthwise ones hand theirs through."""
    return {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d) and m.groups == 1}


def read_by(network, written, size=SIZE):
    """{convolution: its input channels that carry something of ``written``, {convolution: output channels}}."""
    found = {}

    def look(name):
        def hook(module, arguments):
            x = arguments[0]
            found[name] = set(x.isnan().flatten(2).any(2).any(0).nonzero().flatten().tolist())
            return (x.nan_to_num(0.0),)

        return hook

    def mark(some):
        def hook(module, arguments, output):
            output[:, sorted(some)] = torch.nan
            return output

        return hook

    convolutions = inner(network)
    hooks = [m.register_forward_pre_hook(look(n)) for n, m in convolutions.items()]
    hooks += [convolutions[n].register_forward_hook(mark(some)) for n, some in written.items()]
    with torch.no_grad():
        network(torch.rand(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return {name: some for name, some in found.items() if some}


def small(block, boundary=False):
    """A network whose hourglass is one block, behind a stem that is as wide and a CoordConv."""
    stem = nn.Sequential(conv_bn(3, 16, 3, 4), block(16, 32))

    def stack(i, last):
        entry = CoordConv(32, 32, boundary=boundary and i > 0)
        return Stack(entry, Hourglass([], [], block(32, 32), [], "nearest"), block(32, 32), 32, 32, 5, last)

    stacks = [stack(0, not boundary)] + ([stack(1, True)] if boundary else [])
    return alive(StackedHourglass(stem, stacks, nn.ReLU6()))


@pytest.mark.parametrize("block", [Inverted, Fused, Hierarchical])
@pytest.mark.parametrize("boundary", [False, True])
def test_groups_are_what_brute_force_finds(block, boundary):
    """One channel at a time: whoever reads or writes the same thing, directly or by others, is one group's channel."""
    network = small(block, boundary)
    parent = {}

    def root(node):
        while parent.setdefault(node, node) != node:
            node = parent[node]
        return node

    for name, convolution in inner(network).items():
        for channel in range(convolution.out_channels):
            for reader, some in read_by(network, {name: {channel}}, 16).items():
                for other in some:
                    parent[root(("in", reader, other))] = root(("out", name, channel))
    together = {}
    for node in list(parent):
        together.setdefault(root(node), set()).add(node)
    heads = {name for name in inner(network) if name.endswith("head")}
    expected = {
        frozenset(nodes) for nodes in together.values() if not any(n[0] == "out" and n[1] in heads for n in nodes)
    }

    found = set()
    for group in Graph(network, 16).groups():
        members = [m for m in group.members if network.get_submodule(m.convolution).groups == 1]
        found |= {
            frozenset(("out" if m.out else "in", m.convolution, c) for m in members for c in m.channels[channel])
            for channel in range(group.width)
        }
    assert found == expected and len(found) > 32


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pruned_network_is_the_original_without_these_channels(name, faces):
    recipe = NETWORKS[name]
    network = alive(build(recipe))
    before = copy.deepcopy(network.state_dict())
    pruned = prune(network, recipe, 0.6, faces)
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    gone = pruned.removed

    # Who wrote what is gone, and who wrote what is left: every reader sees either the one or the other.
    convolutions = inner(network)
    written = {n: gone[n][1] for n in convolutions if n in gone and gone[n][1]}
    assert read_by(network, written) == {n: gone[n][0] for n in convolutions if n in gone and gone[n][0]}
    left = {n: set(range(m.out_channels)) - written.get(n, set()) for n, m in convolutions.items()}
    sees = read_by(network, left)
    for n, m in convolutions.items():
        if not n.endswith(".coord") and n not in ("stem.0.0", "stem.conv.conv"):
            assert sees[n] == set(range(m.in_channels)) - gone.get(n, (set(), set()))[0], n

    with torch.no_grad():
        for n in convolutions:
            convolutions[n].weight[:, sorted(gone.get(n, (set(),))[0])] = 0
        images = torch.rand(2, 3, SIZE, SIZE)
        values = network(images)[0][:, -1].flatten().sort().values
        apart = values.diff()[len(values) // 4 : -len(values) // 4].argmax() + len(values) // 4  # no value at the level
        shift = BOUNDARY_LEVEL - values[apart : apart + 2].mean()
        for one in (network, pruned.network):
            one.stacks[0].head.bias[-1] += shift
        expected, ours = network(images), pruned.network(images)
    if recipe.stacks > 1:  # the boundary's coordinates are on and off
        assert 0 < (expected[0][:, -1] > 0.05).float().mean() < 1
    for a, b in zip(expected, ours):
        assert a.shape[1] == layouts.get(LAYOUT).points + 1
        assert (a - b).abs().max() < 1e-4 * a.abs().max()

    # Everything shrinks: streams through concatenations, skips and stacks, and not by emptying one branch.
    assert pruned.macs == (macs(network, SIZE), macs(pruned.network, SIZE)) and pruned.macs[1] <= 0.6 * pruned.macs[0]
    old, new = channels(network), channels(pruned.network)
    assert all(width % ROUND_TO == 0 for n, (_, width) in new.items() if width != old[n][1])
    assert min(width for _, width in new.values()) >= min(ROUND_TO, min(width for _, width in old.values()))
    for stack in range(recipe.stacks):
        assert new[f"stacks.{stack}.entry.conv"][0] < old[f"stacks.{stack}.entry.conv"][0] or "mobile" in name
        assert new[f"stacks.{stack}.head"][1] == old[f"stacks.{stack}.head"][1]
    if recipe.network == "paper":
        blocks = [n for n, m in network.named_modules() if isinstance(m, Hierarchical)]
        assert all(new[f"{n}.conv.{i}"][1] < old[f"{n}.conv.{i}"][1] for n in blocks[1:] for i in range(3))


def test_a_pruned_run_loads_without_torch_pruning(tmp_path, faces):
    from train.float_contract import float_contract

    pruned = prune(alive(build(MOBILE)), MOBILE, 0.6, faces)
    path = tmp_path / "model.safetensors"
    checkpoint.save_model(
        path,
        pruned.network,
        pruned.recipe,
        float_contract(pruned.network, pruned.recipe, "pruned", Credits(trained_on=("drawn",))),
    )
    images = torch.rand(1, 3, SIZE, SIZE)
    with torch.no_grad():
        np.save(tmp_path / "images.npy", images.numpy())
        np.save(tmp_path / "heatmaps.npy", pruned.network(images)[-1].numpy())
    program = """if True:
        import sys, numpy, torch
        sys.modules["torch_pruning"] = None  # any import of it fails
        from train.checkpoint import load_model
        network, recipe, _ = load_model(sys.argv[1] + "/model.safetensors")
        with torch.no_grad():
            heatmaps = network(torch.from_numpy(numpy.load(sys.argv[1] + "/images.npy")))[-1].numpy()
        numpy.testing.assert_allclose(heatmaps, numpy.load(sys.argv[1] + "/heatmaps.npy"), atol=1e-6)
        print(len(recipe.channels))
    """
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(pruned.recipe.channels) > 10


def test_importance_finds_channels_that_do_nothing(faces):
    """Eight channels of the first stream that nobody reads and hardly anything is written into go first."""
    network = alive(build(MOBILE))
    graph = Graph(network, SIZE)
    group = next(g for g in graph.groups() if g.root == "stem.2.expand.0" or g.root == "stem.2.depthwise.0")
    dead = {1, 4, 5, 9, 17, 18, 23, 30}
    with torch.no_grad():
        for member in group.members:
            if network.get_submodule(member.convolution).groups == 1:
                weight = network.get_submodule(member.convolution).weight
                own = [c for channel in dead for c in member.channels[channel]]
                (weight if member.out else weight.transpose(0, 1))[own] = 0
    graph = Graph(network, SIZE)
    groups = graph.groups()
    worth = importance.taylor(graph.network, groups, MOBILE, faces)
    ours = worth[[g.root for g in groups].index(group.root)]
    rest = sorted(set(range(group.width)) - dead)
    assert ours[sorted(dead)].max() <= ours[rest].min() and ours[rest].max() > 0
    pruned = prune(network, MOBILE, 0.5, faces)
    gone = sorted(pruned.removed["stem.2.expand.0"][1])
    assert len(gone) >= 8 and ours[gone].max() <= np.delete(ours, gone).min()


def test_taylor_is_the_slope_of_the_loss(faces):
    """Against a finite difference: what the loss gains when everybody reads a little less of one channel."""
    from train.heatmaps import GroundTruth
    from train.loss import heatmap_loss

    network = alive(build(MOBILE)).double()
    truth = GroundTruth(MOBILE)
    crops = torch.from_numpy(faces.crops).permute(0, 3, 1, 2).double() / 255
    target, mask = truth(torch.from_numpy(faces.landmarks))
    graph = Graph(network.float(), SIZE)
    groups = graph.groups()
    worth = importance.taylor(graph.network, groups, MOBILE, faces)  # 8 faces are one batch
    network.double()

    @torch.no_grad()
    def loss():
        return heatmap_loss(network(crops), target.double(), mask, MOBILE.loss, MOBILE.weight).item()

    for group, values in list(zip(groups, worth))[::4]:
        channel = int(np.argmax(values))
        step, sides = 1e-4, []
        for sign in (1, -1):
            kept = {}
            for m in group.members:
                convolution = network.get_submodule(m.convolution)
                if not m.out and convolution.groups == 1:
                    kept[convolution] = convolution.weight.data.clone()
                    convolution.weight.data[:, list(m.channels[channel])] *= 1 + sign * step
            sides.append(loss())
            for convolution, weight in kept.items():
                convolution.weight.data = weight
        assert abs(sides[0] - sides[1]) / (2 * step) == pytest.approx(values[channel], rel=0.02), group.root


def test_bad_input(faces):
    network = build(MOBILE)
    with pytest.raises(InputError, match="--macs 0.01 cannot be met.*the least is 0"):
        prune(network, MOBILE, 0.01, faces)
    with pytest.raises(InputError, match="needs crops"):
        prune(network, MOBILE, 0.7, Faces(faces.crops[:0], faces.landmarks[:0], faces.names[:0]))
