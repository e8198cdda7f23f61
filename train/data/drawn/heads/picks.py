"""Where the landmarks of 300w-68 and wflw-98 lie on the head: places of anatomy, and even steps between them.

The markups as they are published number points along lines: contour, brows, ridge and base of the nose, lids, lips.
Here each line ends at a place of anatomy that its mesh or masks give, and the points between are even along it. No
position is read off a photograph or off anybody's marks. Numbers are vertices of hm08 (base.obj, from 0) on the side
x > 0, the person's left; the other side is found by mirroring.
"""

from __future__ import annotations

import cv2
import numpy as np

from train.data.drawn.heads.kernels import front_view

CANTHUS = 6850, 6802  # the fold of the tear duct, the outer meeting of the lids
# from the tear duct to the last place where the ball is seen between the lids: beyond it, 1.7 % of the eyes' distance
# before the lids' skin meets, the mesh has nothing but the thickness of the lids
UPPER_LID = [6850, 13365, 13363, 13364, 13369, 13371, 13359, 13352, 13353, 13358, 13357, 13356]
LOWER_LID = [6850, 13360, 13361, 13362, 13367, 13368, 13370, 13372, 13373, 13366]
PRONASALE, SUBNASALE, SUBALARE = 5054, 317, 7055  # tip, foot of the columella, lower limit of the wing's base
RIDGE = [132, 133, 131, 164, 201, 5054]  # from the level of the eyes to the tip
LIP_CORNER, PEAK = 10403, 7210  # of the vermilion border; the peak is its highest place beside the middle
# the inner edge of either lip, from the middle to where they meet; of the upper one its front and its lowest row
SLIT_UPPER = [474, 7229, 7228, 7227, 7226, 11964, 7225, 7179, 7178, 7193]
SLIT_UPPER_LOW = [520, 7267, 7268, 7261, 7262, 11962, 7263, 7181, 7178, 7193]
SLIT_LOWER = [493, 7242, 7236, 7230, 7197, 7204, 10375, 7193]
PARTING = 7178, 7197  # the last places of both lips that come apart as the mouth opens
NOSTRIL = 0.88  # of the way from the foot of the columella to that of the wing: below the nostril's outer edge
# how far back the contour may go: in front of the ear, jaw's angle, lower edge of the jaw, chin
LIMIT = [
    12351,
    12360,
    7564,
    11712,
    7571,
    7613,
    7459,
    7460,
    7461,
    7462,
    10364,
    7463,
    7622,
    7624,
    7623,
    7616,
    11898,
    5296,
]
SAMPLES = 28
CENTRE = np.array([0.0, 6.95, 0.35])
STEP = 0.002  # dm, of a pixel of the front view
LEFT, BOTTOM, WIDTH, HEIGHT = -0.75, 6.0, 751, 901


class Picks:
    """Picks of one mesh: each is {vertex: weight}, three vertices at most."""

    def __init__(self, young: np.ndarray, triangles: np.ndarray, kind: np.ndarray, lips: np.ndarray, new, other):
        self.young, self.triangles, self.kind, self.new, self.other = young, triangles, kind, new, other
        skin = np.flatnonzero(kind == 0)
        p = np.stack([(young[:, 0] - LEFT) / STEP, (young[:, 1] - BOTTOM) / STEP, young[:, 2]], 1)
        _, ids, self.bary = front_view(p, np.ascontiguousarray(triangles[skin]), HEIGHT, WIDTH)
        self.hit = np.where(ids >= 0, skin[ids], -1)
        weights = np.dstack([1 - self.bary.sum(2), self.bary])
        self.lips = np.where(ids >= 0, (lips[triangles[self.hit]] * weights).sum(2), 0)

    def flipped(self, pick: dict[int, float]) -> dict[int, float]:
        return {int(self.other[i]): w for i, w in pick.items()}

    def even(self, line: list[int], *shares: float) -> list[dict[int, float]]:
        """Places at these shares of a line of vertices, by length."""
        line = [int(self.new[i]) for i in line]
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(self.young[line], axis=0), axis=1))]
        found = []
        for share in shares:
            at = np.interp(share * length[-1], length, np.arange(len(line)))
            k = min(int(at), len(line) - 2)
            found.append({line[k]: 1 - (at - k), line[k + 1]: at - k})
        return found

    def under(self, x: float, y: float) -> dict[int, float]:
        """The place of the skin that the front view shows at x, y of the template."""
        column, row = round((x - LEFT) / STEP), round((y - BOTTOM) / STEP)
        b = self.bary[row, column]
        corners = (int(i) for i in self.triangles[self.hit[row, column]])
        return dict(zip(corners, (1 - b.sum(), b[0], b[1])))

    def vermilion(self) -> tuple[np.ndarray, np.ndarray]:
        """The outer edge of the lips from the middle to the corner, upper and lower: (n, 2) x, y."""
        mask = (self.lips > 127.5).astype(np.uint8)
        outline = max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=len)[:, 0]
        xy = outline * STEP + (LEFT, BOTTOM)
        corner = self.young[self.new[LIP_CORNER]]
        branches = []
        for side in (1, -1):
            line = xy[(xy[:, 0] >= 0) & (xy[:, 0] < corner[0]) & (side * (xy[:, 1] - corner[1]) > 0)]
            line = line[np.argsort(line[:, 0], kind="stable")]
            branches.append(np.vstack([line, corner[None, :2]]))
        return tuple(branches)

    def columns(self) -> tuple[float, float]:
        """x of the peak of the upper lip, and of the point half way from it to the corner. The markup's figure has the
        points of the lower lip and of both inner edges in the same columns."""
        upper, peak = self.vermilion()[0], self.young[self.new[PEAK]][0]
        return peak, _along(upper[upper[:, 0] >= peak], 0.5)[0]

    def outer_lips(self) -> tuple[list[dict[int, float]], list[dict[int, float]]]:
        """Middle, peak, half way, corner of the upper edge; the same of the lower edge without its corner."""
        sides = []
        for line in self.vermilion():
            x = np.array([0.0, *self.columns()])
            sides.append([self.under(at, np.interp(at, line[:, 0], line[:, 1])) for at in x])
        sides[0][1] = {int(self.new[PEAK]): 1.0}
        return [*sides[0], {int(self.new[LIP_CORNER]): 1.0}], sides[1]

    def inner_lips(self) -> tuple[list[dict[int, float]], list[dict[int, float]]]:
        """Middle, below the peak, corner of the upper edge; middle and below the peak of the lower."""

        def column(line: list[int], x: float) -> int:
            return min((int(self.new[i]) for i in line), key=lambda k: abs(self.young[k][0] - x))

        peak = self.columns()[0]
        above = [{column(SLIT_UPPER, x): 0.5, column(SLIT_UPPER_LOW, x): 0.5} for x in (0, peak)]
        return [*above, {int(self.new[i]): 0.5 for i in PARTING}], [{column(SLIT_LOWER, x): 1.0} for x in (0, peak)]

    def eye(self) -> list[dict[int, float]]:
        """Inner corner, three of the upper lid, outer corner, three of the lower lid from the outer corner on."""
        inner, *upper = self.even(UPPER_LID, 0, 1 / 3, 1 / 2, 2 / 3)
        outer = {int(self.new[lid[-1]]): 0.5 for lid in (UPPER_LID, LOWER_LID)}
        return [inner, *upper, outer, *self.even(LOWER_LID, 2 / 3, 1 / 2, 1 / 3)]

    def nose(self) -> tuple[list[dict[int, float]], list[dict[int, float]]]:
        """Four along the ridge; foot of the columella, half way, below the nostril's outer edge."""
        foot, wing = (self.young[self.new[i]] for i in (SUBNASALE, SUBALARE))
        between, last = (self.under(*(foot + share * (wing - foot))[:2]) for share in (NOSTRIL / 2, NOSTRIL))
        base = [{int(self.new[SUBNASALE]): 1.0}, between, last]
        return self.even(RIDGE, 0, 1 / 3, 2 / 3, 1), base

    def layout68(self) -> dict[int, dict[int, float]]:
        """Point of 300w-68 from 27 on -> pick, image left to right (the person's right first)."""
        out = dict(zip(range(27, 31), self.nose()[0]))
        out[33], out[34], out[35] = self.nose()[1]
        eye = [self.eye()[k] for k in (0, 1, 3, 4, 5, 7)]
        out.update(zip(range(42, 48), eye))
        out.update((36 + k, self.flipped(eye[j])) for k, j in enumerate((3, 2, 1, 0, 5, 4)))
        (out[51], out[52], out[53], out[54]), (out[57], out[56], out[55]) = self.outer_lips()
        (out[62], out[63], out[64]), (out[66], out[65]) = self.inner_lips()
        pairs = ((31, 35), (32, 34), (50, 52), (49, 53), (48, 54), (58, 56), (59, 55), (61, 63), (60, 64), (67, 65))
        out.update((right, self.flipped(out[left])) for right, left in pairs)
        return out

    def eyes98(self) -> list[dict[int, float]]:
        """wflw-98 60 to 75: right eye from its outer corner, left eye from its inner corner."""
        eye = self.eye()
        return [self.flipped(eye[k]) for k in (4, 3, 2, 1, 0, 7, 6, 5)] + eye

    def brow(self) -> np.ndarray:
        """(5, 2) x, y of the template: a brow by the rule of faces (Westmore, "Facial cosmetics in conjunction with
        surgery", 1974): it begins above the wing of the nose, and ends on the line from the wing of the nose through
        the outer corner, as high as it began. Highest it is not above the outer edge of the iris, as the rule says,
        but where women chosen at random have it: at 93 % of the eye's width (Roth and Metzinger, "Quantifying the
        arch position of the female eyebrow", 2003). Its height over the pupil is that of plastic surgery's books:
        the upper edge 25 mm above, so the middle 21."""
        inner, outer = (self.young[self.new[i]][:2] for i in CANTHUS)
        wing = self.young[self.new[SUBALARE]][:2]
        pupil = (inner + outer) / 2
        level, top = pupil[1] + 0.16, pupil[1] + 0.21
        end = outer[0] + (outer[0] - wing[0]) / (outer[1] - wing[1]) * (level - outer[1])
        arch = inner[0] + 0.93 * (outer[0] - inner[0])
        xs = np.array([wing[0], (wing[0] + arch) / 2, arch, (arch + end) / 2, end])
        return np.stack([xs, [level, level + 0.7 * (top - level), top, (level + top) / 2 + 0.005, level]], 1)

    def contour(self, count: int = 33):
        """Half of ``count`` rows and the chin's, SAMPLES points each from the limit inward: triangles, barycentrics,
        and the direction of the front view that is outward.

        Rows are even along the frontal outline, from the level of the eyes' outer corners on.
        """
        T, B, P, out = self._dense()
        k = (P[..., :2] * out[:, None]).sum(-1).argmax(1)
        line = P[np.arange(len(P)), k, :2]
        first = int(np.flatnonzero(line[:, 1] <= self.young[self.new[CANTHUS[1]]][1])[0])
        arc = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
        chosen = [int(abs(arc - at).argmin()) for at in np.linspace(arc[first], arc[-1], count // 2 + 1)]
        return T[chosen], B[chosen], out[chosen]

    def _dense(self, dense: int = 129):
        """Rows close together: triangles, barycentrics, places and outward directions."""
        young = self.young
        skin = np.flatnonzero(self.kind == 0)
        middle = young[self.triangles[skin]].mean(axis=1)
        skin = skin[(middle[:, 1] > 6.0) & (middle[:, 1] < 7.9) & (middle[:, 2] > -0.2)]
        tri = self.triangles[skin]
        limit = young[[int(self.new[i]) for i in LIMIT]]
        limit[-1, 0] = 0
        limit = np.vstack([limit[0] + (0, 0.17, 0), limit])  # the line goes on upward before the ear
        length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(limit, axis=0), axis=1))]
        share = np.linspace(0, 1, dense)
        back = np.stack([np.interp(share * length[-1], length, limit[:, k]) for k in range(3)], 1)
        # from beside the eye to under the lower lip
        x, y = (0.50, 0.50, 0.42, 0.28, 0.12, 0), (7.46, 7.05, 6.75, 6.53, 6.47, 6.45)
        front = np.stack([x, y, (1.1, 1.2, 1.25, 1.35, 1.4, 1.4)], 1)
        at = np.array([0, 0.28, 0.51, 0.73, 0.9, 1.0])
        front = np.stack([np.interp(share, at, front[:, k]) for k in range(3)], 1)
        found = []
        for b, f in zip(back - CENTRE, front - CENTRE):
            b, f = b / np.linalg.norm(b), f / np.linalg.norm(f)
            s = np.linspace(0, 1, SAMPLES)[:, None]
            t, w = cast(CENTRE, (1 - s) * b + s * f, young, tri)
            assert (t >= 0).all()
            found.append((skin[t], w, (young[tri[t]] * w[..., None]).sum(1)))
        T, B, P = (np.array(part) for part in zip(*found))
        return T, B, P, _outward(P)


def _along(line: np.ndarray, share: float) -> np.ndarray:
    length = np.r_[0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))]
    return np.array([np.interp(share * length[-1], length, line[:, k]) for k in range(2)])


def _outward(P: np.ndarray) -> np.ndarray:
    """(rows, 2): first by the direction from the middle of the face, then by the outline's own normal."""
    dense = len(P)
    share = np.linspace(0, 1, dense)
    out = np.stack([np.cos(share**1.3 * np.pi / 2), -np.sin(share**1.3 * np.pi / 2)], 1)
    for _ in range(4):
        k = (P[..., :2] * out[:, None]).sum(-1).argmax(1)
        line = P[np.arange(dense), k, :2]
        smooth = [np.convolve(np.pad(line[:, j], 8, mode="edge"), np.ones(17) / 17, "valid") for j in range(2)]
        tangent = np.gradient(np.stack(smooth, 1), axis=0)
        normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
        normal *= np.sign((normal * out).sum(1, keepdims=True))
        normal[-1] = (0, -1)
        out = normal
    return out


def cast(origin: np.ndarray, directions: np.ndarray, vertices: np.ndarray, triangles: np.ndarray):
    """Farthest hit of each ray: triangle (-1: none) and three barycentrics."""
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    e1, e2, t0 = b - a, c - a, origin - a
    q = np.cross(t0, e1)
    found, weights = [], []
    for d in directions:
        p = np.cross(d, e2)
        det = (e1 * p).sum(1)
        det = np.where(abs(det) < 1e-12, 1e-12, det)
        u, v, t = (t0 * p).sum(1) / det, (q @ d) / det, (e2 * q).sum(1) / det
        hit = (u >= -1e-6) & (v >= -1e-6) & (u + v <= 1 + 1e-6) & (t > 0)
        k = int(np.where(hit, t, -1).argmax())
        found.append(k if hit.any() else -1)
        weights.append((1 - u[k] - v[k], u[k], v[k]) if hit.any() else (0, 0, 0))
    return np.array(found), np.array(weights)


def packed(picks: list[dict[int, float]]) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) vertices and their weights; what is not used has weight 0."""
    index, weight = np.zeros((len(picks), 3), np.uint16), np.zeros((len(picks), 3), np.float16)
    for k, pick in enumerate(picks):
        index[k, : len(pick)], weight[k, : len(pick)] = list(pick), list(pick.values())
        index[k, len(pick) :] = index[k, 0]
    return index, weight
