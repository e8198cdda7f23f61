"""`.venv-trt/bin/python tests/targets/rtx.py FILE.onnx PRECISION`: build a file with TensorRT-RTX, without a GPU.

The environment is that of `make tensorrt-rtx`. The road is edgewing.tensorrt.builders' own, but for the kind of GPU
(Ada), which TensorRT-RTX must be told where there is none. Prints JSON: layers, seconds, bytes of the engine and of its
weights.
"""

import json
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import tensorrt_rtx as trt

from edgewing.errors import InputError
from edgewing.tensorrt import builders, cuda

# What edgewing.runtimes.tensorrt calls; the rest of its road needs a GPU.
RUNTIME = {
    trt: ("float32", "float16", "int8", "int32", "TensorIOMode", "Logger"),
    trt.Runtime: ("deserialize_cuda_engine", "DLA_core"),
    trt.ICudaEngine: (
        "num_io_tensors", "get_tensor_name", "get_tensor_mode", "get_tensor_shape", "get_tensor_dtype",
        "create_execution_context",
    ),
    trt.IExecutionContext: ("set_tensor_address", "execute_async_v3"),
}  # fmt: skip


def main(path: Path, precision: str) -> dict:
    plan = builders.Plan(path, precision, -1, path.with_suffix(".timing"))
    log = builders.listener(trt)
    start = time.monotonic()
    try:
        builder, network = builders.parsed(trt, plan, log)
        config = builders.configured(trt, builder, plan)
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM89, 0)
        built = builders.compiled(trt, builder, network, config, plan, cuda.Chip("", "8.9"), log)
    except InputError as error:
        return {"refused": str(error)}
    absent = [name for owner, names in RUNTIME.items() for name in names if not hasattr(owner, name)]
    return {
        "version": built.tensorrt,
        "layers": network.num_layers,
        "inputs": [network.get_input(i).name for i in range(network.num_inputs)],
        "outputs": [network.get_output(i).name for i in range(network.num_outputs)],
        "seconds": round(time.monotonic() - start, 2),
        "bytes": len(built.engine),
        "weights": int(re.search(r"Total Weights Memory: (\d+)", "\n".join(log.lines))[1]),
        "cache": len(built.cache),
        "errors": [line for line in log.lines if line.startswith("[E]")],
        "absent": absent,
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2])))
