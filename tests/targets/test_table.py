import pytest

from edgewing.errors import InputError
from targets import table


def test_aliases_lead_to_their_target_and_no_two_targets_share_one():
    assert [table.get(name)[0] for name in ("trt", "jetson", "ios", "android", "ORT", "pte", "xnnpack")] == [
        "tensorrt", "tensorrt", "coreml", "tflite", "onnx", "executorch", "executorch",
    ]  # fmt: skip
    names = [alias for key, target in table.TABLE.items() for alias in (key, *target.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    "name, hint",
    [("tflit", "did you mean 'tflite'?"), ("androyd", "'android'"), ("executroch", "'executorch'"), ("xyz", "known:")],
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
    with pytest.raises(InputError, match="onnx has no int8; it has fp32, fp16"):
        table.plan(["tflite", "onnx"], ["int8"])
    with pytest.raises(InputError, match="executorch cannot be palette6"):
        table.plan(["executorch"], ["fp32", "palette6"])
    with pytest.raises(InputError, match="did you mean 'fp16'"):
        table.plan(["tflite"], ["fp61"])
    with pytest.raises(InputError, match="onnx cannot be int8"):
        table.plan(["onnx"], ["fp32", "int8"])


OPTIONS = [table.Options(output, batch, ios) for output in table.OUTPUTS for batch in (1, 4) for ios in table.IOS]


def test_file_names_differ_where_the_files_do(tmp_path):
    """By target, precision and option; an option that says nothing of a target leaves its names alone."""
    names = {
        t.path(tmp_path, "demo-s", p, options).name: (key, p, options.output, options.batch, t.apple and options.ios)
        for key, t in table.TABLE.items()
        for p in t.precisions
        for options in OPTIONS
    }
    different = {
        (key, p, o.output, o.batch, t.apple and table.deployment(p, o.ios))
        for key, t in table.TABLE.items()
        for p in t.precisions
        for o in OPTIONS
    }
    assert len(names) == len(different)
    assert {
        "demo-s-int8.tflite", "demo-s-tensorrt-int8.onnx", "demo-s-heatmaps-fp32.onnx", "demo-s-batch4-fp16.tflite",
        "demo-s-fp16.mlpackage", "demo-s-ios18-fp16.mlpackage", "demo-s-ios18-int8.mlpackage", "demo-s-int8.pte",
        "demo-s-coreml-fp16.pte", "demo-s-coreml-ios18-heatmaps-batch4-fp16.pte",
    } <= set(names)  # fmt: skip


def test_a_rejected_file_says_so_in_its_name(tmp_path):
    rejected = table.rejected(tmp_path / "demo-s-int8.tflite")
    assert rejected.name == "demo-s-int8.rejected.tflite" and table.is_rejected(rejected)
    assert not table.is_rejected(tmp_path / "demo-s-int8.tflite")


@pytest.mark.parametrize(
    "options, said",
    [
        ({"output": "heatmap"}, "unknown output 'heatmap'; did you mean 'heatmaps'?"),
        ({"batch": 0}, "--batch 0: give a number from 1 to 64"),
        ({"batch": 65}, "--batch 65"),
        ({"ios": 17}, "--ios 17: give one of 16, 18"),
        ({"most_cpu": "decod"}, "unknown --most-cpu 'decod'; did you mean 'decode'?"),
    ],
)
def test_options_that_cannot_be(options, said):
    with pytest.raises(InputError) as error:
        table.Options(**options)
    assert said in str(error.value)


def test_an_option_for_none_of_the_targets_is_a_mistake():
    newer = table.Options(ios=18)
    assert table.plan(["onnx", "coreml"], ["fp16"], newer) == [("onnx", "fp16"), ("coreml", "fp16")]
    with pytest.raises(InputError, match="--ios 18: onnx, trt are not for iOS"):
        table.plan(["onnx", "trt"], None, newer)
    everything = table.Options(most_cpu="any")
    assert table.plan(["tflm", "ethos-u55-32"], None, everything) == [("tflm", "int8"), ("ethos-u55-32", "int8")]
    with pytest.raises(InputError, match="--most-cpu any: no NPU in tflm; leave it out"):
        table.plan(["tflm"], None, everything)
