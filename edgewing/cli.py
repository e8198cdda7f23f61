"""`edgewing info | models | run | camera | web | app | engine | doctor`: look into a model, and run it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from edgewing import __version__, hints, verbs
from edgewing.commands import Parser, command
from edgewing.errors import InputError, printable
from edgewing.formats import MOST_THREADS
from edgewing.outputs import Output, Place
from edgewing.words import counted, with_article

# Each verb imports what it needs: `edgewing info` must not load OpenCV, nor `run` a second runtime.


VIEWS = ("points", "mesh", "heatmap", "boundary", "pose")  # of `camera`; drawn by edgewing.camera.overlay
DEVICE = "what runs the model: auto, cpu, gpu, npu, or a name of `edgewing doctor`; the CPU where there is no such"
DETECTOR = (
    "one of `edgewing doctor`, a YuNet's .onnx, or whole: the whole picture is the box, as it is for what is no face"
)
CAMERA_EXAMPLE = "edgewing camera --source clip.mp4 --no-window --save points.mp4 --json points.jsonl"
CAMERA_NOTES = """Of a video file every frame is worked through in order where the result is kept (--save, --json) or
nothing is shown (--no-window); shown in a window alone it plays at its own pace. Of a camera, a stream and a playing
video the newest frame is taken; those that it overtook are dropped and counted. Each picture of a folder is searched
anew.
keys in the window: 1 points, 2 mesh, 3 heatmap, 4 boundary, 5 pose, m mirror, s smoothing, c screenshot, q quit
"""


class DefaultsAndLines(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults that say something, and leaves the lines of an epilog as they are."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None or action.default is False else super()._get_help_string(action)


def main(argv: list[str] | None = None) -> None:
    """Exit codes: 0 done, 2 the input was wrong, 130 interrupted."""
    with command(_parser(), argv) as arguments:
        if code := verbs.run(arguments):
            sys.exit(code)


def info(file: str | None, as_json: bool) -> None:
    if file is None:  # what notices say to type
        return models(as_json)
    from edgewing import containers, notices
    from edgewing import models as shipped

    path = shipped.find(file)
    if path.is_dir() and not containers.is_package(path):
        if not (path / "model.safetensors").is_file():
            raise InputError(f"{path}: is a folder, and no run or package; name a model file")
        path = path / "model.safetensors"
    contract = containers.read_contract(path)
    if as_json:
        print(json.dumps(dataclasses.asdict(contract), indent=1))
        return
    for name, value in _lines(contract):
        print(f"{name:<10} {printable(value)}")
    if containers.format_of(path) == "tensorrt":
        _, build, _ = containers.built(path)
        print(f"{'engine':<10} {printable(str(build))}; on {build.where}; from {printable(build.source) or 'the run'}")
    notices.tell(path, contract)


def models(as_json: bool) -> None:
    from edgewing.models import listing

    listing.show(as_json)


def _lines(c) -> Iterator[tuple[str, str]]:
    from edgewing.contract import UNSEALED

    yield "model", f"{c.model.name}, recipe {c.model.recipe}, {c.model.format} {c.model.precision}"
    yield "size", f"{c.model.parameters:,} parameters, {c.model.macs / 1e6:.1f} M multiply-accumulates a crop"
    whose = "" if c.layout.is_face else f" of {with_article(c.layout.object)}"
    yield "layout", f"{c.layout.name}, {counted(c.layout.points, 'points')}{whose}"
    i = c.input
    yield "input", f"{i.name} {i.dtype} {i.shape} {i.axes} {i.colour}, {i.range[0]:g} to {i.range[1]:g}"
    yield "", i.normalisation
    yield "crop", f"{c.crop.protocol}: {c.crop.size} px, {c.crop.factor:g} x mean of box sides, border {c.crop.border}"
    for o in c.outputs:
        yield "output", f"{o.name} {o.dtype} {o.shape}: {o.meaning}, frame {o.frame}, unit {o.unit}"
    d = c.decode
    where = "in the graph" if d.in_graph else "after the graph"
    yield "decode", f"{where}: {d.method}, threshold {d.threshold:g}, power {d.power}, stride {d.stride:g} px"
    if d.least_score:
        yield "", f"a point with a score below {d.least_score:g} is not in the picture"
    yield "training", ", ".join(c.training.trained_on) or "not stated"
    if c.training.teachers:
        yield "teachers", ", ".join(c.training.teachers)
    yield "terms", c.training.data_terms or "not stated"
    yield "commit", c.provenance.commit or "not stated"
    yield "made with", ", ".join(f"{name} {version}" for name, version in c.provenance.versions.items())
    yield "weights", f"sha256 {c.provenance.weights_sha256}"
    yield "seal", "none: damage to this file would go unseen" if c.seal == UNSEALED else "fits: the file is whole"
    if r := c.radius:
        yield "radius", f"{100 * r.share:g} % of points are within it: {r.protocol}"
    p = c.parity
    if p is None:
        yield "parity", "not measured"
        return
    yield (
        "parity",
        f"{'accepted' if p.accepted else 'REJECTED'} over {counted(p.faces, c.layout.several)}, {p.protocol}, "
        f"on {p.ran_on}",
    )
    yield "shift", f"p50 {p.p50:.3f}, p99 {p.p99:.3f}, max {p.max:.3f} px of a 256 px crop"
    yield "NME", f"float {100 * p.nme_float:.2f} %, this file {100 * p.nme_artefact:.2f} %"


def run(images: list[str], **how) -> int:
    from edgewing import stills

    return stills.run(images, **how)


def engine(action: str, file: str, to: Output | None) -> None:
    """``strip``: TensorRT's own bytes, for programs that know no header of ours."""
    from edgewing import containers, files

    path = Path(file)
    if containers.format_of(path) != "tensorrt":
        raise InputError(f"{path}: is no .engine file; build one with: python -m edgewing.build FILE.onnx")
    contract, build, data = containers.built(path)
    out = Path(to) if to else path.with_suffix(".plan")
    files.write(out, data)
    given = contract.input
    print(f"for {build}; takes {given.name}, {given.dtype} {given.shape}, {given.colour}, {given.range}")
    print(f"wrote {out} ({len(data) / 1e6:.1f} MB)")


def doctor() -> None:
    from edgewing import doctor as checks

    for line in checks.report():
        print(line)


def camera(model: str | None, detector: str, device: str, threads: int, no_window: bool, **how) -> None:
    from edgewing import models, window
    from edgewing.camera import app
    from edgewing.landmarker import Landmarker

    if not no_window:
        window.refuse_without()
    model = model or models.default()
    app.run(Landmarker(model, detector, threads, device), threads=threads, showing=not no_window, **how)
    app.say(hints.next_line("edgewing info", model))


def web(model: str | None, host: str, port: int, cert: str | None, build: str | None) -> None:
    from edgewing import containers, models, notices
    from edgewing import web as page

    model = model or models.default()
    site, contract = page.site(model), containers.read_contract(page.model_file(model))
    if build:
        page.build(site, build)
        notices.tell(page.model_file(model), contract)
        print(f"wrote {build}: {len(site)} files, {sum(map(len, site.values())) / 1e6:.0f} MB")
        print(f"next: copy {build} to a host with https, and open it on a phone")
        return
    server = page.server(site, host, port, cert)
    notices.tell(page.model_file(model), contract)
    print(f"the camera page with {model}; Ctrl-C ends it")
    print("\n".join(page.advice(server.server_address[0], server.server_port, bool(cert))), flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def app(platform: str, folder: str, model: str | None) -> None:
    from edgewing import apps, models, notices

    file, contract = apps.write(platform, folder, model or models.default())
    notices.tell(file, contract)
    written = [path for path in Path(folder).rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in written)
    print(f"wrote {folder}: {len(written)} files, {size / 1e6:.1f} MB, with {contract.model.name}")
    print(apps.PLATFORMS[platform].next(folder))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="edgewing", description="Landmarks, of faces or of your own objects, with models that explain themselves."
    )
    parser.add_argument("--version", action="version", version=f"edgewing {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    added = parser.add_subparsers(required=True, dest="verb", metavar="VERB")

    def verb(function, text: str, example: str) -> argparse.ArgumentParser:
        one = added.add_parser(
            function.__name__,
            help=text,
            description=text,
            epilog=f"example: {example}",
            formatter_class=DefaultsAndLines,
        )
        one.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help="show the traceback of an error"
        )
        one.set_defaults(main=function)
        return one

    one = verb(models, "List the models that are here: terms, error, time.", "edgewing models --json")
    one.add_argument("--json", dest="as_json", action="store_true", help="every file as JSON, with parity and figures")
    one = verb(info, "Show what a model says of itself.", "edgewing info edgewing-s --json")
    one.add_argument("file", nargs="?", help="a shipped model, an exported file, or a run; without it: edgewing models")
    one.add_argument("--json", dest="as_json", action="store_true", help="print the whole contract as JSON")
    example = "edgewing run portrait.jpg --save points.png"
    _of_run(verb(run, "Find the landmarks of faces, or of what the model was trained on, in pictures.", example))
    text = "Follow faces, or what the model was trained on, in a camera or a video."
    _of_camera(verb(camera, text, CAMERA_EXAMPLE))
    text = "Serve the camera page for browsers, where the model runs on the phone itself."
    one = verb(web, text, "edgewing web --model edgewing-s")
    one.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a shipped model, or a .tflite; without it the one that `edgewing models` names",
    )
    one.add_argument("--port", type=int, default=8000, help="0 for a free one")
    one.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for all machines of this network")
    one.add_argument("--cert", metavar="PEM", help="certificate with its key, for https")
    one.add_argument("--build", metavar="DIR", help="write the page's files here in place of serving them")
    text = "Write a sample app for a phone or a browser with a model in it, ready to open."
    one = verb(app, text, "edgewing app android faces --model edgewing-free-m")
    one.add_argument("platform", choices=("android", "ios", "web"))
    one.add_argument("folder", metavar="DIR", help="a new folder")
    text = "a shipped model, or a .tflite, for ios an .mlpackage; without it the one that `edgewing models` names"
    one.add_argument("--model", metavar="NAME|FILE", help=text)
    text = "Take the header with the contract off an .engine file: for DeepStream, Triton, trtexec, C++."
    one = verb(engine, text, "edgewing engine strip demo-s-tensorrt-int8.engine")
    one.add_argument("action", choices=("strip",), help="strip: write the engine alone")
    one.add_argument("file", metavar="FILE.engine", help="what python -m edgewing.build wrote; it stays as it is")
    one.add_argument("--to", type=Output, metavar="OUT.plan", help="where to (default: beside it, .plan)")

    verb(doctor, "Show what is installed, what is missing, and what to type.", "edgewing doctor")
    return parser


def _of_run(one: argparse.ArgumentParser) -> None:
    text = "JPEG, PNG, WebP or BMP, a folder of them, - for standard input; several, one after the other"
    one.add_argument("images", nargs="+", metavar="IMAGE", help=text)
    _of_model(one)
    text = "where the points are, in image px; of a face brows to chin. Again for another"
    one.add_argument("--box", metavar="x0,y0,x1,y1", action="append", help=text)
    text = "a line of JSON per picture: boxes, landmarks, scores; - for standard output"
    one.add_argument("--json", type=Output, metavar="OUT", help=text)
    text = "the picture with the points drawn; a folder for several"
    one.add_argument("--save", type=Place, metavar="OUT.png", help=text)
    text = "draw with --save how far points may be off: in 90 %% of cases the true point lies in its circle"
    one.add_argument("--radius", action="store_true", help=text)


def _of_camera(one: argparse.ArgumentParser) -> None:
    one.epilog = f"{CAMERA_NOTES}\n{one.epilog}"
    text = (
        "a camera's number or device, a video, a picture, a folder, %%04d.png, a URL such as rtsp://..., a GStreamer "
    )
    text += "pipeline, rpicam-vid, or - for motion JPEG on standard input"
    one.add_argument("--source", default="0", metavar="WHAT", help=text)
    _of_model(one)
    text = "the frames with the points drawn; of one picture, OUT.png"
    one.add_argument("--save", type=Output, metavar="OUT.mp4", help=text)
    text = "a line per frame: time, landmarks, scores, ms; - for standard output"
    one.add_argument("--json", type=Output, metavar="OUT.jsonl", help=text)
    one.add_argument("--no-window", action="store_true", help="for machines without a screen")
    one.add_argument("--view", choices=VIEWS, default="points", help="what is drawn")
    one.add_argument("--mirror", action="store_true", help="mirror the picture; left and right of the labels stay")
    text = "the points alone, in the window and with --save: no panel of figures"
    one.add_argument("--plain", action="store_true", help=text)
    one.add_argument("--no-smoothing", action="store_true", help="landmarks as the model gives them")
    one.add_argument("--loop", action="store_true", help="begin a video again at its end")
    one.add_argument("--frames", type=_positive, metavar="N", help="end after so many frames")


def _of_model(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--model",
        metavar="NAME|FILE",
        help="a shipped model, or an .onnx or .tflite; without it the one that `edgewing models` names",
    )
    one.add_argument("--detector", default="auto", metavar="NAME", help=DETECTOR)
    one.add_argument("--device", default="auto", metavar="NAME", help=DEVICE)
    one.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of the runtime")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 on")
    return int(text)


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MOST_THREADS:
        raise argparse.ArgumentTypeError(f"{text} is no number from 1 to {MOST_THREADS}")
    return int(text)


if __name__ == "__main__":
    main()
