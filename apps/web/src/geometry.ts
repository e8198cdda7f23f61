// Boxes and affine maps, as edgewing/geometry.py has them. Image pixels: (0, 0) is the centre of the top-left one.

/** x0, y0, x1, y1 in image pixels. */
export type Box = readonly [number, number, number, number];

/** N landmarks as x0, y0, x1, y1, ... in image pixels. */
export type Landmarks = Float32Array;

/** The square of an image that a network sees: its middle and side in image pixels, size in crop pixels, turned about its
 * middle by so many radians, clockwise as one sees it. */
export interface Crop {
  middle: [number, number];
  side: number;
  size: number;
  turn: number;
}

/** Of a face's tilt in its crop, radians: networks know faces that are tilted so much (geometry.LEVEL). */
const LEVEL = (25 * Math.PI) / 180;

/** The square around a box: side = max(factor * mean(w, h), least * max(w, h)), about its centre. A box that is empty or
 * not finite is an error. */
export function cropFromBox(box: Box, part: {factor: number; least: number; size: number}, turn = 0): Crop {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  if (!(width > 0 && height > 0 && box.every(Number.isFinite))) {
    throw new Error(`empty or broken box ${box}; expected x0 < x1 and y0 < y1 in pixels`);
  }
  const side = Math.max((part.factor * (width + height)) / 2, part.least * Math.max(width, height));
  return {middle: [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], side, size: part.size, turn};
}

/** Crop pixels to image pixels, u = a x + b y + c and v = d x + e y + f, as [a, b, c, d, e, f]. */
export function matrix({middle, side, size, turn}: Crop): [number, number, number, number, number, number] {
  const [step, first] = [side / size, (1 - size) / 2];
  const [cos, sin] = [step * Math.cos(turn), step * Math.sin(turn)];
  return [cos, -sin, (cos - sin) * first + middle[0], sin, cos, (sin + cos) * first + middle[1]];
}

/** Crop pixels to image pixels. */
export function toImage(crop: Crop, cropLandmarks: ArrayLike<number>): Landmarks {
  const [a, b, c, d, e, f] = matrix(crop);
  const found = new Float32Array(cropLandmarks.length);
  for (let i = 0; i < found.length; i += 2) {
    const [x, y] = [cropLandmarks[i], cropLandmarks[i + 1]];
    found.set([a * x + b * y + c, d * x + e * y + f], i);
  }
  return found;
}

/** How a crop is to be turned for a face that is turned by `found`: as before, while the face is level enough in that. */
export function cropTurn(found: number, before = 0): number {
  const away = modulo(found - before + Math.PI) - Math.PI;
  return Math.abs(away) <= LEVEL ? before : modulo(found + Math.PI) - Math.PI;
}

function modulo(angle: number): number {
  return angle - 2 * Math.PI * Math.floor(angle / (2 * Math.PI));
}

/** The tight box of landmarks that are turned by so much: its sides are theirs, and it is to be turned about its middle. */
export function turnedBox(landmarks: Landmarks, turn: number, there?: boolean[]): Box {
  if (!turn) return landmarkBox(landmarks, there);
  const [cos, sin] = [Math.cos(turn), Math.sin(turn)];
  const upright = new Float64Array(landmarks.length);
  for (let i = 0; i < upright.length; i += 2) {
    const [x, y] = [landmarks[i], landmarks[i + 1]];
    upright.set([x * cos + y * sin, y * cos - x * sin], i);
  }
  const box = landmarkBox(upright, there);
  const [x, y] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2];
  const [w, h] = [(box[2] - box[0]) / 2, (box[3] - box[1]) / 2];
  const [u, v] = [x * cos - y * sin, x * sin + y * cos];
  return [u - w, v - h, u + w, v + h];
}

/** What tells how a face is turned: its eyes, tip of the nose and corners of the mouth (points of the layout each), and
 * where these are in an upright face (edgewing.anatomy). */
export interface Turns {
  points: number[][];
  places: [number, number][];
}

/** Radians by which a face is turned from upright, clockwise: by the similarity of its five places to upright ones.
 * undefined where they do not tell: all in one place, or not numbers. */
export function faceTurn(landmarks: Landmarks, {points, places}: Turns): number | undefined {
  const given = points.map((several) => [0, 1].map((k) => mean(several.map((n) => landmarks[2 * n + k]))));
  const [x, y] = [0, 1].map((k) => mean(given.map((one) => one[k])));
  const [u, v] = [0, 1].map((k) => mean(places.map((one) => one[k])));
  let [real, imaginary] = [0, 0];
  given.forEach(([a, b], i) => {
    const [dx, dy, du, dv] = [a - x, b - y, places[i][0] - u, places[i][1] - v];
    real += dx * du + dy * dv;
    imaginary += dx * dv - dy * du;
  });
  return real || imaginary ? -Math.atan2(imaginary, real) : undefined;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The tight box around landmarks; there: which of them count, by default all. */
export function landmarkBox(landmarks: ArrayLike<number>, there?: boolean[]): Box {
  const box: [number, number, number, number] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let i = 0; i < landmarks.length; i += 2) {
    if (there && !there[i / 2]) continue;
    box[0] = Math.min(box[0], landmarks[i]);
    box[1] = Math.min(box[1], landmarks[i + 1]);
    box[2] = Math.max(box[2], landmarks[i]);
    box[3] = Math.max(box[3], landmarks[i + 1]);
  }
  return box;
}

/** Mean of the sides of a box. */
export function size(box: Box): number {
  return (box[2] - box[0] + box[3] - box[1]) / 2;
}

/** Area of a box, 0 where it is turned inside out. */
export function area(box: Box): number {
  return Math.max(0, box[2] - box[0]) * Math.max(0, box[3] - box[1]);
}

/** What two boxes share. */
export function intersection(a: Box, b: Box): Box {
  return [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
}

/** Intersection over union of two boxes. */
export function overlap(a: Box, b: Box): number {
  const shared = area(intersection(a, b));
  return shared / Math.max(area(a) + area(b) - shared, 1e-12);
}
