"""Sample apps with a model in them: what is written, and what is refused in one line."""

import dataclasses
import json
import os
import shutil

import pytest

from edgewing import apps, cli, containers, detection, expression, models, web
from edgewing.errors import InputError
from tests.edgewing.conftest import clock_contract, tiny_contract, write_tflite


def files(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_android_with_a_shipped_model(tmp_path, capsys):
    cli.main(["app", "android", str(tmp_path / "app"), "--model", "edgewing-xs"])
    out, assets = capsys.readouterr(), tmp_path / "app/sample/src/main/assets"
    assert files(apps.APPS / "android") | {"LICENSE", "NOTICE"} <= files(tmp_path / "app")
    assert os.access(tmp_path / "app/gradlew", os.X_OK)
    assert files(assets) == {"model.tflite", "detector.tflite", "settings.json", "expression.json"}
    assert json.loads((assets / "expression.json").read_text()) == expression.packed()
    assert (assets / "model.tflite").read_bytes() == models.path("edgewing-xs", "tflite").read_bytes()
    settings = json.loads((assets / "settings.json").read_text())
    assert settings["detector"]["name"] == "blazeface-short" and settings["tracking"]["search"]["beat"] > 0
    short = detection.BLAZEFACE["blazeface-short"].path
    assert (assets / "detector.tflite").read_bytes() == short.read_bytes()
    lines = out.out.splitlines()
    assert lines[-2].startswith(f"wrote {tmp_path / 'app'}: ") and lines[-2].endswith("with edgewing-xs")
    assert lines[-1] == f"next: open {tmp_path / 'app'} in Android Studio, and press Run"
    assert "research use only" in out.err


BUILT = ("index.html", "example.html", "app.js", "edgewing.js", "wasm/litert.wasm")


@pytest.fixture
def page(tmp_path, monkeypatch):
    """Of few bytes in place of the built one; tests/apps/web/test_package.py runs that."""
    for name in BUILT:
        (tmp_path / "page" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "page" / name).write_text(f"this is {name}")
    monkeypatch.setattr(web, "PAGE", tmp_path / "page")
    return tmp_path / "page"


def test_web_needs_no_clone(tmp_path, monkeypatch, page, capsys):
    monkeypatch.setattr(apps, "APPS", tmp_path / "apps")
    cli.main(["app", "web", str(tmp_path / "my app"), "--model", "edgewing-free-s"])
    made = files(tmp_path / "my app")
    models = {"model.tflite", "detector.tflite", "stills.tflite"}
    assert made == {"index.html", "edgewing.js", "wasm/litert.wasm", "LICENSE", "NOTICE", *models}
    assert (tmp_path / "my app/index.html").read_text() == "this is example.html"
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.endswith(f"python -m http.server --directory '{tmp_path / 'my app'}'  # http://localhost:8000")


@pytest.mark.parametrize("gone", ["index.html", "edgewing.js"])
def test_web_without_the_page_says_what_to_type(tmp_path, page, gone):
    (page / gone).unlink()
    with pytest.raises(InputError, match="in the repository type: make web"):
        apps.write("web", tmp_path / "app", "edgewing-free-s")
    assert not (tmp_path / "app").exists()


def test_what_is_no_face_gets_no_detector(tmp_path, bare_tflite, page):
    file = write_tflite(tmp_path / "clock.tflite", bare_tflite, clock_contract(axes="NHWC", form="tflite"))
    apps.write("android", tmp_path / "app", str(file))
    assert files(tmp_path / "app/sample/src/main/assets") == {"model.tflite", "settings.json"}
    apps.write("web", tmp_path / "web", str(file))
    assert {name for name in files(tmp_path / "web") if name.endswith(".tflite")} == {"model.tflite"}


@pytest.fixture
def package(tmp_path):
    """A CoreML package of a tiny contract; its program is never run here."""
    ct = pytest.importorskip("coremltools")
    from coremltools.converters.mil import Builder as mb

    @mb.program(input_specs=[mb.TensorSpec((1, 3, 32, 32))])
    def program(image):
        return mb.reduce_mean(x=image, axes=[1, 2, 3])

    model = ct.convert(program, convert_to="mlprogram", skip_model_load=True)
    part = dataclasses.replace(tiny_contract().input, dtype="image")
    contract = tiny_contract(form="coreml").replace(input=part)
    model.user_defined_metadata["edgewing.contract"] = json.dumps(dataclasses.asdict(contract))
    model.save(str(tmp_path / "m.mlpackage"))
    return tmp_path / "m.mlpackage"


def test_ios_with_a_package(tmp_path, package):
    apps.write("ios", tmp_path / "app", str(package))
    inside = tmp_path / "app/edgewing.swiftpm"
    expected = files(apps.APPS / "ios/Sample") | {f"Sources/{name}" for name in files(apps.APPS / "ios/Sources")}
    assert expected <= files(inside) and {"LICENSE", "NOTICE"} <= files(tmp_path / "app")
    assert containers.read_contract(inside / "App/Resources/Model.mlpackage").model.name == "tiny"
    detector = "App/Resources/Detector.mlpackage/Manifest.json"
    assert {"App/Resources/settings.json", "App/Resources/expression.json", detector} <= files(inside)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["android", "there"], "there: is there already; name a new folder"),
        (["android", "there/file"], "there/file: is there already"),
        (["android", "none/app"], "there is no folder none; make it first"),
        (["android", "app", "--model", "edgewing-x"], "unknown model 'edgewing-x'"),
        (["android", "app", "--model", "model.onnx"], "the app runs .tflite; name the .tflite of the same export"),
        (["android", "app", "--model", "none.tflite"], "no such file"),
        (["ios", "app", "--model", "edgewing-s"], "--model runs/edgewing-s/export/edgewing-s-fp16.mlpackage"),
        (["ios", "app", "--model", "model.tflite"], "the app runs .mlpackage"),
    ],
)
def test_a_users_mistake_is_one_line_and_leaves_nothing(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("mine")
    with pytest.raises(SystemExit) as ended:
        cli.main(["app", *words])
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and line.startswith("error: ") and said in line
    assert files(tmp_path) == {"there/file"} and not (tmp_path / "app").exists()


def test_a_model_that_the_core_does_not_take(tmp_path, bare_tflite):
    part = dataclasses.replace(tiny_contract("NHWC").input, dtype="int8")
    contract = tiny_contract("NHWC", form="tflite").replace(input=part)
    file = write_tflite(tmp_path / "m.tflite", bare_tflite, contract)
    with pytest.raises(InputError, match="takes int8 .* the app gives one crop as uint8 or float32"):
        apps.write("android", tmp_path / "app", str(file))


def test_without_the_sources_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(apps, "APPS", tmp_path / "apps")
    with pytest.raises(InputError, match="not in this installation .* in a clone type: make install"):
        apps.write("android", tmp_path / "app", "edgewing-s")


def test_nothing_is_left_where_the_disk_is_full(tmp_path, monkeypatch):
    def full(*words, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(InputError, match="app: cannot be written .*No space left"):
        apps.write("android", tmp_path / "app", "edgewing-xs")
    assert not list(tmp_path.iterdir())
