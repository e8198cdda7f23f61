// Faces followed from frame to frame, as edgewing/camera/tracking.py does it: the next crop comes from the last
// landmarks, and points are held steady. All numbers are those of tracking.json. No clock, no camera: frames and times
// are handed in.

import {area, cropTurn, faceTurn, intersection, overlap, size, turnedBox} from './geometry.js';
import type {Box, Landmarks, Turns} from './geometry.js';
import type {Finder, Found} from './finder.js';
import {OneEuro, type FilterSettings} from './oneeuro.js';
import type {Picture} from './pixels.js';
import {confidence, type Face, type Reader} from './reader.js';

/** As edgewing.camera.tracking.Settings; what each number means is said there. */
export interface TrackingSettings {
  filter: FilterSettings;
  track: {
    least_new: number;
    least_kept: number;
    confidence_seconds: number;
    least_side: number;
    most_aspect: number;
    most_growth: number;
    least_overlap: number;
    least_inside: number;
    least_there: number;
    same: number;
  };
  search: {beat: number; memory: number; reach: number; most_faces: number};
}

/** A face in one frame. landmarks: image px, held steady. raw: the same as the model gave them. confidence: mean score
 * over the last moments. age: s since it was found. */
export interface Track {
  id: number;
  landmarks: Landmarks;
  raw: Landmarks;
  scores: Float32Array;
  there: boolean[];
  confidence: number;
  age: number;
  box: Box;
}

interface Followed {
  id: number;
  begun: number;
  seen: number;
  box: Box;
  turn: number;
  confidence: number;
  filter: OneEuro;
}

interface Shown {
  followed: Followed;
  track: Track;
}

const QUARTERS = [Math.PI, Math.PI / 2, -Math.PI / 2];

export class Tracker {
  /** Whether the detector ran in the last frame. */
  searched = false;
  private nextId = 0;
  private tracks: Followed[] = [];
  private lost: Followed[] = [];
  private time = -Infinity;
  private searchTime = -Infinity;
  private shape = '';

  constructor(
    private readonly reader: Reader,
    readonly finder: Finder,
    private readonly settings: TrackingSettings,
    private readonly turns?: Turns,
    private readonly unsure = 0,
  ) {}

  /** Forget all tracks; ids go on. */
  reset(): void {
    this.tracks = [];
    this.lost = [];
    this.time = this.searchTime = -Infinity;
    this.shape = '';
  }

  /** Tracks of a frame, oldest first. time: s, never less than that of the frame before. A frame of another size begins
   * anew. */
  async step(picture: Picture, time: number): Promise<Track[]> {
    if (!(time >= this.time)) throw new Error(`a frame of time ${time} s after one of ${this.time} s`);
    const shape = `${picture.width} x ${picture.height}`;
    if (shape !== this.shape) this.reset();
    [this.time, this.shape] = [time, shape];
    const {search} = this.settings;

    const shown: Shown[] = [];
    for (const followed of this.tracks) {
      const face = await this.reader.face(picture, followed.box, followed.turn);
      if (this.goesOn(followed, face, picture)) shown.push(this.advance(followed, face));
      else this.lost.push(followed);
    }
    this.lost = this.lost.filter((followed) => time - followed.seen <= search.memory);

    const again = this.lost.length > 0 || time - this.searchTime >= search.beat;
    this.searched = !shown.length || (again && !this.finder.one);
    if (this.searched) {
      this.searchTime = time;
      shown.push(...(await this.find(picture, shown.map(({followed}) => followed.box))));
    }
    const kept = this.apart(shown);
    this.tracks = kept.map(({followed}) => followed);
    return kept.map(({track}) => track);
  }

  /** Whether the landmarks are still those of the face. Its confidence is brought up to date. */
  private goesOn(followed: Followed, face: Face, picture: Picture): boolean {
    const trust = this.settings.track;
    const share = 1 - Math.exp(-(this.time - followed.seen) / trust.confidence_seconds);
    followed.confidence += share * (confidence(face) - followed.confidence);
    if (followed.confidence < trust.least_kept || !this.plausible(face, picture)) return false;
    const growth = size(face.tight) / size(followed.box);
    const same = overlap(followed.box, face.tight) >= trust.least_overlap;
    return same && 1 / trust.most_growth <= growth && growth <= trust.most_growth;
  }

  /** Whether this can be a face in that picture: with enough of its points, finite, neither tiny nor thin, and mostly
   * inside. */
  private plausible({tight: box, there}: Face, picture: Picture): boolean {
    const trust = this.settings.track;
    if (there.filter(Boolean).length < trust.least_there * there.length) return false;
    const [w, h] = [box[2] - box[0], box[3] - box[1]];
    if (!box.every(Number.isFinite) || Math.min(w, h) < trust.least_side) return false;
    if (Math.max(w, h) > trust.most_aspect * Math.min(w, h)) return false;
    return area(intersection(box, [0, 0, picture.width, picture.height])) >= trust.least_inside * w * h;
  }

  private advance(followed: Followed, face: Face): Shown {
    const {landmarks: raw, scores, box, there} = face;
    const landmarks = followed.filter.step(raw, this.time, size(face.tight), there);
    // a crop from landmarks that tremble makes the next ones tremble more: the steady ones say where it is, and how turned
    followed.turn = cropTurn(this.turn(landmarks) ?? face.turn, face.turn);
    followed.box = turnedBox(landmarks, followed.turn, there);
    followed.seen = this.time;
    const {id, confidence, begun} = followed;
    return {followed, track: {id, landmarks, raw, scores, there, confidence, age: this.time - begun, box}};
  }

  /** Finds that are not among the known boxes, as far as there is room for them. */
  private async find(picture: Picture, known: Box[]): Promise<Shown[]> {
    const {search, filter} = this.settings;
    const found = await this.finder.find(picture);
    const apart = found.filter(({box}) => known.every((other) => overlap(box, other) < this.finder.same));
    const fresh = apart.slice(0, Math.max(0, search.most_faces - known.length));
    const faces: Face[] = [];
    for (const {box, turn} of fresh) faces.push(await this.reader.face(picture, box, turn));
    for (const [i, one] of fresh.entries()) faces[i] = await this.lookedAtAgain(picture, one, faces[i]);
    const begun: Shown[] = [];
    for (const face of this.surest(faces)) {
      if (!this.trusted(face, picture)) continue;
      const again = this.lostNear(face.tight);
      const [id, since] = again ? [again.id, again.begun] : [this.nextId++, this.time];
      const {box, turn} = face;
      const kept = {id, begun: since, seen: this.time, box, turn, confidence: confidence(face)};
      begun.push(this.advance({...kept, filter: new OneEuro(filter)}, face));
    }
    return begun;
  }

  /** How a face is turned, where its points tell. */
  private turn(landmarks: Landmarks): number | undefined {
    return this.turns && faceTurn(landmarks, this.turns);
  }

  private trusted(face: Face, picture: Picture): boolean {
    return confidence(face) >= this.settings.track.least_new && this.plausible(face, picture);
  }

  /** A find whose points are unsure, at three other turns, for detectors take a chin for a brow; one that is turned, from
   * its first points (Landmarker.find). */
  private async lookedAtAgain(picture: Picture, found: Found, first: Face): Promise<Face> {
    let face = first;
    if (!found.own) return face;
    for (const quarter of confidence(first) < this.unsure ? QUARTERS : []) {
      const {box, turn} = this.finder.turned(found, (found.turn ?? 0) + quarter)!;
      const other = await this.reader.face(picture, box, turn);
      if (this.trusted(other, picture) && confidence(other) > confidence(face)) face = other;
    }
    if (!this.trusted(face, picture) || !face.turn) return face;
    const turn = cropTurn(this.turn(face.landmarks) ?? face.turn);
    const again = await this.reader.face(picture, turnedBox(face.landmarks, turn, face.there), turn);
    return this.trusted(again, picture) ? again : face;
  }

  /** Without those that fill the same place as a surer one: a detector may find a face twice (Landmarker.find). */
  private surest(faces: Face[]): Face[] {
    const kept: Face[] = [];
    for (const face of [...faces].sort((a, b) => confidence(b) - confidence(a))) {
      if (kept.every(({tight}) => overlap(face.tight, tight) < this.settings.track.same)) kept.push(face);
    }
    return faces.filter((face) => kept.includes(face));
  }

  /** The lost track whose place is nearest to a box, if that is near enough; it is taken out of the lost ones. */
  private lostNear(box: Box): Followed | undefined {
    let [best, nearest] = [-1, this.settings.search.reach * size(box)];
    this.lost.forEach((lost, number) => {
      const dx = (box[0] + box[2] - lost.box[0] - lost.box[2]) / 2;
      const dy = (box[1] + box[3] - lost.box[1] - lost.box[3]) / 2;
      const distance = Math.hypot(dx, dy);
      if (best < 0 ? distance <= nearest : distance < nearest) [best, nearest] = [number, distance];
    });
    return best < 0 ? undefined : this.lost.splice(best, 1)[0];
  }

  /** Of tracks that have come to lie on one face, the oldest. */
  private apart(shown: Shown[]): Shown[] {
    const kept: Shown[] = [];
    for (const one of [...shown].sort((a, b) => a.followed.id - b.followed.id)) {
      const apart = kept.every(({followed}) => overlap(one.followed.box, followed.box) < this.settings.track.same);
      if (apart) kept.push(one);
    }
    return kept;
  }
}
