"""Files that are damaged, or made to hurt: each is loaded in a process of its own with little memory and time, and ends
with one line. Damage to a sealed file is always found; to a file without seal, it is found or does no harm."""

import io
import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgewing import containers
from edgewing import contract as contracts
from edgewing.contract import KEY
from edgewing.errors import InputError
from edgewing.face_set import Faces
from tests.edgewing.conftest import onnx_model, tiny_contract, write_onnx, write_pte, write_tflite
from tests.edgewing.test_containers import FORMS, engine, field, inner, mlpackage, safetensors, varint

ROOT = Path(__file__).resolve().parents[2]


def loaded(paths: list[Path]) -> dict[str, dict]:
    """How loading each of these files ended, by path."""
    words = [sys.executable, "-m", "tests.edgewing.loading", *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = {row["path"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(found) == set(map(str, paths))
    return found


@pytest.fixture
def sealed(tmp_path, request):
    """form -> a sealed file of it."""

    def made(form: str) -> Path:
        path, text = tmp_path / f"m.{form}", contracts.dumps(tiny_contract())
        if form == "tflite":
            write_tflite(path, request.getfixturevalue("bare_tflite"), tiny_contract("NHWC", form="tflite"))
        elif form == "pte":
            write_pte(path, request.getfixturevalue("bare_pte"), text)
        else:
            {"onnx": write_onnx, "engine": engine, "safetensors": safetensors, "mlpackage": mlpackage}[form](path, text)
        if form == "mlpackage":
            (path / "Data" / "weight.bin").write_bytes(bytes(range(256)))
        containers.seal(path)
        return path

    return made


def flipped(data: bytes, count: int, seed: int):
    """The bytes with one bit changed, in ``count`` places."""
    random = np.random.default_rng(seed)
    for at in random.choice(len(data), min(count, len(data)), replace=False):
        damaged = bytearray(data)
        damaged[at] ^= 1 << random.integers(8)
        yield bytes(damaged)


@pytest.mark.parametrize("form", FORMS)
def test_a_seal_finds_every_bit_and_every_cut(sealed, form):
    path = sealed(form)
    contract = containers.read_contract(path)
    assert contract.seal != contracts.UNSEALED
    data = inner(path).read_bytes()
    for damaged in (*flipped(data, 150, 1), data[:-1], data[: len(data) // 2], data + b"\0"):
        inner(path).write_bytes(damaged)
        with pytest.raises(InputError) as caught:
            containers.read_contract(path)
        assert "\n" not in str(caught.value)
    inner(path).write_bytes(data)
    assert containers.read_contract(path) == contract


def test_the_seal_of_a_package_is_over_its_weights(sealed):
    package = sealed("mlpackage")
    weights = package / "Data" / "weight.bin"
    (weights.parent / ".DS_Store").write_bytes(b"of a Mac's Finder")
    containers.read_contract(package)
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match="its seal does not fit"):
        containers.read_contract(package)


def test_a_sealed_file_is_sealed_again_the_same(sealed):
    path = sealed("safetensors")
    containers.seal(path)
    before = path.read_bytes()
    containers.seal(path)
    assert path.read_bytes() == before
    path.write_bytes(before.replace(b"seal", b"sea1"))
    with pytest.raises(InputError, match="0 places for a seal"):
        containers.seal(path)


def without_seal(data: bytes) -> bytes:
    return containers.SEAL.sub(lambda match: match[0][:-64] + b"0" * 64, data)


@pytest.mark.parametrize("count", [20, pytest.param(150, marks=pytest.mark.full)])
def test_damage_without_a_seal_does_no_harm(sealed, tmp_path, count):
    """The libraries' own code gets to see what the seal would have kept from it."""
    paths = []
    for form in ("onnx", "tflite"):
        data = without_seal(sealed(form).read_bytes())
        for i, damaged in enumerate(flipped(data, count, count)):
            paths.append(tmp_path / f"{i}.{form}")
            paths[-1].write_bytes(damaged)
    found = loaded(paths)
    assert {row["ended"] for row in found.values()} == {"ran", "refused"}, [
        row for row in found.values() if row["ended"] not in ("ran", "refused")
    ]


def onnx_with(change) -> bytes:
    """The tiny model, its contract inside, after ``change`` has been at it."""
    model = onnx_model()
    model.metadata_props.add(key=KEY, value=contracts.dumps(tiny_contract()))
    change(model)
    return model.SerializeToString()


def onnx_cases():
    """name -> (bytes, part of the line)."""
    from onnx import TensorProto, helper, numpy_helper

    tail = field(14, field(1, KEY.encode()) + field(2, contracts.dumps(tiny_contract()).encode()))

    def large_weight(model):
        model.graph.initializer[0].dims[:] = [1 << 40]

    def large_value(model):
        shape = model.graph.input[0].type.tensor_type.shape
        shape.dim[0].dim_value = 1 << 40

    def filled(model):
        shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20]), "huge")
        model.graph.initializer.append(shape)
        model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["huge"], ["filled"]))

    def outer(model):
        tall = numpy_helper.from_array(np.zeros((200_000, 1), np.float32), "tall")
        wide = numpy_helper.from_array(np.zeros((1, 200_000), np.float32), "wide")
        model.graph.initializer.extend([tall, wide])
        model.graph.node.insert(0, helper.make_node("Add", ["tall", "wide"], ["product"]))

    def endless(model):
        count, going = (
            helper.make_tensor_value_info(name, kind, [])
            for name, kind in (("i", TensorProto.INT64), ("go", TensorProto.BOOL))
        )
        again = helper.make_tensor_value_info("again", TensorProto.BOOL, [])
        size, kept = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, 2]) for name in ("size", "kept"))
        nodes = [helper.make_node("Identity", ["go"], ["again"]), helper.make_node("Neg", ["size"], ["kept"])]
        body = helper.make_graph(nodes, "body", [count, going, size], [again, kept])
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "true"))
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(helper.make_node("Loop", ["", "true", "before"], ["landmarks"], body=body))

    def elsewhere(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for location in ("beside.bin", "../../../../../etc/passwd"):  # ONNX Runtime takes the last
            tensor.external_data.add(key="location", value=location)

    def long_name(model):
        model.graph.node[0].op_type = "x" * 100_000

    nested = b""
    for _ in range(5_000):
        nested = field(5, field(6, field(1, nested)))
    return {
        "weights of 2^40": (onnx_with(large_weight), "absurd size"),
        "an input of 2^40": (onnx_with(large_value), "absurd size"),
        "a fill of 2^40": (onnx_with(filled), ""),
        "an outer sum of 160 GB": (onnx_with(outer), ""),
        "an endless loop": (onnx_with(endless), "in which it was tried first, died of signal"),
        "two places of one tensor": (onnx_with(elsewhere), "weights in another file"),
        "a name of 100 kB": (onnx_with(long_name), "a text of 100000 bytes"),
        "a million empty nodes": (varint(7 << 3 | 2) + varint(2_000_000) + b"\x0a\x00" * 1_000_000 + tail, "too many"),
        "half a million dims": (field(7, field(5, b"\x08\x01" * 500_000)) + tail, "too many fields"),
        "packed dims": (field(7, field(5, field(1, b"\x01" * 900_000))) + tail, "too many fields"),
        "a graph in a graph in a graph": (field(7, field(1, nested)) + tail, "more than 8 deep"),
        "a graph twice": (onnx_with(lambda model: None) + field(7, b""), "has 2 graphs"),
        "no graph": (tail, "has 0 graphs"),
        "a contract of 100 MB": (
            field(14, field(1, KEY.encode()) + field(2, b" " * 100_000_000)),
            "the limit is 65536",
        ),
    }


def tflite_of(change, bare: bytes) -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bare, 0)
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def tflite_cases(bare: bytes):
    from ai_edge_litert import schema_py_generated as schema

    def tensor(**fields):
        def change(model):
            for name, value in fields.items():
                setattr(model.subgraphs[0].tensors[1], name, value)

        return change

    def operation(**fields):
        return lambda model: [setattr(model.subgraphs[0].operators[0], name, value) for name, value in fields.items()]

    def code(model):
        model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 32  # CUSTOM

    def signature(model):
        model.signatureDefs[0].subgraphIndex = 5

    def scales(model):
        quantization = model.subgraphs[0].tensors[1].quantization
        quantization.scale, quantization.zeroPoint = [1.0] * 7, [0] * 7

    def axis(model):
        model.subgraphs[0].tensors[1].quantization.quantizedDimension = 1 << 30

    def short(model):
        buffer = next(b for b in model.buffers if b.data is not None and len(b.data) >= 8)
        buffer.data = buffer.data[:4]

    def elsewhere(model):
        group, buffer = schema.ExternalBufferGroupT(), schema.ExternalBufferT()
        group.name, buffer.length = b"/etc/passwd", 4
        model.externalBufferGroups, model.externalBuffers = [group], [buffer]

    return {
        "a tensor of 2^60": (tensor(shape=[1 << 30, 1 << 30]), "absurd size"),
        "a tensor of -1": (tensor(shape=[-1, 4]), "of shape"),
        "a tensor of many axes": (tensor(shape=[1] * 30), "of shape"),
        "a tensor in no buffer": (tensor(buffer=9999), "in buffer 9999"),
        "a tensor of no type": (tensor(type=77), ""),
        "inputs that are no tensors": (operation(inputs=[99999]), "on what is no tensor"),
        "outputs that are no tensors": (operation(outputs=[-1]), "on what is no tensor"),
        "an input too few": (operation(inputs=[]), ""),
        "a signature of another graph": (signature, "a graph that is not there"),
        "an operation without a kind": (operation(opcodeIndex=500), "without a kind"),
        "an operation of its own": (code, "which is not one of LiteRT's"),
        "too many scales": (scales, "7 scales"),
        "scales along no axis": (axis, "a quantized dimension"),
        "weights that are cut": (short, "in a buffer of 4"),
        "weights in another file": (elsewhere, "weights in another file"),
    }


def test_files_that_are_made_to_hurt(tmp_path, bare_tflite):
    said = {}
    for number, (data, part) in enumerate(onnx_cases().values()):
        path = tmp_path / f"{number}.onnx"
        path.write_bytes(data)
        said[path] = part
    text = contracts.dumps(tiny_contract("NHWC", form="tflite"))
    for number, (change, part) in enumerate(tflite_cases(bare_tflite).values()):
        path = write_tflite(tmp_path / f"{number}.tflite", bare_tflite, text)
        path.write_bytes(tflite_of(change, path.read_bytes()))
        said[path] = part
    found = loaded(list(said))
    for path, part in said.items():
        row = found[str(path)]
        assert row["ended"] == "refused" and part in row["said"] and "\n" not in row["said"], row
        assert len(row["said"]) < 600


class Trap:
    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was run')",)


def archive(content: bytes, name: str = "crops.npy") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        file.writestr(name, content)
    return packed.getvalue()


def bomb() -> bytes:
    """A faces file of a few kB whose directory promises 3 GB."""
    data = bytearray(archive(bytes(1 << 20)))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 3_000_000_000)
    return bytes(data)


def endless_array() -> bytes:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (900000000000, 64, 64, 3)}".ljust(117) + b"\n"
    return archive(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)


def objects() -> bytes:
    packed = io.BytesIO()
    np.save(packed, np.array([Trap()], object))
    return archive(packed.getvalue())


def test_files_of_another_kind(tmp_path):
    """Pickles of all kinds, archives, pictures, noise, nothing, under every name that is read."""
    import torch

    weights = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, weights)
    contents = {
        **{f"pickle {protocol}": pickle.dumps(Trap(), protocol) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)},
        "torch": weights.getvalue(),
        "objects": objects(),
        "endless array": endless_array(),
        "zip": archive(bytes(1000)),
        "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "noise": np.random.default_rng(0).bytes(5000),
        "text": b"hello",
        "nothing": b"",
        "zeros": bytes(4096),
        "ones": b"\xff" * 4096,
        "only magic": b"\x1c\0\0\0TFL3",
        "engine": b"EDGEWING" + b"\xff" * 12,
        "long header": struct.pack("<Q", 2 << 20) + b"[" + b"[]," * (2 << 20),
    }
    paths = []
    for suffix in (*containers.SUFFIXES, ".npz"):
        for name, data in contents.items():
            path = tmp_path / f"{name}{suffix}"
            if suffix == ".mlpackage":
                (path / "Data").mkdir(parents=True)
                (path / "Manifest.json").write_text(
                    '{"itemInfoEntries": {"A": {"path": "m"}}, "rootModelIdentifier": "A"}'
                )
                (path / "Data" / "m").write_bytes(data)
            else:
                path.write_bytes(data)
            paths.append(path)
    (tmp_path / "bomb.npz").write_bytes(bomb())
    for row in loaded([*paths, tmp_path / "bomb.npz"]).values():
        assert row["ended"] == "refused" and "\n" not in row["said"] and len(row["said"]) < 600, row


def test_an_archive_that_unpacks_to_too_much(tmp_path):
    path = tmp_path / "faces.npz"
    path.write_bytes(bomb())
    with pytest.raises(InputError, match="unpacks to more than 1024 MiB"):
        Faces.load(path, 64)


def test_lists_that_all_are_the_same_list_end(tmp_path):
    """A flatbuffer whose 60,000 subgraphs are one table with 60,000 tensors, which are one table."""
    import flatbuffers

    builder = flatbuffers.Builder(1 << 20)

    def repeated(table: int) -> int:
        builder.StartVector(4, 60_000, 4)
        for _ in range(60_000):
            builder.PrependUOffsetTRelative(table)
        return builder.EndVector()

    def table(fields: dict[int, int]) -> int:
        builder.StartObject(8)
        for index, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(index, offset, 0)
        return builder.EndObject()

    tensors = repeated(table({}))
    builder.Finish(table({2: repeated(table({0: tensors}))}), b"TFL3")
    path = tmp_path / "same.tflite"
    path.write_bytes(bytes(builder.Output()))
    (row,) = loaded([path]).values()
    assert row["ended"] == "refused" and "more than 100000 entries" in row["said"]


def test_a_pipe_is_not_waited_for(tmp_path):
    import os

    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="is a pipe or a device"):
        containers.read_contract(tmp_path / "a.onnx")
    os.symlink("/dev/zero", tmp_path / "a.tflite")
    with pytest.raises(InputError, match="is a pipe or a device"):
        containers.read_contract(tmp_path / "a.tflite")
