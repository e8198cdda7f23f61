"""A card from real rows of a tiny model: every figure in it is that of a committed row; without rows, none."""

import io
import json
import shutil
import subprocess
import tarfile

import cv2
import numpy as np
import pytest

from bench.__main__ import main
from bench.report import card
from bench.report.card import PARTS, ROOT, _groups
from edgewing import models, rows
from tests.bench.conftest import parity, template
from tests.bench.time.test_race import foreign


def git(folder, *words):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True)


@pytest.fixture
def place(artefact, tmp_path, monkeypatch):
    """A repository with edgewing-s.sh and no rows yet, and edgewing-s as an ONNX file where shipped models are."""
    shipped = tmp_path / "shipped"
    monkeypatch.setattr(models, "FOLDER", shipped)
    artefact(shipped / "edgewing-s.onnx", template() + [1, 0], precision="int8", measured=parity(), name="edgewing-s")
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "edgewing-s.sh").write_text("python -m train fit drawn --recipe demo --run s\n")
    return repository


def commit(repository):
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "rows")


def made(repository, capsys):
    log = repository / "rows.jsonl"
    assert main(["card", "edgewing-s", "--rows", str(log), "--out", str(repository)]) == 0
    assert capsys.readouterr().out.splitlines()[-3] == f"wrote {repository / 'edgewing-s.md'}"
    return (repository / "edgewing-s.md").read_text()


def refused(repository, capsys, said):
    with pytest.raises(SystemExit, match="2"):
        main(["card", "edgewing-s", "--rows", str(repository / "rows.jsonl"), "--out", str(repository)])
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert not (repository / "edgewing-s.md").exists()


def test_every_figure_is_that_of_a_row(place, artefact, photographs, tmp_path, capsys):
    log = place / "rows.jsonl"
    faces = tmp_path / "utkface"
    faces.mkdir()
    with tarfile.open(faces / "0.tar", "w") as tar:
        data = cv2.imencode(".jpg", np.full((200, 200, 3), 90, np.uint8))[1].tobytes()
        for name in ("30_0_0_1.jpg", "70_1_0_2.jpg"):
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    teacher = artefact(tmp_path / "teacher.onnx", template(), name="teacher")
    score = ["accuracy", "--model", "edgewing-s", "--data", str(photographs(4)), "--layout", "300w-68"]
    for words in (
        score,
        [*score, "--jitter", "0.08,0.15"],
        ["agreement", "--model", "edgewing-s", "--teacher", str(teacher), "--data", str(faces)],
        ["race", "edgewing-s", "--reference", str(foreign(tmp_path / "face_landmark.onnx", 8)), "--rounds", "4"],
    ):
        assert main([*words, "--to", str(log)]) == 0
    commit(place)
    text = made(place, capsys)
    found, _ = rows.read(log)
    plain, moved, agreed, reference, raced = found
    model = models.path("edgewing-s")
    for said in (
        f"{model.stat().st_size:,}",
        plain["artefact"]["sha256"][:16],
        f"{100 * plain['nme']:.2f} %",
        f"{100 * (moved['nme'] / plain['nme'] - 1):+.2f} %",
        "shifted 0.08, scaled 0.15 at most",
        f"| 20-39 | 1 | {100 * agreed['parts']['age']['groups']['20-39']['nme']:.2f} %",
        "| male | 1 |",
        f"{raced['ratio']:.2f} | {raced['ratio_low']:.2f} to {raced['ratio_high']:.2f}",
        reference["artefact"]["sha256"][:12],
        "/photographs (4 faces, 300w-68, inter-ocular), onnx int8 (head turned",
        "/photographs (4 faces, 300w-68, inter-ocular), onnx int8 (longer side",
        "python -m train fit drawn --recipe demo --run s",
        *(row["command"] for row in (plain, moved, agreed, raced)),
        "Trained on: drawn.",
        "Terms: none",
    ):
        assert said in text, f"{said!r} is not in\n{text}"


def test_rows_of_other_bytes_say_nothing(place, artefact, run_folder, tmp_path, capsys):
    other = artefact(tmp_path / "other.onnx", template())
    words = ["accuracy", "--model", str(other), "--data", str(run_folder([(0, 0)])), "--to", str(place / "rows.jsonl")]
    assert main(words) == 0
    commit(place)
    text = made(place, capsys)
    assert text.count("Not measured.") == 3 and "accuracy --model" not in text


def test_rows_of_the_file_before_its_contract_was_written_anew_hold(place, run_folder, tmp_path, capsys):
    log, run = place / "rows.jsonl", run_folder([(i / 10, 0) for i in range(30)])
    score = ["accuracy", "--model", "edgewing-s", "--data", str(run), "--to", str(log)]
    assert main(score) == 0
    shipped = models.path("edgewing-s")
    assert main(["calibrate", "--model", str(shipped), "--data", str(run), "--out", str(tmp_path / "new.onnx")]) == 0
    shutil.move(tmp_path / "new.onnx", shipped)
    commit(place)
    text = made(place, capsys)
    assert "(30 faces, 300w-68, inter-ocular) | true landmark box | onnx int8" in text
    assert "- onnx int8: 90 % of points are within it; faces held out: 30 of" in text
    assert main(score) == 0
    commit(place)
    text = made(place, capsys)
    assert "| onnx int8 | 93.3 % |" in text and text.count("| true landmark box | onnx int8") == 2  # NME, error bars


def test_the_newest_of_equal_rows_counts(place, run_folder, capsys):
    log = place / "rows.jsonl"
    words = ["accuracy", "--model", "edgewing-s", "--data", str(run_folder([(0, 0)])), "--to", str(log)]
    assert main(words) == main(words) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    lines[0]["nme"] = 0.4321
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    commit(place)
    text = made(place, capsys)
    assert "43.21 %" not in text and text.count("| onnx int8 |") == 1


def test_only_committed_rows_make_a_card(place, run_folder, capsys):
    log = place / "rows.jsonl"
    refused(place, capsys, "rows.jsonl: no such file")
    words = ["accuracy", "--model", "edgewing-s", "--data", str(run_folder([(0, 0)])), "--to", str(log)]
    assert main(words) == 0
    refused(place, capsys, "not committed as it is")
    commit(place)
    log.write_text(log.read_text().replace('"nme":', '"nme": '))
    refused(place, capsys, "not committed as it is")


def test_no_card_without_the_commands_that_made_the_model(place, capsys):
    (place / "edgewing-s.sh").unlink()
    refused(place, capsys, "the commands that made edgewing-s")


def test_unknown_model(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["card", "edgewing-sx"])
    assert "did you mean 'edgewing-s'" in capsys.readouterr().err


def test_faces_of_an_official_test_list_are_said(place, artefact, capsys):
    import dataclasses

    from bench.report import card as cards
    from edgewing import containers

    c = containers.read_contract(models.FOLDER / "edgewing-s.onnx")
    training = dataclasses.replace(c.training, trained_on=["wflw", "drawn"], data_terms="research only")
    assert "must not be scored on it" in cards._data(c.replace(training=training))[-1]
    assert "must not be scored" not in "".join(cards._data(c))


@pytest.mark.parametrize("part", ["subset", "occlusion", "pose", "size"])
def test_every_division_of_bench_has_a_table(part):
    group = {"faces": 2, "nme": 0.05, "nme_low": 0.04, "nme_high": 0.06, "fr10": 0.0, "auc10": 0.5}
    head, rule, line = _groups(PARTS[part], "NME", "FR10", {"groups": {"one": group}})
    assert head.count("|") == rule.count("|") == line.count("|") and line.startswith("| one | 2 | 5.00 %")


def test_what_edgewing_models_says_is_what_committed_rows_say():
    told = models.figures()
    assert list(told) == list(models.SHIPPED)
    raced = rows.read(ROOT / "bench/results/race.jsonl")[0]
    for name in models.SHIPPED:
        assert told[name] == card.figures(name, rows.read(ROOT / f"bench/results/{name}.jsonl")[0] + raced)
