"""`python -m train pack`: a run's weights as fp16 safetensors, recipe and contract inside, for a repository to keep.

Of several runs of one network the mean of their weights, where each went on from the one before or all began alike:
the mean is often better than each (arXiv 2203.05482), and costs nothing when it runs. Recipe and contract are the last
one's.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from edgewing import hints
from edgewing.errors import InputError
from edgewing.outputs import Output
from edgewing.words import counted
from train.checkpoint import Loaded, digest, load_model, save_model
from train.runs import ABOUT

EXAMPLE = "runs/first --out models/first.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sources", metavar="RUN", nargs="+", help=ABOUT)
    parser.add_argument("--out", type=Output, required=True, metavar="FILE", help="written here; loads as a run does")


def main(sources: list[str], out: str) -> None:
    """The mean of the weights in half precision, called as their file is; the contract has their sha256."""
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: a name of weights must end in .safetensors")
    runs = [load_model(source) for source in sources]
    network, recipe, contract = runs[-1]
    network.load_state_dict(mean(runs, sources))
    network = network.half()
    # The folders of the machine that trained are nobody else's; the last two parts are the sources' names.
    data, unlabelled = (
        tuple("/".join(Path(place).parts[-2:]) for place in places) for places in (recipe.data, recipe.unlabelled)
    )
    recipe = dataclasses.replace(recipe, data=data, unlabelled=unlabelled)
    provenance = dataclasses.replace(contract.provenance, weights_sha256=digest(network))
    model = dataclasses.replace(contract.model, name=out.stem)
    save_model(out, network, recipe, contract.replace(provenance=provenance, model=model))
    of = f", the mean of {counted(len(sources), 'runs')}" if sources[1:] else ""
    print(f"wrote {out}{of}: {out.stat().st_size / 1e6:.2f} MB")
    print(hints.next_line("edgewing info", out))


def mean(runs: Sequence[Loaded], names: Sequence[str]) -> dict[str, Tensor]:
    """Of the weights, by name; what is a whole number is the last run's. InputError: networks or data that differ."""
    *others, last = runs
    states, kept = [run.network.state_dict() for run in runs], last.network.state_dict()
    for name, run, state in zip(names, others, states):
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in kept.items()}:
            raise InputError(f"{name}: is another network than {names[-1]}, and has no mean with it")
        if run.contract.layout != last.contract.layout or run.contract.training != last.contract.training:
            raise InputError(f"{name}: learnt other points, or from other data, than {names[-1]}; give runs that agree")
    return {
        key: torch.stack([state[key] for state in states]).mean(0) if value.is_floating_point() else value
        for key, value in kept.items()
    }
