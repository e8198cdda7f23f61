"""Open an artefact and run it on crops: ``open(path)(crops) -> Points``.

What differs between formats is one file per runtime with a ``load(path, contract, threads) -> Graph``, imported when
it is asked for. Everything that a contract says is done here, once, for all of them.

B batch, N landmarks, S side of the crop, H, W heatmap rows and columns.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Protocol

import numpy as np

from edgewing import containers, decoding, formats, notices, trial
from edgewing.contract import Contract
from edgewing.errors import InputError, reason
from edgewing.words import counted

On = tuple[str, Mapping[str, str]]  # a runtime's own name of a processor, and its options
PICTURE_CAST = "CAST of the picture"  # in Description.left: uint8 to float, which XNNPACK never takes


@dataclass(frozen=True, eq=False)
class Points:
    """landmarks: (B, N, 2) float32 crop px, x then y. scores: (B, N) float32 in [0, 1]."""

    landmarks: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Description:
    """What executes the artefact, as a row has it. delegate: the kernels that were taken.

    nodes: how many operations there are to run; None where the runtime does not say. left: the kinds of those that
    the delegate did not take, one for each: built-in kernels run them.
    """

    library: str
    version: str
    delegate: str
    threads: int
    nodes: int | None = None
    left: tuple[str, ...] = ()

    def __str__(self) -> str:
        taken = "" if self.nodes is None else f" {self.nodes - len(self.left)}/{self.nodes} nodes"
        threads = counted(self.threads, "threads")
        return f"{self.library} {self.version}, {self.delegate}{taken}, {threads}"

    @property
    def delegation(self) -> dict | None:
        """As a row has it: how many of the nodes the delegate took, and how many of which kind it left."""
        if self.nodes is None:
            return None
        taken = self.nodes - len(self.left)
        return {"delegate": self.delegate, "nodes": self.nodes, "delegated": taken, "left": dict(Counter(self.left))}

    @property
    def fallback(self) -> str:
        """A line where nodes other than the picture's cast were left to built-in kernels; else empty."""
        kinds = Counter(kind for kind in self.left if kind != PICTURE_CAST)
        if not kinds:
            return ""
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return f"{kinds.total()} of {self.nodes} nodes fall back to built-in kernels: {counted}"


@dataclass(frozen=True)
class Tensor:
    """An input or output as the graph itself declares it; None in a shape is a size left open."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str


class Graph(Protocol):
    """What a runtime's ``load`` hands back."""

    inputs: list[Tensor]
    outputs: list[Tensor]
    description: Description

    def run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        """One batch, in the graph's own type and axes, to outputs by name."""


class Runtime:
    """An artefact that is ready to run."""

    def __init__(self, graph: Graph, contract: Contract):
        self.graph, self.contract = graph, contract

    @property
    def description(self) -> Description:
        return self.graph.description

    def __call__(self, crops: np.ndarray) -> Points:
        """(B, S, S, 3) uint8 RGB -> landmarks in crop px and scores; decoded here where the graph does not."""
        return points(self.raw(crops), self.contract)

    def raw(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """(B, S, S, 3) uint8 RGB -> the graph's outputs by name, for all B; B may differ from the graph's batch.
        Raises InputError for other crops, and where the graph fails."""
        size, batch = self.contract.crop.size, self.contract.input.shape[0]
        if crops.ndim != 4 or crops.shape[1:] != (size, size, 3) or crops.dtype != np.uint8 or not len(crops):
            raise InputError(f"crops {crops.dtype} {crops.shape}; this model takes uint8 (B, {size}, {size}, 3), B > 0")
        parts = []
        for start in range(0, len(crops), batch):
            part = filled = crops[start : start + batch]
            if len(part) < batch:
                filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
            # a runtime may hand out its own buffer, which the next run overwrites
            parts.append({k: v[: len(part)].copy() for k, v in self._run(self.input(filled)).items()})
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _run(self, tensor: np.ndarray) -> dict[str, np.ndarray]:
        try:
            outputs = self.graph.run(tensor)
        except InputError:
            raise
        except Exception as error:  # every library has kinds of its own
            raise InputError(f"the model fails when it is run ({reason(error)}); export it again") from error
        for part in self.contract.outputs:  # a graph may leave sizes open
            if list(outputs[part.name].shape) != part.shape:
                raise InputError(
                    f"output {part.name!r} came as {list(outputs[part.name].shape)}, not {part.shape}; export it again"
                )
        return outputs

    def input(self, crops: np.ndarray) -> np.ndarray:
        """(B, S, S, 3) uint8 RGB -> the tensor the graph takes: colour order, value range, type and axes."""
        part = self.contract.input
        tensor = crops if part.colour == "RGB" else crops[..., ::-1]
        if part.dtype != "uint8":
            low, high = part.range
            tensor = tensor.astype(np.float32) * ((high - low) / 255) + np.float32(low)
            tensor = (np.rint(tensor) if part.dtype == "int8" else tensor).astype(part.dtype)
        tensor = tensor if part.axes == "NHWC" else tensor.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(tensor)


def tried(path: Path, form: str, library: Callable[[], ModuleType], shape: Sequence[int] = ()) -> ModuleType:
    """A runtime's library, imported while a process of its own tries the file (edgewing.trial).

    Raises InputError where the library is missing, or the file fails its trial.
    """
    with trial.of(path, form, shape):
        try:
            return library()
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def points(outputs: dict[str, np.ndarray], contract: Contract) -> Points:
    """What an artefact's outputs, by name, say in crop px; heatmaps are decoded as its contract has it."""
    c = contract
    if c.decode.in_graph:
        out = c.output("landmarks")
        landmarks = outputs[out.name].astype(np.float32, copy=False)
        if out.frame == "cell":
            landmarks = landmarks * c.decode.stride + (c.decode.stride - 1) / 2
        return Points(landmarks, outputs[c.output("scores").name].astype(np.float32, copy=False))
    return decoded(outputs[c.output("heatmaps").name], c)


def decoded(heatmaps: np.ndarray, contract: Contract) -> Points:
    """(B, N or N + 1, H, W) heatmaps -> what they say in crop px, decoded as the contract has it."""
    return Points(*decoding.decode(heatmaps[:, : contract.layout.points], contract.decode.stride, contract.how()))


def open(path: str | Path, threads: int = 1, tell: bool = True, on: On | None = None) -> Runtime:
    """The runtime for a model file, by its suffix.

    tell: on stderr, once, what its user must know (edgewing.notices); not where it is opened to be checked. on: what it
    runs on in place of the CPU, of .onnx and .tflite files (edgewing.processors).
    Raises InputError: no such file, cut off, no contract, a contract that contradicts its graph, no runtime installed.
    """
    contract = containers.read_contract(path)
    form = containers.format_of(path)
    if not formats.TABLE[form].runtime:
        raise InputError(
            f"{path}: {form} files are not run here; use the .onnx or .tflite that `python -m targets` makes"
        )
    with notices.quiet():
        module = importlib.import_module(formats.TABLE[form].runtime)
        graph = module.load(Path(path), contract, threads, *([on] if on else []))
    problems = contradictions(contract, graph.inputs, graph.outputs)
    if problems:
        raise InputError(f"{path}: the contract contradicts the graph: {'; '.join(problems[:5])}; export it again")
    if tell:
        notices.tell(path, contract)
    return Runtime(graph, contract)


def contradictions(contract: Contract, inputs: list[Tensor], outputs: list[Tensor]) -> list[str]:
    """What a contract says of its graph that is not so, a line each. A graph may have outputs it does not mention."""
    problems = [] if len(inputs) == 1 else [f"the graph has {len(inputs)} inputs, not 1"]
    promised = [("input", contract.input, inputs)] + [("output", o, outputs) for o in contract.outputs]
    for kind, part, found in promised:
        tensor = next((t for t in found if t.name == part.name), None)
        if tensor is None:
            names = ", ".join(t.name for t in found)
            problems.append(f"{kind} {part.name!r} is not in the graph, which has {names}")
            continue
        fits = len(tensor.shape) == len(part.shape) and all(
            real in (None, said) for real, said in zip(tensor.shape, part.shape)
        )
        if not fits:
            shown = [side or "any" for side in tensor.shape]
            problems.append(f"{kind} {part.name!r} is {part.shape}, in the graph {shown}")
        if tensor.dtype != part.dtype:
            problems.append(f"{kind} {part.name!r} is {part.dtype}, in the graph {tensor.dtype}")
    if contract.decode.in_graph and contract.output("scores") is None:
        problems.append("the graph decodes, but no output is named for the scores")
    return problems
