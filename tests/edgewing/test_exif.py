"""Orientation against Pillow's, points against pixels, and data that are no EXIF."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from edgewing import exif, images


def jpeg(orientation: int, order: str = "<") -> bytes:
    """A JPEG whose EXIF is written by hand in that order of bytes, with another tag before the one that counts."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entries = [struct.pack(order + "HHIHH", tag, 3, 1, value, 0) for tag, value in ((0x0100, 4), (0x0112, orientation))]
    data = b"Exif\0\0" + mark + struct.pack(order + "IH", 8, 2) + b"".join(entries) + bytes(4)
    stream = io.BytesIO()
    Image.new("RGB", (8, 6)).save(stream, "jpeg", exif=data)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_both_orders_of_bytes(orientation, order):
    assert exif.orientation(io.BytesIO(jpeg(orientation, order))) == orientation


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_go_where_their_pixels_go(orientation):
    stored = np.zeros((5, 9), np.uint8)
    points = np.array([[0, 0], [8, 0], [3, 4], [7, 2]])
    stored[points[:, 1], points[:, 0]] = 1, 2, 3, 4
    image = exif.upright(stored, orientation)
    x, y = exif.upright_points(points, orientation, 9, 5).T
    assert image[y, x].tolist() == [1, 2, 3, 4]
    assert (np.linalg.det(np.array([[x[1] - x[0], x[2] - x[0]], [y[1] - y[0], y[2] - y[0]]])) < 0) == (
        orientation in exif.MIRRORED
    )


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_a_value_that_is_none_is_as_stored(value):
    assert exif.orientation(io.BytesIO(jpeg(value))) == 1


def test_cut_off_or_changed_anywhere_is_no_crash():
    whole = jpeg(6)
    for end in range(len(whole)):
        assert exif.orientation(io.BytesIO(whole[:end])) in (1, 6)
    for place in range(60):
        for value in (0, 0x7F, 0xFF):
            changed = whole[:place] + bytes([value]) + whole[place + 1 :]
            assert 1 <= exif.orientation(io.BytesIO(changed)) <= 8


def test_a_file_says_how_it_is_stored(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(6))
    (tmp_path / "b.jpg").write_bytes(jpeg(1))
    assert images.turned(tmp_path / "a.jpg") == (6, 8, 6)
    assert images.turned(tmp_path / "b.jpg") == (1, 0, 0)
