"""Look at drawn faces.

    python -m train.data.drawn sheet faces.png --layout 300w-68

writes a contact sheet of drawn faces with their landmarks, and

    python -m train.data.drawn compare DIR --layout 300w-68

says how far the mean drawn shape is from that of real faces.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from edgewing import errors, hints, images
from edgewing.outputs import Output
from train import data
from train.data import drawn
from train.data.drawn.compare import agreement


def sheet(layout_name: str, seed: int, rows: int = 5, columns: int = 8, marks: bool = True) -> np.ndarray:
    """(rows * H, columns * W, 3) uint8 RGB: a contact sheet with the landmarks drawn on it."""
    tiles = []
    for face in drawn.faces(rows * columns, layout_name, seed):
        tile = face.image.copy()
        for point in face.landmarks if marks else ():
            cv2.circle(tile, tuple(int(v) for v in np.rint(point * 8)), 9, (0, 255, 0), -1, cv2.LINE_AA, 3)
        tiles.append(tile)
    return np.vstack([np.hstack(tiles[r * columns : (r + 1) * columns]) for r in range(rows)])


def _sheet(options: argparse.Namespace) -> None:
    picture = sheet(options.layout, options.seed, marks=not options.plain)
    images.write(options.file, picture)
    print(f"wrote {options.file}: {picture.shape[1]} x {picture.shape[0]} px, {options.layout}")
    print(hints.next_line(f"python -m train fit drawn --layout {options.layout} --recipe demo --run demo"))


def _compare(options: argparse.Namespace) -> None:
    real = data.read(options.folder, options.layout)
    marks = np.stack([face.landmarks for face in real.samples])
    mine = drawn.shapes(3000, options.layout, options.seed)
    print("\n".join(real.summary + agreement(mine, marks, options.layout)))


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m train.data.drawn",
        description="Look at drawn faces: a contact sheet with their landmarks, or their mean shape and real faces'.",
        epilog="example: python -m train.data.drawn sheet faces.png --layout wflw-98 --seed 3",
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--layout", default="300w-68", help=f"one of {', '.join(drawn.LAYOUTS)}")
    shared.add_argument("--seed", type=int, default=0, help="another number, other faces")

    def verb(name: str, work, text: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            parents=[shared],
            formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        )
        made.set_defaults(work=work)
        return made

    made = verb("sheet", _sheet, "write a contact sheet")
    made.add_argument("file", type=Output, metavar="FILE", help=".png or .jpg")
    made.add_argument("--plain", action="store_true", help="without landmarks")
    made = verb("compare", _compare, "compare 3000 shapes with the real faces of a folder")
    made.add_argument("folder", type=Path, metavar="DIR", help="of labelled photographs")
    with errors.command(parser, argv) as options:
        options.work(options)


if __name__ == "__main__":
    main()
