"""One fitted network, one run and one export of it, for all tests of this folder: converting takes its time."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from targets import __main__ as command
from targets import table
from tests.targets.discs import RECIPE, fit, write_run
from train import model as models

HERE = [key for key, target in table.TABLE.items() if target.module != "targets.ethos"]  # what no NPU has to run


@pytest.fixture(scope="session")
def network() -> torch.nn.Module:
    """The mobile network at a quarter of its width, fitted on discs."""
    threads = torch.get_num_threads()
    torch.manual_seed(0)
    try:
        return fit(models.build(RECIPE), steps=200)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def run(network, tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "tiny", network, RECIPE)


@pytest.fixture(scope="session")
def exported(run) -> None:
    """Every target that runs here in its default precisions, made by the command."""
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", *HERE])
    assert end.value.code == 0
