"""One head from one stream of random numbers: who, what they do, what they wear, light, camera, picture."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from edgewing import geometry
from train.data.drawn.heads import before, camera, people, shading, sheets
from train.data.drawn.heads import mesh as meshes
from train.data.drawn.heads.kernels import buffers, normals, raster
from train.data.drawn.heads.marks import Brow, Marks
from train.data.drawn.heads.mesh import LASHES, SHIRT, SKIN, Mesh
from train.data.drawn.heads.people import linear
from train.data.drawn.heads.shading import Style

# what a pixel shows: nothing, the materials of ``shading`` in their order, and what was painted over all of them
SEGMENTS = "background skin eye teeth tongue lashes hair clothes hat mask before_the_face".split()
Acting = Callable[[Mesh, np.random.Generator], tuple[dict[str, float], tuple[float, float]]]
SIZE = 240  # px of a picture's side
OVER = 276  # px that are drawn, then shrunk
_MATERIAL = np.array([0, 1, 1, 2, 2, 3, 4, 5, 6])  # of each part of the mesh
_SHADOW, _SHADOW_SCALE = 200, 55.0  # px of the shadow map's side, px of a dm in it
_LOUD = (linear(150, 190, 215), linear(235, 235, 235), linear(30, 30, 34))  # masks as they are sold


@dataclass
class Scene:
    """What was drawn. head, things: 1 / distance of the head, and of what is before it; covered: what is painted.

    segments: (SIZE, SIZE) uint8, what each pixel shows, as numbers of SEGMENTS.
    """

    image: np.ndarray
    marks: Marks
    camera: camera.Camera
    head: np.ndarray
    things: np.ndarray
    covered: np.ndarray
    segments: np.ndarray
    units: dict[str, float]
    gaze: tuple[float, float]


class Fixed:
    """What every face shares: textures, and the parts of the mesh with the paint that does not change."""

    def __init__(self, m: Mesh):
        rng = np.random.default_rng(5)
        self.noise, self.strand, self.cut = _noise(rng), _strands(rng), _ranks(rng)
        t = m.template
        self.core = np.isin(m.kind, range(6))
        self.paint = np.zeros((len(t), shading.PAINTS), np.float32)
        self.paint[:, shading.LIPS] = m.arrays["lips"] / 255
        self.paint[:, shading.MOUTH] = m.arrays["mouth"] / 255
        self.paint[:, shading.OCCLUSION] = np.where(m.part >= LASHES, 1.0, m.arrays["occlusion"] / 255)
        x, y, z = abs(t[:, 0]), t[:, 1], t[:, 2]
        cheek = np.exp(-((x - 0.38) ** 2 + (y - 7.0) ** 2) / 0.04)
        self.paint[:, shading.CHEEK] = cheek + 0.8 * np.exp(-(x**2 + (y - 7.0) ** 2) / 0.012) * (z > 1.3)
        self.paint[:, shading.RING] = np.exp(-1.5 * (((x - 0.29) / 0.22) ** 2 + ((y - 7.30) / 0.13) ** 2))
        forehead = _ramp(y, 7.58, 7.68) * _ramp(y, 7.98, 7.85) * _ramp(x, 0.6, 0.35)
        self.paint[:, shading.FOLD] = forehead + np.exp(-(((x - 0.52) / 0.08) ** 2 + ((y - 7.33) / 0.12) ** 2))
        neck = np.clip((y + 0.35 * z - 5.75) / 0.75, 0, 1)
        self.neck = (neck**2 * (3 - 2 * neck))[:, None]  # how much a vertex turns with the head
        lash, skin = m.part == LASHES, t[m.part == SKIN]
        skin = skin[(abs(skin[:, 1] - 7.3) < 0.3) & (skin[:, 2] > 0.8)]
        far = np.sqrt(((t[lash][:, None] - skin) ** 2).sum(2).min(1))
        self.lash_tip = np.clip(far / 0.035, 0, 1)
        self.uv = np.zeros((len(t), 2))
        self.uv[lash] = t[lash][:, :2] * (2.5, 0.1)
        line = np.interp(x, [0, 0.2, 0.45, 0.62, 0.75], [6.62, 6.68, 6.75, 7.0, 7.3])
        full = (
            np.clip((line - y) / 0.10 + 0.4, 0, 1) * np.clip((y - 6.0) / 0.2, 0, 1) * np.clip((z - 0.35) / 0.25, 0, 1)
        )
        lip = np.exp(-(((x - 0.10) / 0.16) ** 4 + ((y - 6.83) / 0.055) ** 4)) * (z > 1.2)
        chin = np.exp(-((x / 0.2) ** 4)) * np.clip((6.58 - y) / 0.05, 0, 1) * np.clip((y - 6.1) / 0.1, 0, 1) * (z > 1.0)
        grows = (m.part == SKIN) * (m.arrays["mouth"] < 51)
        kinds = 0 * full, full + lip, full + lip, lip, chin + lip  # none, stubble, full, moustache, goatee
        self.beards = [np.clip(kind, 0, 1) * grows for kind in kinds]
        self.eyes = np.array([(t[ball].min(0) + t[ball].max(0)) / 2 for ball in m.eyeballs])


def _ramp(x, a: float, b: float):
    t = np.clip((x - a) / (b - a), 0, 1)
    return t * t * (3 - 2 * t)


def _noise(rng: np.random.Generator, n: int = 256) -> np.ndarray:
    """(n, n, 3) float32 that repeats: clouds from coarse to fine, 0 to 1, and their two slopes."""
    total = np.zeros((n, n), np.float32)
    for k, cells in enumerate((8, 16, 32, 64, 128)):
        tile = np.tile(rng.random((cells, cells)).astype(np.float32), (3, 3))
        tile = cv2.resize(tile, (3 * n, 3 * n), interpolation=cv2.INTER_CUBIC)[n : 2 * n, n : 2 * n]
        total += (tile - 0.5) * 0.72**k
    total = (total - total.min()) / (total.max() - total.min())
    return np.ascontiguousarray(np.dstack([total, np.roll(total, -3, 1) - total, np.roll(total, -3, 0) - total]))


def _strands(rng: np.random.Generator, n: int = 256) -> np.ndarray:
    """(n, n, 1) float32 that repeats: thin lines down."""
    s = np.tile(rng.random((n, n)).astype(np.float32), (3, 3))
    s = cv2.GaussianBlur(s, (0, 0), sigmaX=0.7, sigmaY=14)[n : 2 * n, n : 2 * n]
    return np.ascontiguousarray(np.clip((s - s.mean()) / s.std() * 0.25 + 0.5, 0, 1)[..., None])


def _ranks(rng: np.random.Generator, n: int = 256) -> np.ndarray:
    """(n, n) float32: as many of each value from 0 to 1, in lines down; hair is cut out with it."""
    s = cv2.GaussianBlur(np.tile(rng.random((n, n)).astype(np.float32), (3, 3)), (0, 0), sigmaX=0.7, sigmaY=11)
    s = s[n : 2 * n, n : 2 * n]
    return (s.ravel().argsort().argsort().reshape(n, n) / (n * n)).astype(np.float32)


@functools.cache
def fixed() -> Fixed:
    return Fixed(meshes.mesh())


@dataclass
class Parts:
    """Meshes that are gathered into one. triangles of ``solid`` ones come first: they hide all that is behind."""

    vertices: list = field(default_factory=list)
    columns: list = field(default_factory=list)  # template, uv, paint
    alpha: list = field(default_factory=list)
    cut: list = field(default_factory=list)
    material: list = field(default_factory=list)
    count: int = 0

    def add(self, view: np.ndarray, template, uv, paint, alpha) -> int:
        """The number of the first vertex."""
        first = self.count
        self.vertices.append(view)
        self.columns.append(np.hstack([template, uv, paint]).astype(np.float32))
        self.alpha.append(alpha)
        self.count += len(view)
        return first

    def cut_out(self, triangles: np.ndarray, material: int) -> None:
        self.cut.append(triangles)
        self.material.append(np.full(len(triangles), material))


def _beard(who: people.Person, rng: np.random.Generator) -> tuple[np.ndarray, float, float]:
    """(V,) where it grows, how dense it is, how far it stands out (dm)."""
    kind = int(rng.integers(1, 5)) if who.male > 0.6 and who.age > 0.42 and rng.random() < 0.5 else 0
    dense = (0.0, rng.uniform(0.25, 0.6), rng.uniform(0.8, 1.1), rng.uniform(0.6, 1.1), rng.uniform(0.6, 1.1))[kind]
    return fixed().beards[kind], dense, rng.uniform(0.0, 0.06) if kind in (2, 4) else 0.0


def _colours(who: people.Person, painted: bool, rng: np.random.Generator) -> np.ndarray:
    pale = rng.random()
    lip = who.tone * (0.95, 0.5 + 0.25 * pale, 0.53 + 0.25 * pale) * rng.uniform(0.65, 1.1)
    if painted and rng.random() < 0.8:
        lip = linear(*(np.array([150, 30, 45]) + rng.normal(0, 35, 3)).clip(10, 240)) * rng.uniform(0.7, 1.5)
    cloth = [people.colour(rng) for _ in range(3)]
    worn = rng.random(3) ** 2 if rng.random() < 0.25 else _LOUD[rng.integers(len(_LOUD))]
    return np.array([who.tone, lip, who.hair, who.brow, who.beard, who.iris, *cloth, worn], np.float32)


def _aimed(m: Mesh, v: np.ndarray, marks: Marks, pose: tuple[float, float, float], rng) -> camera.Camera:
    """A camera that has the landmarks' box near the middle of the picture."""
    made = camera.Camera(
        pose, np.array([0, v[m.chin][1] - 0.05, 0.15]), np.zeros(3), np.exp(rng.uniform(*np.log([4, 22])))
    )
    made.middle = made.view(v[[m.tip, m.bridge, m.chin]]).mean(0)

    def box() -> np.ndarray:
        return geometry.landmark_box(made.project(marks.points("300w-68", made.project, pose[2]))[:, :2])

    side, off = OVER * rng.uniform(0.40, 0.58), rng.normal(0, 0.035, 2) * OVER
    made.frame(box, side, OVER / 2 + off)
    return made


def _gathered(m: Mesh, v, who, marks_v, paint, cam, body, painted: bool, rng, more) -> Parts:
    """Head, lashes, shirt, hair, hat and mask in view space."""
    f, t, parts = fixed(), m.template, Parts()
    alpha = np.ones(len(v))
    alpha[m.part == LASHES] = (rng.uniform(0.35, 0.75) + 0.2 * painted) * (1.05 - 0.95 * f.lash_tip)
    collar = rng.uniform(5.45, 6.15) - rng.uniform(0, 1.2) * (rng.random() < 0.5) * np.clip(
        0.5 - abs(t[:, 0]), 0, None
    ) * (t[:, 2] > 0.2)
    alpha = np.where(m.part == SHIRT, (collar - t[:, 1]) / 0.02 + 0.5, alpha)
    view = f.neck * cam.view(v) + (1 - f.neck) * ((v - cam.pivot) @ body.T)
    parts.add(view, t, f.uv, paint, alpha)
    if rng.random() < 0.75:
        parts.cut_out(m.triangles[m.kind == LASHES], shading.LASH)
    if rng.random() < 0.8:
        parts.cut_out(m.triangles[m.kind == SHIRT], shading.CLOTH)
    draw, worn = rng.random(), sheets.cut(who, rng)
    hat = "cap" if draw < 0.08 else "scarf" if draw < (0.10 if who.male > 0.5 else 0.14) else ""
    paint[:, shading.SCALP] = worn.scalp
    parts.columns[0][:, 5 + shading.SCALP] = worn.scalp
    made = [sheets.mask(m, marks_v, rng)] if rng.random() < 0.04 else []
    hair = sheets.hair(m, v, worn, rng) if hat != "scarf" else []
    worn.hidden = bool(hat)
    if hat:  # hair below the hat only
        high = m.places(t, "hair")[..., 1].ravel() > 7.7
        hair = hair[:2]
        for sheet in hair:
            sheet.alpha = np.where(high, 0, sheet.alpha)
        made += sheets.hat(m, v, hat == "scarf", rng)
    if worn.style in ("long", "tied") and hat != "scarf" and more.random() < 0.12:
        hair = hair + sheets.braids(m, v, more)
    for sheet in made + hair:
        own = np.zeros((len(sheet.vertices), shading.PAINTS))
        own[:, shading.OCCLUSION] = sheet.occlusion
        first = parts.add(cam.view(sheet.vertices), sheet.template, sheet.uv, own, sheet.alpha)
        parts.cut_out(sheet.triangles + first, sheet.material)
    return parts, worn


def _shadow_map(lit: np.ndarray, pos, solid, cut, alpha, uv, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Depth as the main light sees it, and the (3, 4) map from view space to it."""
    d = lit[:3]
    side = np.cross(d, (0.1, 1, 0.15))
    side /= np.linalg.norm(side)
    to_light = np.zeros((3, 4))
    to_light[:, :3] = side * _SHADOW_SCALE, np.cross(side, d) * _SHADOW_SCALE, d
    to_light[:2, 3] = _SHADOW / 2 - to_light[:2, :3] @ (around - (0, 0, 0.5))
    p = np.ascontiguousarray(pos @ to_light[:, :3].T + to_light[:, 3])
    made, whole = buffers(_SHADOW, _SHADOW), np.ones(len(pos))
    raster(p, solid, False, whole, uv, fixed().cut, *made, 0)
    raster(p, cut, False, alpha, uv, fixed().cut, *made, 0)
    return made[0], to_light


@dataclass
class Sitter:
    """Who is before the camera, before anything is drawn. skin: (V, 3) vertices without the beard that stands out."""

    who: people.Person
    units: dict[str, float]
    gaze: tuple[float, float]
    vertices: np.ndarray
    skin: np.ndarray
    centres: np.ndarray
    marks: Marks
    brow: Brow
    painted: bool
    beard: float
    paint: np.ndarray
    camera: camera.Camera


def sit(
    rng: np.random.Generator,
    pose: tuple[float, float, float] | None = None,
    acting: Acting = people.expression,
    still: camera.Camera | None = None,
) -> Sitter:
    """The first part of ``draw``, in a twentieth of its time. pose: yaw, pitch, roll in radians.

    still: the camera of a scene before this one, which stays where it is; otherwise it is aimed at the face.
    """
    m, f = meshes.mesh(), fixed()
    who = people.person(rng)
    units, gaze = acting(m, rng)
    v, centres, turn = m.express(people.shape(m, who, rng), units, gaze)
    brow = Brow(m.arrays["brow"], rng, who.male)
    marks = Marks.of(m, v, brow, centres, turn)
    painted = bool(rng.random() < 0.45 * (1 - who.male) * (who.age > 0.4))
    grown, beard, out = _beard(who, rng)
    paint, skin = f.paint.copy(), v
    paint[:, shading.BEARD] = grown
    paint[:, shading.OCCLUSION] **= rng.uniform(0.8, 2.2)  # how dark nostrils, folds and corners are
    if out:  # hair stands out from the skin that the landmarks are of
        away = normals(v, m.triangles[m.kind == SKIN]) * (grown * (m.arrays["lips"] < 77))[:, None]
        v = v + away * out
    cam = _aimed(m, v, marks, camera.sample_pose(rng) if pose is None else pose, rng)
    if still is not None:
        cam = dataclasses.replace(still.resized(OVER / SIZE), pose=cam.pose)
    return Sitter(who, units, gaze, v, skin, centres, marks, brow, painted, beard, paint, cam)


def draw(
    rng: np.random.Generator,
    pose: tuple[float, float, float] | None = None,
    acting: Acting = people.expression,
    still: camera.Camera | None = None,
) -> Scene:
    """One picture, SIZE px wide and high, with all that is known of it. Arguments as for ``sit``."""
    more = rng.spawn(1)[0]  # for what few heads have: the others stay as they are
    m, one = meshes.mesh(), sit(rng, pose, acting, still)
    small, layers, lit, worn = _lit(m, one, rng, more)
    lock = None if worn.style in ("bald", "buzz") or worn.hidden else sheets.hairline(m, one.vertices, worn)
    return _photographed(small, *layers, m, one, lit, lock, rng, more)


def _lit(m: Mesh, one: Sitter, rng, more, lit: np.ndarray | None = None):
    """What ``_rendered`` gives of a sitter, the lights (drawn, if none are given), and how the hair is worn."""
    cam, share = one.camera, rng.uniform(0.2, 0.7)
    body = meshes.rotation(cam.pose[0] * share, cam.pose[1] * 0.2, cam.pose[2] * 0.3)
    parts, worn = _gathered(m, one.vertices, one.who, one.skin, one.paint, cam, body, one.painted, rng, more)
    style = shading.style(one.who, one.beard, worn.curly, one.painted, rng)
    colours = _colours(one.who, one.painted, rng)
    lit = camera.lights(rng) if lit is None else lit
    return *_rendered(m, parts, one.brow, cam, style, colours, lit), lit, worn


def _in_company(picture: np.ndarray, m: Mesh, lit: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The picture with another person beside and behind the one who will stand in its middle."""
    other = _lit(m, sit(rng), rng, rng, lit)[0]
    scale, side = rng.uniform(0.5, 1.05), rng.integers(2)
    right = SIZE * rng.uniform(0.35, 0.6)  # where its picture ends, behind the middle
    move = np.array([[scale, 0, right - scale * SIZE], [0, scale, SIZE * (1 - scale * rng.uniform(0.85, 1.0))]])
    other = cv2.warpAffine(other, move, (SIZE, SIZE), flags=cv2.INTER_AREA)
    other = cv2.GaussianBlur(other[:, ::-1] if side else other, (0, 0), rng.uniform(0.3, 2.5))
    return picture * (1 - other[..., 3:]) + other[..., :3]


def _rendered(m: Mesh, parts: Parts, brow: Brow, cam, style: Style, colours: np.ndarray, lit: np.ndarray):
    """(SIZE, SIZE, 4) linear RGB and cover; three of (SIZE, SIZE): 1 / distance of the head, and of what is before it,
    and segments."""
    f = fixed()
    pos, columns, alpha = np.concatenate(parts.vertices), np.concatenate(parts.columns), np.concatenate(parts.alpha)
    uv = np.ascontiguousarray(columns[:, 3:5]).astype(float)
    solid = m.triangles[f.core]
    cut = np.concatenate(parts.cut).astype(np.int32) if parts.cut else np.zeros((0, 3), np.int32)
    triangles = np.concatenate([solid, cut])
    kind = np.concatenate([_MATERIAL[m.kind[f.core]], *parts.material])
    p, made = cam.flatten(pos), buffers(OVER, OVER)
    raster(p, solid, True, np.ones(len(pos)), uv, f.cut, *made, 0)
    head = made[0].copy()
    raster(p, cut, False, alpha, uv, f.cut, *made, len(solid))
    things = np.where((made[1] >= len(solid)) & (kind[made[1]] != shading.LASH), made[0], 0.0)  # lashes hide nothing
    shadow, to_light = _shadow_map(lit[2], pos, solid, cut, alpha, uv, cam.middle)
    at = np.hstack([pos, normals(pos, triangles), columns]).astype(np.float32)
    out = np.zeros((OVER, OVER, 4), np.float32)
    lines = np.stack([brow.x, brow.y, brow.half])
    fill = made[1], made[2], triangles, kind, at, f.noise, f.strand, style, colours, lines, f.eyes
    shading.shade(*fill, lit, shadow, to_light, out)
    small = cv2.resize(out, (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    segments = np.where(made[1] < 0, 0, kind[made[1]] + 1).astype(np.uint8)
    layers = head, things, segments
    return small, [cv2.resize(layer, (SIZE, SIZE), interpolation=cv2.INTER_NEAREST) for layer in layers]


def _photographed(small, head, things, segments, m, one: Sitter, lit, lock, rng, more) -> Scene:
    """Background, exposure, what is before the face, and the camera."""
    f, cam = fixed(), one.camera.resized(SIZE / OVER)
    cover = small[..., 3:]
    picture = camera.background(rng, SIZE, f.noise[..., 0])
    if more.random() < 0.06:
        picture = _in_company(picture, m, lit, more)
    picture = picture * (1 - cover) + small[..., :3]
    face = small[..., :3][small[..., 3] > 0.9]
    level = np.percentile(face[::7], 60) if len(face) else 0.3
    # exposed for the face, with some error
    gain = float(np.exp(rng.normal(np.log(0.3 / max(level, 0.02)) * 0.9, 0.27)))
    covered = np.zeros((SIZE, SIZE), np.float32)
    bright = float(lit[2, 3] * 0.6 + lit[0, 3] * 0.6)
    if lock is not None and rng.random() < 0.4:
        fringe = bool(rng.random() < 0.35)
        picture = before.locks(picture, covered, lock, cam, one.who.hair * bright, fringe, rng)
    if rng.random() < 0.2:
        picture = before.glasses(picture, covered, m, one.skin, one.centres, cam, np.maximum(head, things), gain, rng)
    held = rng.random() < 0.13
    if held or more.random() < 0.025:
        points = cam.project(one.marks.points("300w-68", cam.project, cam.pose[2]))[:, :2]
        near = geometry.landmark_box(points), one.who.tone * bright, gain
        if held:
            picture = before.thing(picture, covered, *near, f.noise[..., 0], rng)
        else:
            picture = before.phone(picture, covered, *near, more)
    image = camera.develop((picture * gain).astype(np.float32), rng)
    segments = np.where(covered > 0.5, len(SEGMENTS) - 1, segments).astype(np.uint8)
    return Scene(image, one.marks, cam, head, things, covered, segments, one.units, one.gaze)
