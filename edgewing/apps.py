"""Sample apps for phones and browsers with a model in them, ready to open: those of the repository's folder ``apps``.

What differs between platforms is a row of PLATFORMS. The apps' cores read the same contract and the same constants
(edgewing.web.constants).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgewing import containers, detection, expression, files, hints, models, repository, web
from edgewing.contract import Contract
from edgewing.errors import InputError

APPS = repository.ROOT / "apps"
LEFT_OUT = shutil.ignore_patterns(".gradle", ".idea", "build", "local.properties", ".build", "*.xcodeproj")


@dataclass(frozen=True)
class Platform:
    """form: of the model. dtypes: of its input, that the app's core takes. lay(contract, model, folder): lays the app
    into a new folder; InputError where its sources are not here. next(folder): what to do then."""

    form: str
    dtypes: tuple[str, ...]
    lay: Callable[[Contract, Path, Path], None]
    next: Callable[[str], str]


def _android(contract: Contract, model: Path, folder: Path) -> None:
    shutil.copytree(_sources("android"), folder, ignore=LEFT_OUT)
    assets = folder / "sample/src/main/assets"
    assets.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(model, assets / "model.tflite")
    if contract.layout.is_face:
        shutil.copyfile(detection.BLAZEFACE[web.DETECTOR].path, assets / "detector.tflite")
    _json(contract, assets)


def _ios(contract: Contract, model: Path, folder: Path) -> None:
    sources, package = _sources("ios"), folder / "edgewing.swiftpm"
    shutil.copytree(sources / "Sample", package, ignore=LEFT_OUT)
    shutil.copytree(sources / "Sources", package / "Sources")
    shutil.copyfile(sources / "README.md", folder / "README.md")
    resources = package / "App/Resources"
    shutil.copytree(model, resources / "Model.mlpackage")
    if contract.layout.is_face:
        shutil.copytree(sources / "Detector.mlpackage", resources / "Detector.mlpackage")
    _json(contract, resources)


def _web(contract: Contract, model: Path, folder: Path) -> None:
    """The example page with what it names, which the camera page has too: so the wheel has it as well."""
    built = web.site(model)
    wanted = {name: data for name, data in built.items() if name.endswith(".tflite") or name.startswith("wasm/")}
    web.build(wanted | {"edgewing.js": built["edgewing.js"], "index.html": built["example.html"]}, folder)


def _sources(platform: str) -> Path:
    if not (APPS / platform).is_dir():
        said = f"the sources of the app are not in this installation ({APPS})"
        raise InputError(f"{said}; in a clone type: make install && .venv/bin/edgewing app {platform} DIR")
    return APPS / platform


def _json(contract: Contract, folder: Path) -> None:
    """What the core needs beside models: its constants and, of faces, the networks of pose, units and gaze."""
    (folder / "settings.json").write_text(json.dumps(web.constants(contract.layout), indent=1))
    if contract.layout.is_face:
        (folder / "expression.json").write_text(json.dumps(expression.packed()))


_PRESS = "next: open {} in Android Studio, and press Run", "next: open {}/edgewing.swiftpm in Xcode, and press Run"
PLATFORMS = {
    "android": Platform("tflite", ("uint8", "float32"), _android, _PRESS[0].format),
    "ios": Platform("coreml", ("image", "float32"), _ios, _PRESS[1].format),
    "web": Platform(
        "tflite",
        ("uint8", "float32"),
        _web,
        lambda folder: f"{hints.next_line('python -m http.server --directory', folder)}  # http://localhost:8000",
    ),
}


def write(platform: str, folder: str | Path, model: str) -> tuple[Path, Contract]:
    """The app of that platform in a new folder; gives the model's file and contract. model: a file, or a shipped name.

    InputError: this is no clone, the folder is there already, a model that the app does not take.
    """
    wanted, folder = PLATFORMS[platform], Path(folder)
    if folder.resolve().is_relative_to(APPS):
        raise InputError(f"{folder}: is among the sources; name a folder elsewhere")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already; name a new folder")
    if not folder.parent.is_dir():
        raise InputError(f"{folder}: there is no folder {folder.parent}; make it first")
    file = _file(wanted.form, model)
    contract = containers.read_contract(file)
    if contract.input.dtype not in wanted.dtypes or contract.input.shape[0] != 1:
        takes, kinds = f"{contract.input.dtype} {contract.input.shape}", " or ".join(wanted.dtypes)
        raise InputError(f"{file}: takes {takes}; the app gives one crop as {kinds}; export it again")
    try:
        with files.workshop(folder) as beside:
            wanted.lay(contract, file, beside)
            for name, text in web.terms().items():
                (beside / name).write_bytes(text)
            beside.rename(folder)
    except OSError as error:
        why = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror or error
        raise InputError(f"{folder}: cannot be written ({why}); check the folder") from None
    return file, contract


def _file(form: str, model: str) -> Path:
    """The model's file of that format. InputError where it is another."""
    if form == "tflite":
        file = web.model_file(model)
    elif model in models.SHIPPED:
        made = f"runs/{model}/export/{model}-fp16.mlpackage"
        first = hints.typed("python -m targets", model, "--to", "coreml")
        raise InputError(f"{model} comes without a CoreML package; type first: {first}; then --model {made}")
    else:
        file = models.find(model)
    if containers.format_of(file) != form:
        suffix = ".tflite" if form == "tflite" else ".mlpackage"
        raise InputError(f"{file}: the app runs {suffix}; name the {suffix} of the same export")
    return file
