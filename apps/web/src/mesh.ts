// Triangles between landmarks, for the view that shows a face as a net.

import type {Landmarks} from './geometry.js';

/** The sides of the Delaunay triangles of landmarks, each once, as pairs of points (Bowyer 1981, Watson 1981). */
export function mesh(landmarks: Landmarks): [number, number][] {
  const count = landmarks.length / 2;
  const all = landmarks.map(Math.abs).reduce((most, value) => Math.max(most, value), 1) * 100;
  // a triangle around everything, taken away in the end
  const points = [...landmarks, -all, -all, all, -all, 0, all];
  let triangles: [number, number, number][] = [[count, count + 1, count + 2]];
  for (let p = 0; p < count; p++) {
    const [x, y] = [points[2 * p], points[2 * p + 1]];
    const open = new Map<string, [number, number]>();
    triangles = triangles.filter((triangle) => {
      if (!inCircle(points, triangle, x, y)) return true;
      for (let k = 0; k < 3; k++) {
        const [a, b] = [triangle[k], triangle[(k + 1) % 3]];
        // a side that two such triangles share lies inside the hole
        if (!open.delete(`${b},${a}`)) open.set(`${a},${b}`, [a, b]);
      }
      return false;
    });
    for (const [a, b] of open.values()) triangles.push([a, b, p]);
  }
  const sides = new Map<string, [number, number]>();
  for (const triangle of triangles) {
    if (triangle.some((corner) => corner >= count)) continue;
    for (let k = 0; k < 3; k++) {
      const [a, b] = [triangle[k], triangle[(k + 1) % 3]].sort((one, other) => one - other);
      sides.set(`${a},${b}`, [a, b]);
    }
  }
  return [...sides.values()];
}

/** Whether a point lies within the circle through a triangle's corners, whichever way round they are. */
function inCircle(points: number[], [a, b, c]: [number, number, number], x: number, y: number): boolean {
  const [ax, ay] = [points[2 * a] - x, points[2 * a + 1] - y];
  const [bx, by] = [points[2 * b] - x, points[2 * b + 1] - y];
  const [cx, cy] = [points[2 * c] - x, points[2 * c + 1] - y];
  const turn = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  const inside =
    (ax * ax + ay * ay) * (bx * cy - cx * by) - (bx * bx + by * by) * (ax * cy - cx * ay) + (cx * cx + cy * cy) * (ax * by - bx * ay);
  return inside * turn > 0;
}
