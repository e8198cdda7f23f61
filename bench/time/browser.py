"""The camera page in headless Chromium, with a fake camera that plays a clip: frames a second, ms end to end, ms model.

Needs Chromium, Node and `make web`. The figures are the page's own: what a person reads there. End to end is from the
camera's frame reaching the browser to the points being drawn, without the frames in which the detector ran, which are
apart; model is one run of the network, input and output copied. A run is cut into parts of equal length; each figure
is the middle of the parts' medians, with their range.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import shutil
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np

from edgewing import children, containers, measure, models, rows, web
from edgewing.camera import sources
from edgewing.errors import InputError
from edgewing.outputs import Rows
from train.data import drawn

EXAMPLE = "--model edgewing-m edgewing-s --to bench/results/web.jsonl"

APP = Path(__file__).parents[2] / "apps/web"
PARTS = 5
WARMUP = 4  # s: the page tries where the model runs best in the first of them
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    shipped = models.default()
    parser.add_argument("--model", nargs="+", default=[shipped], metavar="NAME|FILE", help="(default: %(default)s)")
    parser.add_argument("--video", metavar="FILE", help="what the camera shows (default: a drawn face that moves)")
    parser.add_argument("--seconds", type=int, default=20, help="of looking, after the start (default: %(default)s)")
    parser.add_argument("--to", type=Rows, metavar="ROWS", help="append a row for each model to this JSON-lines file")


def main(to: str | None, **how) -> None:
    for made in browser_rows(**how):
        print(row_as_text(made), flush=True)
        if to:
            rows.append(to, made)
    print(f"wrote {to}" if to else "next: the same with --to bench/results/web.jsonl")


def browser_rows(
    model: Sequence[str], video: str | None = None, seconds: int = 20, command: str = ""
) -> Iterator[dict]:
    """A row for each model. video: what the camera shows; None: a drawn face that moves."""
    if seconds < PARTS:
        raise InputError(f"--seconds {seconds}: give {PARTS} or more")
    programs()
    frames = clip(90) if video is None else frames_of(video)
    source = "a drawn face that moves, seed 0" if video is None else Path(video).name
    source += f"; {len(frames)} frames of {frames[0].shape[1]} x {frames[0].shape[0]} px, 30 fps"
    with tempfile.TemporaryDirectory() as folder:
        camera = write_mjpeg(Path(folder) / "camera.mjpeg", frames)
        for name in model:
            with serving(web.site(name)) as url:
                seen = look(url, camera, seconds)
            yield row(name, seen, seconds, source, command)


def programs() -> list[str]:
    """Chromium and Node. InputError where one of them, or a package of the page, is missing."""
    found = [program("chromium"), program("node")]
    if not (APP / "node_modules/playwright-core").is_dir():
        raise InputError(f"{APP}: its npm packages are not installed; type: make web")
    return found


def look(url: str, camera: Path, seconds: int, film: str | None = None) -> dict:
    """What measure.mjs saw of the page. film: a folder for pictures of it, in place of figures."""
    chromium, node = programs()
    plan = {"chromium": chromium, "url": url, "camera": str(camera), "warmup": WARMUP, "seconds": seconds, "film": film}
    call = [node, APP / "measure.mjs", json.dumps(plan)]
    done = subprocess.run(call, capture_output=True, text=True, preexec_fn=children.bound())
    if done.returncode:
        said = done.stderr.partition("\n\n")[2] or done.stderr  # Node shows the line of code first
        lines = said.strip().splitlines() or [f"ended with code {done.returncode} and no word"]
        raise InputError(f"the browser failed: {lines[0]}")
    return json.loads(done.stdout.splitlines()[-1])


def row(name: str, seen: dict, seconds: float, source: str, command: str = "") -> dict:
    """One measurement of a model, from what measure.mjs saw."""
    path = web.model_file(name)
    protocol = {
        "camera": source,
        "seconds": seconds,
        "parts": PARTS,
        "warmup_s": WARMUP,
        "window": "360 x 740 px",
        "clock": "performance.now() in the page; end to end from captureTime of the frame to drawn points",
        "detector": web.DETECTOR,
    }
    found = rows.header("web", measure.artefact(path), protocol, command)
    about = containers.read_contract(path).model
    return found | {
        "model": {"name": about.name, "precision": about.precision},
        "runtime": {key: seen[key] for key in ("place", "tried", "isolated", "browser")},
        "frames": len(seen["frames"]),
        "with_face": sum(frame["faces"] > 0 for frame in seen["frames"]),
        **frame_figures(seen["frames"]),
    }


def frame_figures(frames: list[dict]) -> dict:
    """fps, end_to_end_ms, model_ms and end_to_end_search_ms (frames in which the detector ran), each with the middle,
    least and most of the parts' medians; p10: of all frames, what is nearest to a machine with nothing else to do."""
    parts = [part for part in np.array_split(np.array(frames, object), PARTS) if len(part) > 1]
    if len(parts) < PARTS:
        raise InputError(f"only {len(frames)} frames came; give more with --seconds")
    spans = [(len(part) - 1) / (part[-1]["time"] - part[0]["time"]) * 1000 for part in parts]
    found: dict[str, dict | None] = {"fps": _spread(spans)}
    for kind, name, wanted in (
        ("end_to_end_ms", "total", lambda frame: not frame["searched"]),
        ("model_ms", "network", lambda frame: "network" in frame),
        ("end_to_end_search_ms", "total", lambda frame: frame["searched"]),
    ):
        values = [[frame[name] for frame in part if wanted(frame)] for part in parts]
        medians = [statistics.median(part) for part in values if part]
        found[kind] = None
        if medians:
            found[kind] = _spread(medians) | {"p10": round(float(np.percentile(np.concatenate(values), 10)), 2)}
    return found


def _spread(medians: list[float]) -> dict:
    middle, least, most = (round(float(f(medians)), 2) for f in (statistics.median, min, max))
    return {"median": middle, "least": least, "most": most}


def row_as_text(made: dict) -> str:
    """As it reads on a terminal."""

    def shown(kind: str) -> str:
        value = made[kind]
        if value is None:
            return "none"
        p10 = f", p10 {value['p10']:.1f}" if "p10" in value else ""
        return f"{value['median']:.1f} ({value['least']:.1f} to {value['most']:.1f}{p10})"

    return (
        f"{made['model']['name']} {made['model']['precision']}, {made['runtime']['place']}: fps {shown('fps')}; "
        f"ms end to end {shown('end_to_end_ms')}, model {shown('model_ms')}, with the detector "
        f"{shown('end_to_end_search_ms')}; {made['with_face']} of {made['frames']} frames with a face; "
        f"load of this machine {made['machine']['load']}"
    )


def program(name: str) -> str:
    """Where a program is. InputError with the Debian package of the same purpose where it is not."""
    found = shutil.which(name)
    if found is None:
        raise InputError(f"no {name}; apt-get install {'nodejs npm' if name == 'node' else name}")
    return found


@contextlib.contextmanager
def serving(site: web.Site, host: str = "127.0.0.1") -> Iterator[str]:
    """The URL of a server of the page, for as long as the context lasts."""
    with web.server(site, host, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def clip(count: int, seed: int = 0, width: int = 640, height: int = 480) -> list[np.ndarray]:
    """Frames of a drawn face that sways, nears and tilts before a plain ground, (height, width, 3) uint8 RGB."""
    face = drawn.draw(seed, "300w-68").image
    frames = []
    for number in range(count):
        turn = 2 * np.pi * number / count
        matrix = cv2.getRotationMatrix2D((128, 128), 8 * np.sin(turn), 1.15 + 0.15 * np.cos(turn))
        matrix[:, 2] += (width / 2 - 128 + 60 * np.sin(turn), height / 2 - 128 + 15 * np.sin(2 * turn))
        frames.append(cv2.warpAffine(face, matrix, (width, height), borderValue=(96, 104, 112)))
    return frames


def frames_of(path: str | Path, most: int = 300) -> list[np.ndarray]:
    """The first frames of a video file, (H, W, 3) uint8 RGB. InputError where it cannot be read."""
    with contextlib.closing(sources.open(str(path))) as video:
        return [frame.image for frame in itertools.islice(video.frames(), most)]


def write_mjpeg(path: Path, frames: list[np.ndarray]) -> Path:
    """The clip as Chromium's fake camera plays it: JPEG after JPEG, 30 a second."""
    encoded = [cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), JPEG)[1] for frame in frames]
    path.write_bytes(b"".join(data.tobytes() for data in encoded))
    return path
