"""Nothing is lost: killed at random moments, a full disk, a folder that may not be written, half a line of a log."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewing import layouts
from edgewing.errors import InputError
from train import checkpoint, loop, recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.log import rewind
from train.loop import CHECKPOINT, Workers, fit

ROOT = Path(__file__).parents[2]
RECIPE = recipes.replace(
    recipes.get("mobile"), input_size=64, width=0.25, layout="aflw-19", batch=4, evaluate_every=4, warmup=2,
    validation=0.25, seed=6, features=8,
)  # fmt: skip

# Trains in forked children, which are killed without a warning after a random time; a checkpoint after every step, so
# that many die while one is written. Imports are paid for once.
KILLS = """
import os, random, shutil, signal, sys, time
from pathlib import Path
import cv2, torch, torch._dynamo, torch.utils.tensorboard
torch.set_num_threads(1)
from train import loop, recipes
from train.data.cache import Cache
folder, run, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
recipe = recipes.load(Path(sys.argv[4]))
loop.SAVE_SECONDS = 0
random.seed(0)
killed = 0
while True:
    child = os.fork()
    if child == 0:
        loop.fit(recipe, Cache.open(folder), run, loop.Workers(), say=lambda text: None)
        os._exit(0)
    deadline, ended = time.monotonic() + random.uniform(0.1, 2.0), False
    while killed < kills and time.monotonic() < deadline and not ended:
        ended = os.waitpid(child, os.WNOHANG)[0] != 0
        time.sleep(0.002)
    if killed == kills:
        break
    if ended:  # a quick machine: the run is done before it was killed often enough, and begins anew
        shutil.rmtree(run)
        continue
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    killed += 1
    if (run / loop.CHECKPOINT).exists():
        loop.checkpoint.load_tensors(run / loop.CHECKPOINT)  # whole at any moment
print(killed, os.waitpid(child, 0)[1])
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "drawn"
    return caches.build(faces(16, "aflw-19", 0), folder, layouts.get("aflw-19"), caches.dense_enough(64))


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_killed_at_50_random_moments_it_ends_with_the_same_weights(cache, tmp_path):
    kills, steps = 50, 80
    recipe = recipes.replace(RECIPE, steps=steps)
    (tmp_path / "recipe.json").write_text(recipes.dumps(recipe))
    words = [str(cache.folder), str(tmp_path / "killed"), str(kills), str(tmp_path / "recipe.json")]
    done = subprocess.run([sys.executable, "-c", KILLS, *words], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split() == [str(kills), "0"], done.stderr[-2000:]
    fit(recipe, cache, tmp_path / "undisturbed", Workers(), say=lambda text: None)
    files = [tmp_path / name / checkpoint.MODEL for name in ("killed", "undisturbed")]
    ours, expected = (checkpoint.load_tensors(file)[0] for file in files)
    assert ours.keys() == expected.keys() and all(torch.equal(ours[k], expected[k]) for k in expected)
    assert not list((tmp_path / "killed").glob(".*.part*"))
    lines = [json.loads(line) for line in (tmp_path / "killed/metrics.jsonl").read_text().splitlines()]
    scored = [line["step"] for line in lines if "nme" in line]
    assert scored == [*range(4, steps, 4), steps]  # none twice, none missing


def test_lines_after_the_checkpoint_and_half_a_line_are_dropped(tmp_path):
    rewind(tmp_path, 3)  # nothing there yet
    (tmp_path / "metrics.jsonl").write_text('{"step": 2, "loss": 1}\n{"step": 4, "loss": 1}\nnull\n{"step": 5, "lo')
    rewind(tmp_path, 3)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 2, "loss": 1}\n'


def quietly(recipe, cache, run):
    fit(recipe, cache, run, Workers(), say=lambda text: None)


def test_a_full_disk_is_one_line_and_the_checkpoint_before_is_intact(cache, tmp_path):
    """No file may grow beyond 64 KiB: writing fails as on a full disk, in the middle of the file."""
    run, recipe = tmp_path / "run", recipes.replace(RECIPE, steps=4)
    quietly(recipe, cache, run)
    before = (run / CHECKPOINT).read_bytes()
    (run / checkpoint.MODEL).unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(InputError, match="model.safetensors: cannot be written .* before is intact"):
            quietly(recipe, cache, run)
        with pytest.raises(InputError, match="calibration.npz: cannot be written .File too large."):
            quietly(recipe, cache, tmp_path / "other")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (run / CHECKPOINT).read_bytes() == before and not (run / checkpoint.MODEL).exists()
    assert not list(run.glob(".*.part*")) and not list((tmp_path / "other").rglob("*.npz*"))
    quietly(recipe, cache, run)
    assert (run / checkpoint.MODEL).exists()


def test_a_log_that_cannot_grow_is_one_line(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    run = tmp_path / "run"
    run.mkdir()
    (run / ".lock").touch()  # as of a run that was begun
    (run / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(InputError, match="cannot be written .No space left on device.; the last checkpoint is intact"):
        quietly(recipes.replace(RECIPE, steps=4, evaluate_every=3), cache, run)
    assert checkpoint.load_tensors(run / CHECKPOINT)[1]["step"] == "2"


def test_a_folder_that_cannot_be_made_is_one_line(cache, tmp_path):
    """File systems that are read-only or full: tests/test_commands.py."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file/run.*: cannot be written"):
        quietly(recipes.replace(RECIPE, steps=4), cache, tmp_path / "file/run")


def test_a_cache_that_shrinks_under_a_run_is_one_line(cache, tmp_path):
    copy = tmp_path / "cache"
    copy.mkdir()
    for path in cache.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    opened = caches.Cache.open(copy)
    with open(copy / "images.u8", "r+b") as file:
        file.truncate(1000)
    with pytest.raises(InputError, match="cut off; delete the folder"):
        fit(recipes.replace(RECIPE, steps=4), opened, tmp_path / "run", Workers(), say=lambda text: None)


def with_a_face_that_is_not_finite(cache, tmp_path):
    """A copy of the cache in which the first face to train on has landmarks that are not numbers."""
    copy = tmp_path / "cache"
    copy.mkdir()
    for path in cache.folder.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    points = np.fromfile(copy / "landmarks.f32", np.float32).reshape(len(cache), -1)
    train, _ = cache.split(RECIPE.validation, RECIPE.seed)
    points[train[0]] = np.inf
    points.tofile(copy / "landmarks.f32")
    return caches.Cache.open(copy)


def test_batches_without_a_finite_loss_are_named(cache, tmp_path):
    """Steps with that face are skipped, the others learn."""
    said = []
    recipe = recipes.replace(RECIPE, steps=9, coordinate_loss=0.1)
    fit(recipe, with_a_face_that_is_not_finite(cache, tmp_path), tmp_path / "run", Workers(), say=said.append)
    skipped = [line for line in said if "step skipped" in line]
    (name,) = cache.names([cache.split(RECIPE.validation, RECIPE.seed)[0][0]])
    assert len(skipped) == 3 and all(name in line for line in skipped)  # once in each of the three epochs
    assert "(3 so far)" in skipped[-1]
    tensors, _ = checkpoint.load_tensors(tmp_path / "run" / checkpoint.MODEL)
    assert all(torch.isfinite(t).all() for t in tensors.values())


# Two workers on one machine, forked after the imports.
TWO = """
import os, signal, sys, time
from pathlib import Path
import cv2, torch, torch._dynamo, torch.distributed, torch.utils.tensorboard
torch.set_num_threads(1)
from edgewing import errors
from train import loop, recipes
from train.data.cache import Cache
folder, run, recipe, stop = Path(sys.argv[1]), Path(sys.argv[2]), recipes.load(Path(sys.argv[3])), sys.argv[4] == "stop"
loop.SAVE_SECONDS = 0
children = []
for rank in (0, 1):
    children.append(os.fork())
    if children[-1] == 0:
        torch.distributed.init_process_group("gloo", init_method=f"file://{run}.meet", rank=rank, world_size=2)
        code = 0
        try:
            say = lambda text: print(rank, text, flush=True)
            loop.fit(recipe, Cache.open(folder), run, loop.Workers(rank, 2), say=say)
        except errors.Stopped as ended:
            assert stop and "goes on from here" in str(ended)
        os._exit(code)
while stop and not (run / loop.CHECKPOINT).exists():
    time.sleep(0.05)
if stop:
    os.kill(children[1], signal.SIGTERM)
print("ended", *(os.waitpid(child, 0)[1] for child in children))
"""


def two(cache, tmp_path, recipe, what):
    (tmp_path / "recipe.json").write_text(recipes.dumps(recipe))
    words = [str(cache.folder), str(tmp_path / "run"), str(tmp_path / "recipe.json"), what]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        [sys.executable, "-c", TWO, *words], cwd=ROOT, text=True, start_new_session=True, **pipes
    )
    try:
        out, err = process.communicate(timeout=250)
    except subprocess.TimeoutExpired:  # the workers wait for one another: end them all
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
    assert out.splitlines()[-1:] == ["ended 0 0"], out[-1000:] + err[-2000:]
    return out


def test_one_of_two_workers_with_a_broken_batch_holds_up_neither(cache, tmp_path):
    spoiled = with_a_face_that_is_not_finite(cache, tmp_path)
    said = two(spoiled, tmp_path, recipes.replace(RECIPE, steps=6, coordinate_loss=0.1), "end")
    assert said.count("0 step") >= 2 and "(2 so far)" in said  # both say so, wherever the face was
    tensors, _ = checkpoint.load_tensors(tmp_path / "run" / checkpoint.MODEL)
    assert all(torch.isfinite(t).all() for t in tensors.values())


def test_a_signal_to_one_of_two_workers_stops_both(cache, tmp_path):
    two(cache, tmp_path, recipes.replace(RECIPE, steps=100_000, evaluate_every=100_000), "stop")
    assert int(checkpoint.load_tensors(tmp_path / "run" / CHECKPOINT)[1]["step"]) > 0
