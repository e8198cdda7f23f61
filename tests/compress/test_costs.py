"""What a network multiplies as it loses channels."""

import pytest

from compress.channels import Graph
from compress.costs import Costs
from train import recipes
from train.model import build, macs

RECIPE = recipes.Recipe("mobile", "aflw-19", width=0.5, input_size=64, stacks=2)
PAPER = recipes.replace(recipes.get("paper-300w"), input_size=64, stacks=1)


@pytest.mark.parametrize("recipe", [RECIPE, PAPER], ids=["mobile", "paper"])
def test_costs_follow_the_network_as_it_shrinks(recipe):
    """After channels are gone, what is kept in step is what the smaller network costs when looked at anew."""
    network = build(recipe).eval()
    graph, ours = Graph(network, recipe.input_size), Costs(network, recipe)
    assert ours.initial == macs(network, recipe.input_size)
    for group in graph.groups()[::3]:
        gone = group.parts()[0][:8]
        if len(group.parts()[0]) < 16:
            continue
        before, saving = ours.total(), ours.saving(group.members, gone)
        assert ours.total() == before
        ours.remove(group.members, gone)
        assert before - ours.total() == saving > 0
        graph.remove(group, gone)
    assert ours.total() == Costs(graph.network, recipe).initial == macs(graph.network, recipe.input_size) < ours.initial
