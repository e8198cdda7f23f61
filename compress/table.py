"""`python -m compress costs`: what a run's operations take on this machine, as a table for `prune --latency`.

The operations are those of the run's int8 TFLite file at all smaller widths of a grid, each timed on one thread in a
small file of its own. It is made on the machine that counts; the pruning may happen on another.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from compress.costs import Costs, measured
from edgewing import files
from targets.progress import Progress, silence
from train.checkpoint import load_model

PURPOSE = "measure what operations cost on this machine"
EXAMPLE = "runs/first --to phone.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", type=Path, help="a run with the network to be pruned")
    parser.add_argument("--to", required=True, metavar="FILE", type=Path, help="the table, JSON")


def main(options: argparse.Namespace) -> None:
    network, recipe, contract = load_model(options.source)
    command = shlex.join(["python", "-m", "compress", "costs", str(options.source), "--to", str(options.to)])
    with Progress("costs") as say, silence(options.debug):
        latency = measured(network, recipe, contract, command, say)
    files.write(options.to, latency.dumps())
    total = Costs(network, recipe, latency).initial
    print(f"{len(latency.operations)} operations on {latency.about['machine']['cpu']}, {latency.about['runtime']}")
    print(f"{options.source}: {total:.3f} ms, of which {latency.frame(recipe):.3f} ms around the network")
    print(f"wrote {options.to}")
    print(f"next: python -m compress prune {options.source} --run NAME --latency 0.5 --table {options.to}")
