"""Two tiny networks through the command line: converted as runs are, and raced."""

import json

import pytest

from bench.__main__ import main
from edgewing import containers
from tests.bench.time.test_race import foreign
from train import recipes
from train.model import build, macs

END = ("--rounds", "2", "--to", "rows.jsonl")
TINY = "--input-size 64 --width 0.25 --features 16"


@pytest.mark.full
def test_rows_of_two_shapes(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    reference = foreign(tmp_path / "theirs.onnx")
    (tmp_path / "list.txt").write_text(f"# a remark\n\nplain: {TINY}  # small\nfused: {TINY} --fused 1 --maps 16 24\n")
    words = ["shapes", "list.txt", "--reference", str(reference)]
    assert main([*words, *END]) == 0
    first, plain, fused = map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines())
    assert {row["command"] for row in (first, plain, fused)} == {" ".join(["python -m bench", *words, *END])}
    assert first["ratio"] == 1 and "shape" not in first
    assert [row["model"]["name"] for row in (plain, fused)] == ["plain", "fused"]
    assert plain["artefact"]["path"] == "runs/shapes/plain.tflite" and plain["model"]["precision"] == "int8"
    recipe = recipes.replace(recipes.get("mobile"), input_size=64, width=0.25, features=16, fused=1, maps=(16, 24))
    assert fused["shape"]["options"] == f"{TINY} --fused 1 --maps 16 24"
    assert fused["shape"]["macs"] == macs(build(recipe), 64) > plain["shape"]["macs"]
    about = containers.carried(tmp_path / "runs/shapes/fused.tflite")
    assert "Random weights" in about.training.data_terms and about.model.macs == fused["shape"]["macs"]
    out = capfd.readouterr().out.splitlines()
    assert out[-2] == "wrote rows.jsonl" and out[-1].startswith(
        "next: python -m train fit DIR --run NAME --input-size 64"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b", "list.txt:1: 'a b'"),
        ("a: \na: ", "list.txt:2: 'a'"),
        ("../a: ", "list.txt:1: '../a'"),
        ("# nothing", "no network in it"),
        ("a: --widht 2", "list.txt, a: there is no option --widht, did you mean --width?; python -m train fit --help"),
        ("a: --width two", "list.txt, a: argument --width"),
        ("a: --input-size 100", "list.txt, a: "),
        ("a: --recipe small '", "list.txt, a: No closing quotation"),
    ],
)
def test_wrong_lists_are_one_line_and_cost_no_conversion(tmp_path, monkeypatch, capfd, text, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(SystemExit) as error:
        main(["shapes", "list.txt", "--reference", str(foreign(tmp_path / "theirs.onnx"))])
    assert error.value.code == 2
    assert said in capfd.readouterr().err.splitlines()[-1] and not (tmp_path / "runs").exists()


def test_a_reference_that_is_missing_costs_no_conversion(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.txt").write_text(f"a: {TINY}")
    with pytest.raises(SystemExit, match="2"):
        main(["shapes", "list.txt", "--reference", "none.tflite"])
    assert "none.tflite: no such file" in capfd.readouterr().err and not (tmp_path / "runs").exists()
