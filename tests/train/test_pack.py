"""Weights as one file: of a run, and the mean of several."""

import pytest
import torch

from tests.targets.discs import RECIPE, write_run
from train import checkpoint, recipes
from train import model as models
from train.__main__ import main


@pytest.fixture
def runs(tmp_path):
    made = []
    for seed in range(2):
        torch.manual_seed(seed)
        made.append(str(write_run(tmp_path / f"run-{seed}", models.build(RECIPE), RECIPE)))
    return made


def test_the_mean_of_two_runs_is_an_ordinary_file(runs, tmp_path, capsys):
    out = tmp_path / "both.safetensors"
    assert main(["pack", *runs, "--out", str(out)]) == 0
    assert f"wrote {out}, the mean of 2 runs: " in capsys.readouterr().out
    first, second, both = (checkpoint.load_model(one).network.state_dict() for one in (*runs, out))
    name = "stacks.0.head.weight"
    assert torch.allclose(both[name], (first[name] + second[name]) / 2, atol=1e-3)
    assert not torch.allclose(first[name], second[name], atol=1e-3)


def test_other_networks_have_no_mean(runs, tmp_path, capsys):
    wider = recipes.replace(RECIPE, features=2 * RECIPE.features or 32)
    other = write_run(tmp_path / "wider", models.build(wider), wider)
    with pytest.raises(SystemExit, match="2"):
        main(["pack", runs[0], str(other), "--out", str(tmp_path / "both.safetensors")])
    assert f"{runs[0]}: is another network than {other}" in capsys.readouterr().err
    assert not (tmp_path / "both.safetensors").exists()
