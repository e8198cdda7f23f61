"""Tiny models with a known answer: landmark 0 is the centroid of red, landmark 1 that of blue, scores their maxima.

Crops are SIDE px, so what a runtime does to colours, axes, ranges and frames shows in the numbers.
"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from edgewing import contract as contracts
from edgewing import layouts
from edgewing.contract import KEY, Contract

SIDE = 32
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def media() -> Path:
    folder = SHARED / "media"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data (real photographs, not in the repository)")
    return folder


@pytest.fixture
def contract() -> Contract:
    return tiny_contract()


def tiny_contract(axes: str = "NCHW", dtype: str = "uint8", decoded: bool = True, form: str = "onnx") -> Contract:
    outputs = [
        contracts.OutputPart("landmarks", "landmarks", [1, 2, 2], "crop", "px", "float32"),
        contracts.OutputPart("scores", "scores", [1, 2], "none", "0 to 1", "float32"),
    ]
    if not decoded:
        outputs = [contracts.OutputPart("heatmaps", "heatmaps", [1, 3, SIDE, SIDE], "cell", "0 to 1", "float32")]
    return contracts.check(
        Contract(
            layout=layouts.Layout("tiny-2", 2, ((0, 1),), ((0, 1),), object="face"),
            input=contracts.InputPart(
                "image",
                [1, 3, SIDE, SIDE] if axes == "NCHW" else [1, SIDE, SIDE, 3],
                axes,
                dtype,
                "RGB",
                [0.0, 255.0],
                "inside the graph",
            ),
            crop=contracts.crop_part(SIDE),
            outputs=outputs,
            decode=contracts.DecodePart(decoded, "centroid", 0.0, 1, 1.0),
            model=contracts.ModelPart("tiny", "test", form, "fp32", 0, 0),
            training=contracts.TrainingPart([], "drawn for tests, free", []),
            provenance=contracts.ProvenancePart("", {}, ""),
        )
    )


def clock_contract(**options) -> Contract:
    tiny = tiny_contract(**options)
    layout = layouts.Layout("clock-2", 2, edges=((0, 1),), object="clock")
    return tiny.replace(layout=layout, decode=dataclasses.replace(tiny.decode, least_score=0.3))


def onnx_model(dtype: str = "uint8", decoded: bool = True):
    """The graph as an onnx.ModelProto, NCHW."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def constant(name, value, kind=np.float32):
        return numpy_helper.from_array(np.asarray(value, kind), name)

    types = {"uint8": TensorProto.UINT8, "float32": TensorProto.FLOAT}
    image = helper.make_tensor_value_info("image", types[dtype], [1, 3, SIDE, SIDE])
    constants = [constant("full", 255.0), constant("channels", [0, 2, 1], np.int64)]
    nodes = [
        helper.make_node("Cast", ["image"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["cast", "full"], ["unit"]),
        helper.make_node("Gather", ["unit", "channels"], ["heatmaps"], axis=1),
    ]
    if not decoded:
        out = [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, [1, 3, SIDE, SIDE])]
    else:
        grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)))[:, None]  # x and y: (2, 1, H, W)
        constants += [
            constant("grid", grid),
            constant("floor", 1e-3),
            constant("axes", [2, 3], np.int64),
            *(constant(name, [v], np.int64) for name, v in (("zero", 0), ("two", 2), ("first", 1))),
        ]
        nodes += [
            helper.make_node("Slice", ["heatmaps", "zero", "two", "first"], ["maps"]),
            helper.make_node("ReduceMax", ["maps", "axes"], ["scores"], keepdims=0),
            helper.make_node("ReduceSum", ["maps", "axes"], ["sum"], keepdims=0),
            helper.make_node("Max", ["sum", "floor"], ["total"]),
            helper.make_node("Transpose", ["maps"], ["column"], perm=[1, 0, 2, 3]),
            helper.make_node("Transpose", ["grid"], ["row"], perm=[1, 0, 2, 3]),
            helper.make_node("Mul", ["column", "row"], ["moments"]),
            helper.make_node("ReduceSum", ["moments", "axes"], ["moment"], keepdims=0),
            helper.make_node("Transpose", ["total"], ["divisor"], perm=[1, 0]),
            helper.make_node("Div", ["moment", "divisor"], ["points"]),
            helper.make_node("Unsqueeze", ["points", "zero"], ["landmarks"]),
        ]
        out = [
            helper.make_tensor_value_info("landmarks", TensorProto.FLOAT, [1, 2, 2]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2]),
        ]
    graph = helper.make_graph(nodes, "tiny", [image], out, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    return model


def write_onnx(path: Path, contract: Contract | str, **options) -> Path:
    """contract: a Contract, or the text that stands in its place."""
    model = onnx_model(**options)
    text = contract if isinstance(contract, str) else contracts.dumps(contract)
    model.metadata_props.add(key="producer", value="test")
    model.metadata_props.add(key=KEY, value=text)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("onnx") / "tiny.onnx", tiny_contract())


@pytest.fixture(scope="session")
def clock_file(tmp_path_factory) -> Path:
    """The same, whose points are on no face, with scores that say whether a point is there."""
    return write_onnx(tmp_path_factory.mktemp("clock") / "clock.onnx", clock_contract())


@pytest.fixture(scope="session")
def bare_tflite(tmp_path_factory) -> bytes:
    """The same graph converted with litert-torch, NHWC, no contract inside."""
    return converted(tmp_path_factory.mktemp("bare") / "bare.tflite", tiny_module())


@pytest.fixture(scope="session")
def convolved_tflite(tmp_path_factory) -> bytes:
    """The same with a convolution, as every network of the project has: kernels of weights and a bias."""
    return converted(tmp_path_factory.mktemp("convolved") / "bare.tflite", tiny_module(convolved=True))


def converted(path: Path, module) -> bytes:
    litert_torch = pytest.importorskip("litert_torch")
    litert_torch.signature("detect", module, sample_kwargs={"image": _black()}).convert().export(str(path))
    return path.read_bytes()


def tiny_module(convolved: bool = False):
    """The same graph in torch, NHWC; red and blue are chosen by index, or by a convolution of 3 x 3."""
    import torch

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.choose = torch.nn.Conv2d(3, 2, 3, padding=1)
            self.choose.weight.data.zero_()
            self.choose.weight.data[[0, 1], [0, 2], 1, 1] = 1.0
            self.choose.bias.data.zero_()

        def forward(self, image):
            maps = image.float().permute(0, 3, 1, 2)
            maps = (self.choose(maps) if convolved else maps[:, ::2]) / 255
            ticks = torch.arange(SIDE, dtype=torch.float32)
            total = maps.sum((2, 3)).clamp(min=1e-3)
            x, y = (maps.sum(2) * ticks).sum(2), (maps.sum(3) * ticks).sum(2)
            return {"landmarks": torch.stack([x / total, y / total], -1), "scores": maps.amax((2, 3))}

    return Tiny().eval()


def _black():
    import torch

    return torch.zeros(1, SIDE, SIDE, 3, dtype=torch.uint8)


def write_tflite(path: Path, bare: bytes, contract: Contract | str) -> Path:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bare, 0)
    for signature in model.signatureDefs:
        for output in signature.outputs:
            output.name = {b"output_0": b"landmarks", b"output_1": b"scores"}.get(output.name, output.name)
    text = contract if isinstance(contract, str) else contracts.dumps(contract)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(text.encode(), np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


@pytest.fixture(scope="session")
def tflite_file(tmp_path_factory, bare_tflite) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "tiny-int8.rejected.tflite"
    return write_tflite(path, bare_tflite, tiny_contract("NHWC", form="tflite"))


@pytest.fixture(scope="session")
def bare_pte() -> bytes:
    """The same for ExecuTorch, run by its own kernels; its contract is empty."""
    exir = pytest.importorskip("executorch.exir")
    import torch

    program = torch.export.export(tiny_module(), (_black(),))
    return bytes(exir.to_edge_transform_and_lower(program, constant_methods={KEY: ""}).to_executorch().buffer)


def write_pte(path: Path, bare: bytes, contract: Contract | str) -> Path:
    """Through ExecuTorch's own reader and writer."""
    from executorch.exir._serialize import _deserialize_pte_binary, _serialize_pte_binary

    file = _deserialize_pte_binary(bare)
    (plan,) = [plan for plan in file.program.execution_plan if plan.name == KEY]
    text = contract if isinstance(contract, str) else contracts.dumps(contract)
    plan.values[plan.outputs[0]].val.string_val = text
    path.write_bytes(bytes(_serialize_pte_binary(file, extract_delegate_segments=True)))
    return path


@pytest.fixture(scope="session")
def pte_file(tmp_path_factory, bare_pte) -> Path:
    path = tmp_path_factory.mktemp("pte") / "tiny.pte"
    return write_pte(path, bare_pte, tiny_contract("NHWC", form="executorch"))


@pytest.fixture(params=["onnx", "tflite", "pte"])
def model_file(request) -> Path:
    """The tiny model in each format that runs here."""
    return request.getfixturevalue(f"{request.param}_file")


def blobs(red: tuple[float, float], blue: tuple[float, float], side: int = SIDE) -> np.ndarray:
    """(side, side, 3) uint8 RGB: a red and a blue Gaussian at these x, y; centroids are theirs to 0.02 px."""
    y, x = np.mgrid[:side, :side]
    picture = np.zeros((side, side, 3), np.uint8)
    for channel, (cx, cy) in ((0, red), (2, blue)):
        picture[..., channel] = np.rint(255 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 2 / 2.0**2))
    return picture
