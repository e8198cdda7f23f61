"""Memory of the camera: what is made of readings, a short run of the command, and the hour."""

import json

import pytest

from bench import __main__ as bench
from bench.time import memory
from tests.edgewing import clips


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return clips.write(tmp_path_factory.mktemp("clip") / "clip.mp4", clips.moving(40))


def test_growth_and_peak_of_readings():
    steady = memory.memory_figures([10.0] * 5 + [90.0] * 95)
    assert steady["growth_mib"] == 0 and steady["peak_mib"] == 90 and steady["accepted"]
    growing = memory.memory_figures([90 + 0.1 * n for n in range(100)])
    assert growing["growth_mib"] == pytest.approx(8.0, abs=0.2) and not growing["accepted"]
    assert memory.memory_figures([90 + 0.1 * n for n in range(100)], judge_growth=False)["accepted"]
    assert not memory.memory_figures([90.0, 201.0, 90.0])["accepted"]
    assert not memory.memory_figures([90.0, 201.0, 90.0], judge_growth=False)["accepted"]


def test_some_hundred_frames_stay_below_the_limit(clip, tmp_path):
    rows = tmp_path / "rows.jsonl"
    words = ["memory", "--model", "edgewing-s", "--source", str(clip), "--minutes", "0.33", "--to", str(rows)]
    assert bench.main([*words, "--save", str(tmp_path / "out.mp4")]) == 0
    row = json.loads(rows.read_text())
    assert row["frames"] == 396 and row["accepted"] and 40 < row["peak_mib"] <= 200
    assert row["protocol"]["saved"] and (tmp_path / "out.mp4").is_file()


@pytest.mark.full
@pytest.mark.timeout(5400)
def test_an_hour_of_looped_video_grows_nothing(clip, tmp_path):
    rows = tmp_path / "rows.jsonl"
    assert bench.main(["memory", "--model", "edgewing-s", "--source", str(clip), "--to", str(rows)]) == 0
    assert json.loads(rows.read_text())["frames"] == 72000
