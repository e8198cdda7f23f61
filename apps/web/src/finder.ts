// Where the points are looked for: in the box that a person drew, where a detector finds faces, or, of what no detector
// knows, in the whole picture (edgewing/detection.py, `whole`).

import type {Detection, Detector} from './detector.js';
import type {Box} from './geometry.js';
import type {Picture} from './pixels.js';

/** What was found: of a detector all that it says, else the box alone. */
export type Found = Pick<Detection, 'box'> & Partial<Detection>;

export class Finder {
  /** Drawn by a person, image px: the next find, once. */
  drawn: Box | undefined;

  /** detector: undefined where the model's points are on no face. */
  constructor(private readonly detector?: Detector) {}

  /** Whether what it finds is all that it can: the whole picture is one find. */
  get one(): boolean {
    return !this.detector;
  }

  /** Overlap of two finds of one face. */
  get same(): number {
    return this.detector?.settings.same ?? 1;
  }

  /** A find, if its face is turned by so much; undefined of what no detector found. */
  turned(found: Found, turn: number): Found | undefined {
    return found.own && this.detector?.turned({...found, score: found.score ?? 1}, turn);
  }

  async find(picture: Picture): Promise<Found[]> {
    const box = this.drawn;
    this.drawn = undefined;
    if (box) return [{box}];
    if (this.detector) return this.detector.find(picture);
    return [{box: [-0.5, -0.5, picture.width - 0.5, picture.height - 0.5]}];
  }
}
