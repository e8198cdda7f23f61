"""The contract: what an artefact says of itself, enough for a stranger to run it. Schema 2, in docs/contract.md.

JSON of at most 64 KB, kept inside the artefact's own container under the key ``edgewing.contract`` and validated when
written and when read. This file knows the schema; ``containers`` knows the files.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
import types
import typing
from dataclasses import dataclass

import numpy as np

from edgewing import __version__, decoding, formats, geometry, layouts
from edgewing.errors import InputError
from edgewing.layouts import Layout
from edgewing.words import counted

KEY = "edgewing.contract"
SCHEMA = 2
LIMIT = 64 * 1024  # bytes of JSON
LARGEST_SIDE = 4096  # of any tensor axis; a contract that says more is broken or hostile

FORMATS = tuple(formats.TABLE)
MEANINGS = ("landmarks", "scores", "heatmaps", "boundary")
FRAMES = ("crop", "cell", "none")
DTYPES = ("uint8", "int8", "float16", "float32", "image")
FLOATS = ("float16", "float32")  # of outputs: an integer would need a scale, which no contract has
UNSEALED = "0" * 64


@dataclass(frozen=True)
class InputPart:
    """The one input. axes: NHWC or NCHW. range: values expected there; what the graph does to them is in words."""

    name: str
    shape: list[int]
    axes: str
    dtype: str
    colour: str
    range: list[float]
    normalisation: str


@dataclass(frozen=True)
class CropPart:
    """The square the network was trained on: side = max(factor * mean(w, h), least * max(w, h)) of the box."""

    protocol: str
    factor: float
    least: float
    size: int
    border: str


@dataclass(frozen=True)
class OutputPart:
    """One output. frame: ``crop`` (px of the crop), ``cell`` (heatmap cells) or ``none``."""

    name: str
    meaning: str
    shape: list[int]
    frame: str
    unit: str
    dtype: str


@dataclass(frozen=True)
class DecodePart:
    """Heatmaps -> landmarks, as edgewing.decoding.Decode has it. in_graph: the artefact does it itself.

    least_score: a point of a lower score is not in the picture; 0 where scores do not say.
    """

    in_graph: bool
    method: str
    threshold: float
    power: int
    stride: float
    least_score: float = 0.0


@dataclass(frozen=True)
class ModelPart:
    """parameters: count. macs: multiply-accumulates of the convolutions for one crop.

    precision: fp32, fp16, int8; CoreML's weight8 and palette6.
    """

    name: str
    recipe: str
    format: str
    precision: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class TrainingPart:
    """trained_on: folders or sets by name. data_terms: what the owners of the data allow, in a sentence."""

    trained_on: list[str]
    data_terms: str
    teachers: list[str]


@dataclass(frozen=True)
class ProvenancePart:
    """commit: of this repository ('' where unknown). weights_sha256: of the float weights the artefact came from.

    stamped_on: sha256 of the file that this one is but for its contract: what was measured of that is true of this.
    """

    commit: str
    versions: dict[str, str]
    weights_sha256: str
    stamped_on: str = ""


@dataclass(frozen=True)
class ParityPart:
    """How far this artefact's landmarks are from the float model's, in px of a 256 px crop; NME as fractions.

    ``accepted`` says whether it passed its gate. ``ran_on`` names what executed the artefact.
    """

    protocol: str
    ran_on: str
    faces: int
    p50: float
    p99: float
    max: float
    nme_float: float
    nme_artefact: float
    accepted: bool


@dataclass(frozen=True)
class RadiusPart:
    """How far points may be off: the true one lies that near in ``share`` of cases, measured on ``faces`` that nobody
    learnt from (``protocol``, in words).

    sides: shares of the crop's side at each of ``scores``, which rise. points: (N,) what these are multiplied by.
    """

    share: float
    scores: list[float]
    sides: list[float]
    points: list[float]
    faces: int
    protocol: str

    def of(self, scores: np.ndarray) -> np.ndarray:
        """(..., N) scores -> (..., N) shares of the crop's side: straight lines between what was measured."""
        return np.interp(scores, self.scores, self.sides) * np.asarray(self.points)


@dataclass(frozen=True)
class Contract:
    """Everything a loader needs to know. ``parity`` and ``radius`` are None until they were measured.

    seal: sha256 of the file it was read from, with these 64 characters as zeros; UNSEALED where there is none. It is of
    the bytes and not of the network, so it does not count when contracts are compared, and ``dumps`` leaves it blank:
    ``containers.seal`` fills it in when the file is whole.
    """

    layout: Layout
    input: InputPart
    crop: CropPart
    outputs: list[OutputPart]
    decode: DecodePart
    model: ModelPart
    training: TrainingPart
    provenance: ProvenancePart
    parity: ParityPart | None = None
    radius: RadiusPart | None = None
    schema: int = SCHEMA
    seal: str = dataclasses.field(default=UNSEALED, compare=False)

    def output(self, meaning: str) -> OutputPart | None:
        """The output with that meaning, or None."""
        return next((o for o in self.outputs if o.meaning == meaning), None)

    def how(self) -> decoding.Decode:
        """The decode as edgewing.decoding takes it."""
        return decoding.Decode(self.decode.method, self.decode.threshold, self.decode.power)

    def replace(self, **parts) -> Contract:
        """A copy with other parts, validated."""
        return check(dataclasses.replace(self, **parts))


def crop_part(size: int, protocol: str = "gtbox") -> CropPart:
    """The crop part with this project's constants."""
    return CropPart(protocol, geometry.FACTOR, geometry.LEAST, size, "black")


def dumps(contract: Contract) -> str:
    """The contract as JSON text, validated, not sealed. Raises InputError where it is wrong or longer than 64 KB."""
    value = dataclasses.asdict(contract.replace(seal=UNSEALED))
    if contract.radius is None:  # these two came later: a contract without them is written as it was before
        del value["radius"]
    if not contract.provenance.stamped_on:
        del value["provenance"]["stamped_on"]
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    if len(text.encode()) > LIMIT:
        raise InputError(f"contract of {len(text.encode())} bytes; the limit is {LIMIT}")
    return text


def loads(text: str | bytes, where: str = "contract") -> Contract:
    """Parse and validate a contract. Fields it does not know are passed over.

    Every problem is in the one InputError; ``where`` names the file.
    """
    raw = text.encode() if isinstance(text, str) else text
    if len(raw) > LIMIT:
        raise InputError(f"{where}: contract of {len(raw)} bytes; the limit is {LIMIT}")
    try:
        value = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: the contract is not JSON ({error}); export the artefact again") from None
    value = _of_this_schema(value, where)
    problems = [] if "seal" in value else ["seal is missing"]
    contract = _build(Contract, value, "", problems)
    if problems:
        raise _broken(where, problems)
    return check(contract, where)


def _of_this_schema(value: object, where: str) -> dict:
    """Parsed JSON, if it is of SCHEMA; InputError with what to do: of an older schema, a newer one, or of none."""
    schema = value.get("schema") if isinstance(value, dict) else None
    if type(schema) is not int or schema < 1:
        found = repr(schema)[:60] if isinstance(value, dict) else type(value).__name__
        raise InputError(f"{where}: contract schema {found}, not a number from 1 on; export the artefact again")
    if schema != SCHEMA:
        do = "install a newer one: git pull && pip install ."
        do = do if schema > SCHEMA else "export the file, or train the run, again"
        raise InputError(f"{where}: contract of schema {str(schema)[:9]}; edgewing {__version__} reads {SCHEMA}; {do}")
    return value


def check(contract: Contract, where: str = "contract") -> Contract:
    """The contract itself if its parts agree with one another; else an InputError that names every contradiction."""
    c, problems = contract, []

    def need(condition: bool, text: str) -> None:
        if not condition:
            problems.append(text)

    need(c.input.dtype in DTYPES, f"input.dtype {c.input.dtype!r} is not one of {', '.join(DTYPES)}")
    need(c.input.axes in ("NHWC", "NCHW"), f"input.axes {c.input.axes!r} is not NHWC or NCHW")
    need(c.input.colour in ("RGB", "BGR"), f"input.colour {c.input.colour!r} is not RGB or BGR")
    need(len(c.input.range) == 2, "input.range is not two numbers")
    shape_ok = len(c.input.shape) == 4 and all(0 < side <= LARGEST_SIDE for side in c.input.shape)
    need(shape_ok, f"input.shape {c.input.shape} is not four sizes in 1..{LARGEST_SIDE}")
    if shape_ok and c.input.axes in ("NHWC", "NCHW"):
        _, *rest = c.input.shape
        height, width, channels = rest if c.input.axes == "NHWC" else (rest[1], rest[2], rest[0])
        need(channels == 3, f"input.shape {c.input.shape} has {counted(channels, 'channels')}, not 3")
        need(height == width == c.crop.size, f"input.shape {c.input.shape} is not the crop's size {c.crop.size}")
    need(c.crop.factor > 0 and c.crop.least > 0, "crop.factor and crop.least must be positive")
    need(c.crop.border == "black", f"crop.border {c.crop.border!r} is not black")
    problems += _wrong_outputs(c)
    need(c.decode.method in ("centroid", "quarter"), f"decode.method {c.decode.method!r} is not centroid or quarter")
    need(0 <= c.decode.threshold < 1 and 1 <= c.decode.power <= 16, "decode: threshold or power out of range")
    need(0 <= c.decode.least_score <= 1, f"decode.least_score {c.decode.least_score} is not in 0..1")
    need(0 < c.decode.stride <= c.crop.size, f"decode.stride {c.decode.stride} is out of range")
    problems += _wrong_radius(c.radius, c.layout.points) if c.radius else []
    need(
        re.fullmatch("([0-9a-f]{64})?", c.provenance.stamped_on) is not None,
        "provenance.stamped_on is not 64 hexadecimal digits",
    )
    need(re.fullmatch("[0-9a-f]{64}", c.seal) is not None, "seal is not 64 hexadecimal digits")
    need(c.model.format in FORMATS, f"model.format {c.model.format!r} is not one of {', '.join(FORMATS)}")
    if problems:
        raise _broken(where, problems)
    return contract


def _wrong_outputs(c: Contract) -> list[str]:
    n, problems = c.layout.points, []

    def need(condition: bool, text: str) -> None:
        if not condition:
            problems.append(text)

    need(0 < len(c.outputs) <= 16, f"{len(c.outputs)} outputs")
    need(len({o.name for o in c.outputs}) == len(c.outputs), "two outputs have one name")
    for o in c.outputs:
        need(o.meaning in MEANINGS, f"output {o.name!r}: meaning {o.meaning!r} is not one of {', '.join(MEANINGS)}")
        frames = FRAMES[:2] if o.meaning == "landmarks" else FRAMES
        need(o.frame in frames, f"output {o.name!r}: frame {o.frame!r} is not one of {', '.join(frames)}")
        need(all(0 < side <= LARGEST_SIDE for side in o.shape), f"output {o.name!r}: shape {o.shape}")
        need(o.dtype in FLOATS, f"output {o.name!r}: dtype {o.dtype!r} is not one of {', '.join(FLOATS)}")
        if o.meaning == "landmarks":
            need(o.shape[-2:] == [n, 2], f"output {o.name!r}: shape {o.shape} does not end in {n}, 2")
        if o.meaning == "scores":
            need(o.shape[-1:] == [n], f"output {o.name!r}: shape {o.shape} does not end in {n}")
        if o.meaning == "heatmaps":
            need(len(o.shape) == 4 and o.shape[1] in (n, n + 1), f"output {o.name!r}: shape {o.shape} is not B,{n},H,W")
    wanted = "landmarks" if c.decode.in_graph else "heatmaps"
    need(c.output(wanted) is not None, f"decode.in_graph is {c.decode.in_graph}, but there is no output {wanted!r}")
    return problems


def _wrong_radius(radius: RadiusPart, points: int) -> list[str]:
    rising = all(a < b for a, b in zip(radius.scores, radius.scores[1:]))
    sizes = [*radius.sides, *radius.points]
    told = {
        f"radius.share {radius.share} is not between 0 and 1": 0 < radius.share < 1,
        "radius.scores is not 1 to 64 numbers in 0..1 that rise": rising and 1 <= len(radius.scores) <= 64
        and 0 <= radius.scores[0] and radius.scores[-1] <= 1,
        f"radius.sides has length {len(radius.sides)}, radius.scores {len(radius.scores)}": len(radius.sides)
        == len(radius.scores),
        f"radius.points has {counted(len(radius.points), 'numbers')}, not {points}": len(radius.points) == points,
        "radius: a size is not above 0": all(0 < size < LARGEST_SIDE for size in sizes),
        "radius.faces is not above 0": radius.faces > 0,
    }  # fmt: skip
    return [text for text, right in told.items() if not right]


def _broken(where: str, problems: list[str]) -> InputError:
    """Five of them, each clipped: names in a hostile contract may be as long as the contract itself."""
    return InputError(f"{where}: broken contract: {'; '.join(problem[:200] for problem in problems[:5])}")


def _refuse_constant(text: str):
    raise ValueError(f"{text} is not a number that JSON knows")


def _build(kind, value, path: str, problems: list[str]):
    """A value of the annotated type from parsed JSON; what does not fit is named in ``problems``."""
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):  # `X | None`
        (inner,) = (a for a in typing.get_args(kind) if a is not type(None))
        return None if value is None else _build(inner, value, path, problems)
    if origin is list:
        if not isinstance(value, list):
            problems.append(f"{path} is not a list")
            return []
        (inner,) = typing.get_args(kind)
        return [_build(inner, v, f"{path}[{i}]", problems) for i, v in enumerate(value)]
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            problems.append(f"{path} is not a map of texts")
            return {}
        return value
    if kind is Layout:
        return _layout(value, path, problems)
    if dataclasses.is_dataclass(kind):
        return _build_part(kind, value, path, problems)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # 10^400 is a number in JSON and none in a float
        value = float(value) if abs(value) < 2**63 else math.inf
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        problems.append(f"{path} is not {kind.__name__}")
        return kind()
    return value


def _layout(value, path: str, problems: list[str]) -> Layout:
    try:
        return layouts.parse(value, path)
    except InputError as error:
        problems.append(str(error))
        return Layout("none", 1)


@functools.cache
def _hints(kind) -> dict:
    return typing.get_type_hints(kind)


def _build_part(kind, value, path: str, problems: list[str]):
    hints = _hints(kind)
    value = value if isinstance(value, dict) else {}
    arguments = {}
    for field in dataclasses.fields(kind):
        name = f"{path}.{field.name}".lstrip(".")
        if field.name in value:
            arguments[field.name] = _build(hints[field.name], value[field.name], name, problems)
        elif field.default is dataclasses.MISSING:
            problems.append(f"{name} is missing")
            arguments[field.name] = None
    # Fields that were added later are passed over: a reader needs what it knows and nothing else.
    return kind(**arguments)
