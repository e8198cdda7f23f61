"""The commands as a user types them, in a process of their own: output, exit codes, files, bad input in one line."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgewing import contract as contracts
from edgewing import images
from tests.edgewing.conftest import tiny_contract, write_onnx
from tests.edgewing.test_containers import safetensors
from tests.edgewing.test_landmarker import frame

ROOT = Path(__file__).parents[2]
PLACE = ((70.0, 90.0), (110.0, 100.0))
BOX = "40,50,140,140"


def edgewing(*words, folder=None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "edgewing", *map(str, words)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)


def refused(done: subprocess.CompletedProcess, said: str) -> None:
    assert done.returncode == 2, done
    lines = [line for line in done.stderr.splitlines() if not line.startswith("notice: ")]  # of the model
    assert len(lines) == 1 and lines[0].startswith("error: "), done.stderr
    assert said in done.stderr and done.stdout == ""


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "face.png"
    images.write(path, frame([PLACE]))
    return path


def test_info(model_file):
    done = edgewing("info", model_file)
    assert done.returncode == 0
    assert "layout     tiny-2, 2 points" in done.stdout and "parity     not measured" in done.stdout
    assert "drawn for tests, free" in done.stderr and done.stderr.startswith("notice: ")


def test_info_json_is_the_contract_and_nothing_else(model_file):
    done = edgewing("info", model_file, "--json")
    assert contracts.loads(done.stdout).layout.name == "tiny-2"
    assert "notice" not in done.stdout


def test_info_of_a_run_folder(tmp_path, contract):
    safetensors(tmp_path / "model.safetensors", contracts.dumps(contract))
    assert "tiny-2, 2 points" in edgewing("info", tmp_path).stdout


def test_info_of_everything_a_contract_can_say(tmp_path, contract):
    full = contract.replace(
        training=contracts.TrainingPart(["lfpw/trainset"], "research only", ["teacher-4"]),
        provenance=contracts.ProvenancePart("abc123", {"torch": "2.13.0"}, "f" * 64),
        parity=contracts.ParityPart("gtbox", "onnxruntime", 40, 0.1, 2.9, 3.0, 0.04, 0.05, False),
    )
    text = edgewing("info", write_onnx(tmp_path / "a.onnx", full)).stdout
    for said in ("lfpw/trainset", "teacher-4", "research only", "abc123", "torch 2.13.0", "REJECTED over 40 faces"):
        assert said in text
    assert "p99 2.900" in text and "float 4.00 %, this file 5.00 %" in text


def test_text_out_of_a_file_cannot_move_the_cursor(tmp_path, contract):
    evil = contract.replace(training=dataclasses.replace(contract.training, data_terms="\x1b[2Jfree\nfor all"))
    done = edgewing("info", write_onnx(tmp_path / "a.onnx", evil))
    assert "\x1b" not in done.stdout + done.stderr and done.stderr.count("\n") == 1


def test_run_writes_what_it_says(model_file, photograph, tmp_path):
    result, drawn = tmp_path / "out.json", tmp_path / "out.png"
    done = edgewing("run", photograph, "--model", model_file, "--box", BOX, "--json", result, "--save", drawn)
    assert done.returncode == 0, done.stderr
    unknown = "nobody compared this file with its float model"
    assert done.stderr == f"notice: {model_file.stem}: {unknown}; drawn for tests, free (edgewing info)\n"
    assert done.stdout.splitlines()[-3:] == [
        f"wrote {drawn}",
        f"wrote {result}",
        f"next: edgewing info {model_file}",
    ]
    value = json.loads(result.read_text())
    assert np.abs(np.array(value["faces"][0]["landmarks"]) - PLACE).max() < 0.25
    assert value["detector"] is None and (value["width"], value["height"]) == (320, 240)
    assert images.read_image(drawn).shape == (240, 320, 3)


def test_several_pictures_a_line_of_json_each(tflite_file, photograph, tmp_path):
    (tmp_path / "drawn").mkdir()
    second, words = tmp_path / "second face.png", ["--model", tflite_file, "--detector", "blazeface-short"]
    images.write(second, frame([PLACE]))
    done = edgewing("run", photograph, second, *words, "--json", "-", "--save", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == [str(photograph), str(second)]
    assert "next: edgewing info" in done.stderr
    assert sorted(p.name for p in (tmp_path / "drawn").iterdir()) == ["face.png", "second face.png"]
    done = edgewing("run", photograph, tmp_path / "none.png", *words, "--json", tmp_path / "a.jsonl")
    assert done.returncode == 2 and "passed over: " in done.stderr
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 1


def test_what_cannot_be_drawn_costs_no_points(tflite_file, photograph, tmp_path):
    (tmp_path / "drawn/face.png").mkdir(parents=True)  # no file can have that name
    named = tmp_path / "no suffix"
    named.write_bytes(photograph.read_bytes())
    words = ["--model", tflite_file, "--detector", "blazeface-short", "--json", tmp_path / "a.jsonl"]
    done = edgewing("run", photograph, named, *words, "--save", tmp_path / "drawn")
    assert done.returncode == 2 and "not drawn: " in done.stderr and "can be read" not in done.stderr
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 2
    assert images.read_image(tmp_path / "drawn/no suffix.png").any()


def test_several_pictures_do_not_overwrite_one_another_nor_themselves(onnx_file, photograph, tmp_path):
    (tmp_path / "other").mkdir()
    images.write(tmp_path / "other/face.png", frame([PLACE]))
    words = [photograph, tmp_path / "other/face.png", "--model", onnx_file, "--save"]
    before = photograph.read_bytes()
    for folder in (tmp_path, tmp_path / "other"):
        refused(edgewing("run", *words, folder), "choose another folder")
    refused(edgewing("run", photograph, "--model", onnx_file, "--save", tmp_path), "choose another folder")
    refused(edgewing("run", photograph, "--model", onnx_file, "--save", photograph), "is what images names too")
    assert photograph.read_bytes() == before


def test_a_folder_named_like_a_shipped_model_hides_nothing(photograph, tmp_path):
    (tmp_path / "edgewing-s").mkdir()
    assert edgewing("run", photograph, "--model", "edgewing-s", "--box", BOX, folder=tmp_path).returncode == 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_names_and_terminals_of_any_encoding(onnx_file, photograph, tmp_path, encoding, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    for name in (b"Zo\xeb.png", "\u6e2c.png".encode(), b"a\nb.png"):
        picture = tmp_path / os.fsdecode(name)
        picture.write_bytes(photograph.read_bytes())
        done = edgewing("run", picture, "--model", onnx_file, "--box", BOX)
        assert done.returncode == 0 and "face 0: box" in done.stdout, done.stderr


def test_run_finds_faces_by_itself(onnx_file, media, tmp_path):
    done = edgewing("run", media / "single_face.jpg", "--model", onnx_file, "--json", tmp_path / "a.json")
    assert done.returncode == 0 and "found 1" in done.stdout
    assert len(json.loads((tmp_path / "a.json").read_text())["faces"]) == 1


def test_run_draws_no_face_whose_points_cannot_be_trusted(tmp_path):
    """Of many small faces one is too unsure; the others are drawn, and that one's place stays as it was."""
    done = edgewing(
        "run", ROOT / "docs/faces.jpg", "--model", "edgewing-m", "--save", tmp_path / "points.png",
        "--json", tmp_path / "faces.json",
    )  # fmt: skip
    assert done.returncode == 0 and "not trusted, so not drawn" in done.stdout, done.stderr
    changed = (images.read_image(tmp_path / "points.png") != images.read_image(ROOT / "docs/faces.jpg")).any(axis=2)
    faces = json.loads((tmp_path / "faces.json").read_text())["faces"]
    assert {face["trusted"] for face in faces} == {True, False}
    for face in faces:
        x0, y0, x1, y1 = np.round(face["box"]).astype(int)
        assert changed[y0:y1, x0:x1].any() == face["trusted"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_run_stays_under_150_mb(tflite_file, photograph):
    """Detector included: nothing may be imported that the verb does not need."""
    code = (
        "import sys\nfrom edgewing import cli\ncli.main(sys.argv[1:])\n"
        "print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, "run", str(photograph), "--model", str(tflite_file)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout.split()[-2]) < 150 * 1024


def test_run_says_when_there_is_no_face(onnx_file, tmp_path):
    images.write(tmp_path / "grey.png", np.full((200, 200, 3), 128, np.uint8))
    words = "--model", onnx_file, "--detector", "blazeface-short", "--save", tmp_path / "found.png"
    done = edgewing("run", tmp_path / "grey.png", *words)
    assert done.returncode == 0 and "no face found; say where it is with --box" in done.stdout
    assert f"wrote {tmp_path / 'found.png'}: the picture as it was, for no face was found" in done.stdout


@pytest.mark.parametrize("kind", ["grey.png", "16bit.png", "alpha.png", "cmyk.jpg"])
def test_pictures_of_every_kind(onnx_file, tmp_path, kind):
    picture = Image.fromarray(frame([PLACE]))
    made = {
        "grey.png": lambda: picture.convert("L"),
        "16bit.png": lambda: Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257),
        "alpha.png": lambda: picture.convert("RGBA"),
        "cmyk.jpg": lambda: picture.convert("CMYK"),
    }[kind]()
    made.save(tmp_path / kind)
    done = edgewing("run", tmp_path / kind, "--model", onnx_file, "--box", BOX)
    assert done.returncode == 0 and "face 0" in done.stdout


def test_an_exif_rotated_picture_is_found_upright(onnx_file, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to show
    stored = np.rot90(frame([PLACE]))  # counter-clockwise
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.jpg", quality=98, exif=exif)
    done = edgewing("run", tmp_path / "a.jpg", "--model", onnx_file, "--box", BOX, "--json", tmp_path / "a.json")
    assert "320 x 240 px" in done.stdout
    found = json.loads((tmp_path / "a.json").read_text())["faces"][0]["landmarks"]
    assert np.abs(np.array(found) - PLACE).max() < 1


@pytest.mark.parametrize("verb", ["info", "run", "doctor"])
def test_help_has_an_example(verb):
    text = edgewing(verb, "--help").stdout
    assert f"example: edgewing {verb}" in text


# bad input: one line, exit code 2, no file


@pytest.fixture
def run(photograph, tmp_path, onnx_file):
    """Run with every output asked for; nothing of them may be there afterwards."""

    def call(image=photograph, model=onnx_file, *more):
        outputs = tmp_path / "out.json", tmp_path / "out.png"
        before = sorted(tmp_path.iterdir())
        done = edgewing("run", image, "--model", model, "--json", outputs[0], "--save", outputs[1], *more)
        assert sorted(tmp_path.iterdir()) == before
        return done

    return call


def test_no_such_picture(run, tmp_path):
    refused(run(tmp_path / "none.jpg"), "none.jpg: no such file")


def test_truncated_jpeg(run, tmp_path):
    Image.fromarray(frame([PLACE])).save(tmp_path / "a.jpg")
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2])
    refused(run(tmp_path / "a.jpg"), "cut off or broken")


def test_not_a_picture(run, tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    refused(run(tmp_path / "a.jpg"), "expected JPEG, PNG, WebP or BMP")


def test_model_cut_in_half(run, tmp_path, model_file):
    path = tmp_path / model_file.name
    data = model_file.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(run(model=path), path.name)


def test_contract_that_contradicts_its_graph(run, tmp_path, bare_tflite):
    from tests.edgewing.conftest import write_tflite

    wrong = tiny_contract("NHWC")
    wrong = wrong.replace(input=dataclasses.replace(wrong.input, dtype="float32"))
    path = write_tflite(tmp_path / "a.tflite", bare_tflite, wrong)
    refused(run(model=path), "the contract contradicts the graph: input 'image' is float32, in the graph uint8")


def test_no_such_model(run, tmp_path):
    refused(run(model=tmp_path / "none.onnx"), "none.onnx: no such file")
    refused(run(model=tmp_path), "not a model file")


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "5,5,5,9", "0,0,nan,5", "", "400,0,500,100"])
def test_bad_box(run, box, photograph, onnx_file):
    refused(run(photograph, onnx_file, f"--box={box}"), "box")


def test_unknown_detector(run, photograph, onnx_file):
    refused(run(photograph, onnx_file, "--detector", "blazefacebak"), "did you mean 'blazeface-back'")


def test_a_name_that_is_no_picture(photograph, onnx_file, tmp_path):
    done = edgewing("run", photograph, "--model", onnx_file, "--save", tmp_path / "out.txt")
    refused(done, "a picture's name must end in one of")


def test_info_of_bad_files(tmp_path, contract):
    refused(edgewing("info", tmp_path / "none.onnx"), "no such file")
    refused(edgewing("info", tmp_path), "is a folder, and no run or package")
    refused(edgewing("info", write_onnx(tmp_path / "a.onnx", "{")), "not JSON")


def test_debug_shows_the_traceback(tmp_path):
    done = edgewing("--debug", "info", tmp_path / "none.onnx")
    assert done.returncode == 2 and "Traceback" in done.stderr and "InputError" in done.stderr
