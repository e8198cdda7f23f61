"""What a network costs as its channels go: multiply-accumulates, or milliseconds by a table measured on the target.

    costs = Costs(network, recipe)                       # multiply-accumulates
    costs = Costs(network, recipe, Latency.load(path))   # milliseconds
    costs.remove(group.members, [3, 5])                  # channels of a group (compress.groups)
    costs.total() / costs.initial

The table holds single operations at a grid of widths (compress.probes), and linear interpolation what lies between. A
network's time is the sum over its convolutions, sums and upsamplings, and what the frame around them takes: pixels to
int8, and the decode. Nothing else is counted: not the batch norms and poolings of the paper's blocks. (compress.table
measures, and fits the table to whole files.)
"""

from __future__ import annotations

import functools
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from compress import probes
from compress.groups import Member
from compress.probes import Operation
from edgewing import files, layouts
from edgewing.errors import InputError
from train.recipes import Recipe

GRID = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # channels at which operations are timed
LIMIT = 16 * files.MIB  # of a table's file
SCHEMA = 1
SUMS = ("add", "__add__", "__radd__", "add_", "__iadd__")


@dataclass(frozen=True)
class Site:
    """One operation in a network. writers: of a convolution its own name; of a sum or an upsampling the convolutions
    that wrote its input, several where they are concatenated, and whose widths together are its own."""

    operation: Operation
    writers: tuple[str, ...]


def trace(network: nn.Module, size: int) -> tuple[list[Site], dict[str, int]]:
    """The operations of a network at (1, 3, size, size), and convolution -> its multiply-accumulates for one channel in
    and one out."""
    sites: list[Site] = []
    units: dict[str, int] = {}
    writers: dict[int, tuple[str, ...]] = {}  # by id of a tensor
    alive: list[Tensor] = []  # while they live, no other tensor has their id

    def note(tensor: Tensor, names: tuple[str, ...]) -> None:
        writers[id(tensor)] = names
        alive.append(tensor)

    def observe(name: str):
        def hook(conv: nn.Conv2d, arguments, output: Tensor) -> None:
            # The term of the coordinates is a constant in a file (targets.graph): adding it is all that it costs.
            if not name.endswith(".coord"):
                kind, side = "depthwise" if conv.groups > 1 else "conv", arguments[0].shape[-1]
                widths = conv.in_channels, conv.out_channels
                sites.append(Site(Operation(kind, side, *widths, conv.kernel_size[0], conv.stride[0]), (name,)))
            units[name] = output[0, 0].numel() * conv.weight[0, 0].numel()
            note(output, (name,))

        return hook

    class Follow(TorchFunctionMode):
        def __torch_function__(self, function, types, arguments=(), keywords=None):
            output = function(*arguments, **(keywords or {}))
            if not isinstance(output, Tensor) or output.ndim != 4 or id(output) in writers or not arguments:
                return output
            inputs = arguments[0] if isinstance(arguments[0], list | tuple) else arguments
            known = [writers[id(t)] for t in inputs if id(t) in writers]
            if known:
                names = sum(known, ()) if function is torch.cat else known[0]
                kind = "add" if function.__name__ in SUMS else "resize" if function is F.interpolate else ""
                if kind:
                    width = output.shape[1]
                    sites.append(Site(Operation(kind, inputs[0].shape[-1], width, width), names))
                note(output, names)
            return output

    hooks = [m.register_forward_hook(observe(n)) for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    try:
        with torch.no_grad(), Follow():
            network(torch.zeros(1, 3, size, size))
    finally:
        for hook in hooks:
            hook.remove()
    return sites, units


@dataclass(frozen=True)
class Latency:
    """A table: milliseconds of operations, and of the frame around a network by (crop px, cells, landmarks).

    about: machine, runtime, date, command: where these figures are from.
    """

    operations: dict[Operation, float]
    frames: dict[tuple[int, int, int], float]
    about: dict

    def of(self, operation: Operation) -> float:
        """Linear between the widths in the table. InputError where it holds none around this one."""
        at = operation
        rows = self._rows.get((at.kind, at.map, at.kernel, at.stride), {})
        # What reads as many channels as it writes is a line, not a plane.
        read = at.read if at.kind == "conv" else 0
        around = {r: row for r, row in rows.items() if row[0][0] <= at.written <= row[0][-1]}
        if not around or not min(around) <= read <= max(around):
            raise InputError(f"the latency table has no {at}; measure one for this run: python -m compress costs RUN")
        reads = sorted(around)
        return float(np.interp(read, reads, [np.interp(at.written, *around[r]) for r in reads]))

    @functools.cached_property
    def _rows(self) -> dict[tuple, dict[int, tuple[list[int], list[float]]]]:
        """(kind, map, kernel, stride) -> channels read -> (channels written, milliseconds), ascending."""
        found: dict[tuple, dict] = defaultdict(lambda: defaultdict(lambda: ([], [])))
        for op, ms in sorted(self.operations.items()):
            row = found[op.kind, op.map, op.kernel, op.stride][op.read if op.kind == "conv" else 0]
            row[0].append(op.written)
            row[1].append(ms)
        return found

    def frame(self, recipe: Recipe) -> float:
        """Of what stands before and after the network. InputError where the table is for other crops or points."""
        key = (recipe.input_size, recipe.cells, layouts.get(recipe.layout).points)
        if key not in self.frames:
            known = ", ".join(f"{size} px, {cells} cells, {points} landmarks" for size, cells, points in self.frames)
            size, cells, points = key
            raise InputError(
                f"the latency table is for {known}; the run has {size} px, {cells} cells, {points} landmarks; "
                "measure one for it: python -m compress costs RUN"
            )
        return self.frames[key]

    def dumps(self) -> bytes:
        value = {
            "schema": SCHEMA,
            **self.about,
            "frames": [dict(zip(("size", "cells", "points", "ms"), (*k, ms))) for k, ms in self.frames.items()],
            "operations": [{**asdict(op), "ms": ms} for op, ms in sorted(self.operations.items())],
        }
        rows = {key: value.pop(key) for key in ("frames", "operations")}
        text = json.dumps(value, indent=1, ensure_ascii=False)[:-2]
        for key, some in rows.items():
            text += f',\n "{key}": [\n  ' + ",\n  ".join(json.dumps(row) for row in some) + "\n ]"
        return (text + "\n}\n").encode()

    @classmethod
    def load(cls, path: Path) -> Latency:
        """InputError where the file is missing or not such a table."""
        data = files.read(path, LIMIT)
        try:
            value = json.loads(data)
            if value.pop("schema") != SCHEMA:
                raise ValueError("another schema")
            frames = {(f["size"], f["cells"], f["points"]): float(f["ms"]) for f in value.pop("frames")}
            operations = {}
            for row in value.pop("operations"):
                ms = float(row.pop("ms"))
                operation = Operation(**row)
                if not np.isfinite(ms) or operation.kind not in probes.KINDS:
                    raise ValueError(f"{operation}: {ms} ms")
                if not all(isinstance(n, int) and n > 0 for n in astuple(operation)[1:]):
                    raise ValueError(f"{operation} is not in whole numbers")
                operations[operation] = ms
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path}: not a latency table ({error!r}); python -m compress costs RUN makes one"
            ) from None
        return cls(operations, frames, value)


def points(sites: Iterable[Site]) -> set[Operation]:
    """What to time for a network that may lose channels: each of its operations at all smaller widths of the grid."""

    def below(width: int) -> list[int]:
        return [w for w in GRID if w < width] + [width]

    found = set()
    for op in (site.operation for site in sites):
        rest = (op.kernel, op.stride)
        if op.kind == "conv":
            found |= {Operation(op.kind, op.map, r, w, *rest) for r in below(op.read) for w in below(op.written)}
        else:
            found |= {Operation(op.kind, op.map, w, w, *rest) for w in below(op.written)}
    return found


class Costs:
    """What the network needs as its widths shrink, without running anything.

    Multiply-accumulates of the convolutions; or, with a table, milliseconds. option: the command line's name of it.
    """

    def __init__(self, network: nn.Module, recipe: Recipe, latency: Latency | None = None):
        sites, self._units = trace(network, recipe.input_size)
        convolutions = {n: m for n, m in network.named_modules() if isinstance(m, nn.Conv2d)}
        self._widths = {n: [m.in_channels, m.out_channels] for n, m in convolutions.items()}
        self._depthwise = {n for n, m in convolutions.items() if m.groups > 1}
        self._latency = latency
        self.option = "--latency" if latency else "--macs"
        self._fixed = latency.frame(recipe) if latency else 0
        self._sites: dict[str, list[int]] = defaultdict(list)  # convolution -> the sites that change with it
        self._operations = [site.operation for site in sites]
        self._writers = [site.writers for site in sites]
        for i, site in enumerate(sites):
            for name in site.writers:
                self._sites[name].append(i)
        self._seen: dict[Operation, float] = {}
        if latency:
            self._now = {i: self._milliseconds(i) for i in range(len(sites))}
        else:
            self._now = {name: self._macs(name) for name in convolutions}
        self.initial = self.total()

    def total(self) -> float:
        return self._fixed + sum(self._now.values())

    def remove(self, members: Iterable[Member], gone: Sequence[int]) -> None:
        """Take these channels of a group away."""
        for name in self._narrow(members, gone, -1):
            self._now |= self._part(name)

    def saving(self, members: Iterable[Member], gone: Sequence[int]) -> float:
        """What ``remove`` would take off the total, which stays as it is."""
        changed = self._narrow(members, gone, -1)
        after = {key: value for name in changed for key, value in self._part(name).items()}
        self._narrow(members, gone, 1)
        return sum(self._now[key] for key in after) - sum(after.values())

    def _narrow(self, members: Iterable[Member], gone: Sequence[int], sign: int) -> list[str]:
        """Change the widths; the convolutions that have others now."""
        changed = []
        for member in members:
            count = sum(len(member.channels[channel]) for channel in gone)
            if count:
                self._widths[member.convolution][int(member.out)] += sign * count
                changed.append(member.convolution)
        return changed

    def _part(self, name: str) -> dict:
        """What this convolution and all that has its width cost now."""
        if self._latency is None:
            return {name: self._macs(name)}
        return {i: self._milliseconds(i) for i in self._sites[name]}

    def _macs(self, name: str) -> int:
        read, written = self._widths[name]
        return self._units[name] * written * (1 if name in self._depthwise else read)

    def _milliseconds(self, i: int) -> float:
        op, writers = self._operations[i], self._writers[i]
        if op.kind in ("add", "resize"):
            read = written = sum(self._widths[name][1] for name in writers)
        else:
            read, written = self._widths[writers[0]]
        op = Operation(op.kind, op.map, read, written, op.kernel, op.stride)
        if op not in self._seen:
            self._seen[op] = self._latency.of(op)
        return self._seen[op]
