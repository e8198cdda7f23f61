// Resampling, byte for byte as OpenCV does it, so that a browser's landmarks are the desktop's.

import {matrix, type Crop} from './geometry.js';

/** RGBA bytes of part of an image whose first pixel is (left, top) of it. */
export interface Region {
  data: Uint8Array | Uint8ClampedArray;
  left: number;
  top: number;
  width: number;
  height: number;
}

/** An image whose pixels can be asked for. `region` gives at least what was asked for, as far as it lies inside. */
export interface Picture {
  width: number;
  height: number;
  region(x0: number, y0: number, x1: number, y1: number): Region;
}

/** The whole number nearest to a value; the even one of two, as C's rint. */
function rint(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/**
 * The pixels of a crop: (size, size, 3) RGB, bilinear, black outside, no smoothing.
 *
 * cv2.warpAffine with INTER_LINEAR | WARP_INVERSE_MAP: positions are rounded to 1/1024 px in two steps, of x and of the
 * rest, then to 1/32, and weights to 1/32768 (OpenCV, imgwarp.cpp).
 */
export function sample(picture: Picture, crop: Crop): Uint8Array {
  const {size} = crop;
  const map = matrix(crop);
  const [across, down] = [axis(map[0], map[1], map[2], size), axis(map[3], map[4], map[5], size)];
  const [x0, x1] = span(across, size, picture.width);
  const [y0, y1] = span(down, size, picture.height);
  const rgb = new Uint8Array(size * size * 3);
  if (x0 >= x1 || y0 >= y1) return rgb;

  const {data, left, top, width, height} = picture.region(x0, y0, x1, y1);
  let out = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++, out += 3) {
      const [u, v] = [(across.row[i] + across.column[j]) >> 5, (down.row[i] + down.column[j]) >> 5];
      const [x, fx, y, fy] = [(u >> 5) - left, u & 31, (v >> 5) - top, v & 31];
      const first = (y * width + x) * 4;
      // a neighbour outside the picture is black: its weight is 0
      const [l, r] = [x >= 0 && x < width, x + 1 >= 0 && x + 1 < width];
      const [t, b] = [y >= 0 && y < height, y + 1 >= 0 && y + 1 < height];
      const w00 = t && l ? (32 - fx) * (32 - fy) : 0;
      const w01 = t && r ? fx * (32 - fy) : 0;
      const w10 = b && l ? (32 - fx) * fy : 0;
      const w11 = b && r ? fx * fy : 0;
      for (let c = 0; c < 3; c++) {
        let sum = 512;
        if (w00) sum += w00 * data[first + c];
        if (w01) sum += w01 * data[first + 4 + c];
        if (w10) sum += w10 * data[first + width * 4 + c];
        if (w11) sum += w11 * data[first + width * 4 + 4 + c];
        rgb[out + c] = sum >> 10;
      }
    }
  }
  return rgb;
}

/** Where the pixels of a crop lie on one axis of the image, in 1/1024 px: the sum of its row's and of its column's. */
interface Axis {
  row: Int32Array;
  column: Int32Array;
}

function axis(x: number, y: number, origin: number, size: number): Axis {
  const row = Int32Array.from({length: size}, (_, i) => rint((y * i + origin) * 1024) + 16);
  return {row, column: Int32Array.from({length: size}, (_, j) => rint(x * j * 1024))};
}

/** First and one past the last pixel of the image that a crop needs on that axis: its corners lie furthest out. */
function span({row, column}: Axis, size: number, length: number): [number, number] {
  const corners = [0, size - 1].flatMap((i) => [0, size - 1].map((j) => (row[i] + column[j]) >> 10));
  return [Math.max(0, Math.min(...corners)), Math.min(length, Math.max(...corners) + 2)];
}

/**
 * The image in a black square, a margin from its top and left and as much from where it ends on its longer side: (side,
 * side, 3) RGB, and how many image px one px of it is.
 *
 * cv2.resize with INTER_AREA where the image shrinks (but for values that lie between two levels), INTER_LINEAR where it
 * grows (to one level).
 */
export function fitIntoSquare(picture: Picture, side: number, margin = 0): {rgb: Uint8Array; scale: number} {
  const scale = Math.max(picture.width, picture.height) / (side - 2 * margin);
  const [width, height] = [picture.width, picture.height].map((n) => Math.max(1, rint(n / scale)));
  const weigh = scale > 1 ? areaWeights : linearWeights;
  const across = weigh(picture.width, width);
  const down = weigh(picture.height, height);
  const half = picture.width === 2 * width && picture.height === 2 * height; // OpenCV halves in whole numbers
  const {data, left, top, width: stride} = picture.region(0, 0, picture.width, picture.height);

  const rgb = new Uint8Array(side * side * 3);
  const sums = new Float32Array(width * 3);
  const narrow = new Float32Array(width * 3);
  let row = -1;
  for (let i = 0; i < height; i++) {
    sums.fill(0);
    for (let k = down.first[i]; k < down.first[i + 1]; k++) {
      if (down.index[k] !== row) {
        row = down.index[k];
        narrowRow(data, ((row - top) * stride - left) * 4, across, narrow);
      }
      const weight = down.weight[k];
      for (let j = 0; j < sums.length; j++) sums[j] += weight * narrow[j];
    }
    const out = ((i + margin) * side + margin) * 3;
    for (let j = 0; j < sums.length; j++) rgb[out + j] = half ? sums[j] + 0.5 : rint(sums[j]);
  }
  return {rgb, scale};
}

/** Which pixels make one output pixel, and with which weights: those of output i are first[i] ... first[i + 1] - 1. */
interface Weights {
  first: Int32Array;
  index: Int32Array;
  weight: Float32Array;
}

function narrowRow(data: Region['data'], start: number, across: Weights, into: Float32Array): void {
  const {first, index, weight: weights} = across;
  for (let j = 0, out = 0; out < into.length; j++, out += 3) {
    let r = 0;
    let g = 0;
    let b = 0;
    for (let k = first[j]; k < first[j + 1]; k++) {
      const at = start + index[k] * 4;
      const weight = weights[k];
      r += weight * data[at];
      g += weight * data[at + 1];
      b += weight * data[at + 2];
    }
    into[out] = r;
    into[out + 1] = g;
    into[out + 2] = b;
  }
}

/** Shares of the input pixels that an output pixel covers; slivers under 1/1000 px are left out, as OpenCV does. */
function areaWeights(from: number, to: number): Weights {
  const weights = empty(to, Math.ceil(from / to) + 2);
  const scale = from / to;
  for (let i = 0; i < to; i++) {
    const low = i * scale;
    const high = low + scale;
    const cell = Math.min(scale, from - low);
    const end = Math.min(Math.floor(high), from - 1);
    const begin = Math.min(Math.ceil(low), end);
    if (begin - low > 1e-3) add(weights, i, begin - 1, (begin - low) / cell);
    for (let k = begin; k < end; k++) add(weights, i, k, 1 / cell);
    if (high - end > 1e-3) add(weights, i, end, Math.min(high - end, 1, cell) / cell);
  }
  return weights;
}

/** The two neighbours of an output pixel's centre, the last pixel repeated beyond the edge. */
function linearWeights(from: number, to: number): Weights {
  const weights = empty(to, 2);
  for (let i = 0; i < to; i++) {
    const at = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
    const low = Math.min(Math.floor(at), Math.max(0, from - 2));
    add(weights, i, low, 1 - (at - low));
    if (from > 1) add(weights, i, low + 1, at - low);
  }
  return weights;
}

/** Room for so many weights of each output pixel. */
function empty(to: number, each: number): Weights {
  return {first: new Int32Array(to + 1), index: new Int32Array(to * each), weight: new Float32Array(to * each)};
}

/** One more weight of output pixel i; outputs come in order. */
function add(weights: Weights, i: number, index: number, weight: number): void {
  const at = Math.max(weights.first[i], weights.first[i + 1]);
  weights.index[at] = index;
  weights.weight[at] = weight;
  weights.first[i + 1] = at + 1;
}
