"""XNNPACK takes every node of our .tflite files but the picture's cast; a file in which it does not is rejected.

LiteRT's GPU delegate takes them all; here Chromium's driver in software is its GPU.
"""

import ctypes
import json
from pathlib import Path

import pytest

from edgewing import containers, models, runtimes
from targets import delegation, flatbuffer, graph, parity, table
from tests.targets.discs import RECIPE, discs, run_contract

OPERATORS = {name: number for number, name in flatbuffer.OPERATORS.items()}
SOFTWARE = Path("/usr/lib/chromium/libvk_swiftshader.so")


def with_maximum_as(kind: str, file: Path, folder: Path) -> Path:
    """The file with another operation in place of the two MAXIMUM of its decode."""
    model = flatbuffer._unpacked(file.read_bytes())
    (code,) = [c for c in model.operatorCodes if c.builtinCode == OPERATORS["MAXIMUM"]]
    code.builtinCode, code.deprecatedBuiltinCode = OPERATORS[kind], min(OPERATORS[kind], 127)
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex] is code:
            operator.builtinOptionsType, operator.builtinOptions = 0, None
    (folder / "a.tflite").write_bytes(flatbuffer._packed(model))
    return folder / "a.tflite"


@pytest.mark.parametrize("threads", delegation.THREADS)
@pytest.mark.parametrize("precision", table.TABLE["tflite"].precisions)
def test_all_but_the_picture_s_cast(run, exported, precision, threads):
    path = table.TABLE["tflite"].path(run / "export", run.name, precision)
    opened = runtimes.open(path, threads)
    found = opened.description
    assert found.nodes == len(flatbuffer.operations(path.read_bytes()))
    assert found.left == (runtimes.PICTURE_CAST,) and delegation.problems(path, opened) == []
    part = containers.read_contract(path).parity
    assert f"XNNPACK {found.nodes - 1}/{found.nodes} nodes" in part.ran_on


def test_a_file_that_falls_back_is_rejected(run, exported, network, tmp_path):
    """The two MAXIMUM of its decode become FLOOR_MOD, which XNNPACK has not."""
    path = with_maximum_as("FLOOR_MOD", table.TABLE["tflite"].path(run / "export", run.name, "fp32"), tmp_path)
    containers.seal(path)
    nodes = len(flatbuffer.operations(path.read_bytes()))
    said = f"2 of {nodes} nodes fall back to built-in kernels: 2 FLOOR_MOD (1 thread)"
    assert delegation.problems(path, runtimes.open(path)) == [said]
    faces = parity.Faces(*discs(3, 77), "discs")
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    result = parity.measure(path, reference, faces)
    assert said in result.reasons and not result.part.accepted


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """A GPU in software for this test's processes."""
    try:
        ctypes.CDLL("libvulkan.so.1")
    except OSError:
        pytest.skip("needs Vulkan's loader (Debian package libvulkan1)")
    if not SOFTWARE.exists():
        pytest.skip(f"needs a Vulkan driver in software, {SOFTWARE} (Debian package chromium)")
    about = {"file_format_version": "1.0.0", "ICD": {"library_path": str(SOFTWARE), "api_version": "1.1.0"}}
    (tmp_path / "driver.json").write_text(json.dumps(about))
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "driver.json"))


def test_the_gpu_delegate_takes_what_ships_and_names_what_it_does_not_know(driver, tmp_path):
    ours = models.path("edgewing-xs", "tflite")
    assert delegation.gpu(ours) == "LiteRT's GPU delegate: takes every node"
    other = with_maximum_as("BITWISE_XOR", ours, tmp_path)
    nodes = len(flatbuffer.operations(ours.read_bytes()))
    said = delegation.gpu(other)
    assert said.endswith(f" of {nodes} nodes to the CPU, refused: BITWISE_XOR: Not supported op BITWISE_XOR")


def test_without_a_gpu_the_delegate_is_not_asked(monkeypatch, tmp_path):
    monkeypatch.setenv("VK_ICD_FILENAMES", str(tmp_path / "none.json"))
    assert delegation.gpu(models.path("edgewing-xs", "tflite")).endswith("not asked, for it finds no GPU here")
    (tmp_path / "a.tflite").write_bytes(b"no model")
    assert "does not take the file: " in delegation.gpu(tmp_path / "a.tflite")
