"""Two gloo processes against one: same batches, same loss, same metrics; a killed worker is started anew."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from edgewing import layouts
from edgewing.errors import InputError
from train import checkpoint, recipes
from train.data import cache as caches
from train.data.drawn import faces
from train.loop import CHECKPOINT, Workers, fit

ROOT = Path(__file__).parents[2]
RECIPE = recipes.replace(
    recipes.get("mobile"), input_size=64, width=0.25, layout="aflw-19", batch=4, steps=9, evaluate_every=3, warmup=2,
    validation=0.25, seed=6, features=8, learning_rate=1e-4,
)  # fmt: skip
# The rate is low because Adam makes steps of full size from gradients that are rounding alone.

# One of two workers, or the only one; prints which faces it saw and what its loss was at each step.
WORKER = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from train import loop, recipes
from train.data.cache import Cache
folder, run, recipe = Path(sys.argv[1]), Path(sys.argv[2]), recipes.load(Path(sys.argv[3]))
update = loop.Trainer.update
loop.Trainer.update = lambda *a: print("loss", a[0].step, float(v := update(*a)), flush=True) or v
read = loop.batches
def told(*a):
    for step, chosen, *arrays in read(*a):
        print("faces", step, *chosen, flush=True)
        yield step, chosen, *arrays
loop.batches = told
with loop.Workers.join() as workers:
    loop.fit(recipe, Cache.open(folder), run, workers, say=lambda text: None)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "drawn"
    return caches.build(faces(16, "aflw-19", 0), folder, layouts.get("aflw-19"), caches.dense_enough(64))


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def start(cache, place, name, ranks):
    (place / "recipe.json").write_text(recipes.dumps(RECIPE))
    words = [sys.executable, "-c", WORKER, str(cache.folder), str(place / name), str(place / "recipe.json")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if ranks > 1:
        environment |= {"WORLD_SIZE": str(ranks), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    processes = [
        subprocess.Popen(
            words, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=environment | ({"RANK": str(rank), "LOCAL_RANK": str(rank)} if ranks > 1 else {}),
        )
        for rank in range(ranks)
    ]  # fmt: skip
    said = []
    for process in processes:
        out, err = process.communicate(timeout=250)
        assert process.returncode == 0, err[-2000:]
        said.append([line.split() for line in out.splitlines()])
    return said


@pytest.fixture(scope="module")
def runs(cache, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs")
    return place, start(cache, place, "one", 1), start(cache, place, "two", 2)


def values(lines):
    return np.array([float(line[2]) for line in lines if line[0] == "loss"])


def test_two_workers_take_the_steps_of_one(runs):
    """The loss of the whole batch is the mean of both halves'; weights end the same."""
    place, (one,), two = runs
    together = np.mean([values(lines) for lines in two], axis=0)
    assert len(together) == 9
    np.testing.assert_allclose(together, values(one), rtol=1e-5)
    ours, expected = (checkpoint.load_tensors(place / name / checkpoint.MODEL)[0] for name in ("two", "one"))
    for key in expected:
        assert torch.allclose(ours[key].float(), expected[key].float(), rtol=1e-3, atol=1e-4), key


def test_every_face_is_seen_once_an_epoch_and_by_one_worker(runs, cache):
    _, _, two = runs
    seen = {}
    for lines in two:
        for line in lines:
            if line[0] == "faces":
                seen.setdefault(int(line[1]), []).extend(map(int, line[2:]))
    order = [face for step in sorted(seen) for face in seen[step]]
    train, _ = cache.split(RECIPE.validation, RECIPE.seed)
    assert len(train) == 12 and sorted(order[:12]) == sorted(order[12:24]) == sorted(train)


def test_metrics_of_two_workers_are_those_of_one(runs):
    place, _, _ = runs
    one, two = (
        [m for m in map(json.loads, (place / name / "metrics.jsonl").read_text().splitlines()) if "nme" in m]
        for name in ("one", "two")
    )
    assert [m["step"] for m in two] == [3, 6, 9]
    for ours, expected in zip(two, one):
        assert ours["nme"] == pytest.approx(expected["nme"], rel=1e-3) and ours["faces"] == expected["faces"]


def test_a_batch_that_cannot_be_shared_is_refused(cache, tmp_path):
    with pytest.raises(InputError, match="a batch of 5 is not shared evenly by 2 workers"):
        fit(recipes.replace(RECIPE, batch=5), cache, tmp_path / "run", Workers(0, 2), say=lambda text: None)


@pytest.mark.full
def test_a_killed_worker_is_started_anew_from_the_last_checkpoint(cache, tmp_path):
    """torchrun --max-restarts: both workers begin again; the run goes on from what was written."""
    run = tmp_path / "run"
    pids = tmp_path / "pids"
    pids.mkdir()
    main = tmp_path / "main.py"
    main.write_text(
        "import os, pathlib, torch\nfrom train import loop\nfrom train.__main__ import main\n"
        "torch.set_num_threads(1)\nloop.SAVE_SECONDS = 0\n"
        f"pathlib.Path({str(pids)!r}, os.environ['RANK'] + '-' + str(os.getpid())).touch()\n"
        f"main(['fit', {str(cache.folder)!r}, '--run', {str(run)!r}, '--layout', 'aflw-19', '--input-size', '64', "
        "'--width', '0.25', '--batch', '4', '--validation', '0.25', '--steps', '40', '--evaluate-every', '100'])\n"
    )
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1",
        "--master-port", free_port(), str(main),
    ]  # fmt: skip
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, stdout=-1, stderr=-1)
    deadline = time.monotonic() + 200
    while not (run / CHECKPOINT).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (second,) = pids.glob("1-*")
    os.kill(int(second.name[2:]), signal.SIGKILL)
    out, err = process.communicate(timeout=250)
    assert process.returncode == 0, err[-2000:]
    assert len(list(pids.glob("0-*"))) == len(list(pids.glob("1-*"))) == 2 and "going on from step" in out
    assert int(checkpoint.load_tensors(run / CHECKPOINT)[1]["step"]) == 40 and (run / checkpoint.MODEL).exists()
