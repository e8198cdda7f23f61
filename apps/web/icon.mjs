// The app's icon: a face as its landmarks, drawn from a few curves; as SVG, and as PNG for the systems that want one.

import {deflateSync} from 'node:zlib';

const GROUND = [13, 20, 28];
const CURVE = [60, 220, 235];
const POINT = [90, 255, 120]; // both as edgewing/drawing.py has them
const [WIDTH, RADIUS] = [0.011, 0.0165]; // shares of the side

/** Points on an arc of an ellipse, angles in degrees, clockwise from the right. */
function arc(x, y, rx, ry, from, to, count) {
  return Array.from({length: count}, (_, i) => {
    const angle = ((from + ((to - from) * i) / (count - 1)) * Math.PI) / 180;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)];
  });
}

// In units of the side. Each curve is shown with a point at every corner; closed curves end where they begin.
const LEFT = [
  arc(0.35, 0.365, 0.115, 0.075, 200, 335, 5), // brow
  arc(0.365, 0.435, 0.064, 0.034, 180, 540, 7), // eye
];
const SMILE = [arc(0.5, 0.65, 0.13, 0.02, 180, 0, 5), arc(0.5, 0.65, 0.13, 0.085, 0, 180, 6)];
const CURVES = [
  arc(0.5, 0.42, 0.325, 0.43, 184, -4, 13), // jaw
  ...LEFT,
  ...LEFT.map((curve) => curve.map(([x, y]) => [1 - x, y])),
  [[0.5, 0.42], [0.5, 0.48], [0.5, 0.54]], // nose
  ...SMILE,
];

const points = () => [...new Map(CURVES.flat().map((p) => [p.map((v) => v.toFixed(3)).join(), p])).values()];

export function svg() {
  const at = ([x, y]) => `${(512 * x).toFixed(1)} ${(512 * y).toFixed(1)}`;
  const colour = (rgb) => `rgb(${rgb.join()})`;
  const lines = CURVES.map((curve) => `M${curve.map(at).join('L')}`).join('');
  const dots = points().map((p) => `<circle cx="${at(p).split(' ')[0]}" cy="${at(p).split(' ')[1]}" r="${512 * RADIUS}"/>`);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512" rx="112" fill="${colour(GROUND)}"/>` +
    `<path d="${lines}" fill="none" stroke="${colour(CURVE)}" stroke-width="${512 * WIDTH}" stroke-linejoin="round"/>` +
    `<g fill="${colour(POINT)}">${dots.join('')}</g></svg>\n`
  );
}

/** The icon without round corners, as a PNG: phones cut their own shape, and nothing of the face is near the edge. */
export function png(side) {
  const segments = CURVES.flatMap((curve) => curve.slice(1).map((to, i) => [curve[i], to]));
  const dots = points();
  const rows = Buffer.alloc(side * (1 + 3 * side));
  const cover = (distance, radius) => Math.min(Math.max((radius - distance) * side + 0.5, 0), 1);
  for (let j = 0; j < side; j++) {
    for (let i = 0; i < side; i++) {
      const p = [(i + 0.5) / side, (j + 0.5) / side];
      const line = cover(Math.min(...segments.map(([a, b]) => toSegment(p, a, b))), WIDTH / 2);
      const dot = cover(Math.min(...dots.map((d) => Math.hypot(p[0] - d[0], p[1] - d[1]))), RADIUS);
      for (let c = 0; c < 3; c++) {
        const under = GROUND[c] + (CURVE[c] - GROUND[c]) * line;
        rows[j * (1 + 3 * side) + 1 + 3 * i + c] = Math.round(under + (POINT[c] - under) * dot);
      }
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8); // 8 bits, RGB
  const parts = [chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts]);
}

function toSegment([x, y], [ax, ay], [bx, by]) {
  const [dx, dy] = [bx - ax, by - ay];
  const t = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0), 1);
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  const whole = Buffer.alloc(body.length + 8);
  whole.writeUInt32BE(data.length, 0);
  whole.set(body, 4);
  whole.writeUInt32BE(crc32(body), body.length + 4);
  return whole;
}

/** Node's own is not in all versions that Debian has. */
function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
