"""Where the camera stands, what light there is, what is behind, and what camera and file do to a picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from train.data.drawn.heads.mesh import rotation
from train.data.drawn.heads.people import HAIR, TONES, colour

YAW, PITCH, ROLL = 90, 45, 180  # degrees that are never passed
_GAMMA = (np.arange(4096, dtype=np.float32) / 4095) ** np.float32(1 / 2.2)


def sample_pose(rng: np.random.Generator) -> tuple[float, float, float]:
    """Yaw, pitch, roll in radians: mostly near the camera's axis, to profiles either way."""
    yaw = rng.normal(0, 20) if rng.random() < 0.85 else rng.uniform(-YAW, YAW)
    pitch = rng.normal(1, 10)
    roll = rng.normal(0, 10) if rng.random() < 0.98 else rng.uniform(-ROLL, ROLL)
    return tuple(np.deg2rad(np.clip((yaw, pitch, roll), (-YAW, -PITCH, -ROLL), (YAW, PITCH, ROLL))))


@dataclass
class Camera:
    """A head, turned about ``pivot`` of its own frame, and a pinhole before ``middle`` of the turned one.

    scale: px of a dm at the middle. shift: px of the picture where the middle is.
    """

    pose: tuple[float, float, float]
    pivot: np.ndarray
    middle: np.ndarray
    distance: float
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        self.turn = rotation(*self.pose)

    def view(self, x: np.ndarray) -> np.ndarray:
        return (x - self.pivot) @ self.turn.T

    def flatten(self, q: np.ndarray) -> np.ndarray:
        """(n, 3) of view space -> x, y in px and 1 / distance."""
        z = self.distance - (q[:, 2] - self.middle[2])
        f = self.distance * self.scale / z
        x, y = (q[:, 0] - self.middle[0]) * f + self.shift[0], self.shift[1] - (q[:, 1] - self.middle[1]) * f
        return np.stack([x, y, 1 / z], 1)

    def project(self, x: np.ndarray) -> np.ndarray:
        return self.flatten(self.view(x))

    def frame(self, box_of, side: float, centre: np.ndarray) -> None:
        """Put a box of the picture, (4,) of ``box_of()``, at a centre, its longer side that long."""
        box = box_of()
        self.scale *= side / max(box[2:] - box[:2])
        box = box_of()
        self.shift = tuple(centre - (box[:2] + box[2:]) / 2 + self.shift)

    def resized(self, ratio: float) -> Camera:
        """As seen in a picture ``ratio`` times as large; pixels are counted at their centres."""
        shift = tuple((np.array(self.shift) + 0.5) * ratio - 0.5)
        return Camera(self.pose, self.pivot, self.middle, self.distance, self.scale * ratio, shift)

    def matrices(self) -> tuple[np.ndarray, np.ndarray]:
        """4 x 4 from the head's frame to the camera's as in OpenCV (x right, y down, z forward, dm), and 3 x 3 K."""
        pose = np.eye(4)
        flip = np.diag((1.0, -1.0, -1.0))
        pose[:3, :3] = flip @ self.turn
        pose[:3, 3] = flip @ (-self.turn @ self.pivot - self.middle) + (0, 0, self.distance)
        f = self.distance * self.scale
        return pose, np.array([[f, 0, self.shift[0]], [0, f, self.shift[1]], [0, 0, 1.0]])


def lights(rng: np.random.Generator) -> np.ndarray:
    """(L, 6) direction, colour: sky, ground, a main light, none to two more."""
    made = np.zeros((3 + rng.integers(0, 3), 6))
    warm = rng.normal(0, 0.12)
    warm = np.exp([warm, 0, -warm])
    hard = rng.random() < 0.25  # little but the main light, from any side
    ambient = rng.uniform(0.02, 0.15) if hard else rng.uniform(0.15, 0.9)
    made[0, 3:] = ambient * np.exp(rng.normal(0, 0.08, 3))
    made[1, 3:] = ambient * rng.uniform(0.2, 0.8) * np.exp(rng.normal(0, 0.1, 3))
    for i in range(2, len(made)):
        main = i == 2
        around, up = (rng.normal(0, 50), rng.normal(28, 22)) if main else (rng.uniform(-120, 120), rng.uniform(-20, 50))
        if main and hard:
            around, up = rng.uniform(-100, 100), rng.uniform(-20, 75)
        around, up = np.deg2rad(around), np.deg2rad(np.clip(up, -25, 80))
        made[i, :3] = np.sin(around) * np.cos(up), np.sin(up), np.cos(around) * np.cos(up)
        strength = rng.uniform(0.3, 1.4) if main else rng.uniform(0.0, 0.6)
        made[i, 3:] = strength * warm * np.exp(rng.normal(0, 0.08 if main else 0.2, 3))
    return made


def background(rng: np.random.Generator, size: int, noise: np.ndarray) -> np.ndarray:
    """(size, size, 3) float32 linear RGB: soft colours and blurred shapes."""
    n = 60
    c = rng.random((rng.integers(2, 7), rng.integers(2, 7), 3)).astype(np.float32) ** 2.2
    grey = c.mean(2, keepdims=True)
    c = np.ascontiguousarray(grey + (c - grey) * np.float32(rng.beta(1.0, 2.0)))
    picture = cv2.resize(c, (n, n), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(0, 4) if rng.random() < 0.15 else 0):
        _passer_by(picture, rng)
    for _ in range(rng.integers(0, 14)):
        paint = tuple(float(x) for x in colour(rng))
        (a, b), kind = (tuple(int(x) for x in p) for p in rng.integers(-10, n + 10, (2, 2))), rng.random()
        if kind < 0.4:
            cv2.rectangle(picture, a, b, paint, -1 if rng.random() < 0.7 else 2)
        elif kind < 0.7:
            cv2.circle(picture, a, int(rng.integers(2, 18)), paint, -1)
        else:
            cv2.line(picture, a, b, paint, int(rng.integers(1, 5)))
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    x, y = rng.integers(0, 200, 2)
    grain = cv2.resize(np.roll(noise, (int(x), int(y)), (0, 1)), (size, size))
    picture = picture * (0.6 + 0.8 * np.float32(rng.random()) * grain[..., None])
    blur = rng.uniform(0, 6)
    if blur > 0.5:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    return np.clip(picture, 0, 1.5) * np.float32(rng.uniform(0.3, 1.3))


def _passer_by(picture: np.ndarray, rng: np.random.Generator) -> None:
    """Another person behind, as far as a blurred picture of 60 px shows one."""
    x, y, r = int(rng.integers(0, 60)), int(rng.integers(8, 40)), int(rng.integers(4, 14))
    tone = TONES[rng.integers(len(TONES))] * np.exp(rng.normal(0, 0.15))
    hair, shirt = HAIR[rng.integers(len(HAIR))], colour(rng)
    parts = ((shirt, (x, y + 3 * r), (2 * r, int(1.7 * r))), (hair, (x, y - r // 4), (r, int(1.2 * r))),
             (tone, (x, y + r // 4), (int(0.8 * r), r)))  # fmt: skip
    for paint, middle, axes in parts:
        cv2.ellipse(picture, middle, axes, 0, 0, 360, tuple(float(c) for c in paint), -1)


def develop(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Linear light to (H, W, 3) uint8: white balance, shoulder, defocus, motion, contrast, grey, few pixels, noise."""
    cast = 0.05 if rng.random() < 0.7 else 0.16  # lamps, dusk, old pictures
    balance = np.tile(np.exp(rng.normal(0, cast, 3)).astype(np.float32), x.shape[1])
    x = np.clip(x.reshape(len(x), -1) * balance, 0, None).reshape(x.shape)  # rows of three take ten times as long
    look = rng.random()
    if look < 0.03:  # infrared: one band, in which skin is bright
        x = np.repeat(x[..., :1], 3, 2)
    night = look > 0.95
    if night:
        x *= np.float32(rng.uniform(0.1, 0.5))
    x = x / (1 + 0.25 * x) * 1.2
    if rng.random() < 0.55:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.3, 1.6)))
    if rng.random() < 0.08:
        x = _smeared(x, int(rng.integers(3, 11)), rng.uniform(0, np.pi))
    x = _GAMMA[(np.clip(x, 0, 1) * 4095).astype(np.int32)]
    x = (x - 0.45) * np.float32(rng.uniform(0.7, 1.45)) + np.float32(0.45 + rng.normal(0, 0.05))
    saturation = 0.0 if rng.random() < 0.12 else rng.uniform(0.4, 1.4)
    grey = (x[..., :1] + x[..., 1:2] + x[..., 2:]) / 3  # numpy's mean over so few takes four times as long
    x = grey + (x - grey) * np.float32(saturation)
    if rng.random() < 0.12:
        n = int(x.shape[0] * rng.uniform(0.35, 0.8))
        x = cv2.resize(cv2.resize(x, (n, n), interpolation=cv2.INTER_AREA), x.shape[1::-1])
    x = x + rng.standard_normal(x.shape, np.float32) * np.float32(abs(rng.normal(0, 0.02)) + 0.04 * night)
    made = np.clip(np.rint(x * 255), 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 95))]
        made = np.ascontiguousarray(made[..., ::-1])
        made = cv2.imdecode(cv2.imencode(".jpg", made, quality)[1], cv2.IMREAD_COLOR_RGB)
    return made


def _smeared(x: np.ndarray, n: int, angle: float) -> np.ndarray:
    kernel = np.zeros((n, n), np.float32)
    half = np.array([np.cos(angle), np.sin(angle)]) * n / 2
    ends = (tuple(int(round(v)) for v in n / 2 + side * half) for side in (-1, 1))
    cv2.line(kernel, *ends, 1)
    return cv2.filter2D(x, -1, kernel / max(kernel.sum(), 1))
