"""A new target is its file, its row in edgewing/formats.py and a requirement: everything else follows from the row."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FILE = """
from targets import onnx
from targets.onnx import INTERFACE, LIBRARIES, embed

def export(job, precision, path):
    onnx.write(path, onnx.convert(job.graph(INTERFACE)), job.contract("toy", INTERFACE, precision, LIBRARIES))
"""
ROW = """
from edgewing import formats
toy = formats.Target("toy", "toy_target", ("plaything",), ("fp32",), ("fp32",), "play {file}")
formats.TABLE["toy"] = formats.Format(
    ".toy", "edgewing.containers:onnx", "edgewing.runtimes.onnx", needs="a child", dashes="1 1", targets=(toy,)
)
formats.BY_SUFFIX[".toy"] = "toy"
"""
USE = """
import contextlib, pathlib, sys
import numpy as np
from targets.__main__ import main
run = pathlib.Path(sys.argv[1])
try:
    main([str(run), "--to", "plaything"])
except SystemExit as end:
    assert not end.code, end.code
from bench.report import artefacts
from bench.time import latency
from edgewing import cli, models, runtimes
path = models.find(run / "export" / f"{run.name}-fp32.toy")
(contract,) = [about for file, about in artefacts.of_run(run)[0] if file == path]
size = contract.crop.size
assert len(runtimes.open(path)(np.zeros((2, size, size, 3), np.uint8)).landmarks) == 2
print(latency.needs(path, contract), contract.parity.accepted)
cli.main(["info", str(path)])
"""


def test_a_file_and_a_row_are_enough(run, tmp_path):
    shutil.copytree(run, copy := tmp_path / "toys")
    (tmp_path / "toy_target.py").write_text(FILE)
    (tmp_path / "use.py").write_text(ROW + USE)
    words, where = [sys.executable, "use.py", str(copy)], {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, cwd=tmp_path, env=where, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    said = done.stdout
    assert "next: play " in said and "needs a child True" in said and "toy fp32" in said
