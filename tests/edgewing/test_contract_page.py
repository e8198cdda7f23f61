"""docs/contract.md: it names every field, and a loader written from its steps alone gets the same landmarks."""

import dataclasses
import json
import re
import typing
from pathlib import Path

import numpy as np

from edgewing import contract as contracts
from edgewing import formats
from edgewing.landmarker import Landmarker
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_landmarker import frame

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "contract.md").read_text()


def names(kind) -> set[str]:
    """All field names of a contract's parts."""
    found = set()
    for field in dataclasses.fields(kind):
        found.add(field.name)
        hint = typing.get_type_hints(kind)[field.name]
        for inner in (hint, *typing.get_args(hint)):
            if dataclasses.is_dataclass(inner):
                found |= names(inner)
    return found


def test_every_field_is_on_the_page():
    missing = {name for name in names(contracts.Contract) if not re.search(rf"[`.]{name}(`|\.|\[\])", PAGE)}
    assert not missing


def test_every_value_is_on_the_page():
    for value in (*contracts.MEANINGS, *contracts.FRAMES, *contracts.DTYPES, contracts.KEY, "centroid", "quarter"):
        assert f"`{value}`" in PAGE, value
    assert {name for name, form in formats.TABLE.items() if form.runtime} == {
        "onnx",
        "tflite",
        "tensorrt",
        "executorch",
        "openvino",
        "mnn",
        "ncnn",
    }


def sample(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear, black outside: the words of step 3."""
    padded = np.zeros((image.shape[0] + 2, image.shape[1] + 2, 3))
    padded[1:-1, 1:-1] = image
    x, y = np.clip(x + 1, 0, image.shape[1]), np.clip(y + 1, 0, image.shape[0])
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - left)[None, :, None], (y - top)[:, None, None]
    rows, columns = np.meshgrid(top, left, indexing="ij")
    upper = padded[rows, columns] * (1 - fx) + padded[rows, columns + 1] * fx
    lower = padded[rows + 1, columns] * (1 - fx) + padded[rows + 1, columns + 1] * fx
    return np.rint(upper * (1 - fy) + lower * fy).astype(np.uint8)


def stranger(path: Path, image: np.ndarray, box: tuple[float, ...]) -> np.ndarray:
    """A loader that knows the page and ONNX, and nothing of this project."""
    import onnx
    import onnxruntime

    properties = {p.key: p.value for p in onnx.load(path).metadata_props}
    c = json.loads(properties["edgewing.contract"])
    assert c["schema"] == 2
    x0, y0, x1, y1 = box
    side = max(c["crop"]["factor"] * (x1 - x0 + y1 - y0) / 2, c["crop"]["least"] * max(x1 - x0, y1 - y0))
    centre, size = np.array([(x0 + x1) / 2, (y0 + y1) / 2]), c["crop"]["size"]
    x, y = (middle - side / 2 + (np.arange(size) + 0.5) * side / size for middle in centre)
    crop = sample(image, x, y)
    tensor = crop if c["input"]["axes"] == "NHWC" else crop.transpose(2, 0, 1)
    outputs = {o["meaning"]: o for o in c["outputs"]}
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (landmarks,) = session.run([outputs["landmarks"]["name"]], {c["input"]["name"]: tensor[None]})
    return centre - side / 2 + (landmarks[0] + 0.5) * side / size


def test_a_stranger_gets_the_same_landmarks(tmp_path):
    path = write_onnx(tmp_path / "a.onnx", tiny_contract())
    image = frame([((70.0, 90.0), (110.0, 100.0))])
    box = (20, -30, 160, 170)  # partly outside
    (face,) = Landmarker(path)(image, [box])
    assert np.abs(stranger(path, image, box) - face.landmarks).max() < 0.1
