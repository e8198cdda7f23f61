import dataclasses

import numpy as np
import pytest
import torch

from edgewing import decoding, runtimes
from targets import graph
from tests.targets.discs import RECIPE, discs, run_contract
from train import blocks, recipes
from train import model as models

NHWC, NCHW = graph.Interface("NHWC", "uint8"), graph.Interface("NCHW", "float32")


def heatmaps(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    maps = rng.normal(0, 0.02, (4, 19, 20, 24)).astype(np.float32)
    if kind == "empty":
        return maps * 0 - 0.1
    yy, xx = np.mgrid[:20, :24]
    for m in maps.reshape(-1, 20, 24):
        x, y, height = rng.uniform(0, 23), rng.uniform(0, 19), 10 ** rng.uniform(-2.5, 0.3)
        m *= height
        m += height * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / 4.5)
    if kind == "second peaks":
        maps += 0.9 * np.roll(maps, (7, 9), axis=(2, 3))
    return maps


@pytest.mark.parametrize("kind", ["peaks", "second peaks", "empty"])
@pytest.mark.parametrize(
    "how", [decoding.Decode(), decoding.Decode("centroid", 0.1, 4), decoding.Decode("centroid", 0, 1)]
)
def test_decode_equals_numpy_decode(kind, how):
    """Weak peaks (down to 0.003), peaks above 1, peaks at the border, a map that is not square."""
    maps = heatmaps(kind)
    landmarks, scores = graph.Decode(how, 20, 24, 4.0)(torch.from_numpy(maps))
    expected, expected_scores = decoding.decode(maps, 4.0, how)
    assert np.abs(landmarks.numpy() - expected).max() < 0.01
    assert np.abs(scores.numpy() - expected_scores).max() < 1e-6


def test_no_operation_that_delegates_refuse():
    exported = torch.export.export(graph.Decode(decoding.Decode(), 16, 16, 4.0), (torch.zeros(1, 19, 16, 16),))
    names = {str(node.target) for node in exported.graph.nodes if node.op == "call_function"}
    assert names and not [n for n in names if any(bad in n for bad in ("argmax", "topk", "gather", "index", "where"))]


def shaken(recipe: recipes.Recipe) -> torch.nn.Module:
    """A network whose batch norms have something to fold, and whose heatmaps are not empty."""
    torch.manual_seed(1)
    network = models.build(recipe)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
        elif isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    return network.eval()


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        recipes.replace(RECIPE, stacks=2, layout="300w-68"),  # boundary coordinates in the second stack
        recipes.replace(RECIPE, layout="lsp-14", boundary=False, coordinates=False),
        recipes.replace(RECIPE, block="hierarchical"),
        recipes.replace(RECIPE, network="paper", decode="quarter"),
    ],
    ids=["mobile", "two stacks", "no boundary", "hierarchical", "paper"],
)
def test_folding_changes_nothing(recipe):
    network = shaken(recipe)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    run = run_contract(network, recipe)
    crops, _ = discs(4, 3, recipe.input_size, "aflw-19")
    images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
    folded = graph.build(network, run, NHWC)
    with torch.no_grad():
        expected = network(images)[-1][:, : run.layout.points]
        found = folded.network(images)[-1]
        landmarks, scores = folded(NHWC.tensor(crops))
        also, _ = graph.build(network, run, NCHW)(NCHW.tensor(crops))
    assert found.shape == expected.shape  # the last boundary is left out
    assert (found - expected).abs().max() < 2e-4 * expected.abs().max()
    how = graph.in_graph(run)
    reference, reference_scores = decoding.decode(found.numpy(), run.decode.stride, how)
    assert np.abs(landmarks.numpy() - reference).max() < 0.01
    assert np.abs(scores.numpy() - reference_scores).max() < 1e-3
    assert (landmarks - also).abs().max() < 0.01  # both ways to hand the image over
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())  # it was copied
    assert not any(type(m) in (blocks.CoordConv, blocks.BoundaryMask) for m in folded.modules())


def test_reference_is_the_unfolded_network(network):
    crops, landmarks = discs(8, 5)
    points = graph.reference(network, run_contract(network, RECIPE), crops, batch=3)
    with torch.no_grad():
        maps = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)[-1][:, :19].numpy()
    expected, scores = decoding.decode(maps, 4.0)
    assert np.abs(points.landmarks - expected).max() < 0.01 and np.abs(points.scores - scores).max() < 1e-6
    # and the fixture finds its discs, or no figure of these tests would mean anything
    assert np.linalg.norm(points.landmarks - landmarks, axis=-1).mean() < 4


def test_heatmaps_of_several_images_decode_to_the_same_points(network):
    """Output and batch change what the graph gives back, and the contract says so."""
    run, crops = run_contract(network, RECIPE), discs(3, 8)[0]
    asked = dataclasses.replace(NCHW, output="heatmaps", batch=3)
    assert asked.shape(64) == list(asked.image(64).shape) == [3, 3, 64, 64] and asked.outputs == ("heatmaps",)
    with torch.no_grad():
        heatmaps = graph.build(network, run, asked)(asked.tensor(crops))
        landmarks, scores = graph.build(network, run, NHWC)(NHWC.tensor(crops))
    part = graph.artefact_contract(run, asked, "onnx", "fp32", {})
    assert part.input.shape == [3, 3, 64, 64] and not part.decode.in_graph
    (output,) = part.outputs
    assert (output.name, output.meaning, output.shape) == ("heatmaps", "heatmaps", list(heatmaps.shape))
    with torch.no_grad():  # the boundary is the last of them, as the network gives it
        boundary = network(torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255)[-1][:, 19:]
    assert boundary.shape[1] == 1 and (heatmaps[:, 19:] - boundary).abs().max() < 2e-4 * boundary.abs().max()
    points = runtimes.decoded(heatmaps.numpy(), part)
    assert np.abs(points.landmarks - landmarks.numpy()).max() < 0.01
    assert np.abs(points.scores - scores.numpy()).max() < 1e-6


def test_contract_of_an_artefact_says_that_the_graph_decodes(network):
    run = run_contract(network, recipes.replace(RECIPE, decode="quarter"))
    part = graph.artefact_contract(run, NHWC, "tflite", "int8", {"litert-torch": "1"})
    assert part.decode.in_graph and part.decode.method == "centroid"
    assert part.input.shape == [1, 64, 64, 3] and part.input.dtype == "uint8"
    assert [o.name for o in part.outputs] == ["landmarks", "scores"]
    assert part.model.format == "tflite" and part.provenance.versions["litert-torch"] == "1"
    assert part.provenance.weights_sha256 == run.provenance.weights_sha256
