"""NCNN, for phones and boards: fp32, fp16 (weights in half); a package of model.param, model.bin and contract.json.

By pnnx from the traced graph. A picture of floats spares the cast that NCNN lacks. No int8: NCNN's own tools for it are
in no package. One image at a time: NCNN knows no batch.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import torch

from edgewing import contract, files
from edgewing.errors import InputError
from edgewing.runtimes.ncnn import BIN, PARAM
from targets.graph import Interface
from targets.job import Job, needs
from targets.openvino import embed

__all__ = ["FORMAT", "INTERFACE", "embed", "export"]

FORMAT, INTERFACE = "ncnn", Interface("NCHW", "float32")
LIBRARIES = ("pnnx",)
LARGEST_PARAM = files.MIB


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    if job.options.batch != 1:
        raise InputError("NCNN takes one image at a time; leave --batch out")
    with needs(FORMAT, "pnnx"):
        import pnnx
    about = job.contract(FORMAT, INTERFACE, precision, LIBRARIES)
    path.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        traced = job.once(FORMAT, lambda: _traced(job))
        traced.save(str(Path(folder, "model.pt")))
        shape = ",".join(map(str, about.input.shape))
        words = [pnnx.EXEC_PATH, "model.pt", f"inputshape=[{shape}]", f"fp16={int(precision == 'fp16')}"]
        subprocess.run(words, cwd=folder, check=True)
        param = files.read(Path(folder, "model.ncnn.param"), LARGEST_PARAM).decode()
        Path(folder, "model.ncnn.bin").rename(path / BIN)
    files.write(path / PARAM, _named(param, about).encode())
    embed(path, about)


def _traced(job: Job) -> torch.jit.ScriptModule:
    graph = job.graph(INTERFACE)
    return torch.jit.trace(graph, graph.interface.image(graph.size))


def _named(param: str, about: contract.Contract) -> str:
    """The graph with the contract's names in place of in0, out0, out1."""
    names = {"in0": about.input.name} | {f"out{i}": part.name for i, part in enumerate(about.outputs)}
    return re.sub(r"(?<= )(in0|out\d)(?= |$)", lambda found: names[found[1]], param, flags=re.MULTILINE)
