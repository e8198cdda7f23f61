"""This machine, as one device among others."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.devices import FOLDER, Device


class Local(Device):
    """Takes the Python that runs this, unless another is named."""

    def __init__(self, address: str, folder: str = "", python: str = "", ssh_config: str = ""):
        super().__init__(address, folder or str(Path.home() / FOLDER), python or sys.executable)

    def command(self, line: str) -> list[str]:
        return ["sh", "-c", line]
