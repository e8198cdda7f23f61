"""Frames with several faces, on processors in turn."""

import pytest

from bench.__main__ import main
from bench.time import frames
from edgewing import rows


def test_each_count_on_each_processor(tmp_path, capsys):
    log = tmp_path / "rows.jsonl"
    assert main(["frames", "edgewing-xs", "--device", "litert-cpu", "--rounds", "2", "--to", str(log)]) == 0
    made, broken = rows.read(log)
    assert not broken and len(made) == 8
    searched = {row["protocol"]["device"]: row for row in made if row["protocol"]["searched"]}
    told = {
        (row["protocol"]["device"], row["protocol"]["faces"]): row for row in made if not row["protocol"]["searched"]
    }
    assert all(searched[name]["ms"]["median"] > told[name, 1]["ms"]["median"] for name in ("cpu", "litert-cpu"))
    assert set(told) == {(device, faces) for device in ("cpu", "litert-cpu") for faces in (1, 5, 20)}
    assert all(0 < row["ms"]["p10"] <= row["ms"]["median"] <= row["ms"]["p90"] for row in made)
    assert told["cpu", 20]["shift_p99_px"] == 0 and told["litert-cpu", 20]["shift_p99_px"] < 2
    assert "CompiledModel" in told["litert-cpu", 1]["runtime"] and "frames a second" in capsys.readouterr().out


def test_twenty_faces_lie_where_their_boxes_are():
    image, places = frames.picture()
    assert image.shape == (960, 1200, 3) and len(places) == 20
    sides = [place.box[2:] - place.box[:2] for place in places]
    assert all(60 < side.max() < 240 for side in sides)
    with pytest.raises(SystemExit, match="2"):
        main(["frames", "edgewing-xs", "--device", "auto"])
