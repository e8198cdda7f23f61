// Heatmaps to landmarks and scores, as edgewing/decoding.py has it; for models whose graph does not decode.

import type {Contract} from './contract.js';

const FLOOR = 1e-3;

/** Landmarks in crop pixels (x0, y0, x1, y1, ...) and scores in [0, 1]. */
export interface Points {
  landmarks: Float32Array;
  scores: Float32Array;
}

/** The first N of (N or N + 1, H, W) heatmaps, decoded as a contract says. */
export function decode(heatmaps: Float32Array, height: number, width: number, contract: Contract): Points {
  const {layout, decode: how} = contract;
  const points: Points = {landmarks: new Float32Array(2 * layout.points), scores: new Float32Array(layout.points)};
  for (let n = 0; n < layout.points; n++) {
    const map = heatmaps.subarray(n * height * width, (n + 1) * height * width);
    const [x, y] = how.method === 'quarter' ? quarter(map, height, width) : centroid(map, height, width, how);
    points.landmarks[2 * n] = x * how.stride + (how.stride - 1) / 2;
    points.landmarks[2 * n + 1] = y * how.stride + (how.stride - 1) / 2;
    points.scores[n] = Math.min(Math.max(map[largest(map)], 0), 1);
  }
  return points;
}

/** The centroid of relu(h / max - threshold)^power; the middle of a map without a peak. Cells. */
function centroid(map: Float32Array, height: number, width: number, how: {threshold: number; power: number}): [number, number] {
  const peak = Math.max(map[largest(map)], FLOOR);
  const [middleX, middleY] = [(width - 1) / 2, (height - 1) / 2];
  let [total, x, y] = [0, 0, 0];
  for (let i = 0; i < map.length; i++) {
    const weight = Math.max(map[i] / peak - how.threshold, 0) ** how.power;
    total += weight;
    x += weight * ((i % width) - middleX);
    y += weight * (Math.floor(i / width) - middleY);
  }
  total = Math.max(total, FLOOR);
  return [x / total + middleX, y / total + middleY];
}

/** The largest cell, moved a quarter towards the higher neighbour in each axis; not on the map's border. */
function quarter(map: Float32Array, height: number, width: number): [number, number] {
  const index = largest(map);
  const [row, column] = [Math.floor(index / width), index % width];
  if (row === 0 || row === height - 1 || column === 0 || column === width - 1) return [column, row];
  const dx = Math.sign(map[index + 1] - map[index - 1]);
  const dy = Math.sign(map[index + width] - map[index - width]);
  return [column + 0.25 * dx, row + 0.25 * dy];
}

function largest(map: Float32Array): number {
  let best = 0;
  for (let i = 1; i < map.length; i++) if (map[i] > map[best]) best = i;
  return best;
}
