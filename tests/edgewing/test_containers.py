"""A contract out of every container; and files that are cut, flipped or built to hurt: one line, never a traceback."""

import json
import struct

import numpy as np
import pytest

from edgewing import containers, files
from edgewing import contract as contracts
from edgewing.contract import KEY
from edgewing.errors import InputError
from tests.edgewing.conftest import tiny_contract, write_onnx, write_pte, write_tflite


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def engine(path, text: str):
    raw, build = text.encode(), b'{"tensorrt":"10.3.0","name":"Orin","capability":"8.7","dla":-1,"source":"","size":6}'
    path.write_bytes(b"EDGEWING" + struct.pack("<III", 1, len(build), len(raw)) + build + raw + b"engine")
    return path


def safetensors(path, text: str):
    from safetensors.numpy import save_file

    save_file({"weight": np.arange(6, dtype=np.float32)}, path, {"format": "np", KEY: text})
    return path


def mlpackage(path, text: str):
    """As coremltools writes it (test_an_mlpackage_of_coremltools compares)."""
    entry = field(1, KEY.encode()) + field(2, text.encode())
    other = field(1, b"com.github.apple.coremltools.version") + field(2, b"9.0")
    metadata = field(1, b"short description") + field(100, other) + field(100, entry)
    model = b"\x08\x07" + field(2, field(1, b"input") + field(100, metadata)) + field(502, b"program" * 100)
    (path / "Data" / "com.apple.CoreML").mkdir(parents=True)
    (path / "Data" / "com.apple.CoreML" / "model.mlmodel").write_bytes(model)
    items = {"itemInfoEntries": {"A": {"path": "com.apple.CoreML/model.mlmodel"}}, "rootModelIdentifier": "A"}
    (path / "Manifest.json").write_text(json.dumps(items))
    return path


@pytest.fixture
def make(tmp_path, request):
    """form, text of the contract -> a file of that form."""

    def made(form: str, text: str):
        path = tmp_path / f"m-int8.rejected.{form}"
        if form == "onnx":
            return write_onnx(path, text)
        if form == "tflite":
            return write_tflite(path, request.getfixturevalue("bare_tflite"), text)
        if form == "pte":
            return write_pte(path, request.getfixturevalue("bare_pte"), text)
        return {"engine": engine, "safetensors": safetensors, "mlpackage": mlpackage}[form](path, text)

    return made


FORMS = ["onnx", "tflite", "engine", "safetensors", "mlpackage", "pte"]


def inner(path):
    """The file whose bytes count."""
    return path / "Data" / "com.apple.CoreML" / "model.mlmodel" if path.is_dir() else path


@pytest.mark.parametrize("form", FORMS)
def test_the_contract_comes_back(make, form, contract):
    assert containers.read_contract(make(form, contracts.dumps(contract))) == contract


@pytest.mark.parametrize("form", FORMS)
def test_cut_anywhere_is_refused(make, form, contract):
    path = make(form, contracts.dumps(contract))
    data = inner(path).read_bytes()
    for end in {0, 1, 7, 11, *range(16, len(data) - 1, max(1, len(data) // 60))}:
        inner(path).write_bytes(data[:end])
        if form == "tflite" and end > 0.9 * len(data):
            continue  # names and shapes of the first tensors: LiteRT's verifier looks at them when the file is run
        with pytest.raises(InputError, match="cut off or damaged|has no edgewing.contract") as caught:
            containers.read_contract(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize("form", FORMS)
def test_flipped_bytes_never_raise_anything_else(make, form, contract):
    path = make(form, contracts.dumps(contract))
    data = inner(path).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(300):
        flipped = bytearray(data)
        for at in random.integers(0, len(data), random.integers(1, 4)):
            flipped[at] = random.integers(0, 256)
        inner(path).write_bytes(flipped)
        try:
            containers.read_contract(path)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("text", "said"), [("{", "not JSON"), ("{}", "schema None"), ("x" * 70_000, "cut off|70000")])
def test_a_broken_contract_in_a_good_container(make, form, text, said):
    with pytest.raises(InputError, match=said):
        containers.read_contract(make(form, text))


def test_a_file_without_contract_says_how_to_get_one(tmp_path, bare_tflite):
    path = tmp_path / "bare.tflite"
    path.write_bytes(bare_tflite)
    with pytest.raises(InputError, match="has no edgewing.contract inside; export it with"):
        containers.read_contract(path)


def test_an_mlpackage_of_coremltools(tmp_path, contract):
    coremltools = pytest.importorskip("coremltools")
    spec = coremltools.proto.Model_pb2.Model()
    spec.specificationVersion = 1
    one = spec.description.input.add(name="x")
    one.type.multiArrayType.shape.append(1)
    spec.description.metadata.userDefined["a"] = "b"
    spec.description.metadata.userDefined[KEY] = contracts.dumps(contract)
    package = tmp_path / "m.mlpackage"
    coremltools.models.utils.save_spec(spec, str(package))
    assert (package / "Manifest.json").is_file()
    assert containers.read_contract(package) == contract


@pytest.mark.parametrize(
    "manifest",
    [
        "[]",
        "{",
        "{}",
        '{"itemInfoEntries": {"A": {"path": 3}}, "rootModelIdentifier": "A"}',
        '{"itemInfoEntries": {"A": {"path": "a\\u0000b"}}, "rootModelIdentifier": "A"}',
        "[" * 100_000,
    ],
)
def test_broken_manifest(tmp_path, manifest):
    package = mlpackage(tmp_path / "m.mlpackage", "")
    (package / "Manifest.json").write_text(manifest)
    with pytest.raises(InputError, match=r"Manifest.json: cut off or damaged"):
        containers.read_contract(package)


@pytest.mark.parametrize("outside", ["../../../secret", "/etc/passwd"])
def test_a_manifest_cannot_name_a_file_outside(tmp_path, outside):
    package = mlpackage(tmp_path / "m.mlpackage", "")
    items = {"itemInfoEntries": {"A": {"path": outside}}, "rootModelIdentifier": "A"}
    (package / "Manifest.json").write_text(json.dumps(items))
    with pytest.raises(InputError, match="names a file outside the package"):
        containers.read_contract(package)


def test_missing_files_and_other_names(tmp_path):
    for name, said in (("a.onnx", "no such file"), ("a.mlpackage", "no such folder"), ("a.h5", "not a model file")):
        with pytest.raises(InputError, match=said):
            containers.read_contract(tmp_path / name)
    (tmp_path / "b.mlpackage").write_bytes(b"x")
    with pytest.raises(InputError, match="is a file, not a folder"):
        containers.read_contract(tmp_path / "b.mlpackage")
    (tmp_path / "b.onnx").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        containers.read_contract(tmp_path / "b.onnx")


def test_format_of():
    found = [containers.format_of(f"runs/x/export/m-int8.rejected.{form}") for form in FORMS]
    assert found == ["onnx", "tflite", "tensorrt", "safetensors", "coreml", "executorch"]


def test_large_tensors_are_passed_over(tmp_path, contract):
    """A sparse ONNX file of 400 MiB is read in no time and no memory; one over the limit is refused."""
    import tracemalloc

    path = tmp_path / "large.onnx"
    tail = field(14, field(1, KEY.encode()) + field(2, contracts.dumps(contract).encode()))
    size = 400 << 20
    head = varint(7 << 3 | 2) + varint(size)
    with open(path, "wb") as file:
        file.write(head)
        file.seek(len(head) + size)
        file.write(tail)
    tracemalloc.start()
    assert containers.read_contract(path) == contract
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
    with open(path, "r+b") as file:
        file.truncate(files.LARGEST_MODEL + 1)
    with pytest.raises(InputError, match="the limit is 512 MiB"):
        containers.read_contract(path)


def test_tflite_contract_behind_the_flatbuffer(tmp_path, tflite_file):
    """Files over 2 GB, and those of ai-edge-quantizer, keep buffers behind the flatbuffer: offset and size."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(tflite_file.read_bytes(), 0)
    entry = next(m for m in model.metadata if m.name == KEY.encode())
    buffer = model.buffers[entry.buffer]
    text, buffer.data = bytes(buffer.data), None

    def packed(offset: int) -> bytes:
        buffer.offset, buffer.size = offset, len(text)
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    start = len(packed(1 << 20))
    path = tmp_path / "behind.tflite"
    path.write_bytes(packed(start) + text)
    assert contracts.dumps(containers.read_contract(path)).encode() == text


def test_an_engine_of_somebody_else(tmp_path):
    path = tmp_path / "a.engine"
    path.write_bytes(b"ftrt" + b"\0" * 100)
    with pytest.raises(InputError, match="no EDGEWING header"):
        containers.read_contract(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b'{"__metadata__": 3}',
        b'{"a": {"data_offsets": [0, 1e999]}}',
        b'{"a": 3}',
        b'{"__metadata__": {"edgewing.contract": 3}}',
        b"{" * 100_000,
    ],
)
def test_broken_safetensors_header(tmp_path, header):
    path = tmp_path / "a.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(InputError, match="cut off or damaged"):
        containers.read_contract(path)


def test_a_protobuf_of_endless_fields_ends(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x01" * 310_000)
    with pytest.raises(InputError, match="too many fields"):
        containers.read_contract(path)


def test_tiny_contract_is_what_the_exporters_write(tflite_file):
    assert containers.read_contract(tflite_file) == tiny_contract("NHWC", form="tflite")
