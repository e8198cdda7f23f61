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
from train.data.drawn.heads.marks import contour_points, seen
from train.data.drawn.heads.render import SIZE, draw

VERSION = 3  # of what the code draws; raised when one number gives another face
__all__ = ["SIZE", "VERSION", "Head", "head"]


@dataclass
class Head(Drawn):
    """A drawn face, and all that is known of it.

    visibility: (N,) uint8, 1 hidden or outside the picture, 2 seen. behind: (N,) bool, hidden by the head itself: both
    markups count these points too, so they are there to be learnt.
    points: (N, 3) in the head's own frame, decimetres, x to the person's left, y up, z forward.
    pose: (4, 4) from that frame to the camera's (as in OpenCV: x right, y down, z forward). camera: (3, 3), its matrix.
    angles: yaw, pitch, roll in degrees; yaw > 0 turns the face to the right of the picture, pitch > 0 down, roll > 0
    against the clock. pupils: (2, 2) image px, left of the picture first. gaze: degrees to the person's left, up.
    units: the 52 of ARKit, 0 to 1, by name.
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


def head(number: int, layout_name: str, angles: tuple[float, float, float] | None = None) -> Head:
    """The head of that number, the same every time; only the landmarks depend on the layout.

    angles: yaw, pitch, roll in degrees, where they are not to be drawn too.
    """
    scene = draw(np.random.default_rng([int(number), 52]), None if angles is None else tuple(np.deg2rad(angles)))
    cam = scene.camera
    points = scene.marks.points(layout_name, cam.project, cam.pose[2])
    flat = cam.project(points)
    pose, matrix = cam.matrices()
    found = seen(flat, scene.head, scene.things, scene.covered, contour_points(layout_name))
    return Head(
        f"head_{number:07d}",
        scene.image,
        flat[:, :2].astype(np.float32),
        visibility=np.maximum(found, 1),
        behind=found == 0,
        points=points.astype(np.float32),
        pose=pose,
        camera=matrix,
        angles=tuple(float(a) for a in np.rad2deg(cam.pose)),
        pupils=cam.project(scene.marks.pupils)[:, :2].astype(np.float32),
        gaze=scene.gaze,
        units=scene.units,
    )
