"""Files of one format and precision are told apart in every table."""

import dataclasses
from pathlib import Path

import pytest

from bench.report import artefacts
from targets.table import TABLE, Options
from tests.bench.conftest import parity, template


@pytest.mark.parametrize(
    "options, said",
    [
        (Options(), "fp16"),
        (Options(output="heatmaps", batch=4), "fp16 heatmaps batch4"),
        (Options(ios=18, output="heatmaps"), "fp16 ios18 heatmaps"),
    ],
)
def test_what_a_file_is_made_for_stands_with_its_precision(artefact, tmp_path, options, said):
    made = artefact(tmp_path / "export/a-fp16.onnx", template(), "fp16", measured=parity())
    named = TABLE["coreml"].path(made.parent, "demo-s", "fp16", options).with_suffix(".onnx")
    made.rename(named)
    (tmp_path / "rows.jsonl").touch()
    (entry,) = artefacts.read_run(tmp_path).entries
    assert entry.path == Path(named) and entry.precision == said and entry.name == f"onnx {said}"


def test_a_file_that_no_device_of_its_kind_has_run_is_marked(artefact, run_folder):
    run = run_folder([(0, 0)])
    said = {
        "tiny-fp32.onnx": ("onnx", "onnxruntime 1.32.0", "passed"),
        "tiny-tensorrt-fp16.onnx": ("tensorrt", "onnxruntime 1.32.0", "passed (c)"),
        "tiny-tensorrt-fp32.onnx": ("tensorrt", "tensorrt 10.3.0", "passed"),
        "tiny-fp16.onnx": ("onnx", "coremltools 9.0 program, evaluated on the processor", "passed (c)"),
    }
    for name, (form, ran_on, _) in said.items():
        measured = dataclasses.replace(parity(p99=0.05), ran_on=ran_on)
        artefact(run / "export" / name, template(), "fp16" if "16" in name else "fp32", form, measured=measured)
    (run / "rows.jsonl").write_text("")
    found = artefacts.read_run(run)
    cells = {entry.path.name: found.cells(entry) for entry in found.entries}
    assert {name: line[-1] for name, line in cells.items()} == {name: gate for name, (_, _, gate) in said.items()}
    assert all(line[-2] == "0.050 / 0.100" for line in cells.values())
    assert sum(note.startswith("(c) ") for note in found.notes) == 2


@pytest.mark.parametrize(
    ("sources", "kind"),
    [
        ('{"sources": [{"name": "drawn heads"}]}', "drawn by edgewing"),
        ('{"sources": [{"name": "lfpw/trainset"}, {"name": "drawn"}]}', "drawn ones and photographs"),
        ('{"sources": [{"name": "lfpw/trainset"}]}', "photographs"),
        ("[]", ""),
    ],
)
def test_it_is_said_whether_faces_were_drawn(tmp_path, sources, kind):
    (tmp_path / "data.json").write_text(sources)
    assert artefacts.Run(tmp_path, [], None, [], [], []).kind_of_faces == kind
