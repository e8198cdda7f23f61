"""Parametric human heads, drawn on a CPU with exact landmarks, visibility, pose, expression and gaze.

The head is MakeHuman's (CC0), in ``../heads.npz``; ``build`` makes that file from a package of PyPI. Nothing else is
opened while faces are drawn, and no photograph nor any statistic of one is in it. numba compiles the loops: without it
a face takes minutes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from train.data.catalogue import DRAWN_HEADS
from train.data.drawn.face import Drawn
from train.data.drawn.heads import people
from train.data.drawn.heads.camera import Camera
from train.data.drawn.heads.marks import contour_points, seen
from train.data.drawn.heads.render import OVER, SEGMENTS, SIZE, Acting, Scene, Sitter, draw, sit

VERSION = 8  # of what the code draws; raised when one number gives another face
__all__ = ["SEGMENTS", "SIZE", "VERSION", "Head", "head", "undrawn"]


@dataclass
class Head(Drawn):
    """A drawn face, and all that is known of it.

    visibility: (N,) uint8, 1 hidden or outside the picture, 2 seen. behind: (N,) bool, hidden by the head itself: both
    markups count these points too, so they are there to be learnt.
    points: (N, 3) in the head's own frame, decimetres, x to the person's left, y up, z forward.
    pose: (4, 4) from that frame to the camera's (as in OpenCV: x right, y down, z forward). camera: (3, 3), its matrix.
    angles: yaw, pitch, roll in degrees; yaw > 0 turns the face to the right of the picture, pitch > 0 down, roll > 0
    against the clock. pupils: (2, 2) image px, left of the picture first. gaze: degrees to the person's left, up.
    units: the 52 of ARKit, 0 to 1, by name. segments: (H, W) uint8, what each pixel shows, as numbers of SEGMENTS.
    """

    source: str = DRAWN_HEADS
    visibility: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))
    behind: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    points: np.ndarray = field(default_factory=lambda: np.zeros((0, 3), np.float32))
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))
    camera: np.ndarray = field(default_factory=lambda: np.eye(3))
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    pupils: np.ndarray = field(default_factory=lambda: np.zeros((2, 2), np.float32))
    gaze: tuple[float, float] = (0.0, 0.0)
    units: dict[str, float] = field(default_factory=dict)
    segments: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.uint8))


def head(number: int, layout_name: str, angles: tuple[float, float, float] | None = None) -> Head:
    """The head of that number, the same every time; only the landmarks depend on the layout.

    angles: yaw, pitch, roll in degrees, where they are not to be drawn too.
    """
    scene = draw(stream(number), None if angles is None else tuple(np.deg2rad(angles)))
    made = _truth(number, scene, scene.camera, layout_name, scene.image)
    flat = scene.camera.project(made.points.astype(np.float64))
    found = seen(flat, scene.head, scene.things, scene.covered, contour_points(layout_name))
    made.visibility, made.behind, made.segments = np.maximum(found, 1), found == 0, scene.segments
    return made


def undrawn(
    number: int,
    layout_name: str,
    angles: tuple[float, float, float] | None = None,
    acting: Acting = people.expression,
) -> Head:
    """What ``head`` says of that number but for what is seen, in a twentieth of its time: the picture is empty.

    acting: gives units and gaze, where other faces than those of ``head`` are wanted.
    """
    sitter = sit(stream(number), None if angles is None else tuple(np.deg2rad(angles)), acting)
    return _truth(number, sitter, sitter.camera.resized(SIZE / OVER), layout_name, np.zeros((0, 0, 3), np.uint8))


def stream(number: int) -> np.random.Generator:
    """What decides all of the head of that number, first its ``sit``."""
    return np.random.default_rng([int(number), 52])


def _truth(number: int, of: Scene | Sitter, cam: Camera, layout_name: str, image: np.ndarray) -> Head:
    points = of.marks.points(layout_name, cam.project, cam.pose[2])
    pose, matrix = cam.matrices()
    return Head(
        f"head_{number:07d}",
        image,
        cam.project(points)[:, :2].astype(np.float32),
        points=points.astype(np.float32),
        pose=pose,
        camera=matrix,
        angles=tuple(float(a) for a in np.rad2deg(cam.pose)),
        pupils=cam.project(of.marks.pupils)[:, :2].astype(np.float32),
        gaze=of.gaze,
        units=of.units,
    )
