"""An animated picture of the camera page at work: headless Chromium, with a drawn head that moves as its camera.

Needs Chromium, Node and `make web`. Nothing is measured: `bench web` measures.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from bench.time.browser import look, programs, serving, write_mjpeg
from edgewing import files, hints, models, web
from edgewing.errors import InputError
from edgewing.outputs import Output

EXAMPLE = "--model edgewing-free-m --out docs/camera.webp"
WIDTH = 270  # px of the animated picture
SECONDS = 5  # one round of the head
EACH = 100  # ms


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default=models.default(), metavar="NAME|FILE", help="(default: %(default)s)")
    parser.add_argument("--head", type=int, default=80, metavar="N", help="which is drawn (default: %(default)s)")
    parser.add_argument("--out", type=Output, required=True, metavar="FILE", help=".webp")


def main(model: str, head: int, out: str) -> None:
    if not out.endswith(".webp"):
        raise InputError(f"--out {out}: name a .webp file")
    if head < 0:
        raise InputError(f"--head {head}: give 0 or more")
    programs()
    with tempfile.TemporaryDirectory() as folder, serving(web.site(model)) as url:
        look(url, write_mjpeg(Path(folder) / "camera.mjpeg", clip(head, SECONDS * 30)), SECONDS, folder)
        pictures = even(sorted(Path(folder).glob("*.png")))
    made = io.BytesIO()
    pictures[0].save(made, "webp", save_all=True, append_images=pictures[1:], duration=EACH, loop=0, quality=60)
    files.write(out, made.getvalue())
    print(f"wrote {out}: {len(pictures)} pictures of {pictures[0].width} x {pictures[0].height} px")
    print(hints.next_line("python -m bench web --model", model))


def clip(number: int, count: int, side: int = 480) -> list[np.ndarray]:
    """Frames of the drawn head of that number, (side, side, 3) uint8 RGB."""
    from train.data.drawn.heads import moving  # numba

    return [cv2.resize(f, (side, side), interpolation=cv2.INTER_CUBIC) for f in moving.frames(number, count)]


def even(shots: list[Path]) -> list[Image.Image]:
    """A picture every EACH ms out of those that were taken as often as the browser could."""
    at = np.array([int(shot.stem) for shot in shots])
    nearest = [shots[int(abs(at - t).argmin())] for t in range(0, 1000 * SECONDS, EACH)]
    found = []
    for shot in nearest:
        picture = Image.open(shot).convert("RGB")
        found.append(picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS))
    return found
