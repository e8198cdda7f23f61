"""OpenVINO's IR, for processors, GPUs and NPUs of Intel: a package of model.xml, model.bin and contract.json.

From the ONNX that TensorRT is given: fp16 stores weights in half, int8 has our ranges as quantize and dequantize pairs,
which OpenVINO folds into kernels of int8. It is read by the runtime's own reader: ``openvino.convert_model`` does the
same and reports to its makers.
"""

from __future__ import annotations

import io
from pathlib import Path

from edgewing import contract, files, packages
from edgewing.runtimes.openvino import XML, library
from targets import tensorrt
from targets.job import Job, needs

FORMAT, INTERFACE = "openvino", tensorrt.INTERFACE
LIBRARIES = (*tensorrt.LIBRARIES, "openvino")


def export(job: Job, precision: str, path: Path) -> None:
    """Write the artefact of that precision, contract inside, parity not yet measured."""
    openvino = library()
    with needs(FORMAT, "openvino"):
        from openvino import _offline_transformations as passes
    model = openvino.Core().read_model(io.BytesIO(tensorrt.converted(job, precision).SerializeToString()))
    if precision == "int8":  # or the weights are kept as floats in front of their pairs
        passes.apply_moc_transformations(model, False, False)
        passes.compress_quantize_weights_transformation(model)
    path.mkdir(exist_ok=True)
    openvino.save_model(model, str(path / XML), compress_to_fp16=precision == "fp16")
    embed(path, job.contract(FORMAT, INTERFACE, precision, LIBRARIES))


def embed(path: Path, about: contract.Contract) -> None:
    """Replace the contract of an artefact."""
    files.write(path / packages.CONTRACT, contract.dumps(about).encode())
