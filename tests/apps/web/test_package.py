"""The npm package as somebody has it who never saw this repository: packed, installed offline, typed, bundled, and run
in Chromium from files that Python's own server gives."""

import base64
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgewing
from bench.time.browser import clip, write_mjpeg
from edgewing import apps, images, models, web
from edgewing.landmarker import Landmarker
from tests.apps.web.conftest import APP, drive
from tests.apps.web.test_page import turned
from train.data import drawn

MODEL = "edgewing-free-s"
PACKAGE = json.loads((APP / "package.json").read_text())
INSIDE = "node_modules/edgewing-web/dist"
CONSUMER = f"""
import {{EdgewingCamera, Landmarker, type Track}} from 'edgewing-web';

const at = (name: string) => new URL(`{INSIDE}/${{name}}`, location.href);
const bytes = await (await fetch('model.tflite')).arrayBuffer();
const options = {{model: bytes, detector: at('detector.tflite'), stills: at('stills.tflite'), wasm: at('wasm')}};
const landmarker: Landmarker = await Landmarker.create(options);
const faces: Track[] = await landmarker.detect(document.querySelector('img')!);
const camera: EdgewingCamera = document.querySelector('edgewing-camera') ?? new EdgewingCamera();
camera.addEventListener('faces', ({{detail}}) => console.log(detail.tracks[0].landmarks[0], detail.total));
Object.assign(globalThis, {{found: faces.map(({{landmarks}}) => [...landmarks])}});
"""
PLAIN = f"""<!doctype html><img src="face.png"><edgewing-camera></edgewing-camera>
<script type="module">
import * as edgewing from './{INSIDE}/edgewing.js';
Object.assign(window, edgewing);
</script>"""


def run(*words, cwd: Path, good: bool = True) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, timeout=240)
    assert (done.returncode == 0) == good, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def served(folder: Path):
    """The URL of a folder in Python's own server."""
    command = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(folder), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            yield re.search(r"http://[^/]+/", server.stdout.readline())[0]
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def packed(page, tmp_path_factory):
    """The tarball; the package is built with the page."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm (Debian package npm)")
    folder = tmp_path_factory.mktemp("packed")
    name = run("npm", "pack", "--silent", "--pack-destination", folder, cwd=APP).strip()
    return folder / name


@pytest.fixture(scope="module")
def face():
    """A drawn face that is not in the middle."""
    grey = (90, 100, 110)
    return cv2.copyMakeBorder(drawn.draw(6, "300w-68").image, 20, 60, 10, 150, cv2.BORDER_CONSTANT, value=grey)


@pytest.fixture(scope="module")
def project(packed, face, tmp_path_factory):
    """An empty project with the package, a model and pictures in it."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", packed, cwd=folder)
    shutil.copyfile(models.path(MODEL, "tflite"), folder / "model.tflite")
    (folder / "index.html").write_text(PLAIN)
    (folder / "bundled.html").write_text('<img src="face.png"><script type="module" src="bundle.js"></script>')
    images.write(folder / "face.png", face)
    images.write(folder / "turned.png", turned(face, 90))
    images.write(folder / "large.png", cv2.resize(face, None, fx=9, fy=9, interpolation=cv2.INTER_CUBIC))
    with served(folder) as url:
        yield folder, url


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """A face that does not move."""
    return str(write_mjpeg(tmp_path_factory.mktemp("clip") / "camera.mjpeg", clip(1) * 12))


def asked(node: str, url: str, expression: str, **plan) -> dict:
    """What an expression gives in a page. Every file that the page asked for came from where it lies itself."""
    found = drive(node, {"scene": "ask", "url": url, "expression": f"(async () => {{{expression}}})()", **plan})
    origin = url.split("/", 3)[:3]
    assert all(
        place.split("/", 3)[:3] == origin for place in found["asked"] if not place.startswith(("blob:", "data:"))
    )
    assert not found["errors"]
    return found


def off(ours: list[float], face) -> float:
    """px, of 99 % of the points."""
    return float(np.percentile(np.linalg.norm(np.reshape(ours, (-1, 2)) - face.landmarks, axis=1), 99))


def green(picture: np.ndarray) -> int:
    """Pixels in the colour of a sure point, which the drawn faces do not have."""
    picture = picture.astype(int)
    return int((picture[..., 1] - picture[..., [0, 2]].max(axis=2) > 60).sum())


def test_it_is_of_this_version_and_of_this_licence():
    lock = json.loads((APP / "package-lock.json").read_text())
    assert PACKAGE["version"] == lock["version"] == lock["packages"][""]["version"] == edgewing.__version__
    assert PACKAGE["license"] == "Apache-2.0" and "private" not in PACKAGE and "dependencies" not in PACKAGE
    assert not [name for name, one in lock["packages"].items() if "resolved" in one], "no registry is named"


def test_what_is_packed(packed):
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    built = {
        "edgewing.js",
        "types/edgewing.d.ts",
        "detector.tflite",
        "stills.tflite",
        "example.html",
        "LICENSE",
        "NOTICE",
    }
    assert {"package.json", "README.md", *(f"dist/{name}" for name in built)} <= names
    assert {name.split("/")[0] for name in names} == {"package.json", "README.md", "dist"}
    assert sum(name.endswith(".wasm") for name in names) == 3


def test_nothing_else_is_installed_and_a_server_may_import_it(node, project):
    folder, _ = project
    assert [found.name for found in (folder / "node_modules").iterdir() if found.name[0] != "."] == ["edgewing-web"]
    said = run(
        node, "-e", "import('edgewing-web').then((all) => console.log(Object.keys(all).sort().join()))", cwd=folder
    )
    assert said.strip() == "EdgewingCamera,Landmarker,Problem,View,mesh,openCamera,openPicture,openVideo"


@pytest.mark.parametrize("kind", ["bundler", "nodenext"])
def test_a_consumers_types(node, project, kind):
    folder, _ = project
    (folder / "consumer.ts").write_text(CONSUMER)
    (folder / "wrong.ts").write_text(CONSUMER + "\nawait landmarker.detect(5);")
    module = {"bundler": "esnext", "nodenext": "nodenext"}[kind]
    words = [APP / "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--types", ""]
    words += ["--lib", "es2022,dom,dom.iterable", "--module", module, "--moduleResolution", kind]
    run(node, *words, "consumer.ts", cwd=folder)
    assert "wrong.ts" in run(node, *words, "wrong.ts", cwd=folder, good=False)


def test_a_bundle_finds_pythons_points(node, project, face):
    folder, url = project
    (folder / "consumer.ts").write_text(CONSUMER)
    words = ["--bundle", "--format=esm", "--target=es2022", "--outfile=bundle.js", "--log-level=error"]
    run(node, APP / "node_modules/esbuild/bin/esbuild", "consumer.ts", *words, cwd=folder)
    wait = "while (!window.found) await new Promise((resolve) => setTimeout(resolve, 50)); return window.found;"
    (ours,) = asked(node, f"{url}bundled.html", wait)["given"]
    (expected,) = Landmarker(MODEL, web.STILLS)(face)
    assert off(ours, expected) < 1


STILLS = """
const landmarker = await Landmarker.create({model: 'model.tflite'});
const found = {};
for (const name of ['face', 'turned', 'large']) {
  const image = new Image();
  image.src = `${name}.png`;
  await image.decode();
  const faces = await landmarker.detect(image);
  found[name] = faces.map(({landmarks}) => [...landmarks]);
  found.expression = landmarker.expression(faces[0]);
}
const canvas = Object.assign(document.createElement('canvas'), {width: 400, height: 300});
canvas.getContext('2d').clearRect(0, 0, 400, 300);
found.clear = await landmarker.detect(canvas);
found.black = [...landmarker.picture.canvas.getContext('2d').getImageData(200, 150, 1, 1).data];
found.failed = await landmarker.detect(new Image()).catch(({message}) => message);
const image = document.querySelector('img');
const both = await Promise.all([landmarker.detect(image), landmarker.detect(canvas)]);
found.both = both.map((faces) => faces.length);
found.boxed = (await landmarker.detect(image, {box: [60, 40, 220, 220]})).map(({box}) => box);
await landmarker.close();
return found;
"""


def test_pictures_without_a_bundler(node, project, face):
    folder, url = project
    found = asked(node, url, STILLS)["given"]
    landmarker = Landmarker(MODEL, web.STILLS)
    for name, most in (("face", 1), ("turned", 2), ("large", 20)):  # px; nine times as large
        (expected,), (ours,) = landmarker(images.read_image(folder / f"{name}.png")), found[name]
        assert off(ours, expected) < most, name
    assert found["expression"] == {"pose": pytest.approx(vars(expected.pose), abs=1.5)}, "68 points tell no more"
    assert found["clear"] == [] and found["black"] == [0, 0, 0, 255], "nothing is left of the picture before"
    assert found["failed"].startswith("there is no picture yet")
    assert found["both"] == [1, 0] and found["boxed"] == [[60, 40, 220, 220]]


VIDEO = """
const {video, stop} = await openCamera({}, () => {});
const landmarker = await Landmarker.create({model: 'model.tflite'});
const [over, watched] = [new AbortController(), []];
for await (const {tracks} of landmarker.watch(video, over.signal)) {
  watched.push(tracks.map(({id}) => id));
  if (watched.length === 6) over.abort();
}
const asked = [];
for (let n = 0; n < 3; n++) asked.push((await landmarker.detect(video)).map(({id, age}) => [id, age > 0]));
stop();
return {watched, asked, place: landmarker.place.name};
"""


def test_a_video_is_followed(node, project, camera):
    found = asked(node, project[1], VIDEO, camera=camera)["given"]
    assert found["watched"] == [[0]] * 6 and found["asked"] == [[[0, True]]] * 3
    assert found["place"].startswith("wasm")


ELEMENT = """
const element = document.querySelector('edgewing-camera');
const shape = () => element.shadowRoot.querySelector('canvas').toDataURL('image/png').split(',')[1];
const frames = (count) => new Promise((resolve) => {
  const seen = [];
  element.addEventListener('faces', ({detail}) => seen.push(detail) === count && resolve(seen));
});
const streams = [];
const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (streams.push(await given(wanted)), streams.at(-1));
element.style.width = '640px';
element.setAttribute('model', 'model.tflite');
element.shadowRoot.querySelector('button').click();
const seen = await frames(20); // the points are at rest
const [state, plain] = [element.dataset.state, shape()];
element.setAttribute('mirrored', '');
await frames(2);
const mirrored = shape();
element.stop();
const ended = streams.map((stream) => stream.getTracks()[0].readyState);
const stopped = element.dataset.state;
await Promise.all([element.start(), frames(2).then(() => element.remove())]);
const last = streams.map((stream) => stream.getTracks()[0].readyState);
const tracks = seen.map(({tracks}) => tracks.length);
return {state, plain, mirrored, ended, stopped, last, tracks, total: seen.at(-1).total};
"""


def test_the_element_draws_tells_stops_and_lets_the_camera_go(node, project, camera):
    found = asked(node, project[1], ELEMENT, camera=camera)["given"]
    assert found["state"] == "live" and set(found["tracks"]) == {1} and found["total"] > 0
    assert found["stopped"] == "idle" and found["ended"] == ["ended"] and found["last"] == ["ended", "ended"]
    plain, mirrored = (images.decode(base64.b64decode(found[name])).astype(int) for name in ("plain", "mirrored"))
    assert plain.shape[:2] == (480, 640) and green(plain) > 300
    assert np.abs(plain - mirrored).mean() > 3 and np.abs(plain[:, ::-1] - mirrored).mean() < 1


TROUBLE = """
const lines = {};
for (const [name, value] of [['wasm', 'nowhere'], ['detector', 'model.tflite']]) {
  const made = Landmarker.create({model: 'model.tflite', [name]: value});
  lines[name] = ['problem', await made.catch(({message}) => message)];
}
const models = {none: null, gone: 'gone.tflite', page: 'index.html', camera: 'model.tflite'};
for (const [name, model] of Object.entries(models)) {
  const element = document.createElement('edgewing-camera');
  document.body.append(element);
  if (model) element.setAttribute('model', model);
  const told = new Promise((resolve) => element.addEventListener('problem', ({detail}) => resolve(detail.message)));
  await element.start();
  await told;
  lines[name] = [element.dataset.state, element.shadowRoot.querySelector('p').textContent];
}
return lines;
"""


def test_what_fails_is_one_line(node, project):
    lines = asked(node, project[1], TROUBLE)["given"]
    assert {state for state, _ in lines.values()} == {"problem"}
    said = {name: line for name, (_, line) in lines.items()}
    assert said["none"] == 'edgewing-camera needs a model: <edgewing-camera model="model.tflite">.'
    assert said["gone"] == "gone.tflite is not on this server (404)."
    assert said["page"] == "index.html is not on this server (it answers with a page)."
    assert said["camera"] == "No camera was found. Connect one and try again."
    assert "nowhere/" in said["wasm"] and said["wasm"].endswith("say with wasm where the package's dist/wasm lies")
    assert said["detector"].startswith("the detector is none that is known; take detector.tflite")


SAMPLE = """
const [found, input, canvas] = ['#found', 'input', 'canvas'].map((name) => document.querySelector(name));
const until = async (done) => { while (!done()) await new Promise((resolve) => setTimeout(resolve, 50)); };
document.querySelector('edgewing-camera').shadowRoot.querySelector('button').click();
await until(() => / found in /.test(found.textContent));
const chosen = new DataTransfer();
chosen.items.add(new File([await (await fetch('face.png')).blob()], 'face.png'));
input.files = chosen.files;
input.dispatchEvent(new Event('change'));
await until(() => canvas.style.display === 'block' && canvas.width > 300);
return [found.textContent, canvas.toDataURL('image/png').split(',')[1]];
"""


def test_edgewing_app_web_is_a_folder_for_any_server(node, page, camera, face, tmp_path, shots):
    apps.write("web", tmp_path / "faces", MODEL)
    images.write(tmp_path / "faces/face.png", face)
    with served(tmp_path / "faces") as url:
        sizes = [[1280, 800], [390, 844]]
        found = asked(node, url, SAMPLE, camera=camera, sizes=sizes, shots=f"{shots}/sample")
    (said, drawn_on) = found["given"]
    assert said.startswith("1 found in ") and found["wide"] == [1280, 390]
    assert green(images.decode(base64.b64decode(drawn_on))) > 300


def test_the_example_is_short():
    assert len((APP / "example.html").read_text().splitlines()) <= 30
