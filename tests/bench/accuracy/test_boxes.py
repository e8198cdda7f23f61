"""The cost of a detector's boxes, on drawn faces."""

import json

from bench import __main__ as bench
from edgewing import images
from train.data import drawn


def test_a_row_for_each_detector(tmp_path, capsys):
    for number in range(6):
        face = drawn.draw(number, "300w-68")
        images.write(tmp_path / f"{number}.png", face.image)
        points = "\n".join(f"{x + 1:.3f} {y + 1:.3f}" for x, y in face.landmarks)
        (tmp_path / f"{number}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{points}\n}}\n")
    rows = tmp_path / "rows.jsonl"
    words = ["detectors", "--model", "edgewing-s", "--data", str(tmp_path), "--layout", "300w-68", "--to", str(rows)]
    assert bench.main(words) == 0
    made = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [row["detector"] for row in made] == ["blazeface-back", "blazeface-short"]
    first = made[0]
    assert first["protocol"]["faces"] == 6 and first["found"] == round(6 * first["recall"]) >= 3
    assert 0 < first["nme"]["true"] < 0.3 and 0 < first["nme"]["detector"] < 0.3 and 0 < first["crop_shift_p50"] < 0.3
    assert f"blazeface-back: {first['found']} of 6 found; NME of those" in capsys.readouterr().out
