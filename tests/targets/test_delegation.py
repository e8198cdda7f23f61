"""XNNPACK takes every node of our .tflite files but the picture's cast; a file in which it does not is rejected."""

import shutil

import pytest

from edgewing import containers, runtimes
from targets import delegation, flatbuffer, graph, parity, table
from tests.targets.discs import RECIPE, discs, run_contract

OPERATORS = {name: number for number, name in flatbuffer.OPERATORS.items()}


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
    path = tmp_path / "a.tflite"
    shutil.copy(table.TABLE["tflite"].path(run / "export", run.name, "fp32"), path)
    model = flatbuffer._unpacked(path.read_bytes())
    (code,) = [c for c in model.operatorCodes if c.builtinCode == OPERATORS["MAXIMUM"]]
    code.builtinCode, code.deprecatedBuiltinCode = OPERATORS["FLOOR_MOD"], OPERATORS["FLOOR_MOD"]
    for operator in model.subgraphs[0].operators:
        if model.operatorCodes[operator.opcodeIndex] is code:
            operator.builtinOptionsType, operator.builtinOptions = 0, None
    path.write_bytes(flatbuffer._packed(model))
    containers.seal(path)
    nodes = len(flatbuffer.operations(path.read_bytes()))
    said = f"2 of {nodes} nodes fall back to built-in kernels: 2 FLOOR_MOD (1 thread)"
    assert delegation.problems(path, runtimes.open(path)) == [said]
    faces = parity.Faces(*discs(3, 77), "discs")
    reference = graph.reference(network, run_contract(network, RECIPE), faces.crops)
    result = parity.measure(path, reference, faces)
    assert said in result.reasons and not result.part.accepted
