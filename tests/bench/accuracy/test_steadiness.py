"""Jitter and lag of points that tremble and trail by known amounts, and the motion of a still by known steps."""

import json

import numpy as np
import pytest

from bench import __main__ as bench
from bench.accuracy import steadiness
from edgewing import images
from tests.edgewing import clips

TIMES = np.arange(steadiness.FRAMES) / steadiness.FPS


def recording(raw, shown=None):
    """As ``steadiness.follow`` gives it, of points in a frame that is the picture itself."""
    count = len(raw)
    sides = np.full(count, 120.0)
    several = {"times": np.arange(count) / steadiness.FPS, "raw": raw, "shown": raw if shown is None else shown}
    return several | {"maps": np.repeat(np.eye(2, 3)[None], count, axis=0), "sides": sides}


def test_lag_of_a_delayed_motion_is_the_delay():
    truth = np.stack([30 * np.sin(9 * TIMES), 0 * TIMES], axis=-1)[:, None]
    late = np.stack([30 * np.sin(9 * (TIMES - 0.02)), 0 * TIMES], axis=-1)[:, None]
    assert steadiness.lag(late, truth, TIMES) == pytest.approx(20, rel=0.03)
    assert steadiness.lag(late, np.zeros_like(truth), TIMES) == 0


def test_figures_of_known_noise():
    random = np.random.default_rng(0)
    points = random.uniform(0, 100, (1, 68, 2)) + random.normal(0, 0.5, (steadiness.FRAMES, 68, 2))
    one = recording(points, points + [3.0, 4.0])
    found = steadiness.jitter_and_lag({"rest": [one]}, "rest")
    unit = 256 / (1.344 * 120)
    assert steadiness.unit(one) == pytest.approx(unit)
    assert found["raw"]["jitter"] == pytest.approx(0.5 * np.sqrt(2) * unit, rel=0.03)
    assert found["shown"]["trail"] == pytest.approx(5 * unit)
    assert found["raw"]["lag_ms"] == 0


def test_tremble_is_noise_without_motion():
    random = np.random.default_rng(1)
    t = np.arange(450)[:, None, None] / 30
    moving = np.concatenate([40 * np.sin(0.4 * t), 10 * t], axis=-1) + np.zeros((1, 20, 1))
    noise = random.normal(0, 0.3, moving.shape)
    assert np.sqrt((steadiness.tremble(moving + noise) ** 2).mean()) == pytest.approx(0.3 * np.sqrt(2), rel=0.05)


def test_one_point_alone_is_filtered_as_the_paper_has_it():
    random = np.random.default_rng(2)
    several = recording(np.cumsum(random.normal(0, 1, (40, 16, 2)), axis=0))
    alone = steadiness.apart({"rest": [several], "shake": [several]})["shake"]
    assert len(alone) == 2 and alone[1]["raw"].shape == (40, 1, 2)
    assert np.array_equal(alone[1]["raw"][:, 0], several["raw"][:, 8])


@pytest.mark.parametrize("kind", steadiness.MOTIONS)
def test_a_moved_still_lies_where_its_map_says(kind):
    """A bright disc in the picture's middle: its centroid in each frame is that of the map, to a fraction of a px."""
    y, x = np.mgrid[:240, :320]
    image = np.repeat((235.0 * np.exp(-((x - 160) ** 2 + (y - 120) ** 2) / 2 / 9**2))[..., None], 3, axis=2)
    box = np.array([120.0, 80.0, 200.0, 160.0])
    for time, frame, matrix in list(steadiness.moved(image.astype(np.uint8), box, kind, 1))[::20]:
        value = np.where(frame.mean(axis=2) > 40, frame.mean(axis=2), 0)
        rows, columns = np.mgrid[: value.shape[0], : value.shape[1]]
        centroid = np.array([(value * columns).sum(), (value * rows).sum()]) / value.sum()
        assert np.abs(centroid - (matrix @ [160, 120, 1])).max() < 0.2
        x, y, _ = steadiness.motion(kind, time)
        assert matrix @ [160, 120, 1] == pytest.approx([240.37 + 120 * x, 180.21 + 120 * y])


def test_the_command_on_a_drawn_face(tmp_path, capsys):
    """One still and a short clip: a whole row, a plot, and the promise kept."""
    from train.data import drawn

    face = drawn.draw(6, "300w-68")
    (tmp_path / "faces").mkdir()
    images.write(tmp_path / "faces/one.png", face.image)
    points = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in face.landmarks)
    (tmp_path / "faces/one.pts").write_text(f"version: 1\nn_points: 68\n{{\n{points}\n}}\n")
    clip = clips.write(tmp_path / "clip.mp4", clips.moving(32))
    words = ["--model", "edgewing-s", "--data", str(tmp_path / "faces"), "--stills", "1", "--clips", str(clip)]
    assert bench.main(["steadiness", *words, "--plot", str(tmp_path / "plot.svg"), "--to", str(tmp_path / "r")]) == 0
    row = json.loads((tmp_path / "r").read_text())
    assert row["still"]["worst"] <= row["still"]["limit"] == 0.3
    rest, shake = (row["motions"][kind] for kind in ("rest", "shake"))
    assert rest["shown"]["jitter"] < 0.8 * rest["raw"]["jitter"] and shake["shown"]["lag_ms"] < 10
    assert row["clips"]["clip.mp4"]["frames"] == 32 and set(row["sweep"]) >= {"one cutoff", "ours"}
    assert (tmp_path / "plot.svg").read_text().startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert "limit 0.3" in capsys.readouterr().out
