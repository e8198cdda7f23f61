"""Weights in and out: safetensors with the contract and the recipe inside, so a file is a network without a pickle.

    loaded = load_model("runs/first")                    # a run folder or a .safetensors file
    network, recipe, contract = loaded

``load_official`` is the one reader of a pickle, and only under torch's weights_only.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from pathlib import Path
from typing import NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from edgewing import containers, files
from edgewing import contract as contracts
from edgewing.contract import Contract
from edgewing.errors import InputError
from train import recipes
from train.blocks import StackedHourglass
from train.model import build, paper_hourglass
from train.recipes import Recipe
from train.weights import LARGEST_FILE, MODEL, run_folder, weights  # noqa: F401  part of this module's face

RECIPE_KEY = "edgewing.recipe"
DATA_KEY = "edgewing.data"


class Loaded(NamedTuple):
    network: StackedHourglass
    recipe: Recipe
    contract: Contract


MOST_STACKS = 8  # of a checkpoint; the paper has 4


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """A safetensors file, written beside its name, flushed to disk, then renamed: whole or not there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with files.beside(path) as part:
            tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
            safetensors.torch.save_file(tensors, part, metadata)
            if contracts.KEY in metadata:
                containers.seal(part)
            with open(part, "rb") as file:
                os.fsync(file.fileno())
            part.chmod(0o644)  # safetensors writes for the owner alone
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written ({error}); what was there before is intact") from None


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors (on the CPU) and metadata of a safetensors file; InputError where it is missing, cut off or too large."""
    if not path.is_file() and path.name == MODEL and (path.parent / "recipe.json").is_file():
        raise InputError(f"{path.parent}: its training has not ended; type its command again, which goes on from there")
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected weights written by `python -m train fit`")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path}: {path.stat().st_size} bytes; the limit is {LARGEST_FILE}")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        if path.suffix != ".safetensors":
            raise InputError(f"{path}: is none of weights; name a run, or a .safetensors file") from None
        raise InputError(f"{path}: not a whole safetensors file ({error})") from None


def save_model(path: Path, network: nn.Module, recipe: Recipe, contract: Contract, data: str = "") -> None:
    """Float weights with contract and recipe inside. data: the fingerprint of the cache that they learnt from."""
    metadata = {contracts.KEY: contracts.dumps(contract), RECIPE_KEY: recipes.dumps(recipe)}
    if data:
        metadata[DATA_KEY] = data
    save_tensors(path, network.state_dict(), metadata)


def load_model(path: str | Path) -> Loaded:
    """The network of a run (its folder, a .safetensors file, or a name), in evaluation mode, float32, on the CPU."""
    path = weights(path)
    tensors, metadata = load_tensors(path)
    for key in (contracts.KEY, RECIPE_KEY):
        if key not in metadata:
            raise InputError(f"{path}: no {key} inside; expected weights written by `python -m train fit`")
    contract = containers.read_contract(path)
    recipe = recipes.loads(metadata[RECIPE_KEY], f"recipe in {path}")
    with torch.device("meta"):  # no memory is taken for a network of another size than the file's
        fill(build(recipe), {name: t.to("meta") for name, t in tensors.items()}, str(path))
    network = build(recipe)
    fill(network, {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}, str(path))
    return Loaded(network.eval(), recipe, contract)


def fill(network: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Load a state dict; InputError in one line where it is another network's."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        first = str(error).split("\n")[1].strip() if "\n" in str(error) else str(error)
        raise InputError(f"{where}: the weights do not fit the recipe beside them ({first[:200]})") from None


def digest(network: nn.Module) -> str:
    """sha256 over names and float32 values of the weights: the same however they are stored."""
    sha = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().to(torch.float32).numpy().tobytes())
    return sha.hexdigest()


# The released code's names -> ours. {i}: stack; levels are 4 (outermost) to 1 there, 0 to 3 here.
_OFFICIAL = (
    (r"conv1\.conv", "stem.conv"),
    (r"bn1", "stem.bn"),
    (r"conv2", "stem.blocks.0"),
    (r"conv3", "stem.blocks.2"),
    (r"conv4", "stem.blocks.3"),
    (r"m(\d+)\.coordconv\.conv", "stacks.{0}.entry"),
    (r"m(\d+)\.b1_(\d)", "stacks.{0}.hourglass.skip.{1}"),
    (r"m(\d+)\.b2_plus_1", "stacks.{0}.hourglass.middle"),
    (r"m(\d+)\.b2_(\d)", "stacks.{0}.hourglass.down.{1}.1"),
    (r"m(\d+)\.b3_(\d)", "stacks.{0}.hourglass.back.{1}"),
    (r"top_m_(\d+)", "stacks.{0}.top"),
    (r"conv_last(\d+)", "stacks.{0}.conv_last"),
    (r"bn_end(\d+)", "stacks.{0}.bn_end"),
    (r"l(\d+)", "stacks.{0}.head"),
    (r"bl(\d+)", "stacks.{0}.carry_features"),
    (r"al(\d+)", "stacks.{0}.carry_heatmaps"),
)
_OFFICIAL_BLOCK = {
    "bn1": "bn.0", "bn2": "bn.1", "bn3": "bn.2", "conv1": "conv.0", "conv2": "conv.1", "conv3": "conv.2",
    "downsample.0": "project.0", "downsample.2": "project.2",
}  # fmt: skip


def load_official(source: str | Path | dict) -> StackedHourglass:
    """The paper's network with weights of the released code (protossw512/AdaptiveWingLoss), in evaluation mode.

    source: its checkpoint (a pickle, read with weights_only under a size limit), or the state dict, or
    ``{"state_dict": ...}``. Landmarks and stacks are inferred from the shapes; unknown keys are ignored and a
    ``module.`` prefix dropped. Its heatmaps equal the released code's; its landmarks are in that code's frame.
    """
    where = "state dict"
    if not isinstance(source, dict):
        where = str(source)
        source = _read_pickle(Path(source))
    state = source.get("state_dict", source)
    state = {k.removeprefix("module."): v for k, v in state.items() if isinstance(v, Tensor)}
    stacks = sum(re.fullmatch(r"l\d+\.weight", key) is not None for key in state)
    if stacks > MOST_STACKS:
        raise InputError(f"{where}: {stacks} stacks; the limit is {MOST_STACKS}")
    if not stacks or "conv1.conv.weight" not in state:
        raise InputError(f"{where}: not a state dict of the released AdaptiveWingLoss code; no conv1.conv and l0 in it")
    network = paper_hourglass(state["l0.weight"].shape[0] - 1, stacks)
    ours = {}
    for key, tensor in state.items():
        name, _, kind = key.rpartition(".")
        place = _translate(name)
        if place is None:
            continue
        if not name.endswith(("conv1.conv", "coordconv.conv")):
            ours[f"{place}.{kind}"] = tensor
        elif kind == "bias":
            ours[f"{place}.conv.bias"] = tensor
        else:  # one convolution of [features, coordinates] there, a sum of two here
            features = network.get_submodule(f"{place}.conv").in_channels
            ours[f"{place}.conv.weight"], ours[f"{place}.coord.weight"] = tensor[:, :features], tensor[:, features:]
    fill(network, ours, where)
    return network.eval()


def _read_pickle(path: Path) -> dict:
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the released code's checkpoint")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"{path}: {path.stat().st_size} bytes; the limit is {LARGEST_FILE}")
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > LARGEST_FILE:
                raise InputError(f"{path}: unpacks to {unpacked} bytes; the limit is {LARGEST_FILE}")
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # torch.load raises many kinds on a broken or hostile file
        raise InputError(f"{path}: cannot be read as weights ({type(error).__name__})") from None
    if not isinstance(loaded, dict):
        raise InputError(f"{path}: holds a {type(loaded).__name__}, not a state dict")
    return loaded


def _translate(name: str) -> str | None:
    """A released module name in ours, or None where it is unknown."""
    for pattern, place in _OFFICIAL:
        match = re.match(rf"{pattern}(?=\.|$)", name)
        if not match:
            continue
        groups = list(match.groups())
        if len(groups) == 2:
            groups[1] = str(4 - int(groups[1]))
        rest = name[match.end() + 1 :]
        if rest and rest not in _OFFICIAL_BLOCK:
            return None
        return place.format(*groups) + (f".{_OFFICIAL_BLOCK[rest]}" if rest else "")
    return None
