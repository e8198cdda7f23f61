"""The gate through the command line, on tiny real files whose errors are known by hand."""

import csv
import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import helper, numpy_helper

from bench import accuracy, gate
from bench.__main__ import _parser, main
from edgewing import measure, rows
from edgewing.errors import InputError

from .conftest import template

OFFSETS = [(1 + i / 10, 0) for i in range(12)]  # true points that the files in use miss by 1 to 2 px


def slower(path, layers):
    """Give a fixed graph work to do: convolutions of its picture that come to nothing."""
    model = onnx.load(str(path))
    graph, random = model.graph, np.random.default_rng(0)
    (constant,) = [node for node in graph.node if node.output[0] == "landmarks"]
    constant.output[0] = "points"
    weights = {"first": (8, 3, 3, 3), "more": (8, 8, 3, 3)}
    for name, shape in weights.items():
        graph.initializer.append(numpy_helper.from_array(random.normal(0, 0.1, shape).astype(np.float32), name))
    graph.initializer.append(numpy_helper.from_array(np.float32(1e-30), "nothing"))
    graph.node.append(helper.make_node("Cast", ["image"], ["cast"], to=onnx.TensorProto.FLOAT))
    graph.node.append(helper.make_node("Transpose", ["cast"], ["l0"], perm=[0, 3, 1, 2]))
    for i in range(layers):
        weight = "more" if i else "first"
        graph.node.append(helper.make_node("Conv", [f"l{i}", weight], [f"l{i + 1}"], pads=[1, 1, 1, 1]))
    graph.node.append(helper.make_node("ReduceMax", [f"l{layers}"], ["top"], keepdims=0))
    graph.node.append(helper.make_node("Mul", ["top", "nothing"], ["none"]))
    graph.node.append(helper.make_node("Add", ["points", "none"], ["landmarks"]))
    onnx.save(model, str(path))
    return path


@pytest.fixture
def baseline(artefact, run_folder, tmp_path, monkeypatch):
    """A file in use, its faces, and its row, as a repository has them."""
    monkeypatch.chdir(tmp_path)
    slower(artefact(tmp_path / "old.onnx", template()), 1)
    run_folder(OFFSETS)
    assert main(["accuracy", "--model", "old.onnx", "--data", "run", "--to", "rows.jsonl"]) == 0
    return tmp_path


def gate_words(file="new.onnx", *more):
    return ["gate", file, "--baseline", "rows.jsonl", "--to", "gate.jsonl", *more]


def test_the_same_file_passes(baseline, capsys):
    shutil.copy("old.onnx", "new.onnx")
    words = ["--slower", "0.5", "--summary", "summary.md", "--pytest-json", "times.json"]  # no noise is half the time
    assert main(gate_words("new.onnx", *words)) == 0
    (row,) = rows.read("gate.jsonl")[0]
    assert row["passed"] and row["failed"] == [] and row["accuracy"]["change"] == 0
    assert row["artefact"]["sha256"] == row["baseline"]["artefact"]["sha256"]
    assert row["time"]["low"] <= row["time"]["change"] <= row["time"]["high"]
    assert row["time"]["verdict"] == "not slower"
    text = Path("summary.md").read_text()
    assert text.startswith("## :white_check_mark: Gate passed: `new.onnx`") and "| +1 % |" in text
    assert capsys.readouterr().out.splitlines()[-1] == "gate passed"
    # pytest-benchmark's own tool reads the times
    tool = Path(sys.executable).with_name("pytest-benchmark")
    call = [tool, "compare", "times.json", "--columns=median,rounds", "--csv=times.csv"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "new.onnx[in use]" in done.stdout and "new.onnx[changed]" in done.stdout
    written = json.loads(Path("times.json").read_text())["benchmarks"]
    with open("times.csv", newline="") as file:
        read = {line["param:file"]: float(line["median"]) for line in csv.DictReader(file)}
    assert read == pytest.approx({b["param"]: float(np.median(b["stats"]["data"])) for b in written})


def test_worse_points_fail(baseline, artefact, capsys):
    slower(artefact(baseline / "new.onnx", template() - [0.1, 0]), 1)
    assert main(gate_words("new.onnx", "--slower", "0.5", "--summary", "summary.md")) == 1
    (row,) = rows.read("gate.jsonl")[0]
    # every face is 0.1 px worse, and the mean of 1.0 to 2.1 px is 1.55
    assert row["failed"] == ["worse"] and row["accuracy"]["change"] == pytest.approx(0.1 / 1.55, rel=1e-3)
    assert row["accuracy"]["low"] > 0.01
    assert Path("summary.md").read_text().startswith("## :x: Gate failed: `new.onnx` is 6.5 % worse")
    assert capsys.readouterr().out.splitlines()[-1] == "gate failed: new.onnx"


def test_what_is_within_the_limit_passes(baseline, artefact):
    slower(artefact(baseline / "new.onnx", template() - [0.1, 0]), 1)
    assert main(gate_words("new.onnx", "--slower", "0.5", "--worse", "0.2")) == 0


def test_a_slower_file_fails(baseline, artefact):
    slower(artefact(baseline / "new.onnx", template()), 2)
    assert main(gate_words("new.onnx", "--summary", "summary.md")) == 1
    (row,) = rows.read("gate.jsonl")[0]
    assert row["failed"] == ["slower"] and row["time"]["low"] > 0.05
    text = Path("summary.md").read_text()
    assert " % slower" in text.splitlines()[0] and ":x: slower |" in text and ":white_check_mark: not worse |" in text


def test_a_lost_face_fails_though_the_mean_is_better(baseline, artefact):
    points = template() + [1, 0]
    points[3] = np.nan
    slower(artefact(baseline / "new.onnx", points), 1)
    with pytest.raises(SystemExit, match="2"):  # all are lost: nothing is left to compare
        main(gate_words("new.onnx", "--slower", "0.5"))
    old = {"protocol": {"data": "d"}, "face_errors": {"a": 0.05, "b": 0.05, "c": None}}
    new = {"protocol": {"data": "d"}, "face_errors": {"a": 0.04, "b": None, "c": 0.04}}
    change = accuracy.compare(new, old)
    assert (change.lost, change.faces) == (1, 1) and change.change == pytest.approx(-0.2)


def test_rows_of_other_faces_or_protocols_are_not_compared():
    old = {"protocol": {"data": "d", "crop": "gtbox"}, "face_errors": {"a": 0.05}}
    with pytest.raises(InputError, match="1 faces are in one of d and e only, such as b"):
        accuracy.compare({"protocol": {"data": "e", "crop": "gtbox"}, "face_errors": {"a": 1, "b": 1}}, old)
    with pytest.raises(InputError, match="crop of the two rows is gtbox and provided"):
        accuracy.compare({"protocol": {"data": "d", "crop": "provided"}, "face_errors": {"a": 1}}, old)


def test_a_file_is_scored_as_the_baseline_was(artefact, photographs, tmp_path):
    model, log = artefact(tmp_path / "a.onnx", template()), tmp_path / "rows.jsonl"
    words = ["--data", str(photographs(3)), "--layout", "300w-68", "--jitter", "0.1,0.05", "--seed", "3"]
    main(["accuracy", "--model", str(model), *words, "--normaliser", "box", "--to", str(log)])
    (old,) = rows.read(log)[0]
    new = gate.score(model, old, None)
    assert new["protocol"] == old["protocol"] and new["face_errors"] == old["face_errors"]
    assert accuracy.compare(new, old).change == 0


def test_what_is_timed_is_what_was_scored(baseline):
    shutil.copy("old.onnx", "new.onnx")
    sha256 = measure.artefact("new.onnx")["sha256"]
    assert gate._opener(Path("new.onnx"), sha256)().about["sha256"] == sha256
    with pytest.raises(InputError, match="new.onnx: has changed since it was scored"):
        gate._opener(Path("new.onnx"), "0" * 64)()


def test_the_baseline_is_the_nearest_row():
    fit = [{"protocol": {"data": f"../shared/{name}"}} for name in ("lfpw/testset", "ytf/test", "lfpw/testset")]
    assert gate._nearest(fit, None) is fit[2]
    assert gate._nearest(fit, "data/ytf/test") is fit[1]
    assert gate._nearest(fit[:2], "/faces/lfpw/testset") is fit[0]


def test_the_workflow_of_the_docs_can_be_typed():
    """It is YAML, and every command of bench in it is one that the parser takes."""
    text = (Path(gate.__file__).parents[1] / "docs" / "gates.md").read_text()
    workflow = yaml.safe_load(text.split("```yaml")[1].split("```")[0])
    steps = "\n".join(step.get("run", "") for step in workflow["jobs"]["gate"]["steps"]).replace("\\\n", " ")
    typed = [line.partition("-m bench ")[2] for line in steps.splitlines() if "-m bench " in line]
    assert typed
    for line in [*typed, "gate new.tflite --against old.tflite --baseline rows.jsonl --data faces"]:
        assert _parser().parse_args(shlex.split(line)).worse == 0.01


def test_wrong_input_is_one_line(baseline, artefact, capsys):
    shutil.copy("old.onnx", "new.onnx")
    artefact(baseline / "int8.onnx", template(), precision="int8")
    artefact(baseline / "engine.onnx", template(), form="tensorrt")
    changed = artefact(baseline / "moved" / "old.onnx", template() + 1)
    for words, said in [
        (gate_words("none.onnx"), "no such file"),
        (gate_words("int8.onnx"), "no accuracy row of a onnx int8 file, only onnx fp32"),
        (gate_words("new.onnx", "--against", str(changed)), "no accuracy row of"),
        (gate_words("new.onnx", "--worse", "5"), "--worse 5: give a share"),
        (gate_words("new.onnx", "--data", "nowhere"), "no such folder"),
        (["gate", "new.onnx", "--baseline", "none.jsonl"], "none.jsonl: no rows"),
        (["gate", "new.onnx", "old.onnx", "--baseline", "rows.jsonl", "--against", "old.onnx"], "names one file"),
        (gate_words("engine.onnx", "--against", "old.onnx"), "not run: needs a GPU"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            main(words)
        captured = capsys.readouterr()
        assert captured.err.splitlines()[-1].startswith("error: ") and said in captured.err, words
    Path("old.onnx").unlink()
    with pytest.raises(SystemExit, match="2"):
        main(gate_words())
    assert "the file in use, old.onnx (sha256" in capsys.readouterr().err
    assert not Path("gate.jsonl").exists()
