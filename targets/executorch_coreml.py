"""ExecuTorch for iPhones and Macs: the network as an fp16 CoreML program inside a .pte, the decode in float32 outside.

The image is float32 NCHW, 0 to 255: ExecuTorch's CoreML takes no uint8. Its precision is one for a whole program, and
half precision has steps of 0.125 px above 128, so the decode is left to ExecuTorch's own kernels.

Linux cannot run such a file. ``opened`` takes the program out of it again and evaluates that, operation by operation as
for a .mlpackage, and decodes its heatmaps as the contract says. What that leaves unseen is the few operations of the
decode, which are those of every other target.
"""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from edgewing import containers, files, pte, runtimes
from edgewing.errors import InputError
from targets import executorch
from targets.executorch import FORMAT, embed
from targets.graph import Interface
from targets.job import Job, needs

__all__ = ["FORMAT", "INTERFACE", "embed", "export", "opened"]

INTERFACE = Interface("NCHW", "float32")
LIBRARIES = ("executorch", "coremltools")
BACKEND = "CoreMLBackend"


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact, contract inside, parity not yet measured. precision: fp16."""
    job.say("converting")
    program = executorch.exported(job.graph(INTERFACE))
    about = job.contract(FORMAT, INTERFACE, precision, LIBRARIES)
    files.write(path, executorch.lower(program, _partitioner(job.options.ios), about))
    with files.reading(path, files.LARGEST_MODEL) as (file, size):
        backends, kernels = pte.Program(file, size).calls()
    if dict(backends) != {BACKEND: 1} or (kernels and job.options.output != "landmarks"):
        raise InputError(f"{dict(backends)} and {dict(kernels)} are called where one call of {BACKEND} is expected")


def _partitioner(ios: int):
    """ExecuTorch's for CoreML, which leaves the decode alone."""
    with needs(FORMAT, "executorch and coremltools"):
        import coremltools as ct
        from executorch.backends.apple.coreml.compiler import CoreMLBackend
        from executorch.backends.apple.coreml.partition import CoreMLPartitioner

    class Network(CoreMLPartitioner):
        def partition(self, exported_program):
            result = super().partition(exported_program)
            for node in exported_program.graph.nodes:
                users = list(node.users) if node.op in ("placeholder", "get_attr") else [node]
                if users and all(executorch.layer(user) == "decode" for user in users):
                    node.meta.pop("delegation_tag", None)
            return result

    specs = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target[f"iOS{ios}"], compute_precision=ct.precision.FLOAT16
    )
    return Network(compile_specs=specs)


def opened(path: Path) -> list[runtimes.Runtime]:
    """The CoreML program of a .pte, evaluated on the processor; its heatmaps are decoded here. None of one without."""
    data = files.read(path, files.LARGEST_MODEL)
    delegates = pte.Program(io.BytesIO(data), len(data)).delegates()
    if all(delegate.backend != BACKEND for delegate in delegates):
        return []
    (delegate,) = delegates
    with needs(FORMAT, "executorch and coremltools"):
        import coremltools as ct
        from executorch.backends.apple.coreml import executorchcoreml
    from targets.coreml_evaluator import Program

    with tempfile.TemporaryDirectory() as folder:
        payload = data[delegate.start : delegate.start + delegate.length]
        if not executorchcoreml.unflatten_directory_contents(payload, folder):
            raise InputError(f"{path}: its CoreML program cannot be unpacked; export it again")
        program = Program(
            ct.models.MLModel(str(Path(folder, "lowered_module", "model.mlpackage")), skip_model_load=True)
        )
    return [_Evaluated(program, containers.read_contract(path))]


class _Evaluated(runtimes.Runtime):
    """A program that gives heatmaps, whatever its file decodes behind it."""

    def __init__(self, program, contract):
        (self.heatmaps,) = program.outputs
        description = f"{program.description}; decode by numpy"
        super().__init__(SimpleNamespace(run=program.run, description=description), contract)

    def __call__(self, crops: np.ndarray) -> runtimes.Points:
        return runtimes.decoded(self.raw(crops)[self.heatmaps.name], self.contract)

    def _run(self, tensor) -> dict[str, np.ndarray]:
        # The contract's outputs are those of the whole file, and this is the part before its decode.
        return self.graph.run(tensor)

    def input(self, crops: np.ndarray):
        return INTERFACE.tensor(crops)
