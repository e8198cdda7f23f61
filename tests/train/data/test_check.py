"""`python -m train data check`: what lies in a folder against the official counts, and how that reads."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from edgewing.errors import InputError
from tests.train.data.folders import face, write_faces, write_picture, write_pts, write_shard, write_wflw
from tests.train.data.mats import person, write_aflw, write_cofw, write_cofw68, write_lsp, write_lspet
from train.__main__ import main
from train.data import check, findings
from train.data.catalogue import DATASETS


def counted(finding):
    return {part: (count.pictures, count.faces) for part, count in finding.parts.items()}


def test_official_counts():
    assert {name: d.parts for name, d in DATASETS.items() if name in ("COFW", "COFW-68", "AFLW-19", "LSP")} == {
        "COFW": {"train": 1345, "test": 507}, "COFW-68": {"test": 507},
        "AFLW-19": {"train": 20000, "test": 4386, "frontal": 1314}, "LSP": {"train": 1000, "test": 1000},
    }  # fmt: skip
    assert DATASETS["LSP extended"].parts == {"train": 10000}
    wflw = DATASETS["WFLW"].parts
    assert (wflw["train"], wflw["test"]) == (7500, 2500)
    assert [wflw[name] for name in ("pose", "expression", "illumination", "make-up", "occlusion", "blur")] == [
        326, 314, 698, 206, 736, 773
    ]  # fmt: skip
    of = DATASETS["300W"]
    totals = {name: sum(of.parts[part] for part in parts) for name, parts in of.totals.items()}
    assert totals == {"= train": 3148, "= common": 554, "= challenging": 135, "= full": 689}
    assert sum(DATASETS["300W private"].parts.values()) == 600


def test_the_page_says_the_same():
    page = (Path(__file__).parents[3] / "docs/datasets.md").read_text()
    for dataset in DATASETS.values():
        for part, count in dataset.parts.items():
            alone = dataset.name in ("300W", "300W private", "300VW")  # given there as splits
            assert alone or count is None or str(count) in page, (dataset.name, part)
        assert dataset.owners.split()[0] in page
    for total in ("train 3148", "common 554", "challenging 135", "full 689", "| 600, test alone", "50 + 64 videos"):
        assert total in page


def test_wflw(tmp_path):
    write_wflw(tmp_path / "WFLW")
    (finding,) = findings.find(tmp_path)
    assert finding.dataset.name == "WFLW" and not finding.complete
    assert counted(finding) == {
        "train": (3, 6), "test": (3, 3), "pose": (0, 0), "expression": (3, 3), "illumination": (0, 0),
        "make-up": (0, 0), "occlusion": (3, 3), "blur": (0, 0),
    }  # fmt: skip
    shutil.rmtree(tmp_path / "WFLW/WFLW_images/1--Event")
    (tmp_path / "WFLW/list_98pt_rect_attr_test.txt").unlink()
    (finding,) = findings.find(tmp_path)
    text = "\n".join(check.finding_as_lines(finding))
    assert counted(finding)["train"] == (2, 4) and "7496 missing" in text
    assert "no picture" in text and "0 lists end in _test.txt" in text and "https://wywu.github.io" in text


def test_a_whole_collection_is_complete_and_the_whole_of_300w_is_not(tmp_path, capsys):
    folder = tmp_path / "300W/ibug"
    write_faces(folder, ["image_000"])
    for number in range(1, 135):
        for suffix in (".png", ".pts"):
            shutil.copy(folder / f"image_000{suffix}", folder / f"image_{number:03d}{suffix}")
    assert main(["data", "check", str(folder)]) == 0
    out = capsys.readouterr().out
    assert "135       135       135  complete" in out
    # what cannot be learnt from is scored on
    assert out.splitlines()[-2:] == [
        "complete",
        f"next: python -m bench accuracy --model FILE --data {folder} --layout 300w-68",
    ]
    write_faces(tmp_path / "300W/lfpw/trainset", ["a", "b"])
    assert main(["data", "check", str(tmp_path / "300W")]) == 1
    out = capsys.readouterr().out
    for line in (
        "afw                    0         0       337  337 missing",
        "= train                2         2      3148",
    ):
        assert line in out
    assert "= full               135       135       689  554 missing" in out
    assert "incomplete: 300W; nothing was downloaded" in out
    (folder / "image_007.pts").write_text("version: 1\nn_points: 68\n{\n")
    (folder / "image_008.png").unlink()
    (folder / "image_009.pts").unlink()
    (finding,) = findings.find(folder)
    assert counted(finding) == {"ibug": (133, 132)} and finding.parts["ibug"].left_out == 3


def test_the_private_set_videos_and_menpo(tmp_path):
    write_faces(tmp_path / "300W/01_Indoor", ["indoor_001"])
    for video in ("001", "114"):
        write_faces(tmp_path / f"300VW/{video}/annot", ["000001", "000002"])
    write_faces(tmp_path / "menpo/trainset", ["aflw__face_1"])
    image, landmarks = face(39)
    write_picture(tmp_path / "menpo/trainset/p.png", image)
    write_pts(tmp_path / "menpo/trainset/p.pts", landmarks)
    found = {finding.dataset.name: finding for finding in findings.find(tmp_path)}
    assert counted(found["300W private"]) == {"01_indoor": (1, 1), "02_outdoor": (0, 0)}
    assert counted(found["300VW"]) == {
        "train": (2, 1), "category 1": (2, 1), "category 2": (0, 0), "category 3": (0, 0)
    }  # fmt: skip
    assert counted(found["Menpo"]) == {"semi-frontal": (1, 1), "profile": (1, 1)} and found["Menpo"].complete
    assert check.advice(found["300VW"]).split()[4] == str(tmp_path / "300VW")


def test_matlab_sets(tmp_path, capsys):
    write_cofw(tmp_path / "COFW")
    write_cofw68(tmp_path / "COFW")
    write_aflw(tmp_path / "AFLW", 4)
    write_lsp(tmp_path / "lsp_dataset")
    write_lspet(tmp_path / "lspet_dataset")
    found = {finding.dataset.name: finding for finding in findings.find(tmp_path)}
    assert {name: counted(finding) for name, finding in found.items()} == {
        "COFW": {"train": (3, 3), "test": (2, 2)}, "COFW-68": {"test": (2, 2)},
        "AFLW-19": {"train": (4, 4), "test": (0, 0), "frontal": (0, 0)},
        "LSP": {"train": (3, 3), "test": (2, 2)}, "LSP extended": {"train": (3, 2)},
    }  # fmt: skip
    assert found["LSP extended"].parts["train"].unlabelled == 1
    assert "9997 missing" in "\n".join(check.finding_as_lines(found["LSP extended"]))
    assert check.advice(found["COFW"]).split()[4:9] == [
        str(tmp_path / "COFW"), "--layout", "cofw-29", "--recipe", "paper-cofw"
    ]  # fmt: skip
    whole = (tmp_path / "COFW/COFW_train_color.mat").read_bytes()
    (tmp_path / "COFW/COFW_train_color.mat").unlink()
    (tmp_path / "COFW/COFW_train_color.mat").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "lsp_dataset/joints.mat").write_bytes(b"MATLAB")
    assert main(["data", "check", str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert "COFW_train_color.mat: not a whole HDF5 file" in " ".join(out.split())
    assert "joints.mat: not a whole MATLAB v5 file" in " ".join(out.split())


def test_all_of_lsp_is_complete(tmp_path):
    joints = np.repeat(np.concatenate([person()[1].T + 1, np.ones((1, 14))])[..., None], 2000, axis=2)
    scipy.io.savemat(tmp_path / "joints.mat", {"joints": joints})
    write_picture(tmp_path / "images/im0001.jpg", person()[0])
    for number in range(2, 2001):
        (tmp_path / f"images/im{number:04d}.jpg").hardlink_to(tmp_path / "images/im0001.jpg")
    (finding,) = findings.find(tmp_path)
    assert finding.complete and counted(finding) == {"train": (1000, 1000), "test": (1000, 1000)}


def test_sets_of_ones_own_and_pictures_without_points(tmp_path, capsys):
    write_faces(tmp_path / "mine", ["a", "b"])
    assert main(["data", "check", str(tmp_path / "mine")]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a set that is not listed · 68 points") and "no official count to compare with" in out
    write_picture(tmp_path / "more/c.png", face(68)[0])
    write_shard(tmp_path / "more/s.tar", [("a.jpg", b"x"), ("b.jpg", b"x"), ("c.txt", b"x")])
    (tmp_path / "more/cut.tar").write_bytes(b"x" * 700)
    (finding,) = findings.find(tmp_path / "more")
    assert {part: count.pictures for part, count in finding.parts.items()} == {
        "more": 1, "more/s.tar": 2, "more/cut.tar": 0
    }  # fmt: skip
    assert "not a tar file, or cut off" in " ".join(" ".join(check.finding_as_lines(finding)).split())


def test_points_of_a_layout_of_ones_own_and_notes_of_the_reader(tmp_path, capsys):
    for number in range(3):
        write_picture(tmp_path / f"cats/{number}.png", face(68)[0])
        write_pts(tmp_path / f"cats/{number}.pts", face(68)[1][:5])
    assert main(["data", "check", str(tmp_path / "cats")]) == 0
    assert "5 points" in capsys.readouterr().out
    write_picture(tmp_path / "table/a.png", face(68)[0])
    (tmp_path / "table/points.csv").write_text("file,x0,y0,x1,y1,x2,y2,weather\na.png,5,5,60,9,30,70,fine\n")
    assert main(["data", "check", str(tmp_path / "table")]) == 0
    assert "columns that are not read: weather" in capsys.readouterr().out


@pytest.mark.parametrize("name, words", [("none", "no such folder"), ("empty", "no data set and no pictures")])
def test_wrong_input_is_one_line_and_exit_2(tmp_path, capsys, name, words):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        findings.find(tmp_path / name)
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(tmp_path / name)])
    err = capsys.readouterr().err
    assert ended.value.code == 2 and words in err and len(err.strip().splitlines()) == 1


def test_labels_of_which_none_can_be_used_end_with_2(tmp_path, capsys):
    entry = {"id": 1, "file_name": "a.png", "width": 9, "height": 9}
    labels = {"images": [entry, entry], "annotations": [], "categories": [{"id": 1, "keypoints": ["nose"]}]}
    (tmp_path / "points.json").write_text(json.dumps(labels))
    with pytest.raises(SystemExit) as ended:
        main(["data", "check", str(tmp_path)])
    err = capsys.readouterr().err
    assert ended.value.code == 2 and "nothing in it can be used: " in err and "no object in it has keypoints" in err


def test_names_cannot_rewrite_the_screen(tmp_path, capsys):
    write_faces(tmp_path / "a\x1b[2Jb", ["x"])
    main(["data", "check", str(tmp_path)])
    assert "\x1b[2J" not in capsys.readouterr().out
