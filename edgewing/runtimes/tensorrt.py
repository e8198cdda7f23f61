"""TensorRT engines (.engine, of ``python -m edgewing.build``), through the ``tensorrt`` package of the board.

NOT RUN YET: no machine of this project had a GPU. Its names are those of TensorRT 8.5 and later in NVIDIA's
documentation (ICudaEngine, IExecutionContext); what it does with them is kept as little as it can be.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np

from edgewing import containers
from edgewing.contract import Contract
from edgewing.errors import InputError
from edgewing.runtimes import Description, Tensor
from edgewing.tensorrt import cuda, engines

DTYPES = ("float32", "float16", "int8", "int32")


class Engine:
    """An engine on the GPU, with memory for its inputs and outputs."""

    def __init__(self, trt: ModuleType, runtime, engine, driver: cuda.Driver, description: Description):
        self.runtime, self.engine, self.driver, self.description = runtime, engine, driver, description
        self.context = engine.create_execution_context()
        known = {getattr(trt, name): name for name in DTYPES}  # trt.nptype needs a numpy older than 1.24
        self.inputs, self.outputs, self.memory = [], [], {}
        for i in range(engine.num_io_tensors):
            name = engine.get_tensor_name(i)
            dtype = known.get(engine.get_tensor_dtype(name), "a type of its own")
            tensor = Tensor(name, tuple(engine.get_tensor_shape(name)), dtype)
            is_input = engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            (self.inputs if is_input else self.outputs).append(tensor)

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        self.driver.enter()
        if not self.memory:  # only now are shapes and types known to be those of the contract
            self.stream = self.driver.stream()
            for t in (*self.inputs, *self.outputs):
                self.memory[t.name] = cuda.Memory(self.driver, t.shape, t.dtype)
                self.context.set_tensor_address(t.name, self.memory[t.name].address)
        self.memory[self.inputs[0].name].write(tensor)
        if not self.context.execute_async_v3(self.stream):
            raise InputError("TensorRT could not run the engine; its own message is above")
        return {t.name: self.memory[t.name].read() for t in self.outputs}


def load(path: Path, contract: Contract, threads: int) -> Engine:
    """Raises InputError where TensorRT or a GPU is missing, or is not the one that the engine was built for."""
    _, build, data = containers.built(path)
    try:
        trt = library()
    except InputError as error:
        raise InputError(f"{path}: was built for {build}; {error}") from None
    driver = cuda.driver()
    chip = driver.chip()
    engines.refuse_elsewhere(path, build, contract.model.precision, trt.__version__, chip)
    driver.enter()
    runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))
    if build.dla >= 0:
        runtime.DLA_core = build.dla
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        again = engines.rebuild(path, build, contract.model.precision)
        raise InputError(f"{path}: TensorRT {trt.__version__} refuses it; build it again here: {again}")
    where = f"{chip.name}, DLA core {build.dla}" if build.dla >= 0 else chip.name
    return Engine(trt, runtime, engine, driver, Description("tensorrt", trt.__version__, where, threads))


def library() -> ModuleType:
    """TensorRT's Python package; InputError where it is not installed."""
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        raise InputError(
            "needs the tensorrt package, which is part of JetPack; in a virtual environment make it with "
            "python3 -m venv --system-site-packages"
        ) from None
