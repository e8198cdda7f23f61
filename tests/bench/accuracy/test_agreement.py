"""Landmarks of one tiny model against those of another that is off by a known distance; names as UTKFace has them."""

import json

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from bench.accuracy import agreement
from tests.bench.conftest import SIZE, template
from tests.train.data.folders import write_shard


def jpeg(side=200, value=120):
    return cv2.imencode(".jpg", np.full((side, side, 3), value, np.uint8))[1].tobytes()


@pytest.fixture
def faces(tmp_path):
    folder = tmp_path / "utkface"
    folder.mkdir()
    names = ["5_0_3_20170109.jpg", "34_1_0_20170110.jpg", "34_0_20170111.jpg", "80_1_2_20170112.jpg", "portrait.jpg"]
    write_shard(folder / "0.tar", [(name, jpeg()) for name in names])
    return folder


def compare(capsys, tmp_path, *words):
    out = tmp_path / "row.json"
    assert main(["agreement", *map(str, words), "--json", str(out)]) == 0
    return json.loads(out.read_text()), capsys.readouterr().out


def test_difference_known_by_hand(artefact, faces, tmp_path, capsys):
    # 2 crop px of 32 between the eye corners, whatever the crop: 6.25 %
    teacher = artefact(tmp_path / "teacher.onnx", template(), name="teacher")
    model = artefact(tmp_path / "model.onnx", template() + [2, 0], precision="int8")
    row, text = compare(capsys, tmp_path, "--model", model, "--teacher", teacher, "--data", faces)
    assert row["kind"] == "agreement" and row["nme"] == pytest.approx(2 / 32, rel=1e-4)
    age, sex = (row["parts"][name]["groups"] for name in ("age", "sex"))
    assert {name: group["faces"] for name, group in age.items()} == {"0-9": 1, "20-39": 2, "60+": 1}
    assert {name: group["faces"] for name, group in sex.items()} == {"male": 2, "female": 2}
    assert age["60+"]["nme"] == pytest.approx(2 / 32, rel=1e-4)
    p = row["protocol"]
    assert (p["faces"], p["skipped"], p["unlabelled"], p["trained_on_these"]) == (5, 0, 1, False)
    assert row["teacher"]["name"] == "teacher" and len(row["teacher"]["sha256"]) == 64
    assert "by age" in text and "20-39" in text and "difference 6.25 %" in text


def test_both_see_the_box_of_the_teachers_landmarks(artefact, faces, tmp_path, monkeypatch, capsys):
    """A teacher whose landmarks fill little of the square gives the model a smaller square: the same face, cropped."""
    seen = []
    real = agreement._landmarks
    monkeypatch.setattr(agreement, "_landmarks", lambda *given: seen.append(given[2]) or real(*given))
    small = 16 + template() / 2
    model = artefact(tmp_path / "a.onnx", small)
    compare(capsys, tmp_path, "--model", model, "--teacher", model, "--data", faces)
    first, teacher, student = seen[:3]
    np.testing.assert_allclose(first, agreement.FIRST_BOX)
    np.testing.assert_array_equal(teacher, student)
    crop = agreement.geometry.crop_from_box(first, SIZE)
    expected = agreement.geometry.landmark_box(agreement.geometry.apply(crop.to_image, small))
    np.testing.assert_allclose(teacher, expected, rtol=1e-5)


def test_a_run_stands_for_its_fp32_export(artefact, faces, run_folder, tmp_path, capsys):
    run = run_folder([(0, 0)])
    artefact(run / "export" / "run-int8.onnx", template() + 1, precision="int8")
    exact = artefact(run / "export" / "run-fp32.onnx", template())
    row, _ = compare(capsys, tmp_path, "--model", exact, "--teacher", run, "--data", faces)
    assert row["teacher"]["path"] == str(exact) and row["nme"] == pytest.approx(0, abs=1e-6)


def test_other_layout_is_mapped(artefact, faces, tmp_path, capsys):
    from edgewing import layouts

    points = template("wflw-98")
    points[layouts.get("wflw-98").map_to("300w-68")] = template()
    teacher = artefact(tmp_path / "teacher.onnx", points, layout="wflw-98")
    model = artefact(tmp_path / "model.onnx", template())
    row, _ = compare(capsys, tmp_path, "--model", model, "--teacher", teacher, "--data", faces)
    assert row["nme"] == pytest.approx(0, abs=1e-6) and row["protocol"]["scored_points"] == "300w-68"


def test_broken_pictures_cost_themselves(artefact, faces, tmp_path, capsys):
    (faces / "a_cut.jpg").write_bytes(jpeg()[:300])
    wide = cv2.imencode(".jpg", np.zeros((50, 90, 3), np.uint8))[1].tobytes()
    (faces / "b_wide.jpg").write_bytes(wide)
    model = artefact(tmp_path / "a.onnx", template())
    row, text = compare(capsys, tmp_path, "--model", model, "--teacher", model, "--data", faces)
    assert (row["protocol"]["faces"], row["protocol"]["skipped"]) == (5, 2)
    assert "90 x 50 px; aligned pictures are square" in text and "cut off" in text


def test_wrong_input_is_one_line(artefact, run_folder, tmp_path, capsys):
    model = artefact(tmp_path / "a.onnx", template())
    (tmp_path / "empty").mkdir()
    run = run_folder([(0, 0)])
    for teacher, data, said in [
        (model, tmp_path / "none", "no such folder"),
        (model, tmp_path / "empty", "no pictures"),
        (run, tmp_path / "empty", "no fp32 artefact"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main(["agreement", "--model", str(model), "--teacher", str(teacher), "--data", str(data)])
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("0.tar/9_0_1_2017.jpg", ("0-9", "male")),
        ("10_1_0_2017.jpg", ("10-19", "female")),
        ("39_1__2017.jpg", ("20-39", "female")),  # a race field may lack
        ("59_0_2017.jpg", ("40-59", "male")),
        ("115_1_0_2017.jpg.chip.jpg", ("60+", "female")),
        ("200_1_0_2017.jpg", ("", "")),
        ("20_7_0_2017.jpg", ("", "")),
        ("20_0_1/portrait.jpg", ("", "")),  # a folder's name is not a picture's
        ("\x1b[2J_0_1.jpg", ("", "")),
    ],
)
def test_labels_in_names(name, expected):
    assert agreement.labels(name) == expected
