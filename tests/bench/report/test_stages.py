"""The trainings that led to a run are found by the names and the weights of its teachers."""

import dataclasses
import json

import pytest
import torch

from bench.report import page, stages
from tests.targets.discs import RECIPE, run_contract
from train import checkpoint
from train import model as models


@pytest.fixture
def trained(tmp_path):
    """make(name, steps, *teachers) leaves a run with metrics, and gives what a student calls it."""

    def make(name, steps, *teachers):
        torch.manual_seed(len(name))
        network = models.build(RECIPE).eval()
        contract = run_contract(network, RECIPE)
        training = dataclasses.replace(contract.training, teachers=teachers)
        checkpoint.save_model(
            tmp_path / name / "model.safetensors", network, RECIPE, contract.replace(training=training)
        )
        log = [{"step": s + 1, "loss": 1 / (s + 1), "nme": 0.1} for s in range(steps)]
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
        return f"{name} (weights {checkpoint.digest(network)[:12]})"

    return make


def test_a_pruned_run_shows_the_training_before_it_too(trained, tmp_path):
    trained("small", 3, trained("middle", 4, trained("big", 5)))
    found = stages.stages(tmp_path / "small")
    assert [(s.name, s.steps) for s in found] == [("big", 5), ("middle", 4), ("small", 3)]
    (_, loss), (_, error) = page._training(found)
    assert loss.count("<polyline") == error.count("<polyline") == 3 and "middle" in loss


@pytest.mark.parametrize("teacher", ["big (weights 0123456789ab)", "gone (weights 0123456789ab)", "small", "../big"])
def test_a_run_with_other_weights_is_not_the_one_before(trained, tmp_path, teacher):
    trained("big", 5)
    trained("small", 3, teacher)
    assert [s.name for s in stages.stages(tmp_path / "small")] == ["small"]


def test_a_run_that_was_not_trained_here_has_none(tmp_path):
    assert stages.stages(tmp_path) == [] == page._training([])
