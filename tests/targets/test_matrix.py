"""Every target x precision of four networks: the paper's made small, the mobile one, pruned, trained for int8.

All are fitted on discs within a minute or two. A target's precisions share their conversion, so they are made together.
"""

import json

import numpy as np
import pytest
import torch

from compress.fakequant import FakeQuantized
from compress.prune import prune
from edgewing import containers
from targets import __main__ as command
from targets import graph, parity, ranges, table
from tests.targets.conftest import HERE
from tests.targets.discs import LAYOUT, RECIPE, SIZE, discs, fit, marked, run_contract, write_run
from train import model as models
from train import recipes
from train.evaluate import Faces

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]


def narrow(recipe: recipes.Recipe) -> recipes.Recipe:
    """With a quarter of its channels, but for pictures, coordinates and heatmaps."""
    sizes = models.channels(models.build(recipe))
    quarter = {name: tuple(c // 4 if c >= 32 else c for c in pair) for name, pair in sizes.items()}
    return recipes.replace(recipe, channels=quarter)


PAPER = narrow(recipes.replace(recipes.get("paper-300w"), layout=LAYOUT, input_size=SIZE, stacks=2, data=("discs",)))


def paper(mobile: torch.nn.Module) -> tuple[torch.nn.Module, recipes.Recipe]:
    """Two stacks of the paper's network: hierarchical blocks, and coordinates behind the first stack's boundary."""
    return fit(models.build(PAPER), steps=300), PAPER


def as_it_is(mobile: torch.nn.Module) -> tuple[torch.nn.Module, recipes.Recipe]:
    return mobile, RECIPE


def pruned(mobile: torch.nn.Module) -> tuple[torch.nn.Module, recipes.Recipe]:
    """The mobile network at twice the width, with half of its multiply-accumulates taken away."""
    recipe = recipes.replace(RECIPE, width=0.5)
    wide = fit(models.build(recipe), steps=100)
    crops, landmarks = discs(32, 4)
    half = models.macs(wide, recipe.input_size) / 2
    smaller = prune(wide, recipe, half, Faces(crops, landmarks, np.arange(32).astype(str)))
    return fit(smaller.network, steps=150), smaller.recipe


def trained_for_int8(mobile: torch.nn.Module) -> tuple[torch.nn.Module, recipes.Recipe]:
    """Fine-tuned while it is computed in int8; what it leaves is an ordinary float network."""
    network = models.build(RECIPE)
    network.load_state_dict(mobile.state_dict())
    fake = FakeQuantized(network, run_contract(network, RECIPE).layout.points)
    fake.ranges = ranges.measure("min-max", fake.activations(discs(50, 6)[0]))
    return fit(fake, steps=20, rate=1e-4).network, RECIPE


NETWORKS = {"paper": paper, "mobile": as_it_is, "pruned": pruned, "qat": trained_for_int8}


@pytest.fixture(scope="module", params=NETWORKS)
def made(request, network, tmp_path_factory):
    torch.manual_seed(0)
    fitted, recipe = NETWORKS[request.param](network)
    folder = write_run(tmp_path_factory.mktemp("matrix") / request.param, fitted, recipe)
    crops, landmarks = discs(40, 77, recipe.input_size, recipe.layout)
    faces = parity.Faces(crops, marked(landmarks, 77, recipe.input_size), "discs")
    return folder, faces, graph.reference(fitted, run_contract(fitted, recipe), faces.crops), {}


@pytest.mark.parametrize("key, precision", [(key, p) for key in HERE for p in table.TABLE[key].precisions])
def test_every_file_passes_its_gate(made, key, precision):
    """That of the command, and the same once more on other faces than the command saw."""
    folder, faces, reference, codes = made
    target = table.TABLE[key]
    if key not in codes:
        with pytest.raises(SystemExit) as end:
            command.main([str(folder), "--to", key, "--precision", *target.precisions])
        codes[key] = end.value.code
    path = target.path(folder / "export", folder.name, precision)
    verdicts = [json.loads(line)["reasons"] for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert path.exists(), (codes[key], verdicts)
    assert containers.read_contract(path).parity.accepted
    again = parity.measure(path, reference, faces).part
    # A limit that one list of faces keeps, another may miss by a little, by the processor; twice is a fault.
    kind = "float" if precision in parity.FLOATS else "integer"
    assert again.p99 <= 2 * parity.SHIFT_LIMIT[kind], str(again)
    assert again.nme_artefact <= again.nme_float * (1 + 2 * parity.NME_LIMIT) + parity.NME_FLOOR, str(again)
    assert np.ptp(reference.landmarks, axis=0).max() > 5  # it really finds something


@pytest.mark.parametrize("key", HERE)
def test_heatmaps_of_several_images_are_the_same_network(key, network, tmp_path):
    """Other outputs and batches: every target's first precision."""
    folder = write_run(tmp_path / "tiny", network, RECIPE)
    batch = 1 if key == "ncnn" else 2  # which knows no batch
    precision, options = table.TABLE[key].default[0], table.Options("heatmaps", batch)
    with pytest.raises(SystemExit) as end:
        command.main(
            [str(folder), "--to", key, "--precision", precision, "--output", "heatmaps", "--batch", str(batch)],
        )
    assert end.value.code == 0
    path = table.TABLE[key].path(folder / "export", "tiny", precision, options)
    about = containers.read_contract(path)
    (output,) = about.outputs
    assert output.shape == [batch, 20, 16, 16] and about.input.shape[0] == batch and not about.decode.in_graph
    faces = parity.Faces(*discs(5, 77), "discs")  # an odd number: the last batch is filled up
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    assert not parity.measure(path, reference, faces).reasons
