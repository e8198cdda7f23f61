"""NCNN packages (.ncnn: model.param, model.bin, contract.json) on the processor, in float32.

NCNN has no batch and declares no sizes: shapes are the contract's, one crop at a time.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import contract as contracts
from edgewing import packages
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.notices import quiet
from edgewing.runtimes import Description, Tensor, tried

PARAM, BIN = "model.param", "model.bin"


class Net:
    """A graph in NCNN."""

    def __init__(self, ncnn: ModuleType, folder: Path, contract: Contract, threads: int):
        self.ncnn, self.net = ncnn, ncnn.Net()
        self.description = Description("ncnn", metadata.version("ncnn"), "CPU, float32", threads)
        self.net.opt.num_threads = threads
        for kind in ("fp16_storage", "fp16_arithmetic", "fp16_packed", "bf16_storage"):
            setattr(self.net.opt, f"use_{kind}", False)
        if self.net.load_param(str(folder / PARAM)) or self.net.load_model(str(folder / BIN)):
            raise InputError(f"{folder}: NCNN refuses it; export it again")
        self.inputs = [_tensor(name, contract.input) for name in self.net.input_names()]
        said = {part.name: part for part in contract.outputs}
        self.outputs = [_tensor(name, said.get(name, contract.outputs[0])) for name in self.net.output_names()]
        self._wanted = list(said)

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        found = {}
        with self.net.create_extractor() as extractor:
            extractor.input(self.inputs[0].name, self.ncnn.Mat(tensor[0]).clone())  # a Mat does not keep its array
            for name in self._wanted:
                code, mat = extractor.extract(name)
                if code:
                    raise InputError(f"NCNN gives no {name} (code {code}); export it again")
                found[name] = np.array(mat)[None]
        return found


def load(path: Path, contract: Contract, threads: int) -> Net:
    """InputError where NCNN is missing or refuses the package, or it fails its trial."""
    if contract.input.shape[0] != 1:
        raise InputError(f"{path}: is for {contract.input.shape[0]} crops at a time, NCNN takes one; export it again")
    ncnn = tried(path, "ncnn", library)
    with quiet(1, 2):
        return Net(ncnn, path, contract, threads)


def attempt() -> Callable[[bytes], Callable[[object], object]]:
    """As edgewing.trial has it."""
    ncnn = library()

    def load(data: bytes):
        with packages.unpacked(data) as folder:
            contract = contracts.loads((folder / packages.CONTRACT).read_text(), "its contract")
            net = Net(ncnn, folder, contract, 1)
        return lambda shape: net.run(np.zeros(contract.input.shape, contract.input.dtype))

    return load


def library() -> ModuleType:
    """NCNN; InputError where it is not installed."""
    try:
        return importlib.import_module("ncnn")
    except ImportError:
        raise InputError("needs NCNN; pip install ncnn") from None


def _tensor(name: str, part) -> Tensor:
    return Tensor(name, (None,) * len(part.shape), part.dtype)
