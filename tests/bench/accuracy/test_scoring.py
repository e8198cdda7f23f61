"""Expected values by hand: all points k px off, at 32 px between the eye corners, is an error of k/32."""

import argparse
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from bench.accuracy import scoring
from edgewing import geometry, rows
from edgewing.errors import InputError
from tests.bench.conftest import SIZE, template
from tests.train.data.folders import write_faces, write_wflw
from tests.train.data.mats import person, write_cofw, write_lsp


def score(*words):
    """Of options, as the command has them."""
    parser = argparse.ArgumentParser()
    scoring.add_arguments(parser)
    how = vars(parser.parse_args([str(word) for word in words]))
    jitter = scoring._jitter(how.pop("jitter"), how.pop("seed"))
    for name in ("json", "to", "plot", "against"):
        del how[name]
    return scoring.score(**how, jitter=jitter)


def test_figures_known_by_hand(artefact, run_folder, tmp_path):
    # errors 0, 1/32, 2/32 and 4/32 = 0, 3.125, 6.25 and 12.5 %
    run = run_folder([(0, 0), (1, 0), (0, 2), (4, 0)])
    row = score("--model", artefact(tmp_path / "a.onnx", template()), "--data", run)
    assert row["nme"] == pytest.approx((0 + 1 + 2 + 4) / 32 / 4)
    assert row["fr08"] == row["fr10"] == 0.25
    assert row["auc10"] == pytest.approx(np.mean([1, 1 - 0.3125, 1 - 0.625, 0]))
    assert (row["faces"], row["failed"]) == (4, 0)
    assert row["face_errors"] == pytest.approx({"face 0": 0, "face 1": 1 / 32, "face 2": 2 / 32, "face 3": 4 / 32})
    assert len(row["per_point"]) == 68 and row["per_point"][0] == pytest.approx(row["nme"])
    ced = dict(zip(np.round(row["ced"]["thresholds"], 3), row["ced"]["share"]))
    assert (ced[0.0], ced[0.04], ced[0.1], ced[0.15]) == (0.25, 0.5, 0.75, 1.0)
    assert row["protocol"]["normaliser"] == "inter-ocular" and row["protocol"]["layout"] == "300w-68"
    assert len(row["artefact"]["sha256"]) == 64
    json.dumps(row, allow_nan=False)


def test_other_normaliser(artefact, run_folder, tmp_path):
    run = run_folder([(1, 0)])
    row = score("--model", artefact(tmp_path / "a.onnx", template()), "--data", run, "--normaliser", "box")
    width, height = np.ptp(template(), axis=0)
    assert row["nme"] == pytest.approx(1 / np.sqrt(width * height), rel=1e-5)


def test_a_face_without_prediction_is_failed_and_null(artefact, run_folder, tmp_path):
    broken = template()
    broken[3] = np.nan
    row = score("--model", artefact(tmp_path / "a.onnx", broken), "--data", run_folder([(0, 0)]))
    assert (row["failed"], row["fr10"], row["auc10"], row["nme"]) == (1, 1.0, 0.0, None)
    assert row["face_errors"] == {"face 0": None}


def test_photographs_go_through_the_crop(artefact, photographs, tmp_path):
    # A model that knows where the gtbox crop puts the template has error 0; 1 crop px off is side / 64 picture px.
    crop = geometry.crop_from_landmarks(template() * 2 + 40, SIZE)
    inside = geometry.apply(crop.to_crop, template() * 2 + 40)
    folder = photographs(3)
    words = ["--data", folder, "--layout", "300w-68"]
    exact = score("--model", artefact(tmp_path / "a.onnx", inside), *words)
    assert exact["nme"] == pytest.approx(0, abs=1e-5)
    off = score("--model", artefact(tmp_path / "b.onnx", inside + [1, 0]), *words)
    assert off["nme"] == pytest.approx(crop.side / SIZE / 64, rel=1e-4)
    assert off["protocol"]["crop"] == "gtbox" and off["protocol"]["factor"] == pytest.approx(1.344)
    assert "3 faces" in off["protocol"]["list"][0]


def test_the_crop_is_the_contracts(artefact, photographs, run_folder, tmp_path):
    """A file whose contract has another factor sees another square; crops that are cut already cannot give it one."""
    square = {"factor": 2.0, "least": 1.5}
    crop = geometry.crop_from_box(geometry.landmark_box(template() * 2 + 40), SIZE, 2.0, 1.5)
    model = artefact(tmp_path / "a.onnx", geometry.apply(crop.to_crop, template() * 2 + 40), square=square)
    row = score("--model", model, "--data", photographs(2), "--layout", "300w-68")
    assert row["nme"] == pytest.approx(0, abs=1e-5)
    assert (row["protocol"]["factor"], row["protocol"]["least"]) == (2.0, 1.5)
    with pytest.raises(
        InputError, match="crops of 1.344 times the box.*the model's are of 2, at least 1.5: score it on"
    ):
        score("--model", model, "--data", run_folder([(0, 0)]))


def test_jitter_moves_the_crop_and_repeats(artefact, photographs, tmp_path):
    crop = geometry.crop_from_landmarks(template() * 2 + 40, SIZE)
    model = artefact(tmp_path / "a.onnx", geometry.apply(crop.to_crop, template() * 2 + 40))
    words = ["--model", model, "--data", photographs(3), "--layout", "300w-68", "--jitter", "0.1,0.1"]
    first, again, other = score(*words), score(*words), score(*words, "--seed", 1)
    assert first["nme"] > 0.01
    assert first["face_errors"] == again["face_errors"] != other["face_errors"]
    assert first["protocol"]["jitter"] == {"shift": 0.1, "scale": 0.1, "seed": 0}


def test_points_of_stored_pixels_are_scored_where_they_are_seen(artefact, photographs, tmp_path):
    folder = photographs(2)
    for path in folder.glob("*.png"):
        exif = Image.Exif()
        exif[0x0112] = 3  # half a turn
        Image.open(path).save(path, exif=exif)
    upright = [219, 199] - (template() * 2 + 40)
    crop = geometry.crop_from_landmarks(upright, SIZE)
    words = ["--model", artefact(tmp_path / "a.onnx", geometry.apply(crop.to_crop, upright)), "--data", folder]
    row = score(*words, "--layout", "300w-68", "--points-frame", "stored")
    assert row["nme"] == pytest.approx(0, abs=1e-5)
    assert row["protocol"]["points_frame"] == "stored" and "EXIF turns 2 of 2" in row["protocol"]["list"][-1]
    assert "points_frame" not in score(*words, "--layout", "300w-68")["protocol"]


def test_broken_photograph_is_counted_and_not_scored(artefact, photographs, tmp_path):
    folder = photographs(3)
    whole = (folder / "face1.png").read_bytes()
    (folder / "face1.png").write_bytes(whole[: len(whole) // 2])
    row = score("--model", artefact(tmp_path / "a.onnx", template()), "--data", folder, "--layout", "300w-68")
    assert (row["faces"], row["protocol"]["skipped"]) == (2, 1)
    assert "face1" in row["problems"][0] and "face1" in scoring.row_as_text(row)


def test_other_layout_is_mapped(artefact, run_folder, tmp_path):
    from edgewing import layouts

    index = layouts.get("wflw-98").map_to("300w-68")
    points = template("wflw-98")
    points[index] = template()
    model = artefact(tmp_path / "a.onnx", points, layout="wflw-98")
    row = score("--model", model, "--data", run_folder([(2, 0)]))
    assert row["nme"] == pytest.approx(2 / 32)
    assert row["model"]["layout"] == "wflw-98" and row["protocol"]["scored_points"] == "300w-68"


def test_layouts_without_a_map_are_refused(artefact, run_folder, tmp_path):
    model = artefact(tmp_path / "a.onnx", template("lsp-14"), layout="lsp-14")
    with pytest.raises(InputError, match=r"lsp-14.*300w-68.*no map"):
        score("--model", model, "--data", run_folder([(0, 0)]))


def test_pictures_are_the_best_and_the_worst(artefact, run_folder, tmp_path):
    run = run_folder([(i / 2, 0) for i in range(9)])
    kept = tmp_path / "faces.npz"
    row = score("--model", artefact(tmp_path / "a.onnx", template()), "--data", run, "--pictures", kept)
    assert row["pictures"] == str(kept)
    with np.load(kept, allow_pickle=False) as file:
        assert list(file["kinds"]) == ["best"] * 3 + ["median"] * 3 + ["worst"] * 3
        assert list(file["names"]) == [f"face {i}" for i in (0, 1, 2, 3, 4, 5, 8, 7, 6)]
        np.testing.assert_allclose(file["true"][6] - file["predicted"][6], np.tile([4.0, 0], (68, 1)), atol=1e-5)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--jitter", "0.1,0.1"], "need a folder of photographs"),
        (["--crop", "provided"], "need a folder of photographs"),
        (["--jitter", "much"], "two numbers"),
        (["--jitter", "nan,0"], "shift must be"),
        (["--normaliser", "inter-oculr"], "did you mean 'inter-ocular'"),
        (["--layout", "wflw-98"], "landmarks"),
    ],
)
def test_wrong_options_say_what_to_do(artefact, run_folder, tmp_path, words, text):
    with pytest.raises(InputError, match=text):
        score("--model", artefact(tmp_path / "a.onnx", template()), "--data", run_folder([(0, 0)]), *words)


def test_a_runs_own_faces_are_called_as_they_were_cut(artefact, run_folder, tmp_path):
    run = run_folder([(0, 0)])
    (run / "recipe.json").write_text(json.dumps({"layout": "300w-68", "crop": "provided"}))
    words = ["--model", artefact(tmp_path / "a.onnx", template()), "--data", run]
    for more in ([], ["--crop", "provided"]):  # as the gate repeats a row
        protocol = score(*words, *more)["protocol"]
        assert (protocol["crop"], protocol["box_source"][:23]) == ("provided", "the dataset's own boxes")
    with pytest.raises(InputError, match="finished crops, of provided"):
        score(*words, "--crop", "released")


def test_photographs_need_a_layout(artefact, photographs, tmp_path):
    with pytest.raises(InputError, match="need --layout"):
        score("--model", artefact(tmp_path / "a.onnx", template()), "--data", photographs(1))


def test_subsets_of_300w(artefact, tmp_path):
    """Errors of the subsets by hand: a model that is right for the drawn face, whose copies' labels are moved."""
    crop = geometry.crop_from_landmarks(template() * 2 + 40, SIZE)
    model = artefact(tmp_path / "a.onnx", geometry.apply(crop.to_crop, template() * 2 + 40))
    for place in ("lfpw/testset", "helen/testset", "ibug", "01_Indoor", "afw"):
        write_faces(tmp_path / "300W" / place, [place[0]])
    words = ["--model", model, "--data", tmp_path / "300W", "--layout", "300w-68"]
    full, common, private = (score(*words, "--split", split) for split in ("test", "common", "private"))
    assert (full["faces"], common["faces"], private["faces"]) == (3, 2, 1)
    groups = full["parts"]["subset"]["groups"]
    assert {name: of["faces"] for name, of in groups.items()} == {"common": 2, "challenging": 1}
    assert groups["common"]["nme"] == pytest.approx(common["nme"])
    of = full["face_errors"]
    assert groups["challenging"]["nme"] == pytest.approx(next(of[name] for name in of if "ibug" in name))
    assert "subset" not in common["parts"] and common["protocol"]["split"] == "common"
    assert "by subset" in scoring.row_as_text(full)
    with pytest.raises(InputError, match="did you mean 'challenging'"):
        score(*words, "--split", "chalenging")


def test_subsets_of_wflw_overlap(artefact, tmp_path):
    write_wflw(tmp_path / "wflw")
    path = tmp_path / "wflw/list_98pt_rect_attr_test.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1].replace(" 0 1 0 0 1 0 ", " 1 1 0 0 0 0 "), lines[2]]) + "\n")
    model = artefact(tmp_path / "a.onnx", template("wflw-98"), layout="wflw-98")
    row = score("--model", model, "--data", tmp_path / "wflw", "--layout", "wflw-98")
    groups = row["parts"]["subset"]["groups"]
    assert {name: of["faces"] for name, of in groups.items()} == {"pose": 1, "expression": 3, "occlusion": 2}
    pose = score("--model", model, "--data", tmp_path / "wflw", "--layout", "wflw-98", "--split", "pose")
    assert pose["faces"] == 1 and pose["nme"] == pytest.approx(groups["pose"]["nme"])


def test_cofw_by_its_own_boxes_and_by_occlusion(artefact, tmp_path):
    write_cofw(tmp_path / "cofw", test=4)
    model = artefact(tmp_path / "a.onnx", template("cofw-29"), layout="cofw-29")
    row = score("--model", model, "--data", tmp_path / "cofw", "--layout", "cofw-29", "--crop", "provided")
    assert row["protocol"]["normaliser"] == "inter-pupil" and row["protocol"]["box_source"] == "the dataset's own boxes"
    assert {name: of["faces"] for name, of in row["parts"]["occlusion"]["groups"].items()} == {"5-10": 4}
    tight = score("--model", model, "--data", tmp_path / "cofw", "--layout", "cofw-29")
    assert tight["nme"] != row["nme"]


def test_a_pose_has_pck(artefact, tmp_path):
    write_lsp(tmp_path / "lsp", test=1)
    joints = person(1000)[1]
    crop = geometry.crop_from_landmarks(joints, SIZE)
    inside = geometry.apply(crop.to_crop, joints)
    torso = np.linalg.norm(inside[9] - inside[2])
    inside[0] += (0.3 * torso, 0)
    model = artefact(tmp_path / "a.onnx", inside, layout="lsp-14")
    row = score("--model", model, "--data", tmp_path / "lsp", "--layout", "lsp-14")
    assert row["pck"] == {"threshold": 0.2, "share": pytest.approx(13 / 14)} and row["nme"] == pytest.approx(
        0.3 / 14, rel=1e-3
    )
    assert "PCK@0.2 92.86 %: points within 0.2 of the normaliser torso" in scoring.row_as_text(row)


def test_two_files_face_by_face(artefact, run_folder, tmp_path):
    """The first misses every face by 0.25 px more than the second, which misses them by 1, 2 and 3 px."""
    run = run_folder([(1, 0), (2, 0), (3, 0)])
    new, old = artefact(tmp_path / "new.onnx", template() - [0.25, 0]), artefact(tmp_path / "old.onnx", template())
    svg = tmp_path / "ced.svg"
    row = scoring.score_both(new, against=old, plot=svg, data=run)
    against = row["against"]
    assert against["change"] == pytest.approx(0.25 / 2, rel=1e-4) and against["faces"] == 3 and against["lost"] == 0
    assert 0.25 / 3 - 1e-4 <= against["low"] < against["change"] < against["high"] <= 0.25 + 1e-4
    assert against["artefact"]["path"].endswith("old.onnx") and against["nme"] == pytest.approx(2 / 32)
    last = scoring.row_as_text(row).splitlines()[-1]
    assert last.startswith("against ") and "NME +12.50 % (+" in last and "paired bootstrap over 3 faces" in last
    root = ElementTree.fromstring(svg.read_text())
    texts = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "old.onnx, NME 6.25 %" in texts and "new.onnx, NME 7.03 %" in texts
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 2


def test_points_that_are_not_there_and_hidden_ones(artefact, tmp_path):
    """A COCO file: the eye's corner is missing in one of two faces, so the box of the points is what errors are of."""
    points, side = template() * 2 + 40, 256
    annotations = []
    for number in (0, 1):
        visibility = np.full(68, 2)
        visibility[[36, 0]] = 2 - 2 * number, 1
        flat = np.column_stack([points + [1, 0], visibility]).ravel().tolist()
        annotations.append({"id": number, "image_id": number, "keypoints": flat, "side": "left" if number else "right"})
        Image.new("RGB", (side, side)).save(tmp_path / f"{number}.png")
    images = [{"id": number, "file_name": f"{number}.png"} for number in (0, 1)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    crop = geometry.crop_from_landmarks(points + [1, 0], SIZE)
    model = artefact(tmp_path / "a.onnx", geometry.apply(crop.to_crop, points))
    row = score("--model", model, "--data", tmp_path / "a.json", "--layout", "300w-68")
    assert row["protocol"]["normaliser"] == "landmarks" and row["failed"] == 0
    width, height = np.ptp(points, axis=0)
    assert row["nme"] == pytest.approx(1 / np.sqrt(width * height), rel=1e-3)
    assert set(row["parts"]["subset"]["groups"]) == {"side left", "side right"}
    assert row["visibility"]["all"]["points"] == {"absent": 1, "hidden": 2, "seen": 133}
    assert row["visibility"]["side left"]["auroc_seen"] == 0.5  # the model gives all its points one score
    assert "by visibility" in scoring.row_as_text(row)
    rows.check(json.loads(json.dumps(row)))
