"""Models of others: what is known of them, and where their landmarks lie."""

import json

import numpy as np
import pytest

from compress.foreign import Foreign
from edgewing.errors import InputError
from tests.compress import foreigners


def test_shares_of_the_side_become_pixels_counted_from_centres(tmp_path):
    model = Foreign(foreigners.write(tmp_path / "m.onnx", [0, 1, 2] * 6 + [0], "aflw-19"))
    positions = [(10, 12), (30, 20), (22, 33)]
    crops = np.stack([foreigners.dots(positions, foreigners.SIZE, 1.5)] * 2)
    points = model(crops)
    assert points.shape == (2, 19, 2)
    assert np.allclose(points[0, :3], positions, atol=0.05)


def test_the_order_of_colours_is_the_descriptions(tmp_path):
    path = foreigners.write(tmp_path / "m.onnx", [0] * 19, "aflw-19", colour="BGR")
    points = Foreign(path)(foreigners.dots([(10, 12), (30, 20), (22, 33)], foreigners.SIZE, 1.5)[None])
    assert np.allclose(points[0, 0], (22, 33), atol=0.05)  # its first channel is our blue


def test_a_file_that_nothing_is_known_of_says_what_to_write(tmp_path):
    path = foreigners.write(tmp_path / "m.onnx", [0] * 19, "aflw-19")
    path.with_name("m.onnx.json").unlink()
    with pytest.raises(
        InputError, match=r"describe it in m.onnx.json: name, source, licence, trained_on, layout, size"
    ):
        Foreign(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"size": 0}, "must be above 0"),
        ({"colour": "GRB"}, "none of RGB, BGR"),
        ({"layout": "300w-69"}, "did you mean"),
        ({"trained_on": None}, "trained_on is not a list"),
        ({"weights": 1}, "no description of a model"),
        (
            {"turned": True, "factor": [1.2, 1.4]},
            "a model with factor, turned of its own can be compared, but not teach",
        ),
    ],
)
def test_a_wrong_description_is_an_input_error(tmp_path, change, message):
    path = foreigners.write(tmp_path / "m.onnx", [0] * 19, "aflw-19")
    beside = path.with_name("m.onnx.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | change))
    with pytest.raises(InputError, match=message):
        Foreign(path)


def test_a_file_that_is_no_model_and_one_of_another_size(tmp_path):
    path = foreigners.write(tmp_path / "m.onnx", [0] * 14, "aflw-19")
    with pytest.raises(InputError, match="gives 28 numbers; aflw-19 has 19"):
        Foreign(path)(np.zeros((1, foreigners.SIZE, foreigners.SIZE, 3), np.uint8))
    path.write_bytes(b"not a model")
    with pytest.raises(InputError, match="cut off or damaged"):
        Foreign(path)
