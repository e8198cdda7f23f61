// The One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) on all points of a face at once: a low-pass whose cutoff grows
// with speed. Speeds are in face sizes per second, so that the same constants serve a face of any size. As in
// edgewing/camera/tracking.py the speed is that of the whole face, plus a share of each point's own movement within it.

import type {Landmarks} from './geometry.js';

/** As edgewing.camera.tracking.Filter. Cutoffs in Hz (speed_cutoff: Hz more for each face size per second),
 * longest_gap in s. */
export interface FilterSettings {
  least_cutoff: number;
  speed_cutoff: number;
  own_share: number;
  derivative_cutoff: number;
  longest_gap: number;
}

export class OneEuro {
  private points: Float64Array | undefined;
  private velocity = new Float64Array();
  private time = 0;

  constructor(private readonly settings: FilterSettings) {}

  /** Landmarks at a time in s, of a face of that size in px, to steady ones. A time that does not advance changes
   * nothing. there: the points that say how fast the whole is, by default all. */
  step(points: Landmarks, time: number, size: number, there?: boolean[]): Landmarks {
    const step = time - this.time;
    const {least_cutoff, speed_cutoff, own_share, derivative_cutoff, longest_gap} = this.settings;
    if (!this.points || step > longest_gap) {
      this.points = Float64Array.from(points);
      this.velocity = new Float64Array(points.length);
      this.time = time;
    } else if (step > 0) {
      const share = smoothing(derivative_cutoff, step);
      const {points: kept, velocity} = this;
      for (let i = 0; i < points.length; i++) velocity[i] += share * ((points[i] - kept[i]) / step - velocity[i]);
      const [wholeX, wholeY] = [mean(velocity, 0, there), mean(velocity, 1, there)];
      const whole = Math.hypot(wholeX, wholeY);
      for (let i = 0; i < points.length; i += 2) {
        const own = Math.hypot(velocity[i] - wholeX, velocity[i + 1] - wholeY);
        const alpha = smoothing(least_cutoff + (speed_cutoff * (whole + own_share * own)) / size, step);
        kept[i] += alpha * (points[i] - kept[i]);
        kept[i + 1] += alpha * (points[i + 1] - kept[i + 1]);
      }
      this.time = time;
    }
    return Float32Array.from(this.points);
  }
}

/** The factor alpha of an exponential low-pass, from its cutoff in Hz and the time since the last sample in s. */
function smoothing(cutoff: number, step: number): number {
  return 1 / (1 + 1 / (2 * Math.PI * cutoff * step));
}

/** Mean over the points that are there of their x (axis 0) or y (axis 1). */
function mean(values: Float64Array, axis: number, there?: boolean[]): number {
  let [sum, count] = [0, 0];
  for (let i = axis; i < values.length; i += 2) {
    if (there && !there[i >> 1]) continue;
    sum += values[i];
    count++;
  }
  return sum / count;
}
