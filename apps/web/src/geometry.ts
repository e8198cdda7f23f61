// Boxes and affine maps, as edgewing/geometry.py has them. Image pixels: (0, 0) is the centre of the top-left one.

/** x0, y0, x1, y1 in image pixels. */
export type Box = readonly [number, number, number, number];

/** N landmarks as x0, y0, x1, y1, ... in image pixels. */
export type Landmarks = Float32Array;

/** The square of an image that a network sees: left, top edge and side in image pixels, size in crop pixels. */
export interface Crop {
  left: number;
  top: number;
  side: number;
  size: number;
}

/** The square around a box: side = max(factor * mean(w, h), least * max(w, h)), about its centre. */
export function cropFromBox(box: Box, part: {factor: number; least: number; size: number}): Crop {
  const [width, height] = [box[2] - box[0], box[3] - box[1]];
  const side = Math.max((part.factor * (width + height)) / 2, part.least * Math.max(width, height));
  return {left: (box[0] + box[2]) / 2 - side / 2, top: (box[1] + box[3]) / 2 - side / 2, side, size: part.size};
}

/** Crop pixels to image pixels: u = left + (c + 0.5) * side / size. */
export function toImage(crop: Crop, cropLandmarks: ArrayLike<number>): Landmarks {
  const step = crop.side / crop.size;
  const [x, y] = [crop.left + 0.5 * step, crop.top + 0.5 * step];
  return Float32Array.from(cropLandmarks, (value, i) => value * step + (i % 2 ? y : x));
}

/** The tight box around landmarks; there: which of them count, by default all. */
export function landmarkBox(landmarks: Landmarks, there?: boolean[]): Box {
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
