"""Every runtime against the known answer of the tiny models, and every contradiction between contract and graph."""

import dataclasses

import numpy as np
import pytest

from edgewing import contract as contracts
from edgewing import runtimes
from edgewing.errors import InputError
from tests.edgewing.conftest import SIDE, blobs, tiny_contract, write_onnx, write_tflite
from tests.edgewing.test_containers import safetensors

CENTRES = [[(9.0, 11.5), (20.0, 14.0)], [(16.25, 8.0), (12.0, 22.75)], [(15.5, 15.5), (15.5, 15.5)]]


@pytest.fixture
def crops() -> np.ndarray:
    return np.stack([blobs(*centres) for centres in CENTRES])


def test_points_are_where_the_blobs_are(model_file, crops):
    points = runtimes.open(model_file)(crops)
    assert points.landmarks.dtype == points.scores.dtype == np.float32
    assert np.abs(points.landmarks - CENTRES).max() < 0.02
    peaks = crops.max(axis=(1, 2))[:, ::2] / 255
    assert np.abs(points.scores - peaks).max() < 1e-6


def test_a_batch_is_the_same_as_one_by_one(model_file, crops):
    runtime = runtimes.open(model_file)
    together = runtime(crops).landmarks
    assert np.array_equal(together, np.concatenate([runtime(crop[None]).landmarks for crop in crops]))


def test_heatmaps_are_decoded_here(tmp_path, crops):
    path = write_onnx(tmp_path / "maps.onnx", tiny_contract(decoded=False), decoded=False)
    runtime = runtimes.open(path)
    assert runtime.raw(crops)["heatmaps"].shape == (3, 3, SIDE, SIDE)
    assert np.abs(runtime(crops).landmarks - CENTRES).max() < 0.02


def test_landmarks_in_cells_become_crop_pixels(tmp_path, crops):
    c = tiny_contract()
    cells = [dataclasses.replace(c.outputs[0], frame="cell", unit="cell"), c.outputs[1]]
    c = c.replace(outputs=cells, decode=dataclasses.replace(c.decode, stride=4.0))
    landmarks = runtimes.open(write_onnx(tmp_path / "cells.onnx", c))(crops).landmarks
    assert np.abs(landmarks - (np.array(CENTRES) * 4 + 1.5)).max() < 0.08


def test_bgr_and_a_range_of_floats(tmp_path, crops):
    c = tiny_contract(dtype="float32")
    c = c.replace(input=dataclasses.replace(c.input, colour="BGR", range=[0.0, 1.0]))
    runtime = runtimes.open(write_onnx(tmp_path / "float.onnx", c, dtype="float32"))
    tensor = runtime.input(crops)
    assert tensor.dtype == np.float32 and tensor.shape == (3, 3, SIDE, SIDE)
    assert np.allclose(tensor[:, 2], crops[..., 0] / 255, atol=1e-6)
    assert np.abs(runtime(crops).landmarks - np.array(CENTRES)[:, ::-1]).max() < 0.02  # red and blue changed places


def test_int8_input_covers_its_range():
    c = tiny_contract("NHWC")
    c = c.replace(input=dataclasses.replace(c.input, dtype="int8", range=[-128.0, 127.0]))
    crops = np.arange(256, dtype=np.uint8).repeat(12).reshape(1, SIDE, SIDE, 3)
    tensor = runtimes.Runtime(None, c).input(crops)
    assert tensor.dtype == np.int8 and np.array_equal(tensor.astype(int), crops.astype(int) - 128)


def test_description_names_library_version_and_kernels(model_file):
    text = str(runtimes.open(model_file, threads=2).description)
    assert text.startswith(("onnxruntime ", "ai-edge-litert ", "executorch ")) and text.endswith(", 2 threads")


@pytest.mark.parametrize(
    "crops",
    [
        np.zeros((1, SIDE, SIDE, 3), np.float32),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros((0, SIDE, SIDE, 3), np.uint8),
    ],
)
def test_wrong_crops_are_refused(onnx_file, crops):
    with pytest.raises(InputError, match=r"this model takes uint8 \(B, 32, 32, 3\)"):
        runtimes.open(onnx_file)(crops)


def _with(part: str, index: int | None = None, **fields):
    def change(c):
        if index is None:
            return c.replace(**{part: dataclasses.replace(getattr(c, part), **fields)})
        parts = list(c.outputs)
        parts[index] = dataclasses.replace(parts[index], **fields)
        return c.replace(outputs=parts)

    return change


CONTRADICTIONS = {
    "input 'picture' is not in the graph": _with("input", name="picture"),
    "input 'image' is float32, in the graph uint8": _with("input", dtype="float32"),
    "output 'points' is not in the graph": _with("outputs", 0, name="points"),
    "output 'scores' is [1, 1, 2], in the graph [1, 2]": _with("outputs", 1, shape=[1, 1, 2]),
    "output 'scores' is float16, in the graph float32": _with("outputs", 1, dtype="float16"),
    "no output is named for the scores": lambda c: c.replace(outputs=c.outputs[:1]),
}


@pytest.mark.parametrize("said", CONTRADICTIONS)
@pytest.mark.parametrize("form", ["onnx", "tflite"])
def test_contract_that_contradicts_its_graph(tmp_path, request, form, said):
    if form == "onnx":
        path = write_onnx(tmp_path / "a.onnx", CONTRADICTIONS[said](tiny_contract()))
    else:
        bare = request.getfixturevalue("bare_tflite")
        path = write_tflite(tmp_path / "a.tflite", bare, CONTRADICTIONS[said](tiny_contract("NHWC")))
    with pytest.raises(InputError) as caught:
        runtimes.open(path)
    assert said in str(caught.value) and str(path) in str(caught.value)


def test_wrong_size_is_a_contradiction(tmp_path):
    c = tiny_contract()
    c = c.replace(input=dataclasses.replace(c.input, shape=[1, 3, 64, 64]), crop=contracts.crop_part(64))
    with pytest.raises(InputError, match=r"\[1, 3, 64, 64\], in the graph \[1, 3, 32, 32\]"):
        runtimes.open(write_onnx(tmp_path / "a.onnx", c))


def test_a_format_without_runtime_says_what_to_use(tmp_path):
    path = safetensors(tmp_path / "face.safetensors", contracts.dumps(tiny_contract(form="safetensors")))
    with pytest.raises(InputError, match="safetensors files are not run here; use the"):
        runtimes.open(path)


def test_garbage_behind_a_good_contract(tmp_path, onnx_file):
    """The contract is whole, the graph is not a graph: the library's own complaint becomes one line."""
    import onnx

    model = onnx.load(onnx_file)
    model.graph.node[1].input[0] = "nowhere"
    path = tmp_path / "nonsense.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="ONNX Runtime .* refuses it") as caught:
        runtimes.open(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_too_new_says_so(tmp_path, onnx_file):
    """ONNX Runtime names the versions at the end of a long line, behind paths and C++."""
    import onnx

    model = onnx.load(onnx_file)
    model.ir_version = 99
    path = tmp_path / ("a" * 60) / "new.onnx"
    path.parent.mkdir()
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="Unsupported model IR version: 99, max supported IR version"):
        runtimes.open(path)


def test_cut_anywhere_is_one_line(tmp_path, model_file):
    data = model_file.read_bytes()
    path = tmp_path / model_file.name
    for end in [len(data) // 2, *range(0, len(data), 61), len(data) - 1]:
        path.write_bytes(data[:end])
        with pytest.raises(InputError) as caught:
            runtimes.open(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("location", ["beside.bin", "../outside.bin", "/etc/passwd"])
@pytest.mark.parametrize("where", ["initializer", "node", "graph in a node"])
def test_weights_in_another_file_are_refused(tmp_path, onnx_file, location, where):
    import onnx
    from onnx import helper

    model = onnx.load(onnx_file)
    tensor = model.graph.initializer[0]
    if where != "initializer":
        node = helper.make_node("Constant", [], ["unused"], value=tensor)
        if where == "graph in a node":
            node = helper.make_node("If", ["x"], ["y"], then_branch=helper.make_graph([node], "then", [], []))
        model.graph.node.append(node)
        inner = model.graph.node[-1].attribute[0]
        tensor = inner.t if where == "node" else inner.g.node[0].attribute[0].t
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    path = tmp_path / "external.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="keeps weights in another file"):
        runtimes.open(path)


def test_an_operation_of_the_makers_own_is_refused(tmp_path, onnx_file):
    import onnx

    model = onnx.load(onnx_file)
    model.graph.node[0].domain = "evil.example"
    path = tmp_path / "custom.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="'evil.example.Cast', which is not one of ONNX"):
        runtimes.open(path)
