"""What a .pte file (ExecuTorch) says of itself, without running it: its contract, and what its operations are run by.

A .pte is a flatbuffer (executorch, exir/_serialize/program.fbs) with a header in its first bytes, and segments behind
it: weights, and what delegates have compiled. The contract is what the constant method ``edgewing.contract`` returns, a
JSON text with room behind it: a phone reads it with ``module.execute("edgewing.contract")``, and it can be replaced
without writing the program anew.
"""

from __future__ import annotations

import io
import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from edgewing.contract import KEY
from edgewing.flatbuffer import Flatbuffer
from edgewing.protobuf import WireError

METHOD, XNNPACK = "forward", "XnnpackBackend"
STRING = 6  # in the union KernelTypes
SEGMENT = 1  # DataLocation of what is not inside the flatbuffer
KERNEL, DELEGATE = 1, 2  # in the union InstructionArguments


@dataclass(frozen=True)
class Delegate:
    """Part of a program that a backend has compiled: its name, and where its bytes are in the file."""

    backend: str
    start: int
    length: int


class Program:
    """A .pte file of ``size`` bytes. Raises WireError where it is cut off or damaged.

    Program: execution_plan 1, segments 4. ExecutionPlan: name 0, values 2, outputs 4, chains 5, operators 6,
    delegates 7. EValue: kind 0, value 1. Chain: instructions 2. Instruction: kind 0, arguments 1; of a kernel and of a
    delegate alike: index 0. BackendDelegate: id 0, processed 1 (location 0, index 1). DataSegment: offset 0, size 1.
    """

    def __init__(self, file: BinaryIO, size: int):
        self.file, self.flat = file, Flatbuffer(file, size)
        flat = self.flat
        if flat.bytes(4, 2) != b"ET":
            raise WireError("no ET identifier")
        self.base, length = 0, size  # of the segments
        if flat.bytes(8, 4) == b"eh00":
            _, self.base, length = (flat.integer(at, "Q") for at in (16, 24, 32))
        flat.inside(self.base, length)
        self.root = flat.integer(0, "I")
        self.plans = {flat.text(plan, 0): plan for plan in flat.tables(self.root, 1)}

    def contract(self) -> tuple[int, int] | None:
        """Where the contract's text is, and how long, the room behind it included; None where there is none."""
        plan = self.plans.get(KEY)
        if plan is None:
            return None
        values, outputs = list(self.flat.tables(plan, 2)), self.flat.numbers(plan, 4, "i")
        if len(outputs) != 1 or not 0 <= outputs[0] < len(values):
            raise WireError(f"its {KEY} has {len(outputs)} outputs")
        value = values[outputs[0]]
        if self.flat.number(value, 0, "B") != STRING:
            raise WireError(f"its {KEY} is not a text")
        return self.flat.span(self.flat.table(value, 1), 0)

    def delegates(self) -> list[Delegate]:
        """What backends have compiled and is kept in segments, in the order of the program."""
        flat = self.flat
        spans = [(flat.number(s, 0, "Q"), flat.number(s, 1, "Q")) for s in flat.tables(self.root, 4)]
        found = []
        for delegate in itertools.chain(*(flat.tables(plan, 7) for plan in self.plans.values())):
            reference = flat.table(delegate, 1)
            if flat.number(reference, 0, "b") != SEGMENT:
                continue
            index = flat.number(reference, 1, "I")
            if index >= len(spans):
                raise WireError(f"a delegate in segment {index} of {len(spans)}")
            offset, length = spans[index]
            found.append(Delegate(flat.text(delegate, 0), *flat.inside(self.base + offset, length)))
        return found

    def calls(self) -> tuple[Counter, Counter]:
        """How often ``forward`` calls each backend, and each operation outside of them, by name."""
        flat, plan = self.flat, self.plans.get(METHOD)
        if plan is None:
            raise WireError(f"no method {METHOD}")
        names = {
            DELEGATE: [flat.text(delegate, 0) for delegate in flat.tables(plan, 7)],
            KERNEL: [flat.text(operator, 0) for operator in flat.tables(plan, 6)],
        }
        counts = {DELEGATE: Counter(), KERNEL: Counter()}
        for chain in flat.tables(plan, 5):
            for instruction in flat.tables(chain, 2):
                kind = flat.number(instruction, 0, "B")
                if kind in names:  # what is left is moving and freeing
                    index = flat.number(flat.table(instruction, 1), 0, "i")
                    if not 0 <= index < len(names[kind]):
                        raise WireError(f"calls number {index} of {len(names[kind])}")
                    counts[kind][names[kind][index]] += 1
        return counts[DELEGATE], counts[KERNEL]

    def graphs(self) -> Iterator[Flatbuffer]:
        """XNNPACK's own graph of each delegate, a flatbuffer inside (backends/xnnpack/serialization/schema.fbs)."""
        for delegate in self.delegates():
            if delegate.backend == XNNPACK:
                if self.flat.bytes(delegate.start + 4, 4) != b"XH00":
                    raise WireError("no XNNPACK header")
                offset, length = (self.flat.integer(delegate.start + at, "I") for at in (10, 14))
                if offset + length > delegate.length:
                    raise WireError(f"a graph ends at {offset + length} of {delegate.length}")
                self.file.seek(delegate.start + offset)
                yield Flatbuffer(io.BytesIO(self.file.read(length)), length)

    def nodes(self) -> int:
        """How many operations XNNPACK has taken. XNNGraph: xnodes 1."""
        return sum(sum(1 for _ in graph.tables(graph.integer(0, "I"), 1)) for graph in self.graphs())
