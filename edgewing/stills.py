"""`edgewing run`: the landmarks of pictures, one after the other; on the terminal, drawn, and as JSON lines."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from edgewing import geometry, hints, images, models
from edgewing.errors import InputError, printable
from edgewing.faces import Faces
from edgewing.landmarker import Landmarker, whole_note
from edgewing.words import counted

STDIN = "-"
VIDEOS = ".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"
WHERE = "with --box x0,y0,x1,y1"


def run(
    pictures: Sequence[str], model: str | None = None, *, box: Sequence[str] | None = None, detector: str = "auto",
    device: str = "auto", threads: int = 1, json: str | None = None, save: str | None = None,
    radius: bool = False,
) -> int:  # fmt: skip
    """One picture after the other; 2 where one of several cannot be read or drawn, after the others are done."""
    boxes = None if box is None else [_box(text) for text in box]
    names = _pictures(pictures)
    places = _names(save, names)
    if boxes is not None and len(names) > 1:
        raise InputError("--box says where to look in one picture; name one")
    model = models.default() if model is None else model
    landmarker = Landmarker(model, detector, threads, device)
    if radius and not (save and landmarker.contract.radius):
        unknown = f"is not known of {model}: python -m bench calibrate measures it"
        raise InputError(f"--radius {unknown if save else 'is drawn with --save OUT'}")
    if boxes is None and (note := whole_note(landmarker)):
        print(f"{note}, or say where it is {WHERE}")
    with contextlib.ExitStack() as stack:
        lines = None
        if json:
            from edgewing.camera import recording

            lines = recording.Lines(json)
            stack.callback(lines.close)  # of whatever ends it: each line is whole, and says of which picture it is
        failed = _each(landmarker, str(model), names, boxes, places, lines, radius)
        if lines and lines.close():
            print(f"wrote {printable(json)}")
    print(hints.next_line("edgewing info", model))
    return 2 if failed else 0


def _each(
    landmarker: Landmarker, model: str, names: list[str], boxes, save: dict[str, Path], lines, radius: bool
) -> int:
    """All pictures, and how many cannot be read, or drawn where --save says; InputError where none can be read."""
    unread, undrawn = 0, 0
    for name in names:
        try:
            faces, line = _find(landmarker, model, name, boxes)
        except InputError as error:
            if len(names) == 1:
                raise
            print(f"passed over: {printable(str(error))}", file=sys.stderr)
            unread += 1
            continue
        if lines:
            lines.write(line)
        if place := save.get(name):
            try:
                faces.save(place, radius)
                print(f"wrote {printable(str(place))}{_undrawn(faces)}")
            except InputError as error:
                if len(names) == 1:
                    raise
                print(f"not drawn: {printable(str(error))}", file=sys.stderr)
                undrawn += 1
    if unread == len(names):
        raise InputError(f"none of the {counted(unread, 'pictures')} can be read; copy them again")
    return unread + undrawn


def _pictures(given: Sequence[str]) -> list[str]:
    """What was typed, with a folder's pictures in its place."""
    found: list[str] = []
    for name in given:
        if "://" in name:
            raise InputError(f"{name}: is an address, and nothing is fetched; pipe it: curl -s {name} | edgewing run -")
        folder = name != STDIN and Path(name).is_dir()
        found += [str(path) for path in images.in_folder(Path(name))] if folder else [name]
    return found


def _read(name: str) -> np.ndarray:
    if Path(name).suffix.lower() in VIDEOS:
        raise InputError(f"{name}: is a video, whose frames this takes: edgewing camera --source {name}")
    if name != STDIN:
        return images.read_image(name)
    data = sys.stdin.buffer.read(images.LARGEST_FILE + 1)
    if len(data) > images.LARGEST_FILE:
        raise InputError(f"standard input: more than {images.LARGEST_FILE >> 20} MiB; give a smaller picture")
    return images.decode(data, "standard input")


def _names(save: str | None, pictures: Sequence[str]) -> dict[str, Path]:
    """Where each picture is drawn to: --save, or that folder with the picture's own name."""
    if save is None:
        return {}
    folder = Path(save)
    if len(pictures) == 1 and not folder.is_dir():
        if Path(save).suffix.lower() not in images.SUFFIXES:
            raise InputError(f"{save}: a picture's name must end in one of {', '.join(images.SUFFIXES)}")
        return {pictures[0]: Path(save)}
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder, which --save names for several pictures; make it first")
    places = {name: folder / ("stdin.png" if name == STDIN else _drawable(Path(name).name)) for name in pictures}
    # on a Mac and on Windows A.jpg and a.jpg are one file
    known = [str(place).lower() if sys.platform in ("darwin", "win32") else str(place) for place in places.values()]
    for (name, place), key in zip(places.items(), known):
        if known.count(key) > 1 or (place.exists() and any(_same(place, p) for p in pictures)):
            raise InputError(f"{place}: is {name} itself, or two pictures have that name; choose another folder")
    return places


def _drawable(name: str) -> str:
    """A picture is known by what is in it; what is drawn needs a name that says how it is written."""
    return name if Path(name).suffix.lower() in images.SUFFIXES else f"{name}.png"


def _same(place: Path, given: str) -> bool:
    return Path(given).exists() and place.samefile(given)


def _find(landmarker: Landmarker, model: str, name: str, boxes: list[np.ndarray] | None) -> tuple[Faces, dict]:
    """What is in one picture, said on the terminal, and as --json has it."""
    image, layout = _read(name), landmarker.contract.layout
    height, width = image.shape[:2]
    detector = None if boxes else landmarker.detector.name
    faces = landmarker(image, boxes)
    found = f"{detector} found {len(faces)}" if detector else f"{len(faces)} boxes given" if boxes[1:] else "box given"
    print(f"{printable(name)}: {width} x {height} px; {found}; {landmarker.runtime.description}")
    if landmarker.runtime.description.fallback:
        print(landmarker.runtime.description.fallback)
    for line in _said(faces):
        print(line)
    return faces, {
        "image": str(name),
        "width": width,
        "height": height,
        "model": model,
        "layout": layout.name,
        "frame": "image px, (0, 0) is the centre of the top-left pixel",
        "detector": detector,
        "runtime": dataclasses.asdict(landmarker.runtime.description),
        layout.several: [face.to_dict() for face in faces],
    }


def _said(faces: Faces) -> Iterator[str]:
    """A line for each face, or whatever the points are on, and one for what to do where that did not go well."""
    what = faces.layout.object
    for number, face in enumerate(faces):
        corners = ", ".join(str(round(v)) for v in face.box)
        count = len(face.landmarks) if face.there.all() else f"{face.there.sum()} of {len(face.landmarks)}"
        doubt = "" if face.trusted else "; not trusted, so not drawn"
        yield f"{what} {number}: box {corners}; {counted(count, 'landmarks')}, mean score {face.confidence:.2f}{doubt}"
    if not faces:
        yield f"no {what} found; say where it is {WHERE}"
    elif not all(face.trusted for face in faces):
        yield f"say where the {what} is {WHERE}"


def _undrawn(faces: Faces) -> str:
    """Why nothing is drawn on the picture that was written; '' where something is."""
    if any(face.trusted for face in faces):
        return ""
    return f": the picture as it was, for no {faces.layout.object} was {'found' if not faces else 'trusted'}"


def _box(text: str) -> np.ndarray:
    """x0,y0,x1,y1 as (4,) floats."""
    try:
        box = np.array([float(v) for v in text.split(",")])
    except ValueError:
        box = np.empty(0)
    if box.shape != (4,):
        raise InputError(f"--box {text}: expected four numbers x0,y0,x1,y1 in image pixels")
    geometry.crop_from_box(box, 1)  # refuses one without area
    return box
