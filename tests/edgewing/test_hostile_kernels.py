"""Damage that reaches the kernels themselves: weights and biases of a convolution, and ExecuTorch's programs, which no
reader of ours looks into. Without a seal each file is refused in one line, or runs; nothing ends the process."""

import pytest

from edgewing import contract as contracts
from tests.edgewing.conftest import tiny_contract, write_pte, write_tflite
from tests.edgewing.test_hostile import flipped, loaded, tflite_of


def ended_well(row: dict) -> bool:
    return row["ended"] == "ran" or (row["ended"] == "refused" and "\n" not in row["said"] and len(row["said"]) < 600)


def tensors_of_convolution(model):
    """Input, weights, bias of the first CONV_2D (code 3)."""
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    operator = next(o for o in model.subgraphs[0].operators if codes[o.opcodeIndex] == 3)
    return operator, [model.subgraphs[0].tensors[i] for i in operator.inputs]


def no_bias(model):
    operator, _ = tensors_of_convolution(model)
    operator.inputs = operator.inputs[:2]


def short_bias(model):
    _, (_, _, bias) = tensors_of_convolution(model)
    bias.shape = [1]
    model.buffers[bias.buffer].data = model.buffers[bias.buffer].data[:4]


def other_weights(model):
    _, (_, weights, _) = tensors_of_convolution(model)
    weights.shape = [1, 3, 3, 6]  # as many bytes


def no_stride(model):
    operator, _ = tensors_of_convolution(model)
    operator.builtinOptions.strideH = operator.builtinOptions.strideW = 0


def bias_as_picture(model):
    operator, _ = tensors_of_convolution(model)
    operator.inputs = [*operator.inputs[:2], operator.inputs[0]]


@pytest.fixture
def sound(tmp_path, convolved_tflite):
    return write_tflite(tmp_path / "sound.tflite", convolved_tflite, tiny_contract("NHWC", form="tflite"))


def test_convolutions_that_would_read_beyond_their_weights(sound, tmp_path):
    paths = [sound]
    for change in (no_bias, short_bias, other_weights, no_stride, bias_as_picture):
        paths.append(tmp_path / f"{change.__name__}.tflite")
        paths[-1].write_bytes(tflite_of(change, sound.read_bytes()))
    found = loaded(paths)
    assert found[str(sound)]["ended"] == "ran", found[str(sound)]
    assert not [row for row in found.values() if not ended_well(row)]


MANY = [pytest.param("tflite", 400, marks=pytest.mark.full), pytest.param("pte", 120, marks=pytest.mark.full)]


@pytest.mark.parametrize("form, count", [("tflite", 8), ("pte", 3), *MANY])  # each .pte is tried in a process: 2 s
def test_damage_that_reaches_a_kernel_does_no_harm(sound, tmp_path, bare_pte, form, count):
    if form == "pte":
        text = contracts.dumps(tiny_contract("NHWC", form="executorch"))
        sound = write_pte(tmp_path / "sound.pte", bare_pte, text)
    paths = [sound]
    for number, damaged in enumerate(flipped(sound.read_bytes(), count, count)):
        paths.append(tmp_path / f"{number}.{form}")
        paths[-1].write_bytes(damaged)
    found = loaded(paths)
    assert found[str(sound)]["ended"] == "ran", found[str(sound)]
    assert not [row for row in found.values() if not ended_well(row)]
