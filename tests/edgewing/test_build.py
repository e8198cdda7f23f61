"""The builder for the board, as far as a machine without TensorRT goes: what it refuses, and the steps it takes."""

import importlib.util
import shutil

import onnx
import pytest
from onnx import TensorProto, helper

from edgewing import build, contract, layouts
from edgewing.errors import InputError

FOUND = shutil.which("trtexec") or shutil.which(build.TRTEXEC)
ABSENT = importlib.util.find_spec("tensorrt") is None and not FOUND


def artefact(path, form="tensorrt", precision="int8"):
    """A file that says it was exported for TensorRT; its graph does not matter here."""
    n = layouts.get("aflw-19").points
    about = contract.Contract(
        layout=contract.layout_part("aflw-19"),
        input=contract.InputPart("image", [1, 3, 64, 64], "NCHW", "float32", "RGB", [0.0, 255.0], "inside"),
        crop=contract.crop_part(64),
        outputs=[
            contract.OutputPart("landmarks", "landmarks", [1, n, 2], "crop", "px", "float32"),
            contract.OutputPart("scores", "scores", [1, n], "none", "1", "float32"),
        ],
        decode=contract.DecodePart(True, "centroid", 0.4, 2, 4.0),
        model=contract.ModelPart("mobile", "demo", form, precision, 1, 1),
        training=contract.TrainingPart([], "none", []),
        provenance=contract.ProvenancePart("", {"torch": "2"}, ""),
        parity=contract.ParityPart("p", "onnxruntime", 3, 0.1, 0.2, 0.3, 0.04, 0.04, True),
    )
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 64, 64])
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["image"], ["out"])], "g", [image], [out]))
    helper.set_model_props(model, {contract.KEY: contract.dumps(about)})
    onnx.save(model, path)
    return path


def code_of(*arguments) -> int:
    with pytest.raises(SystemExit) as end:
        build.main([str(a) for a in arguments])
    return end.value.code


@pytest.mark.skipif(not ABSENT, reason="TensorRT is installed here")
def test_without_tensorrt_one_line_and_exit_2(tmp_path, capsys):
    path = artefact(tmp_path / "demo-tensorrt-int8.onnx")
    assert code_of(path) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no TensorRT here") and said.count("\n") == 1 and "--dry-run" in said
    assert list(tmp_path.iterdir()) == [path]


def test_dry_run_prints_every_step(tmp_path, capsys):
    path = artefact(tmp_path / "demo-tensorrt-int8.onnx")
    build.main([str(path), "--dry-run"])
    said = capsys.readouterr().out
    assert "flags INT8, FP16" in said  # int8 alone would leave the other layers in fp32
    assert f"--onnx={path}" in said and "--int8 --fp16" in said
    assert f"write {tmp_path / 'demo-tensorrt-int8.engine'}" in said
    assert said.splitlines()[-1].endswith(f"python -m edgewing.build {path} --precision int8")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("inside, asked", [("int8", "fp16"), ("fp16", "int8"), ("fp32", "int8")])
def test_a_precision_the_file_cannot_have_is_refused(tmp_path, inside, asked):
    path = artefact(tmp_path / "a.onnx", precision=inside)
    with pytest.raises(InputError, match=f"is {inside} inside.*--to tensorrt --precision {asked}"):
        build.checked(path, asked)


def test_floats_may_change_places(tmp_path):
    assert build.checked(artefact(tmp_path / "a.onnx", precision="fp16"), "fp32")[1] == "fp32"
    assert build.checked(artefact(tmp_path / "a.onnx", precision="fp16"), "")[1] == "fp16"


def test_files_of_other_kinds_are_refused(tmp_path, capsys):
    with pytest.raises(InputError, match="was not made for TensorRT"):
        build.checked(artefact(tmp_path / "a.onnx", form="onnx", precision="fp32"), "")
    (tmp_path / "b.onnx").write_bytes(artefact(tmp_path / "c.onnx").read_bytes()[:100])
    assert code_of(tmp_path / "b.onnx", "--dry-run") == 2
    assert code_of(tmp_path / "none.onnx", "--dry-run") == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_the_engines_contract_says_what_built_it_and_claims_no_parity(tmp_path):
    before, precision = build.checked(artefact(tmp_path / "a.onnx"), "")
    about = build._about(before, precision, "10.3.0")
    assert about.parity is None and about.provenance.versions == {"torch": "2", "tensorrt": "10.3.0"}
    assert about.model == before.model and about.layout == before.layout
