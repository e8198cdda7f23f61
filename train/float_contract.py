"""The contract of a float run: what training knows about the network it leaves behind."""

from __future__ import annotations

from importlib import metadata

from edgewing import contract as contracts
from edgewing import layouts, repository
from edgewing.contract import Contract
from train.blocks import StackedHourglass
from train.checkpoint import digest
from train.credits import Credits
from train.model import macs, parameters
from train.recipes import Recipe


def float_contract(network: StackedHourglass, recipe: Recipe, name: str, credits: Credits) -> Contract:
    """name: the run's. credits: of the sources that it was trained on, and of whoever gave it weights or labels: what
    those were trained on counts as trained on, its terms pass on to who learns from it."""
    layout, size = layouts.get(recipe.layout), recipe.input_size
    credits = credits + Credits(notes=(recipe.note,) if recipe.note else ())
    trained_on, teachers = list(credits.trained_on), list(credits.teachers)
    return contracts.check(
        Contract(
            layout=layout,
            input=contracts.InputPart(
                "images", [1, 3, size, size], "NCHW", "float32", "RGB", [0.0, 1.0], "none: divide by 255 before"
            ),
            crop=contracts.crop_part(size, "gtbox" if recipe.crop == "gtbox" else "provided"),
            outputs=[
                contracts.OutputPart(
                    "heatmaps",
                    "heatmaps",
                    [1, layout.points + recipe.has_boundary, recipe.cells, recipe.cells],
                    "cell",
                    "probability",
                    "float32",
                )  # fmt: skip
            ],
            decode=contracts.DecodePart(
                False, recipe.decode, recipe.threshold, recipe.power, recipe.stride, least_score(recipe)
            ),
            model=contracts.ModelPart(
                name, recipe.name, "safetensors", "fp32", parameters(network), macs(network, size)
            ),
            training=contracts.TrainingPart(trained_on, credits.terms(recipe.terms), teachers),
            provenance=contracts.ProvenancePart(repository.short(), versions(), digest(network)),
        )
    )


def least_score(recipe: Recipe) -> float:
    """The score below which a point is not in the picture: halfway between the empty maps of such points and the lowest
    that others are trained to. 0 where the maps of absent points were left alone, and say nothing."""
    return recipe.hidden / 2 if recipe.absent == "empty" else 0.0


def versions() -> dict[str, str]:
    """Versions of what made the weights."""
    found = {}
    for name in ("edgewing", "torch", "numpy", "safetensors"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
