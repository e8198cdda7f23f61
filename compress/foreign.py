"""Landmark models of others: what must be known of a .tflite or .onnx file, and ONNX models among them as teachers.

What is known stands in a table under the file's sha256, `foreign.json`, or in JSON beside the file, `model.onnx.json`:

    {"name": "Somebody's 68", "source": "where from", "licence": "which", "trained_on": ["what"], "layout": "300w-68",
     "size": 112, "factor": 1.2, "mean": 127.5, "scale": 127.5}

Every field is explained at Description. A file described there is run as it is, so describe only what you trust.

F faces, N landmarks, P points of the model, S or T crop pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgewing import files, layouts
from edgewing.errors import InputError
from edgewing.runtimes import onnx

LARGEST_MODEL = 512 * files.MIB
LARGEST_DESCRIPTION = files.MIB
TABLE = Path(__file__).with_name("foreign.json")
READOUTS = ("points", "heatmaps")
AXES = ("NCHW", "NHWC")
SPECIAL = ("turned", "border", "axes", "readout", "values", "unit", "points")  # what `bench peers` alone can do


@dataclass(frozen=True)
class Description:
    """layout: that of its points, or that which ``points`` takes them to: for each point of the layout the model's
    own, several (their mean is meant) or none (null).

    The crop is ``size`` px wide and high. factor: its side as a multiple of the longer side of the landmark box, or two
    numbers, of its width and of its height. shift: of its centre, downwards, in longer sides. turned: so that the outer
    eye corners are level. border: what fills the outside of the picture, a grey value or ``replicate``. Pixels go in as
    (value - mean) / scale, each one number or three, in the order of ``colour``, laid out as ``axes`` says.

    readout ``points``: the output named (or the only one) begins with ``values`` numbers a point, x and y first, in
    which ``unit`` is the crop's side (1: shares, 192: pixels of 192). ``heatmaps``: (3 P, h, h), P maps of confidence,
    P of offsets down, P across; a point is at the largest cell plus log(p / (1 - p)) / ``offset_scale`` of its offsets,
    in shares of S - 1 (OpenSeeFace).

    points_source: who says that these points are the layout's.
    """

    name: str
    source: str
    licence: str
    trained_on: tuple[str, ...]
    layout: str
    size: int
    factor: float | tuple[float, float]
    mean: float | tuple[float, ...]
    scale: float | tuple[float, ...]
    shift: float = 0.0
    turned: bool = False
    border: int | str = 0
    colour: str = "RGB"
    axes: str = "NCHW"
    output: str = ""
    readout: str = "points"
    values: int = 2
    unit: float = 1.0
    offset_scale: float = 16.0
    points: tuple[tuple[int, ...], ...] = ()
    points_source: str = ""


def description_of(path: Path, sha256: str) -> Description:
    """What is known of a file. InputError with what to write where nothing is, or where that is no description."""
    beside = path.with_name(path.name + ".json")
    if beside.is_file():
        try:
            return _checked(json.loads(files.read(beside, LARGEST_DESCRIPTION)))
        except (TypeError, KeyError, ValueError, RecursionError, InputError) as error:
            raise InputError(f"{beside}: no description of a model ({error})") from None
    known = json.loads(TABLE.read_text(encoding="utf-8"))
    if sha256 in known:
        return _checked(known[sha256])
    needed = (f.name for f in dataclasses.fields(Description) if f.default is dataclasses.MISSING)
    raise InputError(f"nothing is known of {path.name}; describe it in {beside.name}: {', '.join(needed)}")


def _checked(value: dict) -> Description:
    """Of what a JSON says. InputError, KeyError, TypeError, ValueError: it is none."""
    value = {key: tuple(v) if isinstance(v, list) else v for key, v in value.items()}
    numbered = value.get("points", ())
    value["points"] = tuple(() if i is None else (i,) if isinstance(i, int) else tuple(i) for i in numbered)
    made = Description(**value)
    layout = layouts.get(made.layout)
    if not isinstance(made.trained_on, tuple):
        raise ValueError("trained_on is not a list")
    pairs = {"colour": ("RGB", "BGR"), "axes": AXES, "readout": READOUTS}
    for name, known in pairs.items():
        if getattr(made, name) not in known:
            raise ValueError(f"{name} {getattr(made, name)!r} is none of {', '.join(known)}")
    positive = np.hstack([made.size, made.factor, made.scale, made.values, made.unit, made.offset_scale])
    if not (np.asarray(positive, float) > 0).all() or np.size(made.factor) > 2:
        raise ValueError("size, factor, scale, values, unit and offset_scale must be above 0")
    if {np.size(made.mean), np.size(made.scale)} - {1, 3}:
        raise ValueError("mean and scale are one number or three")
    if made.border != "replicate" and made.border not in range(256):
        raise ValueError(f"border {made.border!r} is neither 0 to 255 nor 'replicate'")
    if made.points and (len(made.points) != layout.points or any(not 0 <= i < 10_000 for p in made.points for i in p)):
        raise ValueError(f"points must have {layout.points} entries, for {made.layout}, of indices or null")
    return made


class Foreign:
    """``foreign(crops)``: landmarks of a model that is not ours, run by ONNX Runtime in one thread."""

    def __init__(self, path: Path):
        """InputError where the file is missing, no ONNX model, unknown, or too special to teach."""
        self.digest = hashlib.sha256(files.read(path, LARGEST_MODEL)).hexdigest()
        self.description = description_of(path, self.digest)
        special = [name for name in SPECIAL if getattr(self.description, name) != getattr(Description, name)]
        if np.size(self.description.factor) > 1:
            special.insert(0, "factor")
        if special:
            raise InputError(f"{path}: a model with {', '.join(special)} of its own can be compared, but not teach")
        self.session = onnx.load(path, None, 1).session
        self.input = self.session.get_inputs()[0].name

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """(F, T, T, 3) uint8 RGB, T the description's size -> (F, N, 2) float32 landmarks in crop px, of its layout.

        InputError where the output has another size than the layout's."""
        about = self.description
        ordered = crops if about.colour == "RGB" else crops[..., ::-1]
        images = ((ordered.astype(np.float32) - np.float32(about.mean)) / np.float32(about.scale)).transpose(0, 3, 1, 2)
        wanted = [about.output] if about.output else None
        points = layouts.get(about.layout).points
        found = [self.session.run(wanted, {self.input: np.ascontiguousarray(i[None])})[0].reshape(-1) for i in images]
        if found[0].size != 2 * points:
            raise InputError(f"{about.name}: gives {found[0].size} numbers; {about.layout} has {points} landmarks")
        # A share of the side counts from the outer edge of the first pixel, which is at -0.5.
        return np.stack(found).reshape(-1, points, 2) * about.size - 0.5
