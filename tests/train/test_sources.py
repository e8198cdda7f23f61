import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from train import recipes
from train.loop import Workers
from train.preview import draw_run
from train.sources import open_cache

RECIPE = recipes.replace(recipes.get("mobile"), input_size=64, layout="aflw-19", drawn=6)


def test_drawn_faces_are_drawn_once(tmp_path):
    recipe = recipes.replace(RECIPE, data=("drawn",))
    said = []
    cache = open_cache(recipe, tmp_path, Workers(), said.append)
    assert len(cache) == 6 and said == ["drawing 6 faces"]
    again = open_cache(recipe, tmp_path, Workers(), said.append)
    assert again.folder == cache.folder and len(said) == 1
    assert (
        open_cache(recipes.replace(recipe, data=(str(cache.folder),)), tmp_path, Workers(), said.append).folder
        == cache.folder
    )


def test_folders_are_read_and_what_is_left_out_is_said(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        cv2.imwrite(str(folder / f"{name}.jpg"), random.integers(0, 255, (80, 80, 3)).astype(np.uint8))
        points = "\n".join(f"{x:.1f} {y:.1f}" for x, y in random.uniform(10, 70, (19, 2)))
        (folder / f"{name}.pts").write_text(f"version: 1\nn_points: 19\n{{\n{points}\n}}\n")
    (folder / "b.pts").write_text("version: 1\nn_points: 19\n{\n1 1\n}\n")
    (folder / "c.jpg").write_bytes((folder / "c.jpg").read_bytes()[:200])
    said = []
    cache = open_cache(recipes.replace(RECIPE, data=(str(folder),)), tmp_path / "cache", Workers(), said.append)
    assert len(cache) == 1
    text = "\n".join(said)
    assert "b.pts" in text and "c.jpg" in text and text.count("left out: ") == 2


def test_no_data_and_mixtures_are_refused(tmp_path):
    with pytest.raises(InputError, match="no data"):
        open_cache(RECIPE, tmp_path, Workers(), print)
    with pytest.raises(InputError, match="trained on alone"):
        open_cache(recipes.replace(RECIPE, data=("drawn", "elsewhere")), tmp_path, Workers(), print)


def test_pictures_of_a_run(tmp_path):
    recipe = recipes.replace(RECIPE, data=("drawn",))
    cache = open_cache(recipe, tmp_path, Workers(), print)
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.json").write_text(recipes.dumps(recipe))
    (run / "metrics.jsonl").write_text(
        '{"step": 50, "loss": 2.0}\n{"step": 100, "loss": 1.0}\n{"step": 100, "nme": 0.1}\n'
    )
    for path in draw_run(run, cache):
        picture = cv2.imread(str(path))
        assert picture.shape[0] > 300 and picture.std() > 10
    assert sorted(p.name for p in run.glob("*.png")) == ["curves.png", "preview.png"]
