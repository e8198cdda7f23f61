"""The name that a file has earned, and what to try where it has not."""

import json
import os
import shlex

import pytest

from edgewing import containers, files, hints
from targets import gate, graph, onnx, parity, table
from targets.job import Job
from tests.targets.discs import RECIPE, discs, run_contract


@pytest.fixture(scope="module")
def faces():
    return parity.Faces(*discs(50, 9), "discs")


@pytest.fixture(scope="module")
def job(network):
    return Job(network, run_contract(network, RECIPE))


@pytest.fixture(scope="module")
def reference(job, faces):
    return graph.reference(job.model, job.run, faces.crops)


def made(job, final, reference, faces):
    with files.workshop(final) as path:
        onnx.export(job, "fp32", path)
        return gate.passed(path, final, onnx.embed, reference, faces)


def test_one_of_two_names(job, reference, faces, tmp_path):
    """Accepted, then rejected, then accepted again: there is always one file, of the newest verdict, sealed."""
    final, other = tmp_path / "a.onnx", tmp_path / "a.rejected.onnx"
    wrong = type(reference)(reference.landmarks + 1, reference.scores)
    for expected, said in ((final, reference), (other, wrong), (other, wrong), (final, reference)):
        named, result = made(job, final, said, faces)
        assert named == expected and os.listdir(tmp_path) == [named.name]
        found = containers.read_contract(named)
        assert found.parity == result.part and found.parity.accepted is (named == final)
        assert found.seal.strip("0")


def test_a_package_takes_the_place_of_a_package(tmp_path):
    """A folder cannot be renamed onto one that is not empty."""
    final = tmp_path / "a.mlpackage"
    for number in range(2):
        with files.workshop(final) as path:
            path.mkdir()
            (path / "number").write_text(str(number))
            gate._aside(final, path, always=False)
            os.replace(path, final)
        assert (final / "number").read_text() == str(number) and os.listdir(tmp_path) == ["a.mlpackage"]


def steps(run, key, precision, suffix=".tflite"):
    return gate.remedies(run, key, precision, run / f"a.rejected{suffix}")


def test_what_to_try_is_said_in_order(tmp_path):
    run = tmp_path / "first"
    run.mkdir()
    typed = hints.typed("python -m targets", run, "--to", "tflite", "--precision")
    measure, train, half, look = steps(run, "tflite", "int8")
    assert measure.endswith(f"python -m compress quantize {run} --to tflite")
    assert train.endswith(f"python -m compress qat {run} --run first-qat")
    assert half == f"a float file: {typed} fp16" and look.endswith(f"{typed} int8 --bisect")
    (run / "export").mkdir()
    (run / "export/first-fp16.rejected.tflite").touch()
    assert steps(run, "tflite", "int8")[2] == f"a float file: {typed} fp32"
    (run / "export/first-fp16.rejected.tflite").unlink()
    (run / gate.QUANTIZATION).write_text(json.dumps({"ranges": "mse", "float_layers": [], "accepted": True}))
    assert steps(run, "tflite", "int8") == [train, half, look] and gate.chosen(run)
    (run / gate.QUANTIZATION).write_text(json.dumps({"ranges": "mse", "float_layers": [], "accepted": False}))
    assert steps(run, "tflite", "int8") == [train, half, look] and gate.chosen(run) is False
    assert [text.split(":")[0] for text in steps(run, "coreml", "palette6")] == [
        "more bits", "a float file", "see which layer parts from the network",
    ]  # fmt: skip
    assert steps(run, "tflite", "fp16")[0] == f"all of it in float: {typed} fp32"
    assert steps(run, "tflite", "fp32") == [f"see which layer parts from the network: {typed} fp32 --bisect"]


@pytest.mark.parametrize(("key", "precision"), [(k, p) for k, t in table.TABLE.items() for p in t.precisions])
def test_every_rejection_says_something_that_can_be_typed(tmp_path, key, precision):
    from targets.__main__ import _parser

    found = steps(tmp_path, key, precision, table.TABLE[key].suffix)
    assert found and len(found) == len(set(found))
    for text in found:
        if "python -m targets " in text:
            options = _parser().parse_args(shlex.split(text.partition("python -m targets ")[2]))
            table.plan(options.to, options.precision)
            assert options.bisect or options.precision != [precision]
