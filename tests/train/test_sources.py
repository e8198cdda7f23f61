import cv2
import numpy as np
import pytest

from edgewing.errors import InputError
from tests.train.data.folders import face
from tests.train.data.mats import write_cofw
from train import recipes
from train.evaluate import Faces, Scores
from train.loop import Workers, fit
from train.preview import draw_run, draw_worst
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


def test_a_folder_of_that_name_is_not_passed_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drawn").mkdir()
    with pytest.raises(InputError, match="the folder is ./drawn"):
        open_cache(recipes.replace(RECIPE, data=("drawn",)), tmp_path, Workers(), print)


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


def test_the_worst_faces_show_true_and_predicted_points(tmp_path):
    crops = np.full((3, 64, 64, 3), 120, np.uint8)
    true = np.tile(np.linspace(16, 48, 19, dtype=np.float32)[:, None], (3, 1, 2))
    scores = Scores(np.array([0.1, 0.3, 0.2]), true + [0, 8], "crop")
    true[2, 5:] = np.nan  # points that nobody set have no error to draw
    faces = Faces(crops, true, np.array(["a", "b", "c"]))
    sheet = draw_worst(tmp_path, faces, scores, np.array([1, 2]))
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "worst.png"))[..., ::-1], sheet)
    # the first tile begins 6 px in; a point at 16 of 64 px is at 65.5 of its 256, its prediction 32 px below
    for place, colour in (((6 + 66, 6 + 66), (90, 255, 120)), ((6 + 66 + 32, 6 + 66), (255, 80, 60))):
        assert np.abs(sheet[place].astype(int) - colour).max() < 30
    assert sheet.shape == (6 + 256 + 22 + 6 + 2 * 22 + 6, 6 + 2 * (256 + 6), 3)  # two lines of text below


def test_faces_are_cropped_from_the_datasets_boxes_where_the_recipe_says_so(tmp_path):
    write_cofw(tmp_path / "COFW")
    recipe = recipes.replace(RECIPE, layout="cofw-29", data=(str(tmp_path / "COFW"),))
    tight, provided = (
        open_cache(recipes.replace(recipe, crop=crop), tmp_path / "cache", Workers(), print)
        for crop in ("gtbox", "provided")
    )
    assert tight.folder != provided.folder and (tight.meta["crop"], provided.meta["crop"]) == ("gtbox", "provided")
    # the box 30..130 x 15..105 gives a square of 1.344 * 95 px around (80, 60), and half as much around it
    size = provided.meta["size"]
    step = 1.5 * 1.344 * 95 / size
    expected = (face(29, 0)[1] - [80, 60]) / step + (size - 1) / 2
    np.testing.assert_allclose(provided.landmarks([0])[0], expected, atol=1e-3)
    with pytest.raises(InputError, match="the cache has crops by provided, the recipe by gtbox"):
        fit(recipe, provided, tmp_path / "run", Workers())
    with pytest.raises(InputError, match="drawn faces have no boxes"):
        open_cache(recipes.replace(RECIPE, crop="provided", data=("drawn",)), tmp_path, Workers(), print)
