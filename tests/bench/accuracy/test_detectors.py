"""The fit of a detector's box, on boxes whose map is known."""

import json

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from bench.accuracy import detectors
from edgewing.detection import Fit
from tests.train.data.folders import write_faces


def test_affine_recovers_a_known_map_in_spite_of_a_few_wrong_pairs():
    random = np.random.default_rng(0)
    corner, side = random.uniform(0, 500, (200, 2)), random.uniform(20, 200, (200, 2))
    found = np.hstack([corner, corner + side])
    known = Fit((0.05, -0.1), (0.9, 1.2))
    true = np.array([known(box) for box in found])
    true[:20] += 300
    fitted = detectors.affine(np.stack([found, true], axis=1))
    assert fitted["shift"] == pytest.approx([0.05, -0.1], abs=1e-3)
    assert fitted["scale"] == pytest.approx([0.9, 1.2], abs=1e-3)
    assert max(fitted["spread_shift"] + fitted["spread_scale"]) < 1e-3


def test_crop_shift_is_a_share_of_the_crop():
    shift = detectors.crop_shift(np.array([10, 0, 110, 100.0]), np.array([0, 0, 100, 100.0]))
    assert shift == pytest.approx(10 / 134.4)


def test_fit_refuses_an_empty_folder(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["detection", "fit", str(tmp_path), "--out", str(tmp_path / "out.json")])
    assert caught.value.code == 2 and not (tmp_path / "out.json").exists()
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_a_detector_that_finds_nothing_has_a_row(tmp_path, capsys):
    write_faces(tmp_path / "faces", ["one"])  # dots, and no face
    assert main(["detection", "score", str(tmp_path / "faces"), "--to", str(tmp_path / "rows.jsonl")]) == 0
    made = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert made and all((row["recall"], row["crop_shift_p50"]) == (0, None) for row in made)
    assert capsys.readouterr().out.count("finds none") == len(made)


def test_pictures_are_cut_so_that_a_face_fills_them(tmp_path):
    """The face's box in the middle; where the picture ends, so does the part."""
    image = np.arange(200 * 300 * 3, dtype=np.uint32).astype(np.uint8).reshape(200, 300, 3)
    cv2.imwrite(str(tmp_path / "one.png"), image[:, :, ::-1])
    boxes = np.array([[100, 60, 140, 100.0], [0, 150, 40, 190.0]])
    (first, near), (second, edge) = detectors._cut([(tmp_path / "one.png", boxes)], 0.5)
    assert first.shape == (80, 80, 3) and near.tolist() == [[20, 20, 60, 60]]
    assert np.array_equal(first, image[40:120, 80:160])
    assert second.shape == (70, 60, 3) and edge.tolist() == [[0, 20, 40, 60]]


def test_fill_out_of_range_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["detection", "score", str(tmp_path), "--fill", "0", "--to", str(tmp_path / "rows.jsonl")])
    assert caught.value.code == 2 and "--fill 0: expected" in capsys.readouterr().err
