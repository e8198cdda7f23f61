"""What a model runs on. Of processors beside the CPU this machine need have none: LiteRT's CompiledModel on the CPU is
one more way to run a file, with points of its own, and stands for them."""

import re

import numpy as np
import pytest

from edgewing import images, models, processors, runtimes
from edgewing.errors import InputError
from edgewing.landmarker import Landmarker
from tests.edgewing.test_cli import ROOT, edgewing, refused

PORTRAIT = ROOT / "docs/portrait.jpg"
BOX = (84, 45, 431, 386)


@pytest.fixture
def files():
    return models.files("edgewing-s")


@pytest.fixture
def crops(files):
    size = runtimes.open(files["tflite"], tell=False).contract.crop.size
    rows = np.arange(size) * 512 // size
    return images.read_image(PORTRAIT)[rows][:, rows][None]


@pytest.fixture(autouse=True)
def forgotten(monkeypatch):
    monkeypatch.setattr(processors, "_fastest", {})


def test_names_are_those_of_the_runtimes():
    """ONNX Runtime knows all of its providers by name, those too that it is not built with."""
    known = {"onnx": pytest.importorskip("onnxruntime").get_all_providers(), "tflite": ("GPU", "NPU", "CPU")}
    for name, processor in processors.PROCESSORS.items():
        assert processor.provider in known[processor.form], name
        assert processor.kind in ("cpu", "gpu", "npu") and name == name.lower()
    assert not set(processors.PROCESSORS) & set(processors.DEVICES)


def test_all_files_of_a_shipped_model_and_one_of_ones_own(files, onnx_file):
    assert list(files) == ["tflite", "onnx"] and all(path.stem == "edgewing-s" for path in files.values())
    assert models.files(onnx_file) == {"onnx": onnx_file}
    assert processors.here("cpu", files) == []
    with pytest.raises(InputError, match="unknown device 'cdua'; did you mean 'cuda'"):
        processors.here("cdua", files)


def test_another_processor_gives_the_same_points_and_says_its_name(files, crops):
    cpu, other = runtimes.open(files["tflite"], tell=False), processors.start("litert-cpu", files)
    assert processors.disagreement(cpu, other, crops) < processors.SHIFT_LIMIT["integer"]
    assert "CompiledModel CPU" in str(other.description) and "XNNPACK" in str(cpu.description)
    batch = np.concatenate([crops, crops[:, ::-1], crops[:, :, ::-1]])
    assert np.abs(other(batch).landmarks[1] - other(batch[1:2]).landmarks[0]).max() < 1e-4


@pytest.mark.parametrize("device", ["cuda", "directml", "coreml", "qnn"])
def test_a_processor_that_is_not_here_is_one_line(device, capfd):
    """No machine has all of these at once; the ones that it has are another test's."""
    if processors.here(device, models.files("edgewing-s")):
        pytest.skip(f"this machine's ONNX Runtime knows {device}")
    landmarker = Landmarker("edgewing-s", device=device)
    (note,) = [line for line in capfd.readouterr().err.splitlines() if not line.startswith("notice: ")]
    assert note.startswith(f"note: {device} cannot be had, so it runs on the CPU") and "onnxruntime" in note
    assert re.search("ai-edge-litert .*XNNPACK", landmarker.ran_on)
    assert len(landmarker(PORTRAIT, [BOX])) == 1


OTHER = {"other": processors.Processor("gpu", "tflite", "CPU", {}, "LiteRT")}


def slow(cpu):
    """Seconds that say that the CPU is the slowest, and the other way round."""
    return lambda runtime, crops: 2.0 if runtime is cpu else 1.0


def test_auto_takes_the_fastest_that_agrees_and_remembers(files, crops, monkeypatch, capfd):
    monkeypatch.setattr(processors, "PROCESSORS", OTHER)
    cpu = runtimes.open(files["tflite"], tell=False)
    first = processors.fastest(cpu, files, crops, seconds=slow(cpu))
    again = processors.fastest(cpu, files, crops, seconds=lambda runtime, crops: 1 / 0)  # nothing is measured
    assert "CompiledModel" in str(first.description) and again.description == first.description
    assert capfd.readouterr().err == ""


def test_auto_leaves_one_that_is_slower(files, crops, monkeypatch):
    monkeypatch.setattr(processors, "PROCESSORS", OTHER)
    cpu = runtimes.open(files["tflite"], tell=False)
    seconds = slow(cpu)
    assert processors.fastest(cpu, files, crops, seconds=lambda *words: -seconds(*words)) is cpu
    assert processors.fastest(cpu, files, crops, seconds=seconds) is cpu  # as remembered


def test_auto_leaves_one_that_disagrees(files, crops, monkeypatch, capfd):
    """Of a float model, one that computes in 8 bits."""
    monkeypatch.setattr(processors, "PROCESSORS", OTHER)
    cpu = runtimes.open(files["onnx"], tell=False)
    assert processors.fastest(cpu, files, crops, seconds=slow(cpu)) is cpu
    assert re.fullmatch(
        r"note: other moves points by [\d.]+ px of a 256 px crop \(p99\), over 0.1; not taken\n", capfd.readouterr().err
    )


def test_a_landmarker_measures_with_its_first_faces(monkeypatch):
    monkeypatch.setattr(processors, "PROCESSORS", OTHER)
    landmarker = Landmarker("edgewing-s")
    assert "XNNPACK" in landmarker.ran_on and not processors._fastest
    (face,) = landmarker(PORTRAIT, [BOX])
    (chosen,) = processors._fastest.values()
    assert ("CompiledModel" in landmarker.ran_on) == (chosen == "other") and face.confidence > 0.6
    Landmarker("edgewing-s", device="cpu")(PORTRAIT, [BOX])
    assert list(processors._fastest.values()) == [chosen]


def test_the_command_says_what_ran():
    done = edgewing("run", PORTRAIT, "--device", "litert-cpu", "--model", "edgewing-s")
    assert done.returncode == 0 and "CompiledModel CPU" in done.stdout
    refused(edgewing("run", PORTRAIT, "--device", "gpuu"), "unknown device 'gpuu'; did you mean 'gpu'")
