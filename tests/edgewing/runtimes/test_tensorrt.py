"""The way of crops into an engine and of points out of it, and who is refused.

There is no GPU here. The driver is a stand-in that is compiled (tests/edgewing/tensorrt/test_cuda.py), and so is
``tensorrt``: the few names of it that we use, over that driver's memory. That the real package has these names is
checked against tensorrt-rtx in tests/targets/test_tensorrt.py.
"""

import sys

import numpy as np
import pytest

from edgewing import containers, runtimes
from edgewing.errors import InputError
from edgewing.tensorrt import cuda, engines
from tests.edgewing.conftest import SIDE, tiny_contract
from tests.edgewing.tensorrt.test_cuda import compiled

# An "engine" whose landmarks are the corners' red and blue values, and whose scores are their greens.
TENSORRT = """
import ctypes, enum
import numpy as np
__version__ = "10.3.0"
float32, float16, int8, int32 = "DataType.FLOAT", "DataType.HALF", "DataType.INT8", "DataType.INT32"
class TensorIOMode(enum.Enum):
    INPUT, OUTPUT = 1, 2
class Logger:
    ERROR = 1
    def __init__(self, level): pass
SHAPES = {"image": (1, 3, SIDE, SIDE), "landmarks": (1, 2, 2), "scores": (1, 2)}
class Context:
    def __init__(self): self.at = {}
    def set_tensor_address(self, name, address): self.at[name] = address
    def array(self, name):
        floats = (ctypes.c_float * int(np.prod(SHAPES[name]))).from_address(self.at[name])
        return np.frombuffer(floats, np.float32).reshape(SHAPES[name])
    def execute_async_v3(self, stream):
        image = self.array("image")
        ends = image[0][:, [0, -1], [0, -1]]  # channels, corners
        self.array("landmarks")[0] = ends[[0, 2]].T
        self.array("scores")[0] = ends[1] / 255
        return True
class Engine:
    num_io_tensors = 3
    def get_tensor_name(self, i): return list(SHAPES)[i]
    def get_tensor_mode(self, name): return TensorIOMode.INPUT if name == "image" else TensorIOMode.OUTPUT
    def get_tensor_shape(self, name): return SHAPES[name]
    def get_tensor_dtype(self, name): return float32
    def create_execution_context(self): return Context()
class Runtime:
    def __init__(self, logger): pass
    def deserialize_cuda_engine(self, data): return Engine() if data == b"engine" else None
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    return compiled(tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def board(tmp_path, library, monkeypatch):
    """This machine as a Jetson with TensorRT 10.3 and an Orin."""
    (tmp_path / "tensorrt.py").write_text(TENSORRT.replace("SIDE", str(SIDE)))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    monkeypatch.setattr(cuda, "LIBRARY", library)
    cuda.driver.cache_clear()
    yield
    sys.modules.pop("tensorrt", None)
    cuda.driver.cache_clear()


def engine(path, tensorrt="10.3.0", name="Orin", capability="8.7", dla=-1, data=b"engine", **contract):
    about = tiny_contract("NCHW", "float32", form="tensorrt", **contract)
    build = engines.Build(tensorrt, name, capability, dla, "tiny-tensorrt-fp16.onnx", len(data))
    path.write_bytes(engines.pack(about, build, data))
    containers.seal(path)
    return path


def test_crops_go_in_and_points_come_out(tmp_path, board):
    runtime = runtimes.open(engine(tmp_path / "tiny.engine"))
    assert str(runtime.description) == "tensorrt 10.3.0, Orin, 1 thread"
    crops = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)
    points = runtime(crops)
    ends = crops[:, [0, -1], [0, -1]].astype(np.float32)  # crops, corners, channels
    np.testing.assert_array_equal(points.landmarks, ends[..., [0, 2]])
    np.testing.assert_allclose(points.scores, ends[..., 1] / 255)


def test_an_engine_for_the_dla_says_so(tmp_path, board):
    assert runtimes.open(engine(tmp_path / "tiny.engine", dla=1)).description.delegate == "Orin, DLA core 1"


@pytest.mark.parametrize(
    "built_for, said",
    [
        (
            {"tensorrt": "10.4.0"},
            "was built for TensorRT 10.4.0, compute capability 8.7 (Orin), and this is TensorRT 10.3",
        ),
        ({"name": "Xavier", "capability": "7.2"}, "compute capability 7.2 (Xavier), and this is"),
        ({"data": b"broken"}, "TensorRT 10.3.0 refuses it"),
    ],
)
def test_an_engine_from_elsewhere_is_refused_with_the_command(tmp_path, board, built_for, said):
    with pytest.raises(InputError) as caught:
        runtimes.open(engine(tmp_path / "tiny.engine", **built_for))
    assert said in str(caught.value)
    assert str(caught.value).endswith(
        f"build it again here: python -m edgewing.build {tmp_path / 'tiny-tensorrt-fp16.onnx'} --precision fp32"
    )


def test_a_contract_that_contradicts_the_engine_is_refused(tmp_path, board):
    with pytest.raises(InputError, match="output 'heatmaps' is not in the graph"):
        runtimes.open(engine(tmp_path / "tiny.engine", decoded=False))


def test_without_tensorrt_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(InputError, match="was built for TensorRT 10.3.0.*; needs the tensorrt package.*JetPack"):
        runtimes.open(engine(tmp_path / "tiny.engine"))
