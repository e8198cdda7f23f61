"""`python -m train expression`: networks that read head pose, ARKit's 52 units and gaze off landmarks.

They learn from drawn heads alone, whose truth is exact and of which most need not be drawn. What they will be given are
points that a model found, not true ones: so to the true points come errors that models made on heads that were drawn.

B: heads, N: landmarks, D: what is read off.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from edgewing import files, geometry, hints
from edgewing.errors import InputError
from edgewing.expression import POSE, UNITS, normalised
from edgewing.landmarker import Landmarker
from edgewing.outputs import Output
from train.data.drawn.heads import head, mesh, people, undrawn

EXAMPLE = "--models edgewing-free-98 edgewing-free-s --out edgewing/expression.npz"
FIRST = 1 << 40  # the number of the first head that is learnt from: those below are there to measure with
HIDDEN = {POSE: (96, 48), UNITS: (192, 96)}
BATCH, RATE, DECAY = 256, 4e-3, 1e-4
FOUND = 32  # of a batch: points as a model found them. The others are true points and an error
DEGREES, GAZE = 30.0, 10.0  # an error of the pose, of the gaze, that counts as one of 1 in a unit
NONSENSE = 0.7  # of the points' distance from their middle (rms): a coordinate that far off was not found
LOST = 0.2  # of the faces lack some of their points


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--models", nargs="+", required=True, metavar="MODEL", help="whose errors are learnt through")
    parser.add_argument("--heads", type=int, default=50_000, metavar="N", help="not drawn (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=2500, metavar="N", help="drawn (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=12_000, metavar="N", help="of training (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the training (default: %(default)s)")
    parser.add_argument("--out", type=Output, required=True, metavar="FILE.npz", help="written here")


def main(models: list[str], out: str, heads: int, pictures: int, steps: int, seed: int) -> None:
    packed = io.BytesIO()
    np.savez_compressed(packed, **learn([Landmarker(model) for model in models], heads, pictures, steps, seed))
    files.write(Path(out), packed.getvalue())
    print(f"wrote {out}: {len(packed.getvalue()) / 1e3:.0f} kB")
    print(hints.next_line("python -m bench expression --model", models[0]))


@dataclass
class Known:
    """Heads of which all is known. points: (B, N, 2) px; true: the same without a model's errors; angles: (B, 3) yaw,
    pitch, roll in degrees; units: (B, 52) 0 to 1; gaze: (B, 2) degrees to the person's left, up."""

    points: np.ndarray
    true: np.ndarray
    angles: np.ndarray
    units: np.ndarray
    gaze: np.ndarray

    @classmethod
    def of(cls, points: list[np.ndarray], found: list) -> Known:
        units = [list(one.units.values()) for one in found]
        lists = points, [one.landmarks for one in found], [one.angles for one in found], units, [f.gaze for f in found]
        return cls(*(np.array(values, np.float32) for values in lists))


def learn(landmarkers: list[Landmarker], heads: int, pictures: int, steps: int, seed: int) -> dict[str, np.ndarray]:
    """The arrays of expression.npz. InputError: no model has the points."""
    made = {"names": np.array(mesh.mesh().units)}
    for name, layout in (("pose", POSE), ("units", UNITS)):
        able = [one for one in landmarkers if layout in (one.contract.layout.name, *one.contract.layout.maps)]
        if not able:
            raise InputError(f"--models: none of them has the points of {layout}, nor a map to them")
        print(f"{layout}: {heads} heads, and {pictures} to draw", flush=True)
        drawn = looked_at(able, layout, range(FIRST + heads, FIRST + heads + pictures))
        found = fit(layout, known(layout, range(FIRST, FIRST + heads)), drawn, steps, seed)
        made |= {f"{name}_{key}": value for key, value in found.items()}
    return made


def known(layout: str, numbers: range) -> Known:
    """Heads that are not drawn, in all poses, half of them doing a few things of any kind."""
    found = []
    for number in numbers:
        rng = np.random.default_rng([number, 54])
        angles = rng.uniform(-80, 80), float(np.clip(rng.normal(0, 18), -45, 45)), rng.normal(0, 20)
        found.append(undrawn(number, layout, angles if rng.random() < 0.5 else None, people.exercise))
    return Known.of([one.landmarks for one in found], found)


def looked_at(landmarkers: list[Landmarker], layout: str, numbers: range) -> Known:
    """Heads that are drawn, with the points that models find on them."""
    points, found = [], []
    for number in numbers:
        one = head(number, layout)
        for landmarker in landmarkers:
            face = landmarker(one.image, boxes=[geometry.landmark_box(one.landmarks)])[0]
            points.append(face.landmarks[landmarker.contract.layout.map_to(layout)])
            found.append(one)
    return Known.of(points, found)


def fit(layout: str, whole: Known, drawn: Known, steps: int, seed: int) -> dict[str, np.ndarray]:
    """shape, deviation, weights and biases of that layout's network, as ``edgewing.expression.Reader`` has them."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    shape = whole.true.mean(axis=0) - whole.true.mean(axis=(0, 1))
    shape /= np.sqrt((shape**2).sum())
    scale = np.full(3, DEGREES) if layout == POSE else np.r_[np.ones(whole.units.shape[1]), GAZE, GAZE]
    faces, wanted = _upright(whole.true, whole, shape, layout)
    found, found_wanted = _upright(drawn.points, drawn, shape, layout)
    errors = found - _upright(drawn.true, drawn, shape, layout)[0]
    size = np.sqrt(((shape - shape.mean(axis=0)) ** 2).sum(axis=1).mean())
    errors = errors[abs(errors).max(axis=(1, 2)) < NONSENSE * size]
    deviation = (faces - shape).std(axis=0).T.reshape(-1) + 1e-3 * size
    sizes = 2 * len(shape), *HIDDEN[layout], len(scale)
    network = nn.Sequential(*(layer for pair in zip(sizes, sizes[1:]) for layer in (nn.Linear(*pair), nn.ReLU())))[:-1]
    optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    for step in range(1, steps + 1):
        i, j = rng.integers(len(faces), size=BATCH - FOUND), rng.integers(len(errors), size=BATCH - FOUND)
        k = rng.integers(len(found), size=FOUND)
        points = np.concatenate([faces[i] + errors[j] * rng.uniform(0, 1.2, (len(i), 1, 1)), found[k]])
        x, turned = normalised(points, shape, _there(rng, points.shape[:2]))
        y = np.concatenate([wanted[i], found_wanted[k]])
        if layout == POSE:
            y[:, 2] -= turned
        guess = network(torch.tensor(x / deviation, dtype=torch.float32))
        loss = nn.functional.smooth_l1_loss(guess, torch.tensor(y / scale, dtype=torch.float32), beta=0.2)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 1000 == 0:
            print(f"step {step}/{steps}  loss {loss.item():.4f}", flush=True)
    return {"shape": shape.astype(np.float32), "deviation": deviation.astype(np.float32)} | _weights(network, scale)


def _upright(points: np.ndarray, of: Known, shape: np.ndarray, layout: str) -> tuple[np.ndarray, np.ndarray]:
    """(B, N, 2) points that lie on ``shape`` as nearly as they can; (B, D) what is to be read off, the roll beyond what
    they were turned by."""
    off, turned = normalised(points, shape)
    count = len(shape)
    upright = np.stack([off[:, :count], off[:, count:]], axis=2) + shape
    if layout == UNITS:
        return upright, np.hstack([of.units, of.gaze])
    wanted = of.angles.astype(np.float64)
    wanted[:, 2] = (wanted[:, 2] - turned + 180) % 360 - 180
    return upright, wanted


def _there(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    """(B, N) bool: some faces lack up to half of their points."""
    lost = rng.random((size[0], 1)) * 0.5 * (rng.random((size[0], 1)) < LOST)
    return rng.random(size) >= lost


def _weights(network: nn.Sequential, scale: np.ndarray) -> dict[str, np.ndarray]:
    """Half precision, (in, out); the last layer gives what is read off in its own measure."""
    made = {}
    layers = [layer for layer in network if isinstance(layer, nn.Linear)]
    for k, layer in enumerate(layers):
        measure = scale if layer is layers[-1] else 1.0
        made[f"weight{k}"] = (layer.weight.detach().numpy().T * measure).astype(np.float16)
        made[f"bias{k}"] = (layer.bias.detach().numpy() * measure).astype(np.float32)
    return made
