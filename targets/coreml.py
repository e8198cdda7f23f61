"""CoreML: an ML Program for iOS 16 and later, fp16 or fp32, an image as input. Through coremltools, on Linux too.

fp16 is weights and arithmetic of the network; the decode stays float32, because a coordinate above 128 has a
resolution of 0.125 px in half precision.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch

from edgewing import contract
from targets.graph import LANDMARKS, SCORES, Deployable, Interface
from targets.job import Job, needs

FORMAT, INTERFACE = "coreml", Interface("NCHW", "image")
LIBRARIES = ("coremltools",)


def export(job: Job, precision: str, path: Path) -> None:
    """Write the package of that precision, contract inside, parity not yet measured."""
    job.say("converting")
    model = convert(job.graph(INTERFACE), half=precision == "fp16")
    write(path, model, job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def convert(graph: Deployable, half: bool):
    """The graph as a coremltools MLModel that is not loaded (Linux cannot)."""
    with needs(FORMAT, "coremltools"):
        import coremltools as ct
    image = torch.zeros(graph.interface.shape(graph.size))
    traced = torch.jit.trace(graph, image, check_trace=False)
    shape = tuple(image.shape)
    return ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[ct.ImageType(graph.interface.name, shape=shape, color_layout=ct.colorlayout.RGB)],
        outputs=[ct.TensorType(name, dtype=np.float32) for name in (LANDMARKS, SCORES)],
        compute_precision=ct.transform.FP16ComputePrecision(_in_network(ct)) if half else ct.precision.FLOAT32,
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )


def _in_network(ct):
    """Whether an operation is the network's, by the module it was traced from."""
    scope = ct.converters.mil.mil.scope.ScopeSource.TORCHSCRIPT_MODULE_NAME

    def chosen(op) -> bool:
        return "decode" not in op.scopes.get(scope, [])

    return chosen


def write(path: Path, model, about: contract.Contract) -> None:
    """The package with its contract inside, under its name whole or not at all."""
    model.user_defined_metadata[contract.KEY] = contract.dumps(about)
    model.short_description = (
        f"{about.layout.points} face landmarks ({about.layout.name}) of a {about.crop.size} px crop"
    )
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
        beside = Path(folder, path.name)
        model.save(str(beside))
        if path.exists():
            shutil.rmtree(path)
        beside.rename(path)


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of a package."""
    import coremltools as ct

    write(path, ct.models.MLModel(str(path), skip_model_load=True), about)
