"""Heads before a camera, for the golden tracks: where they are in each frame, and a network that knows it."""

from typing import NamedTuple

import numpy as np

from edgewing import geometry
from edgewing.landmarker import Landmarker


class Head(NamedTuple):
    """What the camera sees. hidden: whether its last point is. turn: its own. eyes: what the detector sees of it."""

    x: float
    y: float
    score: float = 0.9
    hidden: bool = False
    turn: float = 0.0
    eyes: float = 0.0


SQUARE = np.array([[-12, -9], [12, -9], [9, 11], [-9, 11]], float)
UPRIGHT = np.array([[-11, -6], [-5, -6], [5, -6], [11, -6], [0, -2], [0, 3], [-6, 9], [6, 9]], float)


class Scripted:
    """A graph (edgewing.runtimes.Graph) that knows where the heads are, and is lost where one is far from upright in
    its crop. scene: of Heads."""

    def __init__(self, rng, shape):
        self.rng, self.shape, self.scene, self.crops, self.asked = rng, shape, [], [], []

    def run(self, tensor):
        del tensor  # the picture is grey
        crop = self.crops.pop(0)
        apart = [np.hypot(*(np.array(head[:2]) - crop.centre)) for head in self.scene]
        near = bool(apart) and min(apart) < crop.side / 2
        head = self.scene[int(np.argmin(apart))] if near else Head(*crop.centre, 0.1, turn=crop.turn)
        level = np.cos(head.turn - crop.turn) > 0.5
        turn, score = (head.turn, head.score) if level else (crop.turn, head.score - 0.3)
        image = self.shape @ geometry.rotation(turn).T + head[:2] + self.rng.normal(0, 0.3, self.shape.shape)
        landmarks = geometry.apply(crop.to_crop, image).round(4).astype(np.float32)
        scores = np.full(len(image), score, np.float32)
        scores[-1] = 0.2 if head.hidden else score
        self.asked.append({"landmarks": landmarks, "scores": scores})
        return {"landmarks": landmarks[None], "scores": scores[None]}


class Telling(Landmarker):
    """Tells its graph where the crops lie, which no network is told."""

    def look(self, image, places, given=False):
        size = self.contract.crop.size
        self.runtime.graph.crops = [geometry.crop_from_box(place.box, size, turn=place.turn) for place in places]
        return super().look(image, places, given)


def moving() -> list[list[Head]]:
    """Found, a point hidden, a moment of doubt, gone, back; a second face, that comes to lie on the first."""
    made = [[Head(40.0 + 2 * n, 50.0, 0.5 if n == 4 else 0.9, n == 3)] for n in range(16)]
    made[6], made[7] = [], []
    for n in range(9, 16):
        k = max(0, n - 10)
        made[n].append(Head(120.0 - 10 * k, 70.0 - 3 * k, 0.85))
    return made


def turning() -> list[list[Head]]:
    """A head that lies down; gone; back on its other side, where the detector takes its chin for its brow; on its head,
    and further. Then a second one, on its side, of which the detector does not say so; a third that is unsure however
    one looks."""
    turns = [0.1, 0.1, 0.3, 0.6, 0.9, 1.2, 1.5, 1.6, None, None, -1.4, -1.7, -2.1, -2.6, -3.0, -3.4, -3.4, -3.4]
    made = [[] if turn is None else [Head(60.0 + n, 50.0, turn=turn)] for n, turn in enumerate(turns)]
    made[10] = [made[10][0]._replace(eyes=1.7)]
    for scene in made[14:]:
        scene.append(Head(120.0, 40.0, 0.85, turn=1.5))
    for scene in made[16:]:
        scene.append(Head(110.0, 95.0, 0.7))
    return made


def twice() -> list[list[Head]]:
    """Two finds on one place, of which the second is surer."""
    return [[Head(60.0 + n, 50.0, 0.8), Head(63.0 + n, 51.0, 0.95)] for n in range(3)]


def lying() -> list[list[Head]]:
    """A head on its side, of which the detector does not say so, and which turns a little; gone; back on its head."""
    turns = [1.5, 1.6, 1.7, None, None, 3.1, 3.0, 2.9]
    return [[] if turn is None else [Head(60.0 + n, 50.0, turn=turn)] for n, turn in enumerate(turns)]
