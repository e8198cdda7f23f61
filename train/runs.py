"""A run by what a user types: its folder, its name below ``runs``, a .safetensors file, or the name of shipped weights.

load_model("edgewing-m")                    # weights alone: nothing is written
folder = find("edgewing-m", print)          # a folder, which a name or a file gets here: runs/edgewing-m
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from edgewing import files, geometry, layouts
from edgewing.errors import InputError
from edgewing.face_set import Faces
from edgewing.layouts import Layout
from train.data import drawn
from train.weights import ABOUT, LARGEST_FILE, MODEL, RUNS, SHIPPED, run_folder, weights  # noqa: F401  part of this module's face

RECIPE = "recipe.json"
DRAWN = 100  # faces to check on, and as many to calibrate on, where a run has none of its own
# Other faces than a recipe's seed, which is small, would draw.
SEEDS = {"faces/validation.npz": 101, "faces/calibration.npz": 102}


def find(run: str | Path, say: Callable[[str], None] = print) -> Path:
    """The folder of the run that is meant. Weights without a folder get one, ``runs/NAME``, with faces that are drawn
    for it; ``say`` is told.

    InputError as for ``weights``; also where that folder holds other weights, or cannot be written.
    """
    path = weights(run)
    return path.parent if path.name == MODEL else _unpacked(path, RUNS / path.stem, say)


def _unpacked(path: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """The run folder of a weights file: its recipe beside it, faces, and last of all the weights."""
    from train import recipes
    from train.checkpoint import load_model

    recipe, data = load_model(path).recipe, files.read(path, LARGEST_FILE)
    own = folder / MODEL
    if own.is_file() and own.read_bytes() != data:
        raise InputError(f"{folder}: holds other weights than {path}; give that folder as the run, or move it away")
    lacking = [name for name in SEEDS if not (folder / name).is_file()] if recipe.layout in drawn.LAYOUTS else []
    if own.is_file() and not lacking:
        return folder
    say(f"{folder}: made of {path}" + (f", drawing {len(lacking) * DRAWN} faces" if lacking else ""))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in lacking:
            draw(recipe.layout, recipe.input_size, SEEDS[name]).save(folder / name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check the folder") from None
    files.write(folder / RECIPE, (recipes.dumps(recipe) + "\n").encode())
    files.write(own, data)
    return folder


def layout_of(run: Path) -> Layout:
    """What a run's recipe says. InputError where it does not."""
    layout = _recipe(run).get("layout")
    if isinstance(layout, dict):
        return layouts.parse(layout, f"layout of {run}")
    if not isinstance(layout, str):
        raise InputError(f"{run / RECIPE}: no layout to be read; give --layout")
    return layouts.get(layout)


def crop_of(run: Path, names: Collection[str], otherwise: str = "gtbox") -> str:
    """How the faces of these names that a run has kept were cut (train.data.crops), by its recipe. Those that were
    drawn for weights without a folder were cut by their landmarks."""
    drawn = all(str(name).startswith("drawn_") for name in names)
    return "gtbox" if drawn else str(_recipe(run).get("crop", otherwise))


def _recipe(run: Path) -> dict:
    path = run / RECIPE
    try:
        recipe = json.loads(files.read(path, files.MIB)) if path.exists() else {}
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}); train the run again") from None
    return recipe if isinstance(recipe, dict) else {}


def draw(layout: str, size: int, seed: int) -> Faces:
    """DRAWN faces as a network of that layout and input size sees them. InputError for a layout that is not drawn."""
    crops, landmarks, names = [], [], []
    for face in drawn.faces(DRAWN, layout, seed, processes=os.cpu_count() or 1):
        crop = geometry.crop_from_landmarks(face.landmarks, size)
        crops.append(geometry.warp(face.image, crop.to_image, size))
        landmarks.append(geometry.apply(crop.to_crop, face.landmarks))
        names.append(face.name)
    return Faces(np.stack(crops), np.stack(landmarks).astype(np.float32), np.array(names))
