"""What surrounds a drawn face: background, neck and clothes, hair, glasses, things in front, and the camera's faults.

Pictures are planes, (3, H, W) float32 RGB from 0 to 1, until ``develop`` makes them uint8.
"""

from __future__ import annotations

import cv2
import numpy as np

from train.data.drawn.cartoons.brush import blend, fill, patch, strokes_mask
from train.data.drawn.cartoons.paint import HAIR
from train.data.drawn.cartoons.raster import TEXTURE_H, TEXTURE_W, Camera
from train.data.drawn.cartoons.shape import ANGLES, ROWS, Surface, smooth


def background(size: int, rng: np.random.Generator) -> np.ndarray:
    """(3, size, size): a gradient with blurred shapes, stripes or noise."""
    corners = np.clip(
        rng.beta(0.9, 1.2) + rng.normal(0, 0.15, (2, 2, 1)) + rng.normal(0, rng.choice([0.03, 0.12]), (2, 2, 3)), 0, 1
    ).astype(np.float32)
    small = max(size // 2, 8)
    image = cv2.resize(corners, (small, small), interpolation=cv2.INTER_LINEAR)
    for _ in range(int(rng.integers(0, 14))):
        colour = np.clip(rng.random() + rng.normal(0, rng.choice([0.03, 0.15]), 3), 0, 1).tolist()
        centre = tuple(int(v) for v in rng.integers(0, small, 2))
        kind = rng.integers(4)
        if kind == 0:
            axes = tuple(int(v) for v in rng.integers(3, small // 2, 2))
            cv2.ellipse(image, centre, axes, rng.uniform(0, 180), 0, 360, colour, -1)
        elif kind == 1:
            other = tuple(int(v) for v in rng.integers(0, small, 2))
            cv2.rectangle(image, centre, other, colour, -1)
        elif kind == 2:
            other = tuple(int(v) for v in rng.integers(0, small, 2))
            cv2.line(image, centre, other, colour, int(rng.integers(1, 10)), cv2.LINE_AA)
        else:
            _somebody(image, centre, colour, rng)
    soft = rng.choice([0.0, 1.0, 2.5, 6.0])
    if soft:
        image = cv2.GaussianBlur(image, (0, 0), soft)
    planes = np.stack(cv2.split(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)))
    kind = ("coarse", "fine", "strands")[rng.choice(3, p=(0.5, 0.25, 0.25))]
    grain = patch(kind, size, size, rng)
    grain = grain.T if rng.random() < 0.5 else grain
    planes *= 1 + np.float32(min(abs(rng.normal(0, 0.11)), 0.25)) * grain
    return planes


def _somebody(image: np.ndarray, centre: tuple[int, int], colour: list[float], rng: np.random.Generator) -> None:
    """Somebody else, out of focus, in place: clothes of that colour, hair, skin, eyes, a mouth."""
    (x, y), radius = centre, int(rng.integers(8, 26))
    skin = (np.array([0.85, 0.62, 0.5]) * rng.uniform(0.3, 1.1)).tolist()
    third, small = radius // 3, max(radius // 8, 1)
    for place, axes, paint in (
        ((x, y + 2 * radius), (int(1.8 * radius), radius), colour),
        ((x, y - third), (radius, int(1.2 * radius)), [0.1, 0.08, 0.07]),
        (centre, (int(0.8 * radius), int(1.1 * radius)), skin),
    ):
        cv2.ellipse(image, place, axes, 0, 0, 360, paint, -1)
    for side in (-1, 1):
        cv2.circle(image, (x + side * radius // 3, y - radius // 6), small, (0.15, 0.1, 0.1), -1)
    cv2.line(image, (x - third, y + radius // 2), (x + third, y + radius // 2), (0.5, 0.2, 0.2), small)


def body(image: np.ndarray, camera: Camera, surface: Surface, skin: np.ndarray, light: np.ndarray, rng) -> None:
    """Neck and clothes behind the chin, in place; light: (3,) factor of what reaches them."""
    chin = surface.height[-1]
    edge = np.array([(0.58, 0.4, -0.75), (0.55, chin + 0.2, -0.75), (0.62, chin + 0.75, -0.8), (0.62, chin + 3, -0.8)])
    neck = np.concatenate([edge * (-1, 1, 1), edge[::-1]])
    lean = rng.uniform(0.3, 0.9)  # the body follows the head's turn only in part
    colour = np.clip(rng.random() ** 1.5 + rng.normal(0, 0.15, 3), 0.02, 1) * light
    outline = camera.project(neck)
    covered, window = fill(image, outline, skin * light * rng.uniform(0.75, 1.1), 1.0)
    low, high = outline[:, 0].min(), outline[:, 0].max()
    across = (np.arange(image.shape[2])[window[1]] - (low + high) / 2) / max((high - low) / 2, 1)
    top = np.linspace(-0.45, 0.6, covered.shape[0], dtype=np.float32).clip(None, 0)[:, None]  # the chin's shadow
    tone = 1 - (0.35 * np.clip(across, -1, 1) ** 2)[None, :].astype(np.float32) + top
    image[:, window[0], window[1]] *= 1 - (1 - tone) * covered
    base = camera.project(np.array([[0.0, chin + rng.uniform(0.22, 0.6), -0.75]]))[0]
    base[0] = base[0] * lean + (1 - lean) * camera.shift[0]
    width = camera.scale * rng.uniform(1.6, 2.3)
    inner = 0.61 * camera.scale
    half = np.array([(width, 0.55), (0.55 * width, 0.12), (inner, -0.02)])
    collar = np.concatenate([half * (-1, 1), [(0, rng.uniform(0.05, 0.7))], half[::-1]])
    collar = np.stack([collar[:, 0], collar[:, 1] * camera.scale], axis=1) + base
    bottom = image.shape[1] + 50.0
    cloth = np.concatenate([smooth(collar, 30), [(base[0] + width, bottom), (base[0] - width, bottom)]])
    weight, window = fill(image, cloth, colour, 0.8)
    weave = patch("fine" if rng.random() < 0.6 else "strands", *weight.shape, rng)
    image[:, window[0], window[1]] *= 1 + np.float32(0.14 * rng.random()) * weave * weight


class Hair:
    """A shell over the head: hair, a cap or a scarf.

    thickness: (ROWS, COLUMNS) face units outward. mask: (TEXTURE_H, TEXTURE_W) bool. gloss: of its highlight.
    tail: how far long hair hangs behind the head, 0 for none; colour: (3,).
    """

    def __init__(self, surface: Surface, colour: np.ndarray, female: bool, age: float, rng: np.random.Generator):
        styles = ("short", "fringe", "long", "bald", "cap", "scarf", "cropped")
        odds = (0.20, 0.22, 0.46, 0.0, 0.04, 0.06, 0.02) if female else (0.46, 0.12, 0.06, 0.09, 0.08, 0.02, 0.17)
        self.style = styles[rng.choice(7, p=odds)]
        if not female and age > 0.6 and rng.random() < 0.3:
            self.style = "bald"
        cloth = self.style in ("cap", "scarf")
        self.colour = np.clip(rng.random() + rng.normal(0, 0.2, 3), 0.03, 1) if cloth else colour
        if not cloth and female and rng.random() < 0.15:
            self.colour = np.clip(HAIR[4] * rng.uniform(0.8, 1.3), 0, 1)
        angles = np.rad2deg(ANGLES)
        y, self.tail = self._hairline(angles, age, female, rng)
        columns = (np.arange(TEXTURE_W) + 0.5) / TEXTURE_W * len(ANGLES) - 0.5
        rows = (np.arange(TEXTURE_H) + 0.5) / TEXTURE_H * ROWS - 0.5
        edge = np.interp(columns, np.arange(len(ANGLES)), y)
        strands = patch("strands", TEXTURE_H, TEXTURE_W, rng)
        ragged = 0.0 if cloth else rng.uniform(0.01, 0.09 if self.style in ("fringe", "long") else 0.06)
        edge = edge[None, :] + ragged * strands
        height = np.interp(rows, np.arange(ROWS), surface.height)
        self.mask = height[:, None] < edge
        if self.style == "bald":
            self.mask[:] = False
        self.weave = np.ascontiguousarray(patch("fine", TEXTURE_H, TEXTURE_W, rng) if cloth else strands)
        self.grain = rng.uniform(0.03, 0.1) if cloth else rng.uniform(0.12, 0.34)
        self.gloss = 0.0 if cloth else rng.uniform(0.2, 1.2)
        volume = {"cropped": 0.03, "short": rng.uniform(0.05, 0.22), "cap": 0.12, "scarf": 0.09}.get(
            self.style, rng.uniform(0.08, 0.3)
        )
        top = np.exp(-(((surface.height + 1.0) / 0.75) ** 2))
        inset = np.clip((y[None, :] - surface.height[:, None]) / 0.18, 0, 1)  # thin at its edge
        sides = np.where(np.abs(angles) > 70, rng.uniform(0.2, 0.9), 0.55)
        self.thickness = (volume * (sides[None, :] * (1 - top[:, None]) + top[:, None]) * (0.25 + 0.75 * inset)).astype(
            np.float32
        )

    def _hairline(self, angles: np.ndarray, age: float, female: bool, rng) -> tuple[np.ndarray, float]:
        """Height (y) below which skin shows, by angle from the face's middle; and how far long hair hangs."""
        front = -0.74 + rng.normal(0, 0.07) - (0.15 * age if not female else 0)
        side, burn, behind, tail = -0.22, 0.05, 0.75, 0.0
        if self.style == "fringe":
            front = rng.uniform(-0.45, -0.17)
        elif self.style == "long":
            side, burn, behind = rng.uniform(-0.3, 0.3), rng.uniform(0.0, 1.3), 1.6
            tail = rng.uniform(0.9, 2.6)
        elif self.style == "cap":
            front, side, burn = rng.uniform(-0.62, -0.38), -0.45, -0.35
            behind = 0.2
        elif self.style == "scarf":
            front, side, burn, behind, tail = rng.uniform(-0.75, -0.55), 0.05, 1.3, 1.6, rng.uniform(1.0, 1.6)
        parting = rng.normal(0, 12)
        wide = rng.uniform(52, 64)
        if self.style == "long" and rng.random() < 0.25:  # one side falls into the face
            wide -= 14
        knots = [0, 30, wide, wide + 14, 82, 96, 112, 128]
        line = [front, front + 0.05, (front + side) / 2, side, burn, 0.05 if behind < 1 else burn, behind, behind]
        if self.style == "scarf":
            line = [front, front + 0.06, -0.1, 0.75, 1.2, 1.6, 1.6, 1.6]
        line = np.interp(np.abs(angles - parting * np.exp(-((angles / 50) ** 2))), knots, line)
        return line, tail

    def colours(self, texel: np.ndarray) -> np.ndarray:
        """(3, K) reflectance of texels."""
        return np.clip(self.colour, 0.015, 1).astype(np.float32)[:, None] * np.exp(
            np.float32(self.grain) * self.weave.ravel()[texel]
        )

    def curtain(self, image: np.ndarray, camera: Camera, surface: Surface, light: np.ndarray, rng) -> None:
        """Long hair behind the head, in place, before the head is put on."""
        if not self.tail:
            return
        wide = surface.half[ROWS // 2] + rng.uniform(0.1, 0.45)
        top = np.array([(0.5, -1.1), (wide, -0.5), (wide + 0.1, 0.4)])
        sides = []
        for sign in (-1, 1):
            low, tip = wide * rng.uniform(0.8, 1.3), wide * rng.uniform(0.5, 1.0)
            sides.append([*(top * (sign, 1)), (sign * low, self.tail * 0.75), (sign * tip, self.tail)])
        points = np.array([*sides[0], (0, self.tail * 0.8), *sides[1][::-1]])
        outline = camera.project(np.column_stack([smooth(points, 60), np.full(60, -0.95)]))
        weight, window = fill(image, outline, np.clip(self.colour, 0.015, 1) * light * 0.75, 1.0)
        streaks = np.float32(self.grain) * patch("strands", *weight.shape, rng) * weight
        image[:, window[0], window[1]] *= np.exp(streaks)


def glasses(image: np.ndarray, camera: Camera, surface: Surface, light: np.ndarray, rng: np.random.Generator) -> None:
    """Spectacles or sunglasses, in place: two lenses before the eyes, bridge and temples."""
    p = surface.plan.points
    dark = rng.random() < 0.3
    colour = np.clip(rng.choice([0.03, 0.05, 0.12, 0.5]) + rng.normal(0, 0.06, 3), 0.01, 0.9) * light.clip(0.3)
    half = np.array([rng.uniform(0.19, 0.25), rng.uniform(0.11, 0.2)])
    power = rng.uniform(2, 5)
    width = max(int(round(rng.uniform(0.012, 0.05) * camera.scale)), 1)
    z = float(surface.at(surface.locate(np.array([[0.0, 0.0]])))[0, 2]) + rng.uniform(0.06, 0.14)
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    shape = (
        np.stack([np.sign(cos) * np.abs(cos) ** (2 / power), np.sign(sin) * np.abs(sin) ** (2 / power)], axis=1) * half
    )
    tint = np.clip(rng.uniform(0.02, 0.2) + rng.normal(0, 0.03, 3), 0, 1)
    lines = []
    for sign in (-1, 1):
        centre = np.array([sign * (half[0] + rng.uniform(0.11, 0.125)), p[[60, 72], 1].mean() + 0.03])
        flat = shape + centre
        lens = camera.project(np.column_stack([flat, z - 0.35 * flat[:, 0] ** 2]))
        fill(
            image,
            lens,
            tint if dark else np.clip(light, 0, 1),
            0.7,
            rng.uniform(0.75, 0.98) if dark else rng.uniform(0, 0.1),
        )
        if rng.random() < 0.35:  # a window mirrored in the lens
            part = lens.mean(axis=0) + (lens[[2, 6, 18, 30]] - lens.mean(axis=0)) * rng.uniform(0.3, 0.8)
            fill(image, part, np.ones(3), 1.0, rng.uniform(0.1, 0.5))
        lines.append(np.concatenate([lens, lens[:1]]))
        outer = np.array([(sign * (abs(centre[0]) + half[0]), centre[1] - 0.05), (sign * 0.85, centre[1] - 0.06)])
        facing = (camera.rotation @ np.array([sign, 0, 0.0]))[2]
        if facing > -0.12:  # the temple of the far side is behind the face
            lines.append(camera.project(np.column_stack([outer, [z - 0.12, -0.75 if facing > 0 else -0.2]])))
    y = p[[60, 72], 1].mean()
    lines.append(camera.project(np.column_stack([np.array([(-0.12, y), (0, y - 0.03), (0.12, y)]), np.full(3, z)])))
    blend(image, *strokes_mask(lines, width, 0.6, *image.shape[1:]), colour)


def in_front(
    image: np.ndarray, landmarks: np.ndarray, skin: np.ndarray, light: np.ndarray, rng: np.random.Generator
) -> None:
    """A hand with fingers or a plain object that hides a part of the face, in place."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    span = (high - low).mean()
    target = low + (high - low) * rng.uniform((0, 0.35), (1, 1.1))
    if rng.random() < 0.55:
        _hand(image, target, span, skin * light, rng)
        return
    colour = np.clip(rng.random() + rng.normal(0, 0.2, 3), 0, 1) * light
    sides = int(rng.integers(4, 9))
    angle = np.sort(rng.uniform(0, 2 * np.pi, sides))
    radius = span * rng.uniform(0.1, 0.35, (sides, 1))
    outline = target + np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius
    weight, window = fill(image, outline, colour, rng.uniform(0.5, 3))
    image[:, window[0], window[1]] *= np.exp(np.float32(0.15) * patch("coarse", *weight.shape, rng) * weight)


def _hand(image: np.ndarray, target: np.ndarray, span: float, skin: np.ndarray, rng: np.random.Generator) -> None:
    """Palm, wrist and four fingers that point up from below the face to ``target``, in place. span: of the face, px."""
    direction = rng.uniform(np.pi * 1.1, np.pi * 1.9)
    along = np.array([np.cos(direction), np.sin(direction)])
    across = np.array([-along[1], along[0]])
    thick = span * rng.uniform(0.075, 0.1)
    tone = skin * rng.uniform(0.75, 1.1)
    palm = target - along * span * 0.45
    angle = np.linspace(0, 6.28, 24)
    fill(image, palm + np.stack([np.cos(angle), np.sin(angle)], axis=1) * span * 0.26, tone * 0.93, 1.0)
    bottom, half = palm - along * span * 2, across * span * 0.2
    fill(image, np.array([palm - half, palm + half, bottom + half, bottom - half]), tone * 0.9, 1.5)
    for k in range(4):
        offset = (k - 1.5) * thick * rng.uniform(1.05, 1.25)
        root = palm + across * offset + along * span * 0.1
        tip = palm + across * offset * 1.15 + along * span * (0.52 - 0.05 * abs(k - 1.4)) * rng.uniform(0.85, 1.1)
        for shift, shade, wide in ((0.12, 0.55, 1.0), (0, 1.0, 0.92), (-0.12, 1.1, 0.5)):
            finger = np.stack([root, tip]) + across * thick * shift
            mask, window = strokes_mask([finger], max(int(thick * wide), 1), 1.0, *image.shape[1:])
            blend(image, mask, window, tone * shade)


def develop(planes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(H, W, 3) uint8 of (3, H, W) planes: exposure, colour cast, blur, low resolution, noise, JPEG.

    No point of the picture moves.
    """
    size = planes.shape[1]
    target = np.clip(rng.normal(0.46, 0.1), 0.2, 0.75)
    middle = planes[:, size // 4 : 3 * size // 4 : 4, size // 4 : 3 * size // 4 : 4].mean()
    exposure = (target / max(middle, 1e-3)) ** 0.75 * np.exp(rng.normal(0, 0.1)) * np.exp(rng.normal(0, 0.045, 3))
    contrast = np.exp(rng.normal(0.02, 0.14))
    planes *= (exposure * contrast).astype(np.float32)[:, None, None]
    planes += np.float32(0.45 * (1 - contrast) + rng.normal(0, 0.03))
    over = np.maximum(planes - np.float32(0.8), 0)  # highlights roll off
    over *= over / (over + np.float32(0.22))
    planes -= over
    if rng.random() < 0.12:
        grey = np.tensordot(np.array([0.299, 0.587, 0.114], np.float32), planes, 1)
        planes = grey * (1 + rng.normal(0, 0.04, (3, 1, 1)) * (rng.random() < 0.4)).astype(np.float32)
    small = int(size * rng.uniform(0.28, 0.8)) if rng.random() < 0.35 else 0  # low resolution, enlarged again
    soft = abs(rng.normal(0, 0.75))
    kernel = _shake(rng) if rng.random() < 0.07 else None
    grain = np.float32(abs(rng.normal(0, 0.02))) * patch("white", size, size, rng)
    for plane in planes:
        if small:
            less = cv2.resize(plane, (small, small), interpolation=cv2.INTER_AREA)
            cv2.resize(less, (size, size), dst=plane, interpolation=cv2.INTER_LINEAR)
        if soft > 0.35:
            cv2.GaussianBlur(plane, (0, 0), soft, dst=plane)
        if kernel is not None:
            plane[:] = cv2.filter2D(plane, -1, kernel)
        plane += grain
    np.clip(planes, 0, 1, out=planes)
    out = cv2.convertScaleAbs(cv2.merge(list(planes)), alpha=255)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))]
        # the codec takes red for blue here, both ways: only the grain of the artefacts notices
        out = cv2.imdecode(cv2.imencode(".jpg", out, quality)[1], cv2.IMREAD_COLOR)
    return out


def _shake(rng: np.random.Generator) -> np.ndarray:
    """(9, 9) kernel of a straight motion blur, symmetric so that nothing moves."""
    length = int(rng.integers(3, 9))
    kernel = np.zeros((9, 9), np.float32)
    step = np.array([np.cos(a := rng.uniform(0, np.pi)), np.sin(a)]) * length / 2
    cv2.line(kernel, tuple(int(v) for v in np.rint(4 - step)), tuple(int(v) for v in np.rint(4 + step)), 1.0)
    kernel = kernel + kernel[::-1, ::-1]
    return kernel / kernel.sum()
