"""The header of an .engine file: what it holds, and who is told to build it again."""

import io
import struct

import pytest

from edgewing import containers
from edgewing import contract as contracts
from edgewing.errors import InputError
from edgewing.tensorrt import engines
from edgewing.tensorrt.cuda import Chip

BUILD = engines.Build("10.3.0", "Orin", "8.7", -1, "demo-tensorrt-int8.onnx", 8)
ORIN = Chip("Orin", "8.7")


@pytest.fixture
def data(contract) -> bytes:
    return engines.pack(contract, BUILD, b"\0engine\xff")


def test_round_trip(tmp_path, contract, data):
    path = tmp_path / "a.engine"
    path.write_bytes(data)
    containers.seal(path)
    assert containers.built(path) == (contract, BUILD, b"\0engine\xff")


def header(data: bytes):
    return engines.header(io.BytesIO(data), len(data))


def test_the_bytes_are_those_of_the_page(contract, data):
    """docs/contract.md: magic, version, two lengths, two JSON texts, the engine."""
    magic, version, first, second = struct.unpack("<8sIII", data[:20])
    assert (magic, version) == (b"EDGEWING", 1)
    assert data[20 : 20 + first].startswith(b'{"tensorrt": "10.3.0"')
    assert data[20 + first : 20 + first + second] == contracts.dumps(contract).encode()
    assert data[20 + first + second :] == b"\0engine\xff" and header(data)[2] == 20 + first + second


@pytest.mark.parametrize(
    "at, value, said",
    [
        (8, 2, "version 2, this edgewing reads 1"),
        (12, 5000, "a build of 5000 bytes; the limit is 4096"),
        (16, 70_000, "a contract of 70000 bytes; the limit is 65536"),
    ],
)
def test_another_header_is_refused(data, at, value, said):
    with pytest.raises(engines.HeaderError, match=said):
        header(data[:at] + struct.pack("<I", value) + data[at + 4 :])


@pytest.mark.parametrize(
    "old, new, said",
    [
        (b'"Orin"', b"137   ", "name of its build is not a text"),
        (b'"size": 8', b'"size":"8', "not JSON"),
        (b'"size": 8', b'"size": 9', "bytes where its header says"),
        (b'"dla": -1', b'"dla":1.0', "dla of its build is not a whole number"),
        (b"demo-tensorrt", b"../tensorrt/x", "not the name of a file"),
    ],
)
def test_a_broken_build_is_refused(data, old, new, said):
    assert old in data and len(old) == len(new)
    with pytest.raises(engines.HeaderError, match=said):
        header(data.replace(old, new, 1))


def test_the_same_version_and_chip_may_run_it(tmp_path):
    path = tmp_path / "a.engine"
    engines.refuse_elsewhere(path, BUILD, "int8", "10.3.0", ORIN)
    engines.refuse_elsewhere(path, BUILD, "int8", "10.3.0.30", ORIN)  # the package has four numbers, trtexec three


@pytest.mark.parametrize(
    "version, chip, said",
    [
        ("10.4.0", ORIN, "this is TensorRT 10.4.0, compute capability 8.7 (Orin)"),
        ("8.5.2.2", ORIN, "this is TensorRT 8.5.2.2"),
        ("10.3.0", Chip("Xavier", "7.2"), "compute capability 7.2 (Xavier)"),
        ("10.3.0", Chip("NVIDIA RTX A4000", "8.7"), "(NVIDIA RTX A4000)"),
    ],
)
def test_elsewhere_one_sentence_and_the_command(tmp_path, version, chip, said):
    with pytest.raises(InputError) as caught:
        engines.refuse_elsewhere(tmp_path / "a.engine", BUILD, "int8", version, chip)
    text = str(caught.value)
    assert "was built for TensorRT 10.3.0, compute capability 8.7 (Orin), and this is" in text and said in text
    assert text.endswith(
        f"build it again here: python -m edgewing.build {tmp_path / 'demo-tensorrt-int8.onnx'} --precision int8"
    )


def test_the_command_has_the_dla_and_knows_the_other_road(tmp_path):
    on_dla = engines.Build("10.3.0", "Orin", "8.7", 1, "my face.onnx", 8)
    command = engines.rebuild(tmp_path / "a.engine", on_dla, "fp16")
    assert command == f"python -m edgewing.build '{tmp_path / 'my face.onnx'}' --precision fp16 --dla 1"
    of_torch = engines.Build("10.3.0", "Orin", "8.7", -1, "", 8)
    assert engines.rebuild(tmp_path / "a.engine", of_torch, "fp16") == "python -m targets.engine RUN --precision fp16"
