"""Expected heatmaps of the released code: vectors/official.npz, its own output for weights made by a formula."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewing import contract as contracts
from edgewing.contract import KEY
from edgewing.errors import InputError
from train import checkpoint, recipes
from train.checkpoint import load_model, load_official, save_model
from train.credits import Credits
from train.float_contract import float_contract
from train.model import build

OFFICIAL = np.load(Path(__file__).parent / "vectors" / "official.npz", allow_pickle=False)
RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, width=0.5)


def official_state(points, stacks):
    """Entry i is filled with frac(sin(12.9898 j + 37.719 (i + 1)) * 43758.5453) - 0.5 over its index j, scaled."""
    state = {}
    for i, (key, shape) in enumerate(json.loads(str(OFFICIAL[f"keys_{points}_points_{stacks}_stacks"]))):
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(0)
            continue
        value = np.sin(np.arange(np.prod(shape)) * 12.9898 + (i + 1) * 37.719) * 43758.5453
        u = value - np.floor(value) - 0.5
        if key.endswith("running_var"):
            u = 1 + 0.5 * u
        elif key.endswith("running_mean"):
            u = 0.2 * u
        elif key.endswith("bias"):
            u = 0.1 * u
        elif len(shape) == 1:
            u = 1 + 0.4 * u
        else:
            u = u * np.sqrt(12 / np.prod(shape[1:]))
        state[key] = torch.tensor(u.reshape(shape), dtype=torch.float32)
    return state


def official_image():
    y, x = np.mgrid[:256, :256]
    channels = (np.sin(x / 17) + 1) / 2, (np.cos(y / 23) + 1) / 2, (np.sin((x + 2 * y) / 31) + 1) / 2
    return torch.tensor(np.stack(channels)[None], dtype=torch.float32)


@pytest.mark.parametrize(("points", "stacks"), [(98, 1), (68, 3)])
def test_released_weights_give_the_released_heatmaps(points, stacks):
    network = load_official(official_state(points, stacks))
    with torch.no_grad():
        outputs = network(official_image())
    assert len(outputs) == stacks
    for i, output in enumerate(outputs):
        expected = OFFICIAL[f"heatmaps_{points}_points_{stacks}_stacks_{i}"]
        difference = np.abs(output[0, :, ::8, ::8].numpy() - expected).max()
        assert difference / np.abs(expected).max() < 1e-5


def test_released_file_forms(tmp_path):
    state = official_state(98, 1)
    wrapped = {
        "state_dict": {f"module.{k}": v for k, v in state.items()} | {"unknown.weight": torch.zeros(1)},
        "epoch": 3,
    }
    torch.save(wrapped, tmp_path / "official.pth")
    weights = load_official(tmp_path / "official.pth").state_dict()
    expected = load_official(state).state_dict()
    assert all(torch.equal(weights[k], expected[k]) for k in expected)


def test_a_pickle_that_would_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "evil.pth").write_bytes(pickle.dumps({"state_dict": Evil()}))
    with pytest.raises(InputError, match="cannot be read as weights"):
        load_official(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_official_refuses_other_state_dicts(tmp_path):
    with pytest.raises(InputError, match="not a state dict of the released"):
        load_official({"conv.weight": torch.zeros(1)})
    with pytest.raises(InputError, match="no such file"):
        load_official(tmp_path / "none.pth")
    broken = official_state(98, 1)
    broken["l0.weight"] = broken["l0.weight"][:, :8]
    with pytest.raises(InputError, match="do not fit"):
        load_official(broken)


def test_a_checkpoint_of_many_stacks_is_refused_before_they_are_made(tmp_path):
    state = {"conv1.conv.weight": torch.zeros(1)} | {f"l{i}.weight": torch.zeros(3, 1) for i in range(400)}
    torch.save(state, tmp_path / "many.pth")
    with pytest.raises(InputError, match="400 stacks; the limit is 8"):
        load_official(tmp_path / "many.pth")


def test_a_recipe_of_a_larger_network_than_the_weights_takes_no_memory(tmp_path):
    """A network of 27 TB, for weights of 2 MB."""
    network = build(RECIPE)
    larger = json.dumps(dataclasses.asdict(RECIPE) | {"width": 30_000.0})
    metadata = {
        KEY: contracts.dumps(float_contract(network, RECIPE, "first", Credits(trained_on=("drawn",)))),
        checkpoint.RECIPE_KEY: larger,
    }
    checkpoint.save_tensors(tmp_path / "a.safetensors", network.state_dict(), metadata)
    with pytest.raises(InputError, match="do not fit the recipe|width 30000"):
        load_model(tmp_path / "a.safetensors")


def test_round_trip_with_recipe_and_contract(tmp_path):
    network = build(RECIPE).eval()
    contract = float_contract(network, RECIPE, "first", Credits(trained_on=("drawn",)))
    save_model(tmp_path / "model.safetensors", network, RECIPE, contract)
    loaded = load_model(tmp_path)
    assert loaded.recipe == RECIPE and loaded.contract == contract
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded.network(images)[-1], network(images)[-1])
    assert contract.provenance.weights_sha256 == checkpoint.digest(loaded.network)
    assert "drawn by edgewing" in contract.training.data_terms
    assert (
        "research use only"
        in float_contract(network, RECIPE, "first", Credits(trained_on=("lfpw/trainset",))).training.data_terms
    )


def test_broken_files_are_input_errors_and_leave_the_old_one(tmp_path):
    network = build(RECIPE)
    path = tmp_path / "model.safetensors"
    save_model(path, network, RECIPE, float_contract(network, RECIPE, "first", Credits(trained_on=("drawn",))))
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], b"", b"\xff" * 100, whole[:8]):
        (tmp_path / "broken.safetensors").write_bytes(broken)
        with pytest.raises(InputError):
            load_model(tmp_path / "broken.safetensors")
    with pytest.raises(InputError, match="no such run"):
        load_model(tmp_path / "nowhere")
    other = build(recipes.replace(RECIPE, width=1.0))
    save_model(
        tmp_path / "other.safetensors",
        other,
        RECIPE,
        float_contract(network, RECIPE, "first", Credits(trained_on=("drawn",))),
    )
    with pytest.raises(InputError, match="do not fit the recipe"):
        load_model(tmp_path / "other.safetensors")
    assert path.read_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []


def test_pack_keeps_the_network_in_half_the_bytes(tmp_path, capsys):
    from train.__main__ import main

    network = build(RECIPE).eval()
    recipe = dataclasses.replace(RECIPE, data=("/home/me/data/lfpw/trainset",), unlabelled=("/home/me/data/wflw",))
    save_model(
        tmp_path / "run" / "model.safetensors",
        network,
        recipe,
        float_contract(network, recipe, "run", Credits(trained_on=("drawn",))),
    )
    main(["pack", str(tmp_path / "run"), "--out", str(tmp_path / "packed.safetensors")])
    loaded = load_model(tmp_path / "packed.safetensors")
    sizes = [path.stat().st_size for path in (tmp_path / "packed.safetensors", tmp_path / "run" / "model.safetensors")]
    assert sizes[0] < 0.7 * sizes[1]
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(loaded.network(images)[-1], network(images)[-1], atol=5e-3, rtol=0)
    assert loaded.recipe.data == ("lfpw/trainset",) and loaded.recipe.unlabelled == ("data/wflw",)
    assert b"/home/me" not in (tmp_path / "packed.safetensors").read_bytes()
    assert loaded.contract.model.name == "packed"
    assert loaded.contract.provenance.weights_sha256 == checkpoint.digest(loaded.network)
    assert "wrote" in capsys.readouterr().out
