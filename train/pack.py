"""`python -m train pack`: a run's weights as fp16 safetensors, recipe and contract inside, for a repository to keep."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from edgewing import hints
from edgewing.errors import InputError
from edgewing.outputs import Output
from train.checkpoint import digest, load_model, save_model
from train.runs import ABOUT

EXAMPLE = "runs/first --out models/first.safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="RUN", help=ABOUT)
    parser.add_argument("--out", type=Output, required=True, metavar="FILE", help="written here; loads as a run does")


def main(source: str, out: str) -> None:
    """The weights in half precision, called as their file is; the contract's sha256 is that of the rounded weights."""
    out = Path(out)
    if out.suffix != ".safetensors":
        raise InputError(f"{out}: a name of weights must end in .safetensors")
    network, recipe, contract = load_model(source)
    network = network.half()
    # The folders of the machine that trained are nobody else's; the last two parts are the sources' names.
    data, unlabelled = (
        tuple("/".join(Path(place).parts[-2:]) for place in places) for places in (recipe.data, recipe.unlabelled)
    )
    recipe = dataclasses.replace(recipe, data=data, unlabelled=unlabelled)
    provenance = dataclasses.replace(contract.provenance, weights_sha256=digest(network))
    model = dataclasses.replace(contract.model, name=out.stem)
    save_model(out, network, recipe, contract.replace(provenance=provenance, model=model))
    print(f"wrote {out}: {out.stat().st_size / 1e6:.2f} MB")
    print(hints.next_line("edgewing info", out))
