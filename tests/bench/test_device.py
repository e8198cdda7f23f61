"""--device where something is measured: what was asked for runs, or nothing does."""

import pytest

from bench.__main__ import main
from edgewing import processors, rows


def test_a_race_and_a_score_on_the_processor_that_is_named(photographs, tmp_path):
    """LiteRT's CompiledModel on the CPU is one, beside its Interpreter."""
    log = tmp_path / "rows.jsonl"
    assert main(["race", "edgewing-s", "--device", "litert-cpu", "--rounds", "2", "--to", str(log)]) == 0
    data = ["--data", str(photographs(2)), "--layout", "300w-68", "--to", str(log)]
    for device in ("litert-cpu", "cpu"):
        assert main(["accuracy", "--model", "edgewing-s", "--device", device, *data]) == 0
    raced, scored, plain = rows.read(log)[0]
    assert raced["runtime"] == scored["runtime"] and "CompiledModel" in raced["runtime"]
    assert "CompiledModel" not in plain["runtime"] and raced["protocol"]["batch"] == 1
    assert scored["nme"] == pytest.approx(plain["nme"], rel=0.02)


@pytest.mark.parametrize("verb", ["accuracy", "latency", "race", "measure"])
def test_what_cannot_be_had_is_measured_on_nothing_else(verb, photographs, run_folder, tmp_path, capsys):
    if processors.here("directml", {"onnx": None}):
        pytest.skip("this machine has what is taken for missing")
    words = {
        "accuracy": ["--model", "edgewing-s", "--data", str(photographs(1)), "--layout", "300w-68"],
        "latency": ["--model", "edgewing-s"],
        "race": ["edgewing-s"],
        "measure": [str(run_folder([(0, 0)]))],
    }[verb]
    with pytest.raises(SystemExit, match="2"):
        main([verb, *words, "--device", "directml"])
    error = capsys.readouterr().err
    assert error.count("error: ") == 1 and ("cannot be had here" in error or verb == "measure")
