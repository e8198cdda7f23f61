"""LSP, the paper's other heatmap task: the same command and loop, with a layout that has no boundary."""

import json

import numpy as np
import torch

from tests.train.data.mats import write_lsp
from train import checkpoint, recipes
from train.__main__ import main
from train.loop import Trainer, Workers
from train.sources import open_cache


def test_the_papers_pose_recipe_trains_on_a_folder_of_lsp(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_lsp(tmp_path / "lsp_dataset", train=6)
    words = "--layout lsp-14 --recipe paper-lsp --run pose --stacks 1 --input-size 64 --batch 2 --validation 0.3"
    main(["fit", str(tmp_path / "lsp_dataset"), *words.split(), "--steps", "3", "--precision", "bf16"])
    out = capsys.readouterr().out
    assert "6 objects, 994 left out (lsp)" in out and "(torso)" in out and "PCK@0.2" in out
    loaded = checkpoint.load_model(tmp_path / "runs/pose")
    assert loaded.contract.outputs[0].shape == [1, 14, 16, 16]  # no boundary
    with torch.no_grad():
        assert [tuple(o.shape) for o in loaded.network(torch.zeros(1, 3, 64, 64))] == [(1, 14, 16, 16)]
    (line,) = [json.loads(x) for x in (tmp_path / "runs/pose/metrics.jsonl").read_text().splitlines() if "nme" in x]
    assert (
        line["normaliser"] == "torso"
        and line["pck"]["threshold"] == 0.2
        and 0 <= line["pck"]["share"] <= 1
        and len(line["worst"]) == line["faces"]
    )
    assert {p.name for p in (tmp_path / "runs/pose").glob("*.png")} == {"preview.png", "worst.png", "curves.png"}


def test_a_network_without_a_boundary_learns_where_joints_are(tmp_path):
    write_lsp(tmp_path, train=6)
    recipe = recipes.replace(
        recipes.get("mobile"), layout="lsp-14", input_size=64, width=0.5, learning_rate=5e-3, warmup=5, ema=0.0,
        data=(str(tmp_path),),
    )  # fmt: skip
    cache = open_cache(recipe, tmp_path / "cache", Workers(), lambda text: None)
    assert len(cache) == 6
    from train.augment import Augment

    images, landmarks = (torch.from_numpy(a) for a in cache.read(np.arange(6)))
    crops, points = Augment(recipe, cache.meta["size"], cache.meta["context"]).plain(images, landmarks)
    trainer = Trainer(recipe, 60, Workers())
    losses = [trainer.update(crops, points) for _ in range(60)]
    assert np.mean(losses[-5:]) < 0.5 * losses[0]
