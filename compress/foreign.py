"""Foreign teachers: ONNX models of others that give landmarks, described by a few numbers.

What is known of a file stands in ``foreign.json`` under its sha256, or in a file of the same shape beside it
(``model.onnx.json``): name, source, licence, trained_on, layout, size, factor, shift, mean, scale, colour.

F faces, N landmarks, T crop pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np

from edgewing import files, layouts
from edgewing.errors import InputError
from edgewing.runtimes import onnx

LARGEST_MODEL = 512 * files.MIB
LARGEST_DESCRIPTION = files.MIB


@dataclass(frozen=True)
class Description:
    """layout: of its landmarks. size: crop px. The crop is a square of ``factor`` times the longer side of the landmark
    box, its centre moved down by ``shift`` of that side. Pixels go in as (value - mean) / scale, NCHW, in the order of
    ``colour``; landmarks come out as x, y in shares of the crop's side, from the output named or the only one."""

    name: str
    source: str
    licence: str
    trained_on: tuple[str, ...]
    layout: str
    size: int
    factor: float
    shift: float
    mean: float
    scale: float
    colour: str = "RGB"
    output: str = ""


def describe(path: Path, data: bytes) -> Description:
    """What is known of a file. InputError with what to write where nothing is, or where that is of another shape."""
    beside = path.with_name(path.name + ".json")
    known = json.loads((resources.files("compress") / "foreign.json").read_text())
    value = known.get(hashlib.sha256(data).hexdigest())
    if beside.is_file():
        try:
            value = json.loads(files.read(beside, LARGEST_DESCRIPTION))
        except ValueError as error:
            raise InputError(f"{beside}: not JSON ({error})") from None
    if value is None:
        fields = ", ".join(f.name for f in dataclasses.fields(Description))
        raise InputError(f"{path}: an ONNX file that nothing is known of; describe it in {beside.name}: {fields}")
    try:
        made = Description(**{**value, "trained_on": tuple(value["trained_on"])})
        layouts.get(made.layout)
        sound = made.size > 0 and made.factor > 0 and made.scale > 0 and made.colour in ("RGB", "BGR")
    except (TypeError, KeyError) as error:
        raise InputError(f"{beside}: a field is missing or of the wrong kind ({error})") from None
    if not sound:
        raise InputError(f"{beside}: size, factor and scale must be above 0, colour RGB or BGR")
    return made


class Foreign:
    """``foreign(crops)``: landmarks of a model that is not ours, run by ONNX Runtime in one thread."""

    def __init__(self, path: Path):
        """InputError where the file is missing, no ONNX model, or one that nothing is known of."""
        data = files.read(path, LARGEST_MODEL)
        self.description = describe(path, data)
        self.digest = hashlib.sha256(data).hexdigest()
        self.session = onnx.load(path, None, 1).session
        self.input = self.session.get_inputs()[0].name

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """(F, T, T, 3) uint8 RGB, T the description's size -> (F, N, 2) float32 landmarks in crop px, of its layout.

        InputError where the output has another size than the layout's."""
        about = self.description
        ordered = crops if about.colour == "RGB" else crops[..., ::-1]
        images = ((ordered.astype(np.float32) - about.mean) / about.scale).transpose(0, 3, 1, 2)
        wanted = [about.output] if about.output else None
        points = layouts.get(about.layout).points
        found = [self.session.run(wanted, {self.input: np.ascontiguousarray(i[None])})[0].reshape(-1) for i in images]
        if found[0].size != 2 * points:
            raise InputError(f"{about.name}: gives {found[0].size} numbers; {about.layout} has {points} landmarks")
        # A share of the side counts from the outer edge of the first pixel, which is at -0.5.
        return np.stack(found).reshape(-1, points, 2) * about.size - 0.5
