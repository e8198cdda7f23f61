// BlazeFace (arXiv 1907.05047) on the whole image fitted into a square, as edgewing/detection.py has it. Anchors,
// thresholds and the fit of its boxes are Python's own, in constants.json.

import {area, cropTurn, overlap, type Box} from './geometry.js';
import {fitIntoSquare, type Picture} from './pixels.js';

/** side: of the input, px. cells: stride in px, anchors in each cell. least: score. same: overlap of two finds of one
 * face. close: of the picture's longer side, from which a find is looked at from farther away. fit: landmark box =
 * centre + shift * size, scale * size. */
export interface DetectorSettings {
  name: string;
  side: number;
  cells: [number, number][];
  least: number;
  same: number;
  close: number;
  fit: {shift: [number, number]; scale: [number, number]};
}

/** apart: from one eye to the other, px. own: the detector's own box, image px. turn: of the face and of the box about its
 * middle, radians. */
export interface Detection {
  box: Box;
  score: number;
  apart?: [number, number];
  own?: Box;
  turn?: number;
}

/** Runs the network: (1, side, side, 3) in [-1, 1] to its raw boxes (A, 16) and scores (A), before the sigmoid. */
export type DetectorNetwork = (input: Float32Array) => Promise<{boxes: Float32Array; scores: Float32Array}>;

export class Detector {
  private readonly centres: [number, number][];

  constructor(
    readonly settings: DetectorSettings,
    private readonly network: DetectorNetwork,
  ) {
    this.centres = centres(settings);
  }

  /** The landmark boxes of the picture's faces, largest first. What is large, or nothing, is looked at again from farther
   * away. */
  async find(picture: Picture): Promise<Detection[]> {
    const {side, same, close} = this.settings;
    let found = await this.look(picture, 0);
    const largest = close * Math.max(picture.width, picture.height);
    const small = found.filter(({own: [x0, y0, x1, y1]}) => Math.max(x1 - x0, y1 - y0) <= largest);
    if (!found.length || small.length < found.length) {
      const again = await this.look(picture, Math.floor(side / 4));
      const others = small.filter(({own}) => again.every((one) => overlap(own, one.own) < same));
      if (again.length) found = [...again, ...others];
    }
    return found.sort((a, b) => area(b.box) - area(a.box));
  }

  /** One look, at the picture with a margin, px of the input, at its left and top. */
  private async look(picture: Picture, margin: number): Promise<Required<Omit<Detection, 'apart'>>[]> {
    const {rgb, scale} = fitIntoSquare(picture, this.settings.side, margin);
    const input = new Float32Array(rgb.length);
    for (let i = 0; i < rgb.length; i++) input[i] = rgb[i] / 127.5 - 1;
    const {boxes, scores} = await this.network(input);
    return this.decode(boxes, scores).map(({box, score, apart}) => {
      // from the edges of the scaled image to image px, where (0, 0) is the centre of the first pixel
      const [x0, y0, x1, y1] = box.map((value) => (value - margin) * scale - 0.5);
      const [x, y] = apart ?? [1, 0];
      return this.turned({box, score, own: [x0, y0, x1, y1]}, cropTurn(Math.atan2(y, x)));
    });
  }

  /** The landmark box of a find, if its face is turned by so much. */
  turned({box, score, own = box}: Detection, turn: number): Required<Omit<Detection, 'apart'>> {
    return {box: this.fit(own, turn), score, own, turn};
  }

  /** Raw outputs to boxes in px of the input, counted from its edge, one per face, best first. */
  decode(raw: Float32Array, logits: Float32Array): Detection[] {
    const sure: Detection[] = [];
    for (let i = 0; i < this.centres.length; i++) {
      const score = 1 / (1 + Math.exp(-Math.min(Math.max(logits[i], -80), 80)));
      if (score < this.settings.least) continue;
      const [x, y] = [raw[16 * i] + this.centres[i][0], raw[16 * i + 1] + this.centres[i][1]];
      const [w, h] = [raw[16 * i + 2] / 2, raw[16 * i + 3] / 2];
      const apart: [number, number] = [raw[16 * i + 6] - raw[16 * i + 4], raw[16 * i + 7] - raw[16 * i + 5]];
      sure.push({box: [x - w, y - h, x + w, y + h], score, apart});
    }
    return merge(sure, this.settings.same);
  }

  private fit(box: Box, turn: number): Box {
    const {shift, scale} = this.settings.fit;
    const [w, h, cos, sin] = [box[2] - box[0], box[3] - box[1], Math.cos(turn), Math.sin(turn)];
    const [dx, dy] = [w * shift[0], h * shift[1]];
    const [x, y] = [(box[0] + box[2]) / 2 + cos * dx - sin * dy, (box[1] + box[3]) / 2 + sin * dx + cos * dy];
    return [x - (w * scale[0]) / 2, y - (h * scale[1]) / 2, x + (w * scale[0]) / 2, y + (h * scale[1]) / 2];
  }
}

/** Centres of the anchors in px of the input, in the order of the outputs: rows, columns, anchors of a cell. */
function centres({side, cells}: DetectorSettings): [number, number][] {
  const all: [number, number][] = [];
  for (const [stride, count] of cells) {
    for (let y = stride / 2; y < side; y += stride) {
      for (let x = stride / 2; x < side; x += stride) {
        for (let k = 0; k < count; k++) all.push([x, y]);
      }
    }
  }
  return all;
}

/** One detection per face, best first: the mean of those that overlap, weighted by score (section 4.2). */
export function merge(detections: Detection[], same: number): Detection[] {
  const found: Detection[] = [];
  let rest = [...detections].sort((a, b) => b.score - a.score);
  while (rest.length) {
    const best = rest[0];
    // a box of no area overlaps nothing, itself included
    const group = rest.filter((one, i) => i === 0 || overlap(best.box, one.box) >= same);
    const total = group.reduce((sum, one) => sum + one.score, 0);
    const weighted = (value: (one: Detection) => number) =>
      group.reduce((sum, one) => sum + one.score * value(one), 0) / total;
    const mean = (k: number) => weighted((one) => one.box[k]);
    const apart: [number, number] = [weighted(({apart: a}) => a?.[0] ?? 1), weighted(({apart: a}) => a?.[1] ?? 0)];
    found.push({box: [mean(0), mean(1), mean(2), mean(3)], score: best.score, apart});
    rest = rest.filter((one) => !group.includes(one));
  }
  return found;
}
