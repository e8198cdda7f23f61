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

from bench import intervals
from bench.__main__ import VERBS, main
from bench.accuracy import scoring
from bench.gate import verdicts
from edgewing import measure, rows, verbs
from edgewing.errors import InputError
from tests.bench.conftest import template

OFFSETS = [(1 + i % 12 / 10, 0) for i in range(60)]  # true points that the files in use miss by 1 to 2 px


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
    change = scoring.nme_change(new, old)
    assert (change.lost, change.faces) == (1, 1) and change.change == pytest.approx(-0.2)


def test_rows_of_other_faces_or_protocols_are_not_compared():
    old = {"protocol": {"data": "d", "crop": "gtbox"}, "face_errors": {"a": 0.05}}
    with pytest.raises(InputError, match="1 names are in one of d and e only, such as b"):
        scoring.nme_change({"protocol": {"data": "e", "crop": "gtbox"}, "face_errors": {"a": 1, "b": 1}}, old)
    with pytest.raises(InputError, match="crop of the two rows is gtbox and provided"):
        scoring.nme_change({"protocol": {"data": "d", "crop": "provided"}, "face_errors": {"a": 1}}, old)


def faces_with(**changed):
    """The run's faces with other contents under the same names, such as ``landmarks`` or ``crops``."""
    path = Path("run/faces/validation.npz")
    with np.load(path) as file:
        whole = dict(file)
    np.savez(path, **whole | {name: change(whole[name]) for name, change in changed.items()})


def refused(capsys, *words):
    with pytest.raises(SystemExit, match="2"):
        main(gate_words("new.onnx", "--slower", "0.5", *words))
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if not line.startswith("notice: ")]
    assert len(lines) == 1 and lines[0].startswith("error: "), error
    return error


def rewritten(change, *without):
    """The baseline's row changed by ``change``, and without some names of its protocol."""
    (row,) = rows.read("rows.jsonl")[0]
    change(row)
    for name in without:
        del row["protocol"][name]
    Path("rows.jsonl").write_text(json.dumps(row) + "\n")


@pytest.mark.parametrize(
    ("changed", "what"),
    [({"landmarks": lambda a: a + [0.2, 0]}, "landmarks or boxes"), ({"crops": lambda a: 255 - a}, "pixels")],
)
def test_faces_are_known_by_content(baseline, capsys, changed, what):
    """Names say nothing: neither of other labels, with which a worse file would pass, nor of other photographs."""
    shutil.copy("old.onnx", "new.onnx")
    faces_with(**changed)
    assert f"the pictures have other {what} than when the baseline was made" in refused(capsys)


def test_an_old_row_is_proven_by_its_file(baseline, capsys):
    """A row from before contents were in it: the file in use, scored again, must give it."""
    shutil.copy("old.onnx", "new.onnx")
    rewritten(lambda row: None, *scoring.DIGESTS)
    assert main(gate_words("new.onnx", "--slower", "0.5")) == 0
    capsys.readouterr()
    faces_with(landmarks=lambda a: a + [0.2, 0])
    assert "rows.jsonl: its row of old.onnx has NME 4.84 %, and that file gives 5.47 % here" in refused(capsys)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.update(face_errors={k: 2 * v for k, v in row["face_errors"].items()}), "an edited row"),
        (lambda row: row.update(nme=0.06), "an edited row"),
        (lambda row: row["face_errors"].update({"face 7": 0.5}), "single faces up to"),
        (lambda row: row["face_errors"].popitem(), "1 names are in one of"),
        (lambda row: row.update(faces=61), "an edited row"),
        (lambda row: row.update(nme=float("nan")), "NaN is not a number"),
        (lambda row: row["face_errors"].update({"face 7": "0.05"}), "a row without face_errors.face 7"),
        (lambda row: row["protocol"].pop("crop"), "a row without protocol.crop"),
        (lambda row: row.pop("face_errors"), "a row without face_errors"),
    ],
)
def test_edited_and_short_rows_are_one_line(baseline, capsys, change, said):
    """Nothing was measured, so the exit code is not that of a file which is worse."""
    shutil.copy("old.onnx", "new.onnx")
    rewritten(change)
    assert said in refused(capsys)


def test_few_faces_say_nothing(artefact, run_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    slower(artefact(tmp_path / "old.onnx", template()), 1)
    run_folder(OFFSETS[:49])
    assert main(["accuracy", "--model", "old.onnx", "--data", "run", "--to", "rows.jsonl"]) == 0
    shutil.copy("old.onnx", "new.onnx")
    capsys.readouterr()
    assert "new.onnx: 49 to compare; a gate needs 50" in refused(capsys)


@pytest.mark.parametrize(
    ("low", "high", "lost", "verdict"),
    [(0.011, 0.03, 0, "worse"), (0.005, 0.02, 0, "undecided"), (-0.02, 0.01, 0, "not worse"), (-0.1, -0.1, 1, "worse")],
)
def test_three_verdicts_on_points(low, high, lost, verdict):
    assert verdicts.points_verdict(intervals.Change(low, low, high, 60, lost), 0.01) == verdict


def test_an_interval_around_the_limit_passes_and_says_so(baseline, artefact):
    """Every face 1 % of the mean worse: the interval over faces lies around the limit of 1 %."""
    slower(artefact(baseline / "new.onnx", template() - [0.0155, 0]), 1)
    assert main(gate_words("new.onnx", "--slower", "0.5", "--summary", "summary.md")) == 0
    (row,) = rows.read("gate.jsonl")[0]
    assert row["accuracy"]["verdict"] == "undecided" and row["accuracy"]["low"] < 0.01 < row["accuracy"]["high"]
    assert ":grey_question: undecided |" in Path("summary.md").read_text()


def test_a_file_is_scored_as_the_baseline_was(artefact, photographs, tmp_path):
    model, log = artefact(tmp_path / "a.onnx", template()), tmp_path / "rows.jsonl"
    words = ["--data", str(photographs(3)), "--layout", "300w-68", "--jitter", "0.1,0.05", "--seed", "3"]
    words += ["--points-frame", "stored"]
    main(["accuracy", "--model", str(model), *words, "--normaliser", "box", "--to", str(log)])
    (old,) = rows.read(log)[0]
    new = verdicts.scored_as(model, old, None)
    assert new["protocol"] == old["protocol"] and new["face_errors"] == old["face_errors"]
    assert scoring.nme_change(new, old).change == 0


def test_what_is_timed_is_what_was_scored(baseline):
    shutil.copy("old.onnx", "new.onnx")
    sha256 = measure.artefact("new.onnx")["sha256"]
    assert verdicts._opener(Path("new.onnx"), sha256)().about["sha256"] == sha256
    with pytest.raises(InputError, match="new.onnx: has changed since it was scored"):
        verdicts._opener(Path("new.onnx"), "0" * 64)()


def test_the_baseline_is_the_nearest_row():
    fit = [{"protocol": {"data": f"../shared/{name}"}} for name in ("lfpw/testset", "ytf/test", "lfpw/testset")]
    assert verdicts._nearest(fit, None) is fit[2]
    assert verdicts._nearest(fit, "data/ytf/test") is fit[1]
    assert verdicts._nearest(fit[:2], "/faces/lfpw/testset") is fit[0]


def test_true_boxes_go_before_moved_ones():
    """Whichever row is the newest: what the gate judges is the figure that people know."""
    rows = [{"protocol": {"data": "lfpw/testset", **more}} for more in ({}, {}, {"jitter": {"shift": 0.08}})]
    for data in (None, "data/lfpw/testset"):
        assert verdicts._nearest(rows, data) is rows[1] and verdicts._nearest(rows[::-1], data) is rows[0]
        assert verdicts._nearest(rows[2:], data) is rows[2]


def test_the_workflow_can_be_typed():
    """It is YAML, and every command of bench in it is one that the parser takes."""
    text = (Path(verdicts.__file__).parents[2] / ".github/workflows/gate.yml").read_text()
    workflow = yaml.safe_load(text.replace("${{ matrix.model }}", "edgewing-s"))
    steps = "\n".join(step.get("run", "") for step in workflow["jobs"]["gate"]["steps"]).replace("\\\n", " ")
    typed = [line.partition("-m bench ")[2] for line in steps.splitlines() if "-m bench " in line]
    assert typed
    for line in [*typed, "gate new.tflite --against old.tflite --baseline rows.jsonl --data faces"]:
        words = shlex.split(line)
        assert verbs.parser("bench", "", VERBS, words).parse_args(words).worse == 0.01


def test_wrong_input_is_one_line(baseline, artefact, capsys):
    shutil.copy("old.onnx", "new.onnx")
    artefact(baseline / "int8.onnx", template(), precision="int8")
    artefact(baseline / "engine.onnx", template(), form="tensorrt")
    changed = artefact(baseline / "moved" / "old.onnx", template() + 1)
    for words, said in [
        (gate_words("none.onnx"), "no such file"),
        (gate_words("int8.onnx"), "no accuracy row of an onnx int8 file, only onnx fp32"),
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
