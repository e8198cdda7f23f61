"""Files of one format and precision are told apart in every table."""

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
