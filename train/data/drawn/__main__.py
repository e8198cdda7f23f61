"""Look at drawn faces.

    python -m train.data.drawn sheet faces.png --layout 300w-68

writes a contact sheet of drawn faces with their landmarks, and

    python -m train.data.drawn folder DIR 1000

writes drawn heads as pictures with COCO keypoints and a JSON line of truth each.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

import cv2
import numpy as np

from edgewing import commands, files, hints, images, verbs
from edgewing.cli import DefaultsAndLines
from edgewing.errors import InputError
from edgewing.outputs import Output
from train.data import drawn
from train.data.cache import Cache
from train.data.samples import visibility_of
from train.recipes import DRAWN

ROWS = {"cartoons": 5, "heads": 8}  # of a sheet, eight faces wide
NAMES = {"cartoons": "drawn", "heads": "heads"}  # as data sets
COLOURS = (255, 0, 0), (255, 255, 0), (0, 255, 0)  # of points that are absent, hidden, seen


def sheet(layout_name: str, seed: int, kind: str = "cartoons", marks: bool = True, rows: int = 0) -> np.ndarray:
    """(rows * H, 8 * W, 3) uint8 RGB: a contact sheet with the landmarks drawn on it. rows: 0 for those of ROWS."""
    tiles = []
    for face in drawn.faces((rows or ROWS[kind]) * 8, layout_name, seed, kind=kind):
        tile = face.image.copy()
        for point, seen in zip(face.landmarks, visibility_of(face)) if marks else ():
            cv2.circle(tile, tuple(int(v) for v in np.rint(point * 8)), 9, COLOURS[seen], -1, cv2.LINE_AA, 3)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[k : k + 8]) for k in range(0, len(tiles), 8)])


def _sheet(file: str, layout: str, seed: int, kind: str, plain: bool, rows: int) -> None:
    picture = sheet(layout, seed, kind, not plain, rows)
    images.write(file, picture)
    print(f"wrote {file}: {picture.shape[1]} x {picture.shape[0]} px, {kind}, {layout}")
    print(hints.next_line(f"python -m train fit {NAMES[kind]} --layout {layout} --recipe demo --run demo"))


def _folder(folder: Path, count: int, layout: str, seed: int, workers: int, segments: bool) -> None:
    if count < 1:
        raise InputError(f"{count} faces: draw one at least")
    begin = time.perf_counter()
    faces = drawn.faces(count, layout, seed, workers, kind="heads")
    from train.data.drawn.folder import write  # numba

    written = write(folder, faces, layout, segments)
    print(f"wrote {folder}: {written} faces, {written / (time.perf_counter() - begin):.1f} a second")
    named = os.path.join(os.curdir, folder) if str(folder) in DRAWN else folder  # that name alone has them drawn anew
    print(hints.next_line("python -m train fit", named, "--layout", layout, "--run", "heads"))


def _variety(cache: Path, folder: Path, most: int, layout: str, seed: int) -> None:
    from train.data.drawn.heads.variety import without

    if folder.exists():
        raise InputError(f"{folder}: is there already; name a folder that is not")
    whole = Cache.open(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with files.workshop(folder) as made:
        for name, faces in (parts := without(whole, most, seed)).items():
            whole.extract(faces, made / name)
        made.rename(folder)
    for name, faces in parts.items():
        print(f"wrote {folder / name}: {len(faces)} heads")
    print(hints.next_line("python -m train fit", folder / "all", "--layout", whole.meta["layout"], "--run variety-all"))


def main(argv: list[str] | None = None) -> None:
    parser = commands.Parser(
        prog="python -m train.data.drawn",
        description="Drawn faces: a contact sheet, or a folder of them.",
        epilog="example: python -m train.data.drawn sheet faces.png --layout wflw-98 --seed 3",
    )
    added = parser.add_subparsers(required=True, metavar="VERB")
    shared = commands.Parser(add_help=False)
    shared.add_argument("--layout", default="300w-68", help=f"one of {', '.join(drawn.LAYOUTS)}")
    shared.add_argument("--seed", type=int, default=0, help="another number, other faces")

    def verb(name: str, work, text: str) -> argparse.ArgumentParser:
        made = added.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            parents=[shared],
            formatter_class=DefaultsAndLines,
        )
        made.set_defaults(main=work)
        return made

    made = verb("sheet", _sheet, "write a contact sheet")
    made.add_argument("file", type=Output, metavar="FILE", help=".png or .jpg")
    made.add_argument("--plain", action="store_true", help="without landmarks")
    made.add_argument("--rows", type=int, default=0, help="of eight faces; 0: 5 of cartoons, 8 of heads")
    made.add_argument("--kind", choices=list(drawn.KINDS), default="cartoons", help="which renderer draws")
    made = verb("folder", _folder, "write drawn heads: pictures, COCO keypoints, a JSON line of truth each")
    made.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet")
    made.add_argument("count", type=int, metavar="COUNT", help="how many heads")
    made.add_argument("--workers", type=int, default=1, help="processes that draw; the faces are the same")
    made.add_argument("--segments", action="store_true", help="also a PNG a picture: what each pixel shows, by number")
    made = verb("variety", _variety, "take the heads apart that a training drew: all, and without each kind of variety")
    made.add_argument("cache", type=Path, metavar="CACHE", help="a folder cache/heads-... of `train fit heads`")
    made.add_argument("folder", type=Path, metavar="DIR", help="a folder that is not there yet")
    made.add_argument("--most", type=int, default=5000, help="heads in each part; fewer where fewer are left")
    with commands.command(parser, argv) as options:
        verbs.run(options)


if __name__ == "__main__":
    main()
