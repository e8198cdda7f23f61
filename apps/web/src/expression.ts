// What a face does and where it looks, from its landmarks, as edgewing/expression.py reads it with the same weights.

import weights from '../../../edgewing/expression.npz';
import type {Layout} from './contract.js';
import type {Landmarks} from './geometry.js';

/** Degrees. yaw > 0: the face looks to the right of the picture; pitch > 0: down; roll > 0: it is tilted against the
 * clock. */
export interface Pose {
  yaw: number;
  pitch: number;
  roll: number;
}

/** Degrees that the eyes are turned in the head: to the person's left, and up. */
export interface Gaze {
  left: number;
  up: number;
}

/** Each is undefined where the layout, or the points that are there, do not tell. units: the 52 of ARKit, 0 to 1. */
export interface Expression {
  pose: Pose | undefined;
  units: Record<string, number> | undefined;
  gaze: Gaze | undefined;
}

const [POSE, UNITS] = ['300w-68', 'wflw-98']; // the layouts whose points either network takes
const LEAST = 6; // points
const DEGREES = 180 / Math.PI;

/** landmarks: px; there: which of them are in the picture. */
export function expression(landmarks: Landmarks, layout: Layout, there?: boolean[]): Expression {
  const [head, whole] = [answer('pose', POSE, landmarks, layout, there), answer('units', UNITS, landmarks, layout, there)];
  let pose: Pose | undefined;
  if (head) {
    const [yaw, pitch, more] = head.outputs;
    const roll = head.roll + more + 180;
    pose = {yaw, pitch, roll: roll - 360 * Math.floor(roll / 360) - 180};
  }
  if (!whole) return {pose, units: undefined, gaze: undefined};
  const names = weights.names as string[];
  const units = Object.fromEntries(names.map((name, i) => [name, Math.min(Math.max(whole.outputs[i], 0), 1)]));
  const [left, up] = whole.outputs.slice(-2);
  return {pose, units, gaze: {left, up}};
}

/** A network's outputs, and by how many degrees the face was turned, against the clock. */
function answer(name: string, wanted: string, landmarks: Landmarks, layout: Layout, there?: boolean[]) {
  const index = layout.name === wanted ? Array.from({length: layout.points}, (_, n) => n) : layout.maps[wanted];
  if (!index) return undefined;
  const points = index.map((n) => ({x: landmarks[2 * n], y: landmarks[2 * n + 1], at: there && !there[n] ? 0 : 1}));
  const seen = points.filter(({at}) => at);
  const spread = (axis: 'x' | 'y') => Math.max(...seen.map((one) => one[axis])) - Math.min(...seen.map((one) => one[axis]));
  if (seen.length < LEAST || !seen.every(({x, y}) => Number.isFinite(x) && Number.isFinite(y))) return undefined;
  if (Math.max(spread('x'), spread('y')) < 1e-3) return undefined;
  const {inputs, roll} = normalised(points, numbers(`${name}_shape`));
  const deviation = numbers(`${name}_deviation`);
  let values = inputs.map((value, i) => value / deviation[i]);
  for (let k = 0; k < 3; k++) {
    const [weight, bias] = [numbers(`${name}_weight${k}`), numbers(`${name}_bias${k}`)];
    const sums = Array.from(bias, (start, j) => values.reduce((sum, value, i) => sum + value * weight[i * bias.length + j], start));
    values = k < 2 ? sums.map((sum) => Math.max(sum, 0)) : sums;
  }
  return {outputs: values, roll};
}

/** Moved, turned and scaled to lie nearest to a shape: how far each point is from there, all x, then all y, and 0 for
 * points that are not in the picture; by how many degrees it was turned, against the clock. */
function normalised(points: {x: number; y: number; at: number}[], shape: Float32Array) {
  const count = points.reduce((sum, {at}) => sum + at, 0);
  const mean = (value: (n: number) => number) => points.reduce((sum, {at}, n) => sum + (at ? value(n) : 0), 0) / count;
  const [x, y] = [mean((n) => points[n].x), mean((n) => points[n].y)];
  const [u, v] = [mean((n) => shape[2 * n]), mean((n) => shape[2 * n + 1])];
  let [size, real, imaginary] = [0, 0, 0];
  const moved = points.map(({at, ...point}, n) => {
    const [dx, dy, du, dv] = at ? [point.x - x, point.y - y, shape[2 * n] - u, shape[2 * n + 1] - v] : [0, 0, 0, 0];
    size += dx * dx + dy * dy;
    real += dx * du + dy * dv;
    imaginary += dx * dv - dy * du;
    return [dx, dy, du, dv];
  });
  const [cos, sin] = [real, imaginary].map((value) => value / Math.max(size, 1e-12));
  const across = moved.map(([dx, dy, du]) => cos * dx - sin * dy - du);
  const down = moved.map(([dx, dy, , dv]) => sin * dx + cos * dy - dv);
  return {inputs: [...across, ...down], roll: Math.atan2(sin, cos) * DEGREES};
}

const unpacked = new Map<string, Float32Array>();

/** An array of the file, flat. */
function numbers(name: string): Float32Array {
  let found = unpacked.get(name);
  if (!found) {
    const {type, data} = weights[name] as {type: string; data: string};
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    found = type === 'float32' ? new Float32Array(bytes.buffer) : Float32Array.from(new Uint16Array(bytes.buffer), half);
    unpacked.set(name, found);
  }
  return found;
}

/** Sixteen bits to the number that they are (IEEE 754, binary16). */
function half(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * (fraction / 1024));
}
