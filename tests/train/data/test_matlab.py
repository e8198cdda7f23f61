"""MATLAB's two kinds of files: what SciPy and h5py write is read, and nothing broken or hostile does harm."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from edgewing.errors import InputError
from tests.train.data.mats import write_v73
from train.data import matlab

ROOT = Path(__file__).parents[3]
VALUES = {
    "doubles": np.arange(24.0).reshape(2, 3, 4) / 3,
    "bytes": np.arange(6, dtype=np.uint8).reshape(2, 3),
    "shorts": np.array([[-5, 7]], np.int16),
    "flag": np.array([[True, False]]),
}


@pytest.mark.parametrize("packed", [False, True])
def test_numbers_and_texts_of_v5(tmp_path, packed):
    path = tmp_path / "a.mat"
    names = np.array([["0/a.jpg"], ["2/é.jpg"]], object)
    scipy.io.savemat(path, VALUES | {"names": names, "x": np.array([[1j]])}, do_compression=packed)
    for name, expected in VALUES.items():
        (found,) = matlab.numbers(path, name)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, expected)
    assert matlab.texts(path, "names") == ["0/a.jpg", "2/é.jpg"]


def test_numbers_of_v5_of_the_other_byte_order(tmp_path):
    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    body = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 2)) + element(1, b"ra")
    body += element(9, struct.pack(">dd", 2.5, -1))
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x01\x00MI" + element(14, body))
    np.testing.assert_array_equal(matlab.numbers(tmp_path / "a.mat", "ra")[0], [[2.5, -1]])


def test_numbers_and_pictures_of_v73(tmp_path):
    path, random = tmp_path / "a.mat", np.random.default_rng(0)
    colour, grey = random.integers(0, 255, (5, 7, 3), np.uint8), random.integers(0, 255, (4, 6), np.uint8)
    write_v73(path, {"rows": VALUES["doubles"], "cells": [colour, grey]})
    np.testing.assert_array_equal(matlab.numbers(path, "rows")[0], VALUES["doubles"])
    np.testing.assert_array_equal(matlab.picture(path, "cells", 0), colour)
    np.testing.assert_array_equal(matlab.picture(path, "cells", 1), np.repeat(grey[..., None], 3, axis=2))
    assert matlab.hdf5(path).count("cells") == 2 and matlab.hdf5(path) is matlab.hdf5(path)


def test_a_file_that_has_changed_is_opened_again(tmp_path):
    write_v73(tmp_path / "a.mat", {"rows": np.zeros((1, 2))})
    matlab.numbers(tmp_path / "a.mat", "rows")
    (tmp_path / "a.mat").unlink()
    write_v73(tmp_path / "a.mat", {"rows": np.ones((1, 3))})
    np.testing.assert_array_equal(matlab.numbers(tmp_path / "a.mat", "rows")[0], np.ones((1, 3)))


@pytest.mark.parametrize("kind", ["v5", "v5-packed", "v7.3"])
def test_a_file_cut_anywhere_is_one_line(tmp_path, kind):
    """Never another error; what is whole before the cut may still be read."""
    path = tmp_path / "a.mat"
    values = np.random.default_rng(0).random((20, 4))
    if kind == "v7.3":
        write_v73(path, {"rows": values, "cells": [np.zeros((9, 8, 3), np.uint8)]})
    else:
        scipy.io.savemat(path, {"rows": values}, do_compression=kind == "v5-packed")
    whole, refused = path.read_bytes(), 0
    for length in [*range(0, 700, 41), *range(700, len(whole) - 8, 251)]:
        path.write_bytes(whole[:length])
        try:
            np.testing.assert_array_equal(matlab.numbers(path, "rows")[0], values)
        except InputError as error:
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
            refused += 1
    assert refused > 3


def test_flipped_bits_are_one_line(tmp_path):
    path, random = tmp_path / "a.mat", np.random.default_rng(0)
    scipy.io.savemat(path, {"rows": np.ones((3, 4)), "names": np.array([["a"], ["b"]], object)})
    whole = path.read_bytes()
    for _ in range(300):
        broken = bytearray(whole)
        for place in random.integers(0, len(whole), 3):
            broken[place] ^= 1 << int(random.integers(8))
        path.write_bytes(bytes(broken))
        for read in (lambda: matlab.numbers(path, "rows"), lambda: matlab.texts(path, "names")):
            try:
                read()
            except InputError as error:
                assert "\n" not in str(error)


def test_what_is_missing_is_named(tmp_path):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"a": np.ones((1, 2)), "text": "words"})
    for read in (
        lambda: matlab.numbers(path, "b"),
        lambda: matlab.texts(path, "a"),
        lambda: matlab.numbers(path, "text"),
    ):
        with pytest.raises(InputError, match="is it the right file"):
            read()
    write_v73(path, {"rows": np.ones((1, 2)), "cells": [np.ones((2, 2))]})
    for read, words in (
        (lambda: matlab.numbers(path, "b"), "no such variable"),
        (lambda: matlab.hdf5(path).count("rows"), "not a cell array"),
        (lambda: matlab.picture(path, "cells", 1), "has 1 cell"),
        (lambda: matlab.picture(path, "cells", 0), "not a picture of bytes"),
        (lambda: matlab.numbers(path, "cells"), "not made of numbers"),
        (lambda: matlab.texts(path, "rows"), "not a whole MATLAB v5 file"),
    ):
        with pytest.raises(InputError, match=words):
            read()
    with pytest.raises(InputError, match="no such file"):
        matlab.numbers(tmp_path / "none.mat", "b")


def test_a_packed_bomb_stays_packed(tmp_path):
    bomb = zlib.compress(bytes(matlab.LARGEST_V5 + 1), 9)
    (tmp_path / "a.mat").write_bytes(
        b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(bomb)) + bomb
    )
    with pytest.raises(InputError, match="more than 64 MiB when unpacked"):
        matlab.numbers(tmp_path / "a.mat", "joints")


def test_cells_within_cells_without_an_end_are_not_followed(tmp_path):
    """SciPy's reader ends the process here."""

    def head(kind, name, inner):
        body = struct.pack("<IIIIIIii", 6, 8, kind, 0, 5, 8, 1, 1) + struct.pack("<II", 1, len(name)) + name
        return struct.pack("<II", 14, len(body) + inner) + body

    inner, heads = 0, []
    for level in range(100_000):
        heads.append(head(1, b"joints\0\0" if level == 99_999 else b"", inner))
        inner += len(heads[-1])
    (tmp_path / "a.mat").write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"".join(reversed(heads)))
    with pytest.raises(InputError):
        matlab.texts(tmp_path / "a.mat", "joints")


def test_links_virtual_and_huge_data_are_refused(tmp_path):
    secret, path = tmp_path / "secret", tmp_path / "a.mat"
    secret.write_bytes(bytes(range(48)))
    write_v73(tmp_path / "other.mat", {"rows": np.ones((2, 3))})
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("outside", (2, 3), "f8", external=[(str(secret), 0, 48)])
        file["linked"] = h5py.ExternalLink(str(tmp_path / "other.mat"), "/rows")
        layout = h5py.VirtualLayout((2, 3), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.mat"), "rows", (2, 3))
        file.create_virtual_dataset("virtual", layout)
        file.create_dataset("huge", (1 << 20, 1 << 10), "f8")  # nothing is written: the file stays small
        file.create_dataset("chunk", (2, 2), "f8", maxshape=(None, None), chunks=(1 << 13, 1 << 13))
        file.create_dataset("picture", (30_000, 30_000, 3), "u1")
        cells = file.create_dataset("cells", (1, 1), h5py.ref_dtype)
        cells[0, 0] = file["picture"].ref
        file.create_group("group")
    for name, words in (
        ("outside", "in another file"), ("linked", "a link out of the file"), ("virtual", "in another file"),
        ("huge", "the limit is"), ("chunk", "the limit is"), ("group", "not an array"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=words):
            matlab.numbers(path, name)
    with pytest.raises(InputError, match="the limit is"):
        matlab.picture(path, "cells", 0)


def test_without_h5py_the_line_names_what_to_install(tmp_path):
    write_v73(tmp_path / "a.mat", {"rows": np.ones((1, 2))})
    path = str(tmp_path / "a.mat")
    code = f"import sys; sys.modules['h5py'] = None; from train.data import matlab; matlab.numbers({path!r}, 'rows')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr.strip().endswith("MATLAB v7.3 files need h5py; install it with: pip install h5py")
