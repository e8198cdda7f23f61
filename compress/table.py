"""`python -m compress costs`: what a run's operations take on this machine, as a table for `prune --latency`.

The operations are those of the run's int8 TFLite file at all smaller widths of a grid, each timed on one thread in a
small file of its own. What whole files take beyond their operations' sum, a frame around the network and slower memory
within it, is fitted on two of them, the run's network and a smaller one. The table is made on the machine that counts;
the pruning may happen on another.
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
from collections.abc import Callable

import numpy as np

from compress import costs, probes
from compress.costs import Costs, Latency
from compress.prune import prune
from edgewing import files, hints, layouts, measure
from edgewing.errors import InputError
from edgewing.outputs import Output
from targets.progress import Progress, silence
from train import runs
from train.checkpoint import Loaded, load_model
from train.evaluate import Faces
from train.model import StackedHourglass

PURPOSE = "measure what operations cost on this machine"
EXAMPLE = "runs/first --to phone.json"
# Of the multiply-accumulates: the second network that the table is fitted on, the first of these that can be had. The
# smaller, the less it matters that times are noisy.
SMALLER = (0.2, 0.4, 0.6, 0.8)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help=f"the network to be pruned: {runs.ABOUT}")
    parser.add_argument("--to", required=True, metavar="FILE", type=Output, help="the table, JSON")


def main(options: argparse.Namespace) -> None:
    loaded = load_model(options.source)
    command = shlex.join(["python", "-m", "compress", "costs", str(options.source), "--to", str(options.to)])
    with Progress("costs") as say, silence(options.debug):
        latency = measured(loaded, command, say)
    files.write(options.to, latency.dumps())
    total = Costs(loaded.network, loaded.recipe, latency).initial
    print(f"{len(latency.operations)} operations on {latency.about['machine']['cpu']}, {latency.about['runtime']}")
    print(f"{options.source}: {total:.3f} ms, of which {latency.frame(loaded.recipe):.3f} ms around the network")
    print(f"wrote {options.to}")
    print(
        hints.next_line(
            "python -m compress prune", options.source, "--run", "NAME", "--latency", 0.5, "--table", options.to
        )
    )


def measured(loaded: Loaded, command: str, say: Callable[[str], None]) -> Latency:
    """The table for a run's network, on this machine; a minute, most of it two conversions."""
    network, recipe, contract = loaded
    pair = (network, _smaller(loaded))
    say("converting two networks")
    whole = [probes.int8(one, contract) for one in pair]
    operations, times = probes.measure(costs.points(costs.trace(network, recipe.input_size)[0]), whole, say)
    key = (recipe.input_size, recipe.cells, layouts.get(recipe.layout).points)
    plain = Latency(operations, {key: 0.0}, {})
    frame, factor = fit([Costs(one, recipe, plain).initial for one in pair], times)
    about = {
        "machine": measure.machine(),
        "runtime": probes.library(),
        "date": measure.now(),
        "command": command,
        "protocol": probes.PROTOCOL,
        "whole_ms": times,
        "factor": factor,
    }
    return Latency({op: factor * ms for op, ms in operations.items()}, {key: frame}, about)


def _smaller(loaded: Loaded) -> StackedHourglass:
    """The network with far fewer channels. InputError where none may go."""
    network, recipe, _ = loaded
    nobody = Faces(*(np.empty(0) for _ in range(3)))  # magnitude looks at weights alone
    for share in SMALLER:
        multiplications = Costs(network, recipe)
        with contextlib.suppress(InputError):
            target = share * multiplications.initial
            return prune(network, recipe, multiplications, target, "magnitude", nobody).network
    raise InputError("the network is too narrow to prune, and needs no table; train a smaller one instead")


def fit(sums: list[float], whole: list[float]) -> tuple[float, float]:
    """(frame, factor) with whole = frame + factor x sum for two networks; neither is negative.

    sums: milliseconds of all operations of each. whole: of its file. InputError where these contradict each other.
    """
    factor = (whole[0] - whole[1]) / (sums[0] - sums[1])
    frame = whole[0] - factor * sums[0]
    if factor <= 0:
        raise InputError("the smaller network took longer: this machine is too busy to measure on; try again")
    if frame < 0:  # within the noise there is none
        return 0.0, sum(whole) / sum(sums)
    return frame, factor
