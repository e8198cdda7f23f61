"""Layouts of 21 and 106 points, each in a file of its own, from a run to files for phones, boards, `edgewing run` and
the page. Weights are random: what is looked at is shapes, and that every file says the same."""

import contextlib
import io
import json
import re

import numpy as np
import pytest
import torch

from bench import __main__ as bench
from bench.time.browser import serving
from edgewing import containers, images, layouts, runtimes, web
from edgewing.landmarker import Landmarker
from targets import __main__ as command
from targets import table
from tests.apps.web.conftest import drive, node, page  # noqa: F401  fixtures
from tests.edgewing.test_cli import edgewing
from tests.targets.discs import RECIPE, write_run
from train import model as models
from train import recipes

FINGERS = [f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "little") for joint in range(4)]
HAND = {
    "name": "hand-21",
    "object": "hand",
    "points": ["wrist", *FINGERS],
    "edges": [["wrist" if i % 4 == 0 else FINGERS[i - 1], FINGERS[i]] for i in range(20)],
}
FACE = {
    "name": "face-106",
    "object": "face",
    "points": 106,
    "flip_pairs": [[i, 32 - i] for i in range(16)],
    "curves": {"contour": list(range(33)), "brow": list(range(33, 42))},
    "normalisers": {"eyes": [[52], [61]], "box": "landmarks"},
}
MADE = table.plan(["onnx", "tflite", "tensorrt"], ["fp32"])
BOX = 40, 30, 200, 210


LAYOUTS = [pytest.param(HAND, id="hand-21"), pytest.param(FACE, id="face-106", marks=pytest.mark.full)]


@pytest.fixture(scope="module", params=LAYOUTS)
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("points")
    file = folder / f"{request.param['name']}.json"
    file.write_text(json.dumps(request.param))
    recipe = recipes.replace(RECIPE, layout=layouts.given(str(file)), absent="empty", hidden=0.6)
    torch.manual_seed(0)
    made = write_run(folder / "run", models.build(recipe), recipe)
    file.unlink()  # nobody needs it from here on
    with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()) as said:
        command.main([str(made), "--to", "onnx", "tflite", "tensorrt", "--precision", "fp32"])
    assert end.value.code == 0 and f"parity on 64 {recipe.layout.several} of " in said.getvalue()
    return made


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    """Something that no detector takes for a face."""
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    images.write(path, np.random.default_rng(0).integers(0, 255, (240, 320, 3), np.uint8))
    return path


def files_of(run):
    return [table.TABLE[key].path(run / "export", run.name, precision) for key, precision in MADE]


def test_every_file_has_the_layout_whole_and_the_same_points(run, photograph):
    wanted = containers.read_contract(run / "model.safetensors").layout
    found = []
    for path in files_of(run):
        contract = containers.read_contract(path)
        assert contract.layout == wanted and contract.parity.accepted and contract.decode.least_score == 0.3
        assert [output.shape for output in contract.outputs] == [[1, wanted.points, 2], [1, wanted.points]]
        points = runtimes.open(path)(np.random.default_rng(1).integers(0, 255, (3, 64, 64, 3), np.uint8))
        assert points.landmarks.shape == (3, wanted.points, 2) and points.scores.shape == (3, wanted.points)
        found.append(points.landmarks)
    assert np.ptp(found, axis=0).max() < 0.05 and np.ptp(found[0], axis=0).max() > 0.05


def test_bench_speaks_of_what_they_are_on(run, capsys):
    """But for names of files and fields: a run's folder ``faces``."""
    path, what = files_of(run)[0], containers.read_contract(run / "model.safetensors").layout.several
    words = ["accuracy", "--model", str(path), "--data", str(run), "--to", str(run / "rows.jsonl")]
    assert not bench.main(words)
    assert f"64 {what} that the run was not trained on" in capsys.readouterr().out
    assert bench.main(["report", str(run)]) in (None, 0)
    text = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", (run / "report.html").read_text(), flags=re.S)
    said = re.findall(r"(?<![./\w-])faces?(?![/:\w])", text, flags=re.I)
    assert bool(said) == (what == "faces"), said


def test_edgewing_run_speaks_of_what_they_are_on(run, photograph):
    layout = containers.read_contract(run / "model.safetensors").layout
    for path in files_of(run)[:2]:
        done = edgewing("run", photograph, "--model", path, "--box", ",".join(map(str, BOX)), "--json", "-")
        assert done.returncode == 0 and f"{layout.object} 0: box 40, 30, 200, 210" in done.stderr, done.stderr
        (one,) = json.loads(done.stdout)[layout.several]
        assert len(one["landmarks"]) == len(one["scores"]) == layout.points


def test_the_page_shows_them(run, photograph, node, page):  # noqa: F811
    path = files_of(run)[1]
    layout = containers.read_contract(path).layout
    with serving(web.site(path)) as url:
        box = [BOX[0] / 320, BOX[1] / 240, BOX[2] / 320, BOX[3] / 240]
        found = drive(node, {"scene": "boxed", "url": url, "picture": str(photograph), "box": box})
    assert found["texts"]["model"].endswith(f"fp32, {layout.points} points") and found["texts"]["hint"] == "1 found"
    (points,) = found["faces"]
    (expected,) = Landmarker(path)(images.read_image(photograph), found["boxes"])
    assert np.abs(np.reshape(points, (-1, 2)) - expected.landmarks).max() < 1e-2
    assert np.abs(np.array(found["boxes"]) - BOX).max() < 1.5  # the mouse moves by whole px
