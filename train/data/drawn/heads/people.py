"""Who is drawn: shape, colours, expression. Ranges are set by hand or by anatomy; none is measured on photographs."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

import numpy as np

from train.data.drawn.heads.mesh import Mesh


def linear(*srgb: float) -> np.ndarray:
    return (np.array(srgb, float) / 255.0) ** 2.2


# of skin, from light to dark; of hair; of irises
TONES = np.array([
    linear(244, 208, 188), linear(232, 190, 165), linear(226, 178, 146), linear(206, 158, 122), linear(180, 128, 94),
    linear(146, 98, 70), linear(112, 72, 52), linear(80, 50, 38), linear(58, 37, 30),
])  # fmt: skip
HAIR = (
    linear(20, 16, 15), linear(34, 24, 20), linear(58, 38, 28), linear(92, 62, 40), linear(140, 98, 58),
    linear(190, 150, 96), linear(214, 186, 140), linear(130, 60, 30), linear(150, 150, 150), linear(210, 208, 204),
)  # fmt: skip
IRISES = (
    linear(50, 28, 18), linear(70, 42, 24), linear(96, 66, 36), linear(92, 96, 60), linear(80, 108, 130),
    linear(100, 130, 160), linear(110, 120, 120),
)  # fmt: skip
SPREAD = 0.7  # of sliders: 1 is what they may do one by one, and together more than people differ


@dataclass
class Person:
    """age: 0 newborn, 0.19 child, 0.5 young, 1 old. male: 0 to 1. race: shares of african, asian, caucasian."""

    age: float
    male: float
    race: np.ndarray
    tone: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    beard: np.ndarray
    iris: np.ndarray


def colour(rng: np.random.Generator) -> np.ndarray:
    """Linear RGB of a thing: mostly dull, seldom loud."""
    c = rng.random(3) ** 2.0
    return c.mean() + (c - c.mean()) * rng.beta(1.0, 2.2)


def person(rng: np.random.Generator) -> Person:
    draw = rng.random()
    band = int(np.searchsorted((0.05, 0.15, 0.62), draw, "right"))
    low, high = ((0.02, 0.19), (0.19, 0.45), (0.45, 0.65), (0.6, 1.0))[band]
    age, male, race = rng.uniform(low, high), rng.beta(0.35, 0.35), rng.dirichlet((0.45, 0.45, 0.45))
    ramp = float(np.clip(race @ (6.3, 2.3, 1.3) + rng.normal(0, 0.9), 0, len(TONES) - 1.001))
    k, dark = int(ramp), ramp / (len(TONES) - 1)
    tone = (TONES[k] + (ramp - k) * (TONES[k + 1] - TONES[k])) * np.exp(rng.normal(0, (0.05, 0.06, 0.09)))
    light = 1 - dark
    p = np.array(
        [3, 3, 2 + 2 * light, 3 * light, 2 * light, 1.6 * light, light, 0.7 * light]
        + [5 * max(0, age - 0.65), 7 * max(0, age - 0.72)]
    ) + (0.03 if age > 0.3 else 0)
    hair = HAIR[rng.choice(len(p), p=p / p.sum())] * np.exp(rng.normal(0, 0.15, 3))
    if rng.random() < 0.007 and age > 0.4:
        hair = rng.random(3) ** 2 * 0.6
    brow = hair * rng.uniform(0.3, 0.9) if hair.mean() > 0.03 else hair * 0.8
    q = np.array([4 + 6 * dark, 4 + 3 * dark, 2, 1.2 * light, 1.5 * light, 1.5 * light, 0.6 * light]) + 0.02
    iris = IRISES[rng.choice(7, p=q / q.sum())] * np.exp(rng.normal(0, 0.1, 3))
    beard = hair * rng.uniform(0.5, 1.0)
    if rng.random() < 1.6 * max(0, age - 0.5):
        beard = HAIR[8 + rng.integers(2)] * rng.uniform(0.5, 1.1)  # grey before the hair is
    return Person(age, male, race, tone, hair, brow, beard, iris)


@functools.cache
def _sigmas(mesh: Mesh) -> np.ndarray:
    found = []
    for name, _ in mesh.sliders:
        sigma = 0.22 if re.search("trans|angle|scale", name) else 0.28
        found.append(0.2 if name.startswith(("head/head-", "ears/l-ear-shape", "neck/")) else sigma)
    return np.array(found)


@functools.cache
def _named(mesh: Mesh, part: str) -> np.ndarray:
    """(sliders,) bool."""
    return np.array([part in name for name, _ in mesh.sliders])


def shape(mesh: Mesh, who: Person, rng: np.random.Generator) -> np.ndarray:
    """Vertices of that person, mouth closed, eyes open."""
    at = np.interp(who.age, [0, 0.1875, 0.5, 1], [0, 1, 2, 3])
    weight = np.clip(rng.normal(0, 0.5), -1, 1)
    builds = {"minweight": max(0, -weight), "averageweight": 1 - abs(weight), "maxweight": max(0, weight)}
    wanted: dict[str, float] = {}
    for k, age in enumerate(("baby", "child", "young", "old")):
        for sex, share in (("male", who.male), ("female", 1 - who.male)):
            share *= max(0.0, 1 - abs(at - k))
            for race, w in zip(("african", "asian", "caucasian"), who.race):
                wanted[f"macro/{race}-{sex}-{age}"] = share * w
            for build, w in builds.items():
                wanted[f"macro/universal-{sex}-{age}-averagemuscle-{build}"] = share * w
    # sliders are made for adults: on a child's face their whole range crumples it
    spread = SPREAD * float(np.interp(who.age, [0, 0.1875, 0.5], [0.35, 0.6, 1]))
    values = np.clip(rng.normal(0, _sigmas(mesh)), -0.85, 0.85)
    # the mesh's lips are fuller than people's: the red is 26.5 % of a white man's upper lip
    # (Farkas, "Anthropometric proportions in the upper lip-lower lip-chin area", 1984); and they get thinner with age
    thinner = 1.1 * rng.random() + 0.5 * max(0, who.age - 0.5)
    values[_named(mesh, "lip-height")] -= thinner
    # that slider also flattens Cupid's bow: these two give it back (a test measures how deep it is)
    values[_named(mesh, "cupidsbow-decr")] += 0.35 + 0.45 * thinner
    values[_named(mesh, "cupidsbow-width")] += 0.1 + 0.1 * thinner
    values = np.clip(values[:, None] + rng.normal(0, 0.06, (len(values), 2)), -1, 1) * spread
    for (_, sides), pair in zip(mesh.sliders, values.tolist()):
        for (low, high), x in zip(sides, pair):
            if low is None:
                wanted[high] = max(0.0, x) * 0.9
            else:
                wanted[high if x > 0 else low] = abs(x)
    # fat below the jaw: from the front a second, softer outline under the one that is marked. One slider's range is
    # little of it, so it may go further.
    double = rng.exponential(0.3) + 0.9 * max(0.0, weight) + 0.5 * max(0.0, who.age - 0.5)
    wanted["neck/neck-double-incr"] = min(1.8, double) * float(np.interp(who.age, [0, 0.1875, 0.5], [0.5, 0.7, 1]))
    for name in mesh.names:
        if name.startswith("asym/") and rng.random() < 0.3:
            wanted[name] = spread * min(0.5, abs(rng.normal(0, 0.18)))
    return mesh.moved(mesh.base, wanted)


class Face:
    """Units from 0 to 1, added up."""

    def __init__(self, rng: np.random.Generator):
        self.rng, self.units = rng, {}

    def one(self, **units: float) -> None:
        for name, w in units.items():
            self.units[name] = float(np.clip(self.units.get(name, 0) + w, 0, 1))

    def both(self, skew: float = 0.12, **units: float) -> None:
        """Of the left and of the right, a little apart."""
        for name, w in units.items():
            for side in ("Left", "Right"):
                self.one(**{name + side: w * np.exp(self.rng.normal(0, skew))})


def _smile(face: Face, a: float, rng) -> None:
    face.both(mouthSmile=0.7 * a, cheekSquint=0.5 * a, eyeSquint=0.4 * a, mouthDimple=0.3 * a)


def _teeth(face: Face, a: float, rng) -> None:
    """The lips part over teeth that are closed or nearly so: the smile of people who know that they are seen."""
    face.both(mouthSmile=0.5 + 0.5 * a, cheekSquint=0.6 * a, eyeSquint=0.4 * a, mouthStretch=0.3 * rng.random())
    face.both(mouthUpperUp=rng.uniform(0.2, 1.0), mouthLowerDown=rng.uniform(0.2, 1.0))
    face.one(jawOpen=rng.choice((0.0, 0.03, 0.06, 0.12)))


def _talk(face: Face, a: float, rng) -> None:
    face.one(jawOpen=0.05 + 0.35 * a, mouthFunnel=0.5 * rng.random() ** 2)
    face.both(mouthLowerDown=0.25 * rng.random(), mouthUpperUp=0.2 * rng.random(), mouthStretch=0.3 * rng.random())


def _surprise(face: Face, a: float, rng) -> None:
    face.one(jawOpen=0.8 * a * rng.random(), browInnerUp=a)
    face.both(browOuterUp=a, eyeWide=a)


def _anger(face: Face, a: float, rng) -> None:
    face.both(browDown=a, eyeSquint=0.5 * a, noseSneer=0.6 * a, mouthPress=0.5 * rng.random())
    if rng.random() < 0.4:
        face.one(jawOpen=0.4 * rng.random())
        face.both(mouthUpperUp=0.4 * a)


def _sad(face: Face, a: float, rng) -> None:
    face.one(browInnerUp=a, mouthShrugLower=0.5 * a)
    face.both(mouthFrown=a, eyeSquint=0.2 * a)


def _pucker(face: Face, a: float, rng) -> None:
    face.one(**{"mouthPucker" if rng.random() < 0.6 else "mouthFunnel": a})


def _laugh(face: Face, a: float, rng) -> None:
    face.one(jawOpen=0.35 + 0.45 * a)
    face.both(mouthSmile=0.3 + 0.5 * rng.random(), mouthUpperUp=0.6 * a, eyeSquint=0.6 * a, cheekSquint=0.6 * a)


def _shout(face: Face, a: float, rng) -> None:
    face.one(jawOpen=0.5 + 0.5 * a, tongueOut=max(0.0, rng.normal(-0.3, 0.5)))
    face.both(mouthUpperUp=0.5 * rng.random(), mouthLowerDown=0.4 * rng.random(), eyeSquint=0.7 * rng.random())


_MOODS = {
    _smile: 0.15, _teeth: 0.3, _talk: 0.1, _surprise: 0.06, _anger: 0.05, _sad: 0.05, _pucker: 0.05, _laugh: 0.09,
    _shout: 0.03,
}  # fmt: skip
_CALM, _MIXED = 0.13, 0.06  # no mood at all; a few units of any kind


def expression(mesh: Mesh, rng: np.random.Generator) -> tuple[dict[str, float], tuple[float, float]]:
    """All units by their ARKit names, and the gaze in degrees to the person's left and up."""
    face, a, draw = Face(rng), rng.uniform(0.3, 1.0), rng.random()
    if draw < _MIXED:
        names = [n for n in mesh.units if not re.search("Look|Blink|tongue", n)]
        face.one(**{str(name): 0.6 * rng.random() for name in rng.choice(names, 4, replace=False)})
    elif draw > _MIXED + _CALM:
        shares = np.array(list(_MOODS.values()))
        list(_MOODS)[rng.choice(len(shares), p=shares / shares.sum())](face, a, rng)
    if draw >= _MIXED:
        little = rng.normal(0, 0.2, 3)
        face.both(browOuterUp=max(0, little[0]), browDown=max(0, little[1]), mouthPress=max(0, rng.normal(-0.05, 0.15)))
        face.one(browInnerUp=max(0, little[2]), mouthRollLower=max(0, rng.normal(-0.1, 0.15)))
        sides = rng.normal(-0.1, 0.12, 4)
        face.one(**dict(zip(("mouthLeft", "mouthRight", "jawLeft", "jawRight"), np.maximum(0, sides))))
    gaze = float(np.clip(rng.normal(0, 9), -25, 25)), float(np.clip(rng.normal(-1, 6), -18, 15))
    _lids(face, gaze, rng)
    return {name: face.units.get(name, 0.0) for name in mesh.units}, gaze


def exercise(mesh: Mesh, rng: np.random.Generator) -> tuple[dict[str, float], tuple[float, float]]:
    """As ``expression``, but half of the faces do a few things of any kind: so each unit is there to be learnt."""
    units, gaze = expression(mesh, rng)
    if rng.random() < 0.5:
        return units, gaze
    names = [name for name in mesh.units if not re.search("Look|tongue", name)]
    units |= dict.fromkeys(names, 0.0)
    for name in rng.choice(names, rng.integers(1, 7), replace=False):
        units[str(name)] = float(rng.random())
        twin = re.sub("Left|Right", lambda side: "Right" if side[0] == "Left" else "Left", str(name))
        if twin != name and rng.random() < 0.7:
            units[twin] = float(np.clip(units[str(name)] + rng.normal(0, 0.08), 0, 1))
    for side in ("Left", "Right"):  # lids that do not go through each other
        units["eyeBlink" + side] = min(units["eyeBlink" + side], 1 - 0.5 * units["eyeSquint" + side])
        units["eyeWide" + side] *= units["eyeBlink" + side] < 0.5
    return units, gaze


def _lids(face: Face, gaze: tuple[float, float], rng: np.random.Generator) -> None:
    """Blinks, and lids that follow the eyes and do not go through each other."""
    blink = rng.random()
    if blink < 0.05:
        face.both(0.02, eyeBlink=1.0)
    elif blink < 0.3:
        face.both(0.05, eyeBlink=0.6 * rng.random())
    elif blink < 0.32:
        face.one(**{"eyeBlinkLeft" if rng.random() < 0.5 else "eyeBlinkRight": 1.0})
    u = face.units
    left, right = max(0, gaze[0]) / 30, max(0, -gaze[0]) / 30
    u.update(eyeLookOutLeft=left, eyeLookInRight=left, eyeLookInLeft=right, eyeLookOutRight=right)
    for side in ("Left", "Right"):
        if u.get("eyeBlink" + side, 0) > 0.5:
            u["eyeSquint" + side], u["eyeWide" + side] = min(u.get("eyeSquint" + side, 0), 0.2), 0.0
        u["eyeBlink" + side] = min(u.get("eyeBlink" + side, 0), 1 - 0.5 * u.get("eyeSquint" + side, 0))
        u["eyeLookUp" + side], u["eyeLookDown" + side] = max(0, gaze[1]) / 25, max(0, -gaze[1]) / 25
