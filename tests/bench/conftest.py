"""Tiny real artefacts whose answers are known by hand, and run folders made of them.

The graph ignores its picture and gives fixed points, so every error is the distance that a test has put there.
"""

import dataclasses
import json

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgewing import contract, layouts

SIZE = 64


def template(layout="300w-68"):
    """(N, 2) distinct points in a 64 px crop; outer eye corners of 300w-68 at (16, 24) and (48, 24), 32 px apart."""
    n = layouts.get(layout).points
    points = np.stack([8 + 48 * np.arange(n) / (n - 1), 12 + 40 * (np.arange(n) * 7 % n) / n], axis=1)
    if layout == "300w-68":
        points[36], points[45] = (16, 24), (48, 24)
    return points.astype(np.float32)


def parity(accepted=True, p99=0.05, nme=0.05):
    return contract.ParityPart("64 px crops", "onnxruntime", 8, 0.01, p99, 2 * p99, 0.05, nme, accepted)


@pytest.fixture
def artefact():
    """make(path, landmarks, precision, format, ...) writes an ONNX file with its contract and gives its path."""

    def make(
        path,
        landmarks,
        precision="fp32",
        form="onnx",
        layout="300w-68",
        measured=None,
        name="tiny",
        batch=1,
        square=None,
    ):
        n = len(landmarks)
        shape = [batch, SIZE, SIZE, 3]
        said = contract.Contract(
            layout=layouts.get(layout),
            input=contract.InputPart("image", shape, "NHWC", "uint8", "RGB", [0, 255], "none"),
            crop=dataclasses.replace(contract.crop_part(SIZE), **square or {}),
            outputs=[
                contract.OutputPart("landmarks", "landmarks", [batch, n, 2], "crop", "px", "float32"),
                contract.OutputPart("scores", "scores", [batch, n], "none", "1", "float32"),
            ],
            decode=contract.DecodePart(True, "centroid", 0.4, 2, 4.0),
            model=contract.ModelPart(name, "test", form, precision, 10, 20),
            training=contract.TrainingPart(["drawn"], "none", []),
            provenance=contract.ProvenancePart("", {}, "0" * 64),
            parity=measured,
        )
        points = np.repeat(np.asarray(landmarks, np.float32)[None], batch, axis=0)
        values = {"landmarks": points, "scores": np.ones((batch, n), np.float32)}
        graph = helper.make_graph(
            [helper.make_node("Constant", [], [k], value=numpy_helper.from_array(v, k)) for k, v in values.items()],
            "fixed",
            [helper.make_tensor_value_info("image", TensorProto.UINT8, shape)],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in values.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        helper.set_model_props(model, {contract.KEY: contract.dumps(said)})
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, str(path))
        return path

    return make


@pytest.fixture
def run_folder(tmp_path):
    """make(offsets) writes a run with one validation face per offset: true points are the template moved by it."""

    def make(offsets, name="run", names=None):
        run = tmp_path / name
        (run / "faces").mkdir(parents=True)
        random = np.random.default_rng(0)
        true = template()[None] + np.asarray(offsets, np.float32)[:, None]
        crops = random.integers(0, 256, (len(true), SIZE, SIZE, 3), np.uint8)
        names = [f"face {i}" for i in range(len(true))] if names is None else names
        np.savez(run / "faces" / "validation.npz", crops=crops, landmarks=true, names=np.array(names))
        (run / "recipe.json").write_text(json.dumps({"layout": "300w-68"}))
        return run

    return make


@pytest.fixture
def photographs(tmp_path):
    """make(count) writes pictures with .pts files (which count from 1): the template, 2 picture px for each of 64."""

    def make(count):
        folder = tmp_path / "photographs"
        folder.mkdir()
        for i in range(count):
            image = np.full((200, 220, 3), 40 * i % 255, np.uint8)
            cv2.circle(image, (100, 90), 50, (90, 160, 220), -1)
            cv2.imwrite(str(folder / f"face{i}.png"), image)
            lines = "\n".join(f"{x:.4f} {y:.4f}" for x, y in template() * 2 + 40 + 1)
            (folder / f"face{i}.pts").write_text(f"version: 1\nn_points: 68\n{{\n{lines}\n}}\n")
        return folder

    return make
