import pytest

from edgewing.errors import InputError
from targets import table


def test_aliases_lead_to_their_target_and_no_two_targets_share_one():
    assert [table.get(name)[0] for name in ("trt", "jetson", "ios", "android", "ORT")] == [
        "tensorrt", "tensorrt", "coreml", "tflite", "onnx",
    ]  # fmt: skip
    names = [alias for key, target in table.TABLE.items() for alias in (key, *target.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name, hint", [("tflit", "did you mean 'tflite'?"), ("androyd", "'android'"), ("xyz", "known:")]
)
def test_unknown_target_says_what_is_near(name, hint):
    with pytest.raises(InputError, match="unknown target") as error:
        table.get(name)
    assert hint in str(error.value)


def test_plan_takes_each_targets_legal_precisions_in_order_and_once():
    assert table.plan(["tflite", "android"], None) == [("tflite", p) for p in ("fp32", "fp16", "int8")]
    assert table.plan(["onnx", "trt"], ["fp16", "int8"]) == [
        ("onnx", "fp16"), ("tensorrt", "fp16"), ("tensorrt", "int8"),
    ]  # fmt: skip


def test_plan_refuses_what_cannot_be():
    with pytest.raises(InputError, match="coreml has no int8; it has fp32, fp16"):
        table.plan(["tflite", "coreml"], ["int8"])
    with pytest.raises(InputError, match="did you mean 'fp16'"):
        table.plan(["tflite"], ["fp61"])
    with pytest.raises(InputError, match="onnx cannot be int8"):
        table.plan(["onnx"], ["fp32", "int8"])


def test_file_names_differ_between_targets_that_share_a_suffix(tmp_path):
    names = [t.path(tmp_path, "demo-s", precision).name for t in table.TABLE.values() for precision in t.precisions]
    assert len(names) == len(set(names))
    assert "demo-s-int8.tflite" in names and "demo-s-tensorrt-int8.onnx" in names
    rejected = table.rejected(tmp_path / "demo-s-int8.tflite")
    assert rejected.name == "demo-s-int8.rejected.tflite" and table.is_rejected(rejected)
    assert not table.is_rejected(tmp_path / "demo-s-int8.tflite")
