"""The builder for the board, as far as a machine without TensorRT goes: what it refuses, the steps it takes, and the
road through trtexec with a stand-in for that program. The package's road: tests/targets/test_tensorrt.py.
"""

import importlib.util
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgewing import build, cli, containers, contract, hints, layouts, models
from edgewing.errors import InputError
from edgewing.tensorrt import builders, engines

ROOT = Path(__file__).resolve().parents[2]

FOUND = shutil.which("trtexec") or shutil.which(build.TRTEXEC)
ABSENT = importlib.util.find_spec("tensorrt") is None and not FOUND


def artefact(path, form="tensorrt", precision="int8", accepted=True, name="g"):
    """A file that says it was exported for TensorRT; its graph does not matter here. accepted: None for no parity."""
    n = layouts.get("aflw-19").points
    about = contract.Contract(
        layout=layouts.get("aflw-19"),
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
        parity=accepted
        if accepted is None
        else contract.ParityPart("p", "onnxruntime", 50, 0.1, 0.2, 0.3, 0.04, 0.04, accepted),
    )
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 64, 64])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 3, 64, 64])
    model = helper.make_model(helper.make_graph([helper.make_node("Relu", ["image"], ["out"])], name, [image], [out]))
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


@pytest.mark.skipif(not ABSENT, reason="TensorRT is installed here")
def test_torch_tensorrt_is_named_where_only_it_is_there(tmp_path, capsys, monkeypatch):
    (tmp_path / "torch_tensorrt.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert code_of(artefact(tmp_path / "a.onnx")) == 2
    assert "torch_tensorrt is, which builds from the run: python -m targets.engine RUN" in capsys.readouterr().err


def test_dry_run_prints_every_step(tmp_path, capsys):
    path = artefact(tmp_path / "demo-tensorrt-int8.onnx")
    build.main([str(path), "--dry-run"])
    said = capsys.readouterr().out
    assert "flags INT8, FP16" in said  # int8 alone would leave the other layers in fp32
    assert f"--onnx={path}" in said and "--int8 --fp16" in said and "DLA core 0" not in said
    assert f"timing cache {tmp_path / 'demo-tensorrt-int8.timing'} (not there yet" in said
    assert "torch_tensorrt (not here)" in said
    assert f"write {tmp_path / 'demo-tensorrt-int8.engine'}" in said
    assert said.splitlines()[-1].endswith(f"python -m edgewing.build {path} --precision int8")
    assert list(tmp_path.iterdir()) == [path]


def test_dry_run_shows_the_file_that_tensorrt_gets(capsys):
    build.main(["edgewing-free-s", "--dry-run"])  # which takes bytes, as TensorRT does not
    said = capsys.readouterr().out
    assert "make edgewing-free-s-floats.onnx" in said and "--onnx=edgewing-free-s-floats.onnx" in said
    with pytest.raises(SystemExit, match="2"):
        build.main(["edgewing-free-m", "--dry-run"])
    assert "comes without onnx; in a clone python -m targets edgewing-free-m --to onnx" in capsys.readouterr().err


def test_dry_run_of_every_option(tmp_path, capsys):
    path = artefact(tmp_path / "a.onnx", precision="fp16")
    build.main([str(path), "--dry-run", "--dla", "1", "--timing-cache", "t.cache"])
    said = capsys.readouterr().out
    assert "DLA core 1 with GPU fallback" in said and "--useDLACore=1 --allowGPUFallback" in said
    assert "--timingCacheFile=t.cache" in said
    assert said.splitlines()[-1].endswith(f"{path} --precision fp16 --dla 1 --timing-cache t.cache")


@pytest.mark.parametrize("inside, asked", [("int8", "fp16"), ("fp16", "int8"), ("fp32", "int8")])
def test_a_precision_the_file_cannot_have_is_refused(tmp_path, inside, asked):
    path = artefact(tmp_path / "a.onnx", precision=inside)
    with pytest.raises(InputError, match=f"is {inside} inside.*--to tensorrt --precision {asked}"):
        build.planned(path, asked)


def test_floats_may_change_places(tmp_path):
    path = artefact(tmp_path / "a.onnx", precision="fp16")
    assert [build.planned(path, asked)[1].precision for asked in ("fp32", "")] == ["fp32", "fp16"]


@pytest.mark.parametrize("precision, said", [("fp32", "add --precision fp16"), ("int8", "takes no explicit scales")])
def test_what_the_dla_cannot_do_is_refused(tmp_path, precision, said):
    with pytest.raises(InputError, match=said):
        build.planned(artefact(tmp_path / "a.onnx", precision=precision), dla=0)


def test_files_of_other_kinds_are_refused(tmp_path, capsys):
    shutil.copy(models.path("edgewing-s", "tflite"), tmp_path / "a.tflite")
    for path in (tmp_path / "a.tflite", ROOT / "models/edgewing-m.safetensors"):
        with pytest.raises(InputError, match="is no ONNX file; export one with: python -m targets .* --to tensorrt"):
            build.planned(path)
    (tmp_path / "b.onnx").write_bytes(artefact(tmp_path / "c.onnx").read_bytes()[:100])
    assert code_of(tmp_path / "b.onnx", "--dry-run") == 2
    assert code_of(tmp_path / "none.onnx", "--dry-run") == 2
    assert capsys.readouterr().err.count("\n") == 2


# Lines that build reads, as trtexec 8.5 and 10.3 print them on a Jetson, among others that it does not.
LOG = """&&&& RUNNING TensorRT.trtexec [TensorRT v100300] [b30] # trtexec
[11/23/2026-04:00:00] [I] === Device Information ===
[11/23/2026-04:00:00] [I] Available Devices:
[11/23/2026-04:00:00] [I]   Device 0: "Orin" UUID: GPU-0
[11/23/2026-04:00:00] [I] Selected Device: Orin
[11/23/2026-04:00:00] [I] Selected Device ID: 0
[11/23/2026-04:00:00] [I] Compute Capability: 8.7
[11/23/2026-04:00:00] [I]
[11/23/2026-04:00:00] [I] TensorRT version: 10.3.0
"""
PLACED = """[11/23/2026-04:00:00] [I] [TRT] ---------- Layers Running on DLA ----------
[11/23/2026-04:00:00] [I] [TRT] [DlaLayer] {ForeignNode[stem.0.0:1...stem.1:9]}
[11/23/2026-04:00:00] [I] [TRT] ---------- Layers Running on GPU ----------
[11/23/2026-04:00:00] [I] [TRT] [GpuLayer] RESIZE: stacks.0.up:40
[11/23/2026-04:00:00] [I] [TRT] [GpuLayer] REDUCE: decode:50
"""
FAILED = """[11/23/2026-04:00:00] [E] [TRT] ModelImporter.cpp:949: While parsing node number 3
[11/23/2026-04:00:00] [E] Engine set up failed
"""


@pytest.fixture
def trtexec(tmp_path, monkeypatch):
    """Put a stand-in for trtexec into PATH: it notes its arguments, prints ``log``, writes an engine and its cache."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # where the package is installed this road is not taken

    def put(log: str, code: int = 0, without: str = ""):
        program = folder / "trtexec"
        program.write_text(
            f"""#!{sys.executable}
import json, pathlib, sys
options = dict(a.split("=", 1) for a in sys.argv[1:] if "=" in a)
pathlib.Path({str(tmp_path / "given.onnx")!r}).write_bytes(pathlib.Path(options["--onnx"]).read_bytes())
cache = pathlib.Path(options["--timingCacheFile"])
before = cache.read_text() if cache.exists() else ""
pathlib.Path({str(tmp_path / "typed.json")!r}).write_text(json.dumps([sys.argv, before]))
print({log!r})
if {without!r} and {without!r} in sys.argv:
    sys.exit(1)
if {code} == 0:
    pathlib.Path(options["--saveEngine"]).write_bytes(b"an engine")
    cache.write_text(before + "timed ")
sys.exit({code})
"""
        )
        program.chmod(0o755)
        return lambda: json.loads((tmp_path / "typed.json").read_text())

    return put


def test_trtexec_builds_and_the_header_says_for_what(tmp_path, trtexec, capsys):
    typed = trtexec(LOG)
    path = artefact(tmp_path / "demo-tensorrt-int8.onnx")
    build.main([str(path)])
    said = capsys.readouterr().out.splitlines()
    words, before = typed()
    assert words[1] == f"--onnx={path}" and before == ""
    assert words[3:6] == ["--int8", "--fp16", "--memPoolSize=workspace:1024"]
    assert not [word for word in words if "DLA" in word or "Fallback" in word]
    engine = tmp_path / "demo-tensorrt-int8.engine"
    assert said[0] == "built for TensorRT 10.3.0, compute capability 8.7 (Orin)" and said[-1] == hints.next_line(
        "edgewing info", engine
    )
    about, found, data = containers.built(engine)
    assert found == engines.Build("10.3.0", "Orin", "8.7", -1, path.name, 9) and data == b"an engine"
    before = containers.read_contract(path)
    assert about.parity is None and about.provenance.versions == {"torch": "2", "tensorrt": "10.3.0"}
    assert about.model == before.model and about.layout == before.layout
    cli.main(["info", str(engine)])
    assert "engine     TensorRT 10.3.0, compute capability 8.7 (Orin); on the GPU; from demo" in capsys.readouterr().out


def shipped_onnx() -> list[str]:
    return [name for name, model in models.SHIPPED.items() if "onnx" in model.present]


@pytest.mark.parametrize("name", shipped_onnx() or ["none came with this installation"])
def test_a_shipped_file_takes_floats_and_gives_the_same(name, tmp_path):
    """TensorRT takes no picture of bytes that is turned before it is cast."""
    import onnxruntime

    path = models.path(name, "onnx")
    about = containers.read_contract(path)
    image = np.random.default_rng(0).integers(0, 256, about.input.shape, np.uint8)
    floats = builders.of_floats(path)
    found = [
        onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {about.input.name: given})
        for data, given in ((path.read_bytes(), image), (floats, image.astype(np.float32)))
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not [v for v in _values(onnx.load_from_string(floats)) if v.type.tensor_type.elem_type == TensorProto.UINT8]


def _values(model):
    return (*model.graph.input, *model.graph.value_info, *model.graph.output)


def test_trtexec_11_is_given_no_switches_and_the_file_decides(tmp_path, trtexec, capsys):
    typed = trtexec(LOG.replace("v100300", "v110400").replace("10.3.0", "11.4.0"), without="--fp16")
    path = artefact(tmp_path / "demo-tensorrt-int8.onnx")
    build.main([str(path)])
    words, _ = typed()
    assert not {"--int8", "--fp16"} & set(words) and "built for TensorRT 11.4.0" in capsys.readouterr().out
    plain = artefact(tmp_path / "demo-tensorrt-fp16.onnx", precision="fp16")
    with pytest.raises(SystemExit) as end:
        build.main([str(plain)])
    assert end.value.code == 2 and "python -m targets RUN --to tensorrt11" in capsys.readouterr().err
    typed_in_file = artefact(tmp_path / "demo-tensorrt11-fp16.onnx", precision="fp16", name="w.float16")
    build.main([str(typed_in_file)])
    assert "--fp16" not in typed()[0]


def test_an_engine_without_its_header(tmp_path, trtexec, capsys):
    trtexec(LOG)
    build.main([str(artefact(tmp_path / "demo-tensorrt-int8.onnx"))])
    engine = tmp_path / "demo-tensorrt-int8.engine"
    cli.main(["engine", "strip", str(engine)])
    assert engine.with_suffix(".plan").read_bytes() == b"an engine" and containers.read_contract(engine)
    cli.main(["engine", "strip", str(engine), "--to", str(tmp_path / "bare.bin")])
    assert (tmp_path / "bare.bin").read_bytes() == b"an engine"
    for words, said in (
        (["engine", "strip", str(tmp_path / "bare.bin")], "not a model file"),
        (["engine", "strip", str(tmp_path / "demo-tensorrt-int8.onnx")], "is no .engine file"),
        (["engine", "strip", str(engine), "--to", str(engine)], str(engine)),
    ):
        with pytest.raises(SystemExit) as end:
            cli.main(words)
        assert end.value.code == 2 and said in capsys.readouterr().err
    assert containers.read_contract(engine)


@pytest.mark.parametrize("typed", ["edgewing-s", "edgewing-s.onnx"])
def test_what_ships_is_built_by_its_name(tmp_path, trtexec, capsys, monkeypatch, typed):
    trtexec(LOG)
    monkeypatch.chdir(tmp_path)
    build.main([typed])
    said, shipped = capsys.readouterr(), containers.read_contract(models.path("edgewing-s", "onnx"))
    assert said.out.splitlines()[-1] == hints.next_line("edgewing info", "edgewing-s.engine") and not said.err
    assert (tmp_path / "given.onnx").read_bytes() == builders.of_floats(models.path("edgewing-s", "onnx"))
    about, found, _ = containers.built(tmp_path / "edgewing-s.engine")
    assert (about.model.format, about.model.precision, about.input.dtype) == ("tensorrt", "fp16", "float32")
    assert about.input.axes == shipped.input.axes and about.input.range == shipped.input.range == [0.0, 255.0]
    assert found.source == "edgewing-s.onnx" and (tmp_path / "edgewing-s.timing").is_file()
    assert not [path for path in models.FOLDER.iterdir() if path.suffix in (".engine", ".timing")]


def test_an_engine_says_that_it_was_not_gated(tmp_path, trtexec, capsys):
    """Its contract has no parity, whatever that of the ONNX file was."""
    trtexec(LOG)
    build.main([str(artefact(tmp_path / "a.onnx"))])
    assert "not gated: the parity in the ONNX file is that file's" in capsys.readouterr().out
    assert containers.built(tmp_path / "a.engine")[0].parity is None
    cli.main(["info", str(tmp_path / "a.engine")])
    assert "parity     not measured" in capsys.readouterr().out


@pytest.mark.parametrize("accepted, said", [(False, "was rejected by its parity gate"), (None, "has no parity")])
def test_a_file_without_an_accepted_parity_is_built_with_a_notice(tmp_path, capsys, accepted, said):
    path = artefact(tmp_path / "a.onnx", accepted=accepted)
    build.main([str(path), "--dry-run"])
    assert capsys.readouterr().err == f"notice: {path} {said}; the engine will be no better\n"


def test_a_refused_file_that_was_not_made_for_tensorrt_says_what_is(tmp_path, trtexec, capsys, monkeypatch):
    trtexec(LOG + FAILED, code=1)
    monkeypatch.chdir(tmp_path)
    shutil.copy(models.path("edgewing-s", "onnx"), tmp_path / "mine.onnx")
    assert code_of("mine.onnx") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "While parsing node number 3" in said
    assert said.strip().endswith("python -m targets mine --to tensorrt")


def test_a_changed_engine_is_refused(tmp_path, trtexec):
    trtexec(LOG)
    build.build(*build.planned(artefact(tmp_path / "a.onnx")))
    engine = tmp_path / "a.engine"
    engine.write_bytes(engine.read_bytes()[:-1] + b"X")
    with pytest.raises(InputError, match="seal"):
        containers.built(engine)


def test_the_timing_cache_is_read_and_written(tmp_path, trtexec):
    typed = trtexec(LOG)
    path = artefact(tmp_path / "a.onnx")
    build.main([str(path)])
    build.main([str(path)])
    assert typed()[1] == "timed " and (tmp_path / "a.timing").read_text() == "timed timed "
    build.main([str(path), "--timing-cache", str(tmp_path / "other")])
    assert typed()[1] == "" and (tmp_path / "other").read_text() == "timed "


def test_the_dla_and_what_falls_back_to_the_gpu(tmp_path, trtexec, capsys):
    typed = trtexec(LOG + PLACED)
    build.main([str(artefact(tmp_path / "a.onnx", precision="fp16")), "--dla", "0"])
    assert typed()[0][-2:] == ["--useDLACore=0", "--allowGPUFallback"] and "--int8" not in typed()[0]
    assert "DLA core 0: 1 piece on it, 2 layers on the GPU" in capsys.readouterr().out
    assert containers.built(tmp_path / "a.engine")[1].dla == 0
    trtexec(LOG + PLACED.replace("[DlaLayer]", "[GpuLayer]"))
    assert code_of(tmp_path / "a.onnx", "--dla", "0") == 2
    assert "no layer of it can run on the DLA" in capsys.readouterr().err


def test_when_trtexec_fails_its_first_error_is_told(tmp_path, trtexec, capsys):
    trtexec(LOG + FAILED, code=1)
    path = artefact(tmp_path / "a.onnx")
    assert code_of(path) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "While parsing node number 3" in said and "set up failed" not in said
    assert f"all it said: {tmp_path / 'a.trtexec.log'}" in said
    assert "Engine set up failed" in (tmp_path / "a.trtexec.log").read_text()
    assert not (tmp_path / "a.engine").exists() and not (tmp_path / "a.timing").exists()


def test_an_engine_of_unknown_origin_is_not_written(tmp_path, trtexec, capsys):
    trtexec(LOG.replace("Compute Capability", "Capability"))
    assert code_of(artefact(tmp_path / "a.onnx")) == 2
    assert "says nothing of capability" in capsys.readouterr().err
    assert not (tmp_path / "a.engine").exists()
