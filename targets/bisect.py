"""Where does a file stop being the network? `python -m targets RUN --to tflite --bisect` names the first layer.

The torch network runs next to the file on the same crops, and after each of its modules (layers, from here on) the
file's own tensor takes the place of the module's result. So a layer is given exactly what it is given in the file, and
its difference is its own: nothing adds up on the way, rounding neither. In int8, where the sum of all rounding may
reach any size, this keeps each layer's difference small, and a fault stands out from it.

    difference of a layer = largest over its channels of rms(file - torch), over rms(torch) of the whole layer

Largest over channels, so that one wrong channel of many is not averaged away; over the layer's rms and not the
channel's, so that a channel that is nearly silent may be rounded. A layer parts where that is above LIMIT. The column
``so far`` is what has added up: rms(file - torch) / rms(torch) against a torch network that is left alone.

Layers are found by what the exporters keep: ONNX node names and TFLite tensor names begin with the module's name;
CoreML packages keep the order of operations, counted by their convolutions. A module that a converter has fused into
the one before (ReLU6 into a convolution) is compared with the fused tensor. Three rows stand for what is no layer:
``folding``, the network as it is exported against the network as it was trained; ``picture``, the pixels behind their
normalisation; ``kernels``, the file as a user runs it against its own tensors here, which built-in kernels made without
optimisation, because a delegate keeps its tensors to itself.

B batch, C channels, H, W rows and columns, S side of the crop.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from edgewing import containers, formats, hints, runtimes
from edgewing.errors import InputError
from targets import graph, table
from targets.job import Job
from targets.layers import PICTURE, READERS, Value
from targets.progress import Progress, silence

# What a layer may differ by: float32 arithmetic in another order; rounding to half precision; 8 bits or fewer.
LIMIT = {"fp32": 1e-3, "fp16": 0.01}
INTEGER_LIMIT = 0.4
CROPS = 4
FOLDING, KERNELS = "folding", "kernels"


@dataclass(frozen=True)
class Row:
    """difference, so_far: as this file's head has them; None where the file has no tensor of this layer."""

    layer: str
    difference: float | None
    so_far: float | None = None


@dataclass(frozen=True)
class Result:
    """rows: in the order of execution. limit: a difference above it parts."""

    rows: list[Row]
    limit: float

    @property
    def first(self) -> Row | None:
        """The first row that parts."""
        return next((row for row in self.rows if row.difference is not None and not row.difference <= self.limit), None)

    def __str__(self) -> str:
        width = max(len(row.layer) for row in self.rows)
        lines = [f"{'layer':{width}}  difference    so far"]
        for row in self.rows:
            shown = "not in the file" if row.difference is None else f"{row.difference:10.2e}"
            so_far = "" if row.so_far is None else f"{row.so_far:10.2e}"
            lines.append(f"{row.layer:{width}}  {shown}{so_far}{'  <- parts' if row is self.first else ''}")
        if self.first is None:
            lines.append(f"no layer parts: every difference is within {self.limit:g}")
        else:
            lines.append(
                f"first layer that parts: {self.first.layer}, {self.first.difference:.3g}, limit {self.limit:g}"
            )
        return "\n".join(lines)


def bisect(path: Path, job: Job, crops: np.ndarray) -> Result:
    """Compare a file with the network of ``job``, layer by layer.

    crops: (F, S, S, 3) uint8 RGB; CROPS of them are taken, evenly spaced. InputError for a file that keeps no layers.
    """
    about, form = containers.read_contract(path), containers.format_of(path)
    if form not in READERS:
        raise InputError(f"{path}: {form} files keep no layers; bisect the {' or '.join(READERS)} of the same run")
    if about.provenance.weights_sha256 != job.run.provenance.weights_sha256:
        raise InputError(f"{path}: exported from other weights than the run has now; export it again")
    count = max(CROPS // about.input.shape[0], 1) * about.input.shape[0]
    crops = crops[np.linspace(0, len(crops) - 1, count).astype(int)]
    deployed = graph.build(job.model, job.run, graph.Interface("NHWC", "uint8"))
    trace = _trace(deployed, crops)
    values = list(READERS[form](path, about, crops, [(call.layer, call.module) for call in trace]))
    precision = about.model.precision
    limit = LIMIT.get(precision, INTEGER_LIMIT)
    rows = [_folding(job, crops, trace), *_rows(deployed, crops, trace, values, limit)]
    return Result([*rows, *_kernels(path, about, crops, values)], limit)


def examine(paths: list[Path], job: Job, crops: np.ndarray) -> int:
    """Bisect and print files of a run, each or its rejected form; exit code 0, 1 where a layer of one parts, 2 where
    one cannot be bisected."""
    code, parted = 0, 0
    for path in paths:
        path = next((p for p in (path, table.rejected(path)) if p.exists()), path)
        try:
            if not path.exists():
                raise InputError(f"{path}: no such file; export it first, without --bisect")
            with Progress(f"bisect {path.name}") as say:
                say("running file and network")
                with silence():
                    result = bisect(path, job, crops)
        except InputError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            code = 2
            continue
        print(f"{path}\n{result}", flush=True)
        parted += result.first is not None
    print(f"files that part from the network: {parted} of {len(paths)}")
    print(hints.next_line("edgewing info", path))
    return code or int(parted > 0)


@dataclass(frozen=True, eq=False)
class Call:
    """One run of a module: its name, itself, its first input, its first result."""

    layer: str
    module: nn.Module
    given: Tensor | None
    result: Tensor


def _layers(deployed: graph.Deployable) -> dict[nn.Module, str]:
    """The modules of the graph by the names that exporters give them, but for the graph and the network themselves."""
    return {
        module: name.removeprefix("network.")
        for name, module in deployed.named_modules()
        if module not in (deployed, deployed.network)
    }


def _run(deployed: graph.Deployable, crops: np.ndarray, after: Callable, before: Callable | None = None) -> None:
    """Run the graph; ``after`` is called with module, inputs and result of each module, and may change the result."""
    hooks = [module.register_forward_hook(after) for module in _layers(deployed)]
    if before is not None:
        hooks.append(deployed.network.register_forward_pre_hook(before))
    try:
        with torch.no_grad():
            deployed(deployed.interface.tensor(crops))
    finally:
        for hook in hooks:
            hook.remove()


def _trace(deployed: graph.Deployable, crops: np.ndarray) -> list[Call]:
    """Every module in the order in which it is done; those that hand on another's result are left out."""
    names, calls = _layers(deployed), []

    def before(module: nn.Module, inputs: tuple) -> None:
        calls.append(Call(PICTURE, module, None, inputs[0]))

    def after(module: nn.Module, inputs: tuple, result) -> None:
        tensor = _first(result)
        if not any(tensor is call.result for call in calls):
            calls.append(Call(names[module], module, inputs[0], tensor))

    _run(deployed, crops, after, before)
    return calls


def _first(result) -> Tensor:
    return result[0] if isinstance(result, (tuple, list)) else result


def _rows(
    deployed: graph.Deployable, crops: np.ndarray, trace: list[Call], values: list[Value], limit: float
) -> list[Row]:
    """A row for each layer, without those that are not in the file because a converter has moved something within a
    module (a bias past an addition): their own tensor is far off, and without it the module's result is nearer."""
    left_out: frozenset[str] = frozenset()
    rows = _side_by_side(deployed, crops, trace, values, limit, left_out)
    for row in list(rows):
        around = next((r.layer for r in rows if row.layer.startswith(r.layer + ".")), None)
        if around is None or row.difference is None or row.difference <= limit / 4:
            continue
        again = _side_by_side(deployed, crops, trace, values, limit, left_out | {row.layer})
        before, now = (next(r.difference for r in some if r.layer == around) for some in (rows, again))
        if before is not None and now < before / 2:
            rows, left_out = again, left_out | {row.layer}
    return rows


def _side_by_side(
    deployed: graph.Deployable,
    crops: np.ndarray,
    trace: list[Call],
    values: list[Value],
    limit: float,
    left_out: frozenset[str],
) -> list[Row]:
    """A row for each call of the trace, from a run in which the file's tensors take the place of torch's."""
    fused = _fused(trace, values)
    rows: list[Row] = []
    calls = iter(trace)
    call = next(calls)

    def compare(tensor: Tensor) -> Tensor:
        """What goes on: the file's tensor where it has one."""
        nonlocal call
        now, call = call, next(calls, None)
        if now in fused.values():
            return tensor
        layer = fused[now].layer if now in fused else now.layer
        expected, alone = tensor.numpy(), now.result.numpy()
        tiers = _tiers(values, layer, expected.shape)
        best = None if layer in left_out else _nearest(tiers, expected, limit)
        if best is not None and isinstance(now.module, nn.BatchNorm2d):
            # one that is not folded is read through a ReLU without a module, which may have become part of it
            rectified = _nearest(tiers, np.maximum(expected, 0), limit)
            if rectified is not None and rectified[0] < best[0]:
                best, alone = rectified, np.maximum(alone, 0)
        if best is None:
            rows.append(Row(layer, None))
            return tensor
        share, found = best
        rows.append(Row(layer, share, _rms(found - alone) / _rms(alone)))
        return torch.from_numpy(found.copy())

    def before(module: nn.Module, inputs: tuple) -> tuple:
        return (compare(inputs[0]),)

    def after(module: nn.Module, inputs: tuple, result):
        if call is None or module is not call.module:  # hands on another's result
            return None
        first = compare(_first(result))
        return (first, *result[1:]) if isinstance(result, tuple) else first

    _run(deployed, crops, after, before)
    return rows


def _fused(trace: list[Call], values: list[Value]) -> dict[Call, Call]:
    """Activations that a converter has made part of the module before, by its tensors: activation -> that module."""
    made = {id(call.result): call for call in trace}
    return {
        call: made[id(call.given)]
        for call in trace
        if isinstance(call.module, (nn.ReLU, nn.ReLU6))
        and id(call.given) in made
        and not _tiers([v for v in values if v.layers], call.layer, call.result.shape)[0]
    }


def _tiers(values: list[Value], layer: str, shape: tuple[int, ...]) -> list[list[np.ndarray]]:
    """Tensors of that shape, channels last or not, that may be this layer's result: by its own name; by that of a
    module inside it; by any other, because LiteRT names some results of additions after their inputs."""
    tiers: list[list[np.ndarray]] = [[], [], []]
    for value in values:
        names = value.layers
        if names is None or layer in names:
            tier = tiers[0]
        else:
            tier = tiers[1] if any(name.startswith(layer + ".") for name in names) else tiers[2]
        array = value.values
        if array.shape == tuple(shape):
            tier.append(array)
        if array.ndim == 4 and array.transpose(0, 3, 1, 2).shape == tuple(shape):
            tier.append(array.transpose(0, 3, 1, 2))
    return tiers


def _nearest(tiers: list[list[np.ndarray]], expected: np.ndarray, limit: float) -> tuple[float, np.ndarray] | None:
    """The tensor that is this layer's result, and its difference: the nearest of the first tier that has one well
    within the limit; else the nearest by name. None where the file has no tensor of that name."""
    tried: list[tuple[float, np.ndarray]] = []
    for tier in tiers:
        best = min(((difference(found, expected), found) for found in tier), key=lambda pair: pair[0], default=None)
        if best is not None and best[0] <= limit / 4:
            return best
        if tier is not tiers[-1] and best is not None:
            tried.append(best)
    return tried[0] if tried else None


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """As this file's head has it: (B, C, ...) of the file and of torch. Not a number where the file's are not."""
    error = (found - expected).astype(np.float64)
    axes = tuple(axis for axis in range(error.ndim) if axis != 1)
    return float(np.sqrt((error**2).mean(axis=axes)).max() / _rms(expected))


def _rms(values: np.ndarray) -> float:
    """At least 1e-12: it stands below the line."""
    return max(float(np.sqrt((values.astype(np.float64) ** 2).mean())), 1e-12)


def _folding(job: Job, crops: np.ndarray, trace: list[Call]) -> Row:
    """The landmarks of the graph that is exported against those of the network as it was trained."""
    landmarks = graph.reference(job.model, job.run, crops).landmarks
    return Row(FOLDING, difference(trace[-1].result.numpy(), landmarks))


def _kernels(path: Path, about, crops: np.ndarray, values: list[Value]) -> Iterator[Row]:
    """The first output of the file as a user runs it, against the tensors that were compared above."""
    if not formats.TABLE[about.model.format].runtime:  # the evaluator has been run already
        return
    found = runtimes.open(path, tell=False).raw(crops)[about.outputs[0].name]
    expected = [value.values for value in values if value.layers is None and value.values.shape == found.shape]
    yield Row(KERNELS, min(difference(found, one) for one in expected))
