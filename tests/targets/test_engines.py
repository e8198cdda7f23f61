"""OpenVINO, MNN, NCNN and TFLM files of the tiny network: what is inside them, what they refuse, what strangers may do.

That they are the same network is held of every target by test_export.py and test_matrix.py.
"""

import contextlib
import io
import shutil

import numpy as np
import pytest

from edgewing import containers, contract, files, formats, packages, rows, runtimes, trial
from edgewing.errors import InputError
from edgewing.flatbuffer import Flatbuffer
from edgewing.tensorrt import builders
from targets import __main__ as command
from targets import ethos, flatbuffer, mnn, table, tflm

KEYS = "openvino", "mnn", "ncnn"
CROPS = np.random.default_rng(0).integers(0, 255, (3, 64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def exported(run) -> None:
    """These alone, in their default precisions."""
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", *KEYS])
    assert end.value.code == 0


@pytest.fixture
def copy(run, exported, tmp_path, monkeypatch):
    """One of the files, as if a stranger had made it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(trial, "_passed", set())

    def made(key: str, precision: str = "fp16"):
        source = table.TABLE[key].path(run / "export", run.name, precision)
        return (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / source.name)

    return made


def parts(path):
    return packages.parts(path) if path.is_dir() else [path]


@pytest.mark.parametrize("key", KEYS)
def test_a_strangers_file_is_tried_once_and_runs(copy, tmp_path, key):
    path = copy(key)
    points = runtimes.open(path)(CROPS)
    assert points.landmarks.shape == (3, 19, 2) and np.ptp(points.landmarks, axis=0).max() > 0
    assert [one.name.rpartition("-")[2] for one in (tmp_path / "cache/edgewing/tried").iterdir()] == [key]


@pytest.mark.parametrize("key", KEYS)
def test_a_bit_anywhere_breaks_the_seal(copy, key):
    for part in parts(copy(key)):
        whole = part.read_bytes()
        at = len(whole) // 2
        part.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError):
            containers.read_contract(part if part.suffix == ".mnn" else part.parent)
        part.write_bytes(whole)
        assert containers.read_contract(part if part.suffix == ".mnn" else part.parent).parity.accepted


@pytest.mark.parametrize("key", KEYS)
def test_files_that_were_sealed_wrong_are_refused_in_one_line(copy, key):
    """Cut off and without a seal: the runtime refuses, or dies where it is tried, and this process lives."""
    path = copy(key)
    for part in parts(path):
        whole = part.read_bytes().replace(containers.read_contract(path).seal.encode(), contract.UNSEALED.encode())
        for share in (0.0, 0.3, 0.9):
            part.write_bytes(whole[: int(share * len(whole))])
            with pytest.raises(InputError) as error:
                runtimes.open(path)(CROPS)
            assert "\n" not in str(error.value)
        part.write_bytes(whole)
        if part.name in ("contract.json", path.name):  # now it is without a seal
            assert containers.read_contract(path).seal == contract.UNSEALED


def test_a_package_is_a_folder_with_all_its_files(copy, tmp_path):
    path = copy("openvino")
    (path / "contract.json").write_bytes(b" " * (contract.LIMIT + 1))
    with pytest.raises(InputError, match="the limit is 65536"):
        containers.read_contract(path)
    (path / "contract.json").unlink()
    with pytest.raises(InputError, match="contract.json: no such file"):
        containers.read_contract(path)
    (tmp_path / "a.ncnn").write_bytes(b"x")
    with pytest.raises(InputError, match="is a file, not a folder"):
        containers.read_contract(tmp_path / "a.ncnn")
    with pytest.raises(InputError, match="no such folder"):
        containers.read_contract(tmp_path / "b.ncnn")


def test_a_package_as_one_stream_is_the_same_whenever_it_is_made(copy, tmp_path):
    path = copy("ncnn")
    other = shutil.copytree(path, tmp_path / "other.ncnn", copy_function=shutil.copyfile)  # with times of its own
    with packages.stream(path, files.MIB) as (one, size), packages.stream(other, files.MIB) as (two, _):
        data = one.read()
        assert data == two.read() and len(data) == size
    with packages.unpacked(data) as folder:
        assert {part.name: part.read_bytes() for part in packages.parts(folder)} == {
            part.name: part.read_bytes() for part in packages.parts(path)
        }
    with pytest.raises(InputError, match="the limit is"):
        with packages.stream(path, 100):
            pass


def test_openvino_int8_has_weights_of_8_bits_and_our_ranges(copy):
    """Of every convolution behind the stem; what their kernels are is the processor's affair."""
    path = copy("openvino", "int8")
    xml = (path / "model.xml").read_text()
    assert min(xml.count('element_type="i8"'), xml.count('type="FakeQuantize"')) >= 20
    assert (path / "model.bin").stat().st_size < 0.9 * (copy("openvino", "fp16") / "model.bin").stat().st_size


def test_mnns_contract_is_its_bizcode_and_is_replaced_without_growing(copy):
    path = copy("mnn")
    about, size = containers.read_contract(path), path.stat().st_size
    mnn.embed(path, about.replace(parity=None))
    assert containers.read_contract(path).parity is None and path.stat().st_size < size
    mnn.embed(path, about)
    assert containers.read_contract(path) == about and path.stat().st_size == size
    data = path.read_bytes()
    flat = Flatbuffer(io.BytesIO(data), size)
    assert flat.text(flat.integer(0, "I"), 0) == contract.dumps(about) and data.count(b'"schema"') == 1


def test_mnns_8_bits_pass_the_gate_of_8_bits(run):
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", "mnn", "--precision", "weight8"])
    assert end.value.code == 0
    about = containers.read_contract(table.TABLE["mnn"].path(run / "export", run.name, "weight8"))
    assert about.model.precision == "weight8" and about.parity.accepted and about.parity.p99 > 0.01


def test_ncnns_tensors_have_our_names(run, exported):
    graph = runtimes.open(table.TABLE["ncnn"].path(run / "export", run.name, "fp16")).graph
    assert [part.name for part in graph.inputs] == ["image"]
    assert {part.name for part in graph.outputs} == {"landmarks", "scores"}


def test_ncnn_takes_one_image_at_a_time(run, capfd):
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", "ncnn", "--batch", "2"])
    assert end.value.code == 2 and "NCNN takes one image at a time; leave --batch out" in capfd.readouterr().err


@pytest.fixture(scope="module")
def micro(run) -> tuple:
    """The files for a microcontroller without and with an NPU, and what the command said."""
    return written(run, "ethos-u55-128")


def written(run, *npus: str) -> tuple:
    """As ``micro``, for these NPUs; the second file is always that of the same one."""
    with pytest.raises(SystemExit) as end, contextlib.redirect_stdout(io.StringIO()) as said:
        command.main([str(run), "--to", "tflm", *npus])
    assert end.value.code == 0, said.getvalue()
    return *(table.TABLE[key].path(run / "export", run.name, "int8") for key in ("tflm", "ethos-u55-128")), said


@pytest.mark.full
def test_every_npu_that_vela_knows_is_a_target(run):
    from ethosu.vela.architecture_features import Accelerator

    said = written(run, *formats.ETHOS)[-1]
    assert list(formats.ETHOS) == Accelerator.member_list()
    made = [containers.read_contract(table.TABLE[npu].path(run / "export", run.name, "int8")) for npu in formats.ETHOS]
    assert all(about.parity.accepted for about in made)
    notes = [line for line in said.getvalue().splitlines() if "Vela estimates" in line]
    assert len(notes) == len(made) and all("KiB of SRAM, " in line and " 0 KiB" not in line for line in notes)
    assert [" of DRAM" in line for line in notes] == ["u55" not in npu for npu in formats.ETHOS]


def test_a_microcontroller_is_given_pixels_less_128_and_has_no_cast(micro):
    path, _, _ = micro
    about = containers.read_contract(path)
    assert (about.input.dtype, about.input.range) == ("int8", [-128.0, 127.0])
    kinds = [operation.kind for operation in flatbuffer.operations(path.read_bytes())]
    assert not {"CAST", "QUANTIZE", "CUSTOM"} & set(kinds)
    (own,) = tflm.opened(path)
    assert "tflite-micro" in about.parity.ran_on and " KiB" in str(own.description)
    found, phone = own(CROPS), runtimes.open(path)(CROPS)  # LiteRT runs it too
    assert np.median(np.abs(found.landmarks - phone.landmarks)) < 0.5  # of noise: single points may part


def test_an_npu_takes_all_but_the_decode(micro):
    _, path, said = micro
    kinds = [operation.kind for operation in flatbuffer.operations(path.read_bytes())]
    assert kinds.count("CUSTOM") == 1 and not {"CONV_2D", "ADD_N", "RESIZE_BILINEAR"} & set(kinds)
    assert "Vela estimates" in said.getvalue() and "left to the CPU: 1 ADD" in said.getvalue()
    assert "the NPU was not run" in containers.read_contract(path).parity.ran_on
    with pytest.raises(InputError, match="needs an Ethos-U, and is not run here"):
        tflm.opened(path)
    with pytest.raises(InputError):
        runtimes.open(path)


@pytest.mark.full
def test_what_an_npu_leaves_beyond_what_it_may_rejects_the_file(run, micro, capfd):
    """A decode, where nothing may be left; a result that is heatmaps has none."""
    codes = []
    for options in (["--output", "heatmaps"], []):
        with pytest.raises(SystemExit) as end:
            command.main([str(run), "--to", "ethos-u65-512", "--most-cpu", "none", *options])
        codes.append(end.value.code)
    said = capfd.readouterr().out
    assert codes == [0, 1] and "left to the CPU: 1 DEQUANTIZE, 1 TRANSPOSE\n" in said
    (rejected,) = [line for line in said.splitlines() if "rejected: left" in line]
    assert ", 6 MUL, " in rejected and "DEQUANTIZE" not in rejected and "limit --most-cpu none; try" in rejected
    assert "--most-cpu any" in said and "compress quantize" not in said
    final = table.TABLE["ethos-u65-512"].path(run / "export", run.name, "int8")
    assert not final.exists() and not containers.read_contract(table.rejected(final)).parity.accepted


def test_what_may_be_left_to_the_cpu(micro):
    whole, npu = (flatbuffer.operations(path.read_bytes()) for path in micro[:2])
    assert "CONV_2D" in ethos.by_kind(ethos.beyond(whole, "decode")) and not ethos.beyond(whole, "any")
    left = [operation for operation in npu if operation.kind != "CUSTOM"]
    assert not ethos.beyond(left, "decode") and len(ethos.beyond(left, "none")) == len(left) - 1


def test_a_float_between_the_picture_and_int8_is_refused(run, exported):
    floats = table.TABLE["tflite"].path(run / "export", run.name, "fp32")
    (note,) = next(
        row["notes"] for row in rows.read(run / "rows.jsonl")[0] if row["artefact"]["path"].endswith(floats.name)
    )
    assert note.startswith("LiteRT's GPU delegate: ")
    with pytest.raises(InputError, match="where int8 is expected"):
        flatbuffer.of_int8(floats.read_bytes())


def test_tensorrt_11_has_half_precision_in_its_file(run):
    import onnx

    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", "tensorrt11"])
    assert end.value.code == 0
    path = table.TABLE["tensorrt11"].path(run / "export", run.name, "fp16")
    model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True)
    kinds = {value.name: value.type.tensor_type.elem_type for value in model.graph.value_info}
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    assert convolutions and {kinds[node.output[0]] for node in convolutions} == {onnx.TensorProto.FLOAT16}
    decode = [name for node in model.graph.node if node.name.startswith("decode:") for name in node.output]
    assert onnx.TensorProto.FLOAT16 not in {kinds.get(name) for name in decode}
    assert sum(node.op_type == "Cast" for node in model.graph.node) == 2 and builders.has_types(path)


def test_a_graph_that_targets_share_keeps_no_contract(run, tmp_path):
    """TensorRT's file is written first, of the graph that MNN's is made of: MNN would carry that contract too."""
    with pytest.raises(SystemExit) as end:
        command.main([str(run), "--to", "tensorrt", "mnn", "--precision", "fp16"])
    assert end.value.code == 0
    made = table.TABLE["mnn"].path(run / "export", run.name, "fp16")
    assert made.read_bytes().count(b'"seal"') == 1
