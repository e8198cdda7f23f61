"""What surrounds models of others: crops, pixels, and what their numbers mean, on values that are known by hand."""

import json

import numpy as np
import pytest

from bench.peers import adapters
from compress import foreign
from edgewing import geometry, layouts
from edgewing.errors import InputError

PLAIN = {
    "name": "plain", "source": "here", "licence": "none", "trained_on": ["nothing"], "layout": "300w-68",
    "size": 50, "factor": 1.25, "mean": 127.5, "scale": 127.5,
}  # fmt: skip


def made(tmp_path, **fields):
    (tmp_path / "a.onnx.json").write_text(json.dumps({**PLAIN, **fields}))
    return adapters.adapter_of(tmp_path / "a.onnx", "0" * 64)


def landmarks():
    """68 points whose box is 40 wide and 80 high, its middle at (100, 60); eye corners on a slope of 3 in 4."""
    points = np.full((68, 2), (100.0, 60.0))
    points[0], points[1], points[36], points[45] = (80, 20), (120, 100), (96, 57), (104, 63)
    return points


def test_a_square_crop_and_shares_of_it(tmp_path):
    """A side of 1.25 * 80 = 100 px around (100, 60): shares count from the centre of the pixel at (50.5, 10.5)."""
    adapter = made(tmp_path)
    to_image = adapter.to_image(landmarks())
    np.testing.assert_allclose(geometry.apply(to_image, np.array([[-0.5, -0.5], [49.5, 49.5]])), [[50, 10], [150, 110]])
    shares = np.tile([0.25, 0.5], 68)
    found = adapter.landmarks({"out": shares[None]}, to_image)
    np.testing.assert_allclose(found, np.tile([75.5, 60.5], (68, 1)))


def test_a_crop_with_its_own_width_and_height_moved_down(tmp_path):
    to_image = made(tmp_path, factor=[1.5, 1.0], shift=0.1).to_image(landmarks())
    corners = geometry.apply(to_image, np.array([[-0.5, -0.5], [49.5, 49.5]]))
    np.testing.assert_allclose(corners, [[70, 28], [130, 108]])


def test_a_turned_crop_has_level_eyes(tmp_path):
    to_image = made(tmp_path, turned=True).to_image(landmarks())
    right, left = geometry.apply(geometry.invert(to_image), landmarks()[[36, 45]])
    assert right[1] == pytest.approx(left[1]) and left[0] - right[0] == pytest.approx(10 / 100 * 50)


def test_pixels_in_the_models_order(tmp_path):
    """A picture that is red on its left and blue beyond; outside of it the border's grey."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[:, :100, 0], image[:, 100:, 2] = 255, 255
    for colour, axes, border in (("RGB", "NCHW", 0), ("BGR", "NCHW", 0), ("RGB", "NHWC", 127)):
        adapter = made(tmp_path, colour=colour, axes=axes, factor=2.5, border=border)
        tensor = adapter.tensor(image, adapter.to_image(landmarks()))  # 200 px around (100, 60): 40 are above
        assert tensor.shape == adapter.shape and tensor.dtype == np.float32
        crop = tensor[0] if axes == "NHWC" else tensor[0].transpose(1, 2, 0)
        red = 0 if colour == "RGB" else 2
        assert crop[25, 10, red] == 1 and crop[25, 10, 2 - red] == -1 and crop[25, 40, 2 - red] == 1
        np.testing.assert_allclose(crop[2, 25], (border - 127.5) / 127.5, atol=1e-6)
    adapter = made(tmp_path, border="replicate", factor=2.5)
    assert adapter.tensor(image, adapter.to_image(landmarks()))[0, 0, 2, 10] == 1
    scaled = made(tmp_path, mean=[10, 20, 30], scale=[1, 2, 5], factor=0.5)
    np.testing.assert_allclose(scaled.tensor(image, scaled.to_image(landmarks()))[0, :, 25, 5], [245, -10, -6])


def test_points_by_index_by_means_and_none(tmp_path):
    """Pixels of 50 in triples; point 0 is the model's 3, point 1 the mean of 0 and 1, the others are not there."""
    adapter = made(tmp_path, points=[3, [0, 1], *[None] * 66], values=3, unit=50)
    output = np.array([[0, 0, 9], [10, 20, 9], [0, 0, 9], [25, 25, 9]], float)
    to_image = adapter.to_image(landmarks())
    found = adapter.landmarks({"out": output}, to_image)
    np.testing.assert_allclose(found[:2], [[100.5, 60.5], [60.5, 30.5]])
    assert np.isnan(found[2:]).all() and adapter.has.tolist() == [True, True] + [False] * 66


def test_heatmaps_with_offsets(tmp_path):
    """The largest cell, plus the logarithm of the odds of that cell's offsets over 16, in shares of S - 1."""
    adapter = made(tmp_path, readout="heatmaps", size=29)
    maps = np.full((3, 68, 8, 8), 0.5)
    maps[0, :, 2, 5] = 0.9
    maps[1, :, 2, 5] = 1 / (1 + np.exp(-16 * 0.1))  # a tenth down
    maps[2, :, 2, 5] = 1 / (1 + np.exp(16 * 0.05))  # a twentieth to the left
    to_image = np.eye(2, 3)
    found = adapter.landmarks({"out": maps.reshape(1, 204, 8, 8)}, to_image)
    np.testing.assert_allclose(found, np.tile([28 * (5 / 7 - 0.05), 28 * (2 / 7 + 0.1)], (68, 1)))


def test_the_table_is_sound():
    """Every adapter of the table reads; maps have a point for each of the layout's."""
    known = {}
    for sha256 in json.loads(foreign.TABLE.read_text()):
        adapter = adapters.adapter_of(adapters.Path("nowhere.onnx"), sha256)
        assert len(sha256) == 64 and len(adapter.has) == layouts.get(adapter.layout).points
        assert adapter.licence and adapter.source and (adapter.points_source or not adapter.points)
        known[adapter.name] = adapter
    face = known["OpenSeeFace"]
    assert np.flatnonzero(~face.has).tolist() == [60, 64] and sorted(i for p in face.points for i in p) == list(
        range(66)
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"layout": "300w-69"}, "did you mean '300w-68'"),
        ({"size": 0}, "must be above 0"),
        ({"mean": [1, 2]}, "one number or three"),
        ({"colour": "YUV"}, "none of RGB, BGR"),
        ({"border": 300}, "neither 0 to 255"),
        ({"points": [1, 2]}, "68 entries"),
        ({"points": [-1] * 68}, "68 entries"),
        ({"colour_order": "RGB"}, "colour_order"),
        ({"size": "large"}, "no description"),
    ],
)
def test_a_wrong_description_is_one_line(tmp_path, fields, said):
    with pytest.raises(InputError, match=r"a\.onnx\.json: no description of a model") as caught:
        made(tmp_path, **fields)
    assert said in str(caught.value)


def test_nothing_known_says_what_to_write(tmp_path):
    with pytest.raises(InputError, match=r"describe it in a\.onnx\.json: name, source, licence"):
        adapters.adapter_of(tmp_path / "a.onnx", "0" * 64)


def test_outputs_of_another_shape(tmp_path):
    to_image = np.eye(2, 3)
    with pytest.raises(InputError, match="gives 10 numbers; 68 points need 136"):
        made(tmp_path).landmarks({"out": np.zeros(10)}, to_image)
    with pytest.raises(InputError, match="outputs are a, b"):
        made(tmp_path).landmarks({"a": np.zeros(136), "b": np.zeros(1)}, to_image)
    with pytest.raises(InputError, match="3 maps each"):
        made(tmp_path, readout="heatmaps").landmarks({"a": np.zeros((1, 66, 8, 8))}, to_image)
