"""`edgewing info | run | camera | web | doctor`: look into a model, run it on pictures, on a camera, in a browser."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from edgewing import __version__, hints
from edgewing.errors import InputError, command, printable
from edgewing.outputs import Output, Place

# Each verb imports what it needs: `edgewing info` must not load OpenCV, nor `run` a second runtime.


VIEWS = ("points", "mesh", "heatmap", "boundary")  # of `camera`; drawn by edgewing.overlay
CAMERA_EXAMPLE = "edgewing camera --source clip.mp4 --no-window --save points.mp4 --json points.jsonl"
CAMERA_NOTES = """Of a video file every frame is worked through in order where the result is kept (--save, --json) or
nothing is shown (--no-window); shown in a window alone it plays at its own pace. Of a camera, a stream and a playing
video the newest frame is taken; those that it overtook are dropped and counted. Each picture of a folder is searched
anew.
keys in the window: 1 points, 2 mesh, 3 heatmap, 4 boundary, m mirror, s smoothing, c screenshot, q quit
"""


class DefaultsAndLines(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Shows defaults, and leaves the lines of an epilog as they are."""


def main(argv: list[str] | None = None) -> None:
    """Exit codes: 0 done, 2 the input was wrong, 130 interrupted."""
    with command(_parser(), argv) as arguments:
        if code := arguments.verb(arguments):
            sys.exit(code)


def info(arguments: argparse.Namespace) -> None:
    from edgewing import containers, models, notices

    if arguments.file is None:
        _shipped(arguments.json)
        return
    path = models.find(arguments.file)
    if path.is_dir() and path.suffix != ".mlpackage":
        path = path / "model.safetensors"  # a run folder
    contract = containers.read(path)
    if arguments.json:
        print(json.dumps(dataclasses.asdict(contract), indent=1))
        return
    for name, value in _lines(contract):
        print(f"{name:<10} {printable(value)}")
    if containers.format_of(path) == "tensorrt":
        _, build, _ = containers.built(path)
        print(f"{'engine':<10} {printable(str(build))}; on {build.where}; from {printable(build.source) or 'the run'}")
    notices.tell(path, contract)


def _shipped(as_json: bool) -> None:
    """What came with this installation: a line for each file, or all of them as JSON."""
    from edgewing import containers, models, notices

    found = [
        (model, form, path, containers.read(path))
        for model in models.SHIPPED.values()
        for form, path in model.present.items()
    ]
    if as_json:
        about = [
            {"name": m.name, "format": form, "file": str(path), "bytes": path.stat().st_size}
            | dataclasses.asdict(c.model)
            | {"name": m.name, "layout": c.layout.name, "size": c.crop.size}
            | {"parity": dataclasses.asdict(c.parity) if c.parity else None}
            for m, form, path, c in found
        ]
        print(json.dumps(about, indent=1))
        return
    if not found:
        print(f"no model came with this installation ({models.FOLDER})")
        print(hints.next_line("edgewing info FILE"))
        return
    default = models.default()
    print(f"{'model':<13} {'format':<7} {'layout':<8} {'px':>4} {'M MAC':>6} {'kB':>6}  NME, validation faces")
    for model, form, path, c in found:
        p = c.parity
        nme = f"{100 * p.nme_artefact:.2f} % of {p.faces}" if p else "not measured"
        size = path.stat().st_size / 1e3
        print(
            f"{model.name:<13} {form:<7} {c.layout.name:<8} {c.crop.size:>4} {c.model.macs / 1e6:>6.1f} {size:>6.0f}  "
            f"{nme}{'  (default)' if path == models.path(default) else ''}"
        )
    print(hints.next_line("edgewing info", default))
    for _, _, path, contract in found:
        notices.tell(path, contract)


def _lines(c) -> Iterator[tuple[str, str]]:
    from edgewing.contract import UNSEALED

    yield "model", f"{c.model.name}, recipe {c.model.recipe}, {c.model.format} {c.model.precision}"
    yield "size", f"{c.model.parameters:,} parameters, {c.model.macs / 1e6:.1f} M multiply-accumulates a crop"
    yield "layout", f"{c.layout.name}, {c.layout.points} points"
    i = c.input
    yield "input", f"{i.name} {i.dtype} {i.shape} {i.axes} {i.colour}, {i.range[0]:g} to {i.range[1]:g}"
    yield "", i.normalisation
    yield "crop", f"{c.crop.protocol}: {c.crop.size} px, {c.crop.factor:g} x mean of box sides, border {c.crop.border}"
    for o in c.outputs:
        yield "output", f"{o.name} {o.dtype} {o.shape}: {o.meaning}, frame {o.frame}, unit {o.unit}"
    d = c.decode
    where = "in the graph" if d.in_graph else "after the graph"
    yield "decode", f"{where}: {d.method}, threshold {d.threshold:g}, power {d.power}, stride {d.stride:g} px"
    yield "training", ", ".join(c.training.trained_on) or "not stated"
    if c.training.teachers:
        yield "teachers", ", ".join(c.training.teachers)
    yield "terms", c.training.data_terms or "not stated"
    yield "commit", c.provenance.commit or "not stated"
    yield "made with", ", ".join(f"{name} {version}" for name, version in c.provenance.versions.items())
    yield "weights", f"sha256 {c.provenance.weights_sha256}"
    yield "seal", "none: damage to this file would go unseen" if c.seal == UNSEALED else "fits: the file is whole"
    p = c.parity
    if p is None:
        yield "parity", "not measured"
        return
    yield "parity", f"{'accepted' if p.accepted else 'REJECTED'} over {p.faces} faces, {p.protocol}, on {p.ran_on}"
    yield "shift", f"p50 {p.p50:.3f}, p99 {p.p99:.3f}, max {p.max:.3f} px of a 256 px crop"
    yield "NME", f"float {100 * p.nme_float:.2f} %, this file {100 * p.nme_artefact:.2f} %"


def run(arguments: argparse.Namespace) -> int:
    """One picture after the other; 2 where one of several cannot be read, after the others are done."""
    from edgewing import models
    from edgewing.landmarker import Landmarker

    box = None if arguments.box is None else _box(arguments.box)
    save = _names(arguments.save, arguments.images)
    if box is not None and len(arguments.images) > 1:
        raise InputError("--box says where the face is in one picture; name one")
    model, failed = arguments.model or models.default(), 0
    landmarker = Landmarker(model, arguments.detector, arguments.threads)
    with contextlib.ExitStack() as stack:
        lines = None
        if arguments.json:
            from edgewing import recording

            lines = recording.Lines(arguments.json)
        if lines:
            stack.callback(lines.discard)
        for name in arguments.images:
            try:
                line = _find(landmarker, model, name, box, arguments.box, save.get(name))
            except InputError as error:
                if len(arguments.images) == 1:
                    raise
                print(f"passed over: {printable(str(error))}", file=sys.stderr)
                failed += 1
                continue
            if lines:
                lines.write(line)
        if failed == len(arguments.images):
            raise InputError(f"none of the {failed} pictures can be read; copy them again")
        if lines and lines.close():
            print(f"wrote {arguments.json}")
    print(hints.next_line("edgewing info", model))
    return 2 if failed else 0


def _names(save: str | None, pictures: list[str]) -> dict[str, Path]:
    """Where each picture is drawn to: --save, or that folder with the picture's own name."""
    from edgewing import images

    if save is None:
        return {}
    folder = Path(save)
    if len(pictures) == 1 and not folder.is_dir():
        if Path(save).suffix.lower() not in images.SUFFIXES:
            raise InputError(f"{save}: a picture's name must end in one of {', '.join(images.SUFFIXES)}")
        return {pictures[0]: Path(save)}
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder, which --save names for several pictures; make it first")
    places = {name: folder / Path(name).name for name in pictures}
    for name, place in places.items():
        if list(places.values()).count(place) > 1 or (place.exists() and any(_same(place, p) for p in pictures)):
            raise InputError(f"{place}: is {name} itself, or two pictures have that name; choose another folder")
    return places


def _same(place: Path, given: str) -> bool:
    return Path(given).exists() and place.samefile(given)


def _find(landmarker, model: str, name: str, box, box_text: str | None, save: Path | None) -> dict:
    """The faces of one picture: on the terminal, drawn into ``save``, and as --json has them."""
    from edgewing import drawing, images, tracking

    image = images.read(name)
    height, width = image.shape[:2]
    if box is not None and not (box[0] < width and box[1] < height and box[2] > 0 and box[3] > 0):
        raise InputError(f"--box {box_text}: outside the picture of {width} x {height} px")
    detector = landmarker.detector.name if box is None else None
    faces = landmarker(image, None if box is None else [box])
    found = f"{detector} found {len(faces)}" if detector else "box given"
    print(f"{printable(name)}: {width} x {height} px; {found}; {landmarker.runtime.description}")
    if landmarker.runtime.description.fallback:
        print(landmarker.runtime.description.fallback)
    if not faces:
        print("no face found; say where it is with --box x0,y0,x1,y1")
    sure = [box is not None or tracking.trusted(face, image.shape) for face in faces]  # a box that is given is meant
    for number, face in enumerate(faces):
        corners = ", ".join(f"{v:.0f}" for v in face.box)
        mean = face.scores.mean()
        doubt = "" if sure[number] else "; not trusted, so not drawn"
        print(f"face {number}: box {corners}; {len(face.landmarks)} landmarks, mean score {mean:.2f}{doubt}")
    if not all(sure):
        print("no face on its side is known; turn the picture, or say where a face is with --box x0,y0,x1,y1")
    if save:
        shown = [face for face, drawn in zip(faces, sure) if drawn]
        images.write(save, drawing.draw_faces(image, shown, landmarker.contract.layout.edges))
        print(f"wrote {save}")
    return _as_json(name, model, landmarker, image, detector, zip(faces, sure))


def _as_json(name: str, model: str, landmarker, image, detector: str | None, faces: Iterable) -> dict:
    return {
        "image": str(name),
        "width": image.shape[1],
        "height": image.shape[0],
        "model": str(model),
        "layout": landmarker.contract.layout.name,
        "frame": "image px, (0, 0) is the centre of the top-left pixel",
        "detector": detector,
        "runtime": dataclasses.asdict(landmarker.runtime.description),
        "faces": [
            {
                "box": [round(float(v), 3) for v in face.box],
                "landmarks": [[round(float(v), 3) for v in point] for point in face.landmarks],
                "scores": [round(float(v), 4) for v in face.scores],
                "trusted": trusted,
            }
            for face, trusted in faces
        ],
    }


def _box(text: str):
    """x0,y0,x1,y1 as (4,) floats."""
    import numpy as np

    from edgewing import geometry

    try:
        box = np.array([float(v) for v in text.split(",")])
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,):
        raise InputError(f"--box {text}: expected four numbers x0,y0,x1,y1 in image pixels")
    geometry.crop_from_box(box, 1)  # refuses one without area
    return box


def doctor(arguments: argparse.Namespace) -> None:
    from edgewing import doctor as checks

    for line in checks.report():
        print(line)


def camera(arguments: argparse.Namespace) -> None:
    from edgewing import camera as session
    from edgewing import models, window
    from edgewing.landmarker import Landmarker

    if not arguments.no_window:
        window.refuse_without()
    landmarker = Landmarker(arguments.model or models.default(), arguments.detector, arguments.threads)
    session.run(landmarker, landmarker.detector.name, arguments)


def web(arguments: argparse.Namespace) -> None:
    from edgewing import containers, models, notices
    from edgewing import web as page

    model = arguments.model or models.default()
    site, contract = page.site(model), containers.read(page.model_file(model))
    if arguments.build:
        page.build(site, arguments.build)
        notices.tell(page.model_file(model), contract)
        print(f"wrote {arguments.build}: {len(site)} files, {sum(map(len, site.values())) / 1e6:.0f} MB")
        print(f"next: copy {arguments.build} to a host with https, and open it on a phone")
        return
    server = page.server(site, arguments.host, arguments.port, arguments.cert)
    notices.tell(page.model_file(model), contract)
    print(f"the camera page with {model}; Ctrl-C ends it")
    print("\n".join(page.advice(server.server_address[0], server.server_port, bool(arguments.cert))), flush=True)
    with server, contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


def _parser() -> argparse.ArgumentParser:
    how = argparse.ArgumentDefaultsHelpFormatter
    parser = argparse.ArgumentParser(prog="edgewing", description="Face landmarks with models that explain themselves.")
    parser.add_argument("--version", action="version", version=f"edgewing {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    verbs = parser.add_subparsers(required=True, metavar="info | run | camera | web | doctor")

    def verb(function, text: str, example: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(
            function.__name__, help=text, description=text, epilog=f"example: {example}", formatter_class=how
        )
        added.set_defaults(verb=function)
        return added

    one = verb(info, "Show what a model says of itself, or which models there are.", "edgewing info edgewing-s --json")
    one.add_argument("file", nargs="?", help="a shipped model, an exported file, or a run; without it the shipped ones")
    one.add_argument("--json", action="store_true", help="print the whole contract as JSON")

    example = "edgewing run portrait.jpg --save points.png"
    one = verb(run, "Find the landmarks of the faces in a picture.", example)
    one.add_argument("images", nargs="+", metavar="IMAGE", help="JPEG, PNG, WebP or BMP; several, one after the other")
    one.add_argument("--model", metavar="NAME|FILE", help="a shipped model, or an .onnx or .tflite; else the default")
    one.add_argument("--box", metavar="x0,y0,x1,y1", help="where the face is, brows to chin, in image px")
    one.add_argument("--detector", default="auto", metavar="NAME", help="one of `edgewing doctor`, or a YuNet's .onnx")
    one.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of the runtime")
    one.add_argument(
        "--json",
        type=Output,
        metavar="OUT",
        help="a line of JSON per picture: boxes, landmarks, scores; - for standard output",
    )
    one.add_argument(
        "--save", type=Place, metavar="OUT.png", help="the picture with the points drawn; a folder for several"
    )

    one = verb(camera, "Follow the faces of a camera, a video or pictures.", CAMERA_EXAMPLE)
    one.formatter_class = DefaultsAndLines
    one.epilog = f"{CAMERA_NOTES}\n{one.epilog}"
    what = "a camera's number, a video, a picture, a folder of pictures, or a URL such as rtsp://..."
    one.add_argument("--source", default="0", metavar="WHAT", help=what)
    one.add_argument("--model", metavar="NAME|FILE", help="a shipped model, or an .onnx or .tflite; else the default")
    one.add_argument("--detector", default="auto", metavar="NAME", help="one of `edgewing doctor`, or a YuNet's .onnx")
    one.add_argument("--threads", type=_count, default=1, metavar="N", help="threads of the runtime")
    one.add_argument(
        "--save", type=Output, metavar="OUT.mp4", help="the frames with the points drawn; of one picture, OUT.png"
    )
    text = "a line per frame: time, faces, landmarks, scores, ms; - for standard output"
    one.add_argument("--json", type=Output, metavar="OUT.jsonl", help=text)
    one.add_argument("--no-window", action="store_true", help="for machines without a screen")
    one.add_argument("--view", choices=VIEWS, default="points", help="what is drawn")
    one.add_argument("--mirror", action="store_true", help="mirror the picture; left and right of the labels stay")
    one.add_argument("--no-smoothing", action="store_true", help="landmarks as the model gives them")
    one.add_argument("--loop", action="store_true", help="begin a video again at its end")
    one.add_argument("--frames", type=_positive, metavar="N", help="end after so many frames")

    text = "Serve the camera page for browsers, where the model runs on the phone itself."
    one = verb(web, text, "edgewing web --model edgewing-s")
    one.add_argument("--model", metavar="NAME|FILE", help="a shipped model, or a .tflite; else the default")
    one.add_argument("--port", type=int, default=8000, help="0 for a free one")
    one.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for all machines of this network")
    one.add_argument("--cert", metavar="PEM", help="certificate with its key, for https")
    one.add_argument("--build", metavar="DIR", help="write the page's files here in place of serving them")

    verb(doctor, "Show what is installed, what is missing, and what to type.", "edgewing doctor")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError(f"{value} is not in 1..64")
    return value


if __name__ == "__main__":
    main()
