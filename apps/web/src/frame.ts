// The frame that is looked at: the pixels of one moment, while the camera goes on.

import type {Box} from './geometry.js';
import type {Picture, Region} from './pixels.js';
import type {Track} from './tracking.js';

/** What can be looked at. */
export type Source = HTMLVideoElement | HTMLImageElement | HTMLCanvasElement | OffscreenCanvas | ImageBitmap;

const LARGEST_SIDE = 2048; // px of a picture; a phone's photograph is shrunk to it

export class Frame implements Picture {
  readonly canvas = document.createElement('canvas');
  /** Of the source, px. */
  size: {width: number; height: number} = {width: 0, height: 0};
  private scale = 1; // px of the frame for one of the source
  private readonly context = this.canvas.getContext('2d', {willReadFrequently: true, alpha: false})!;

  get width(): number {
    return this.canvas.width;
  }

  get height(): number {
    return this.canvas.height;
  }

  /** Keeps what the source shows now. */
  take(source: Source): void {
    const [w, h] = sides(source);
    if (!w || !h) throw new Error('there is no picture yet: wait until the video plays, or the image is decoded');
    this.size = {width: w, height: h};
    this.scale = Math.min(1, LARGEST_SIDE / Math.max(w, h));
    const [width, height] = [Math.round(w * this.scale), Math.round(h * this.scale)];
    if (this.width !== width || this.height !== height) [this.canvas.width, this.canvas.height] = [width, height];
    this.context.globalCompositeOperation = 'copy'; // what is transparent must not show the frame before
    this.context.drawImage(source, 0, 0, width, height);
  }

  region(x0: number, y0: number, x1: number, y1: number): Region {
    const {data, width, height} = this.context.getImageData(x0, y0, x1 - x0, y1 - y0);
    return {data, left: x0, top: y0, width, height};
  }

  /** A box of the source in this frame. */
  inside(box: Box): Box {
    const [x0, y0, x1, y1] = box.map((value) => (value + 0.5) * this.scale - 0.5);
    return [x0, y0, x1, y1];
  }

  /** A track of this frame in px of the source; (0, 0) is the centre of the first one. */
  outside(track: Track): Track {
    if (this.scale === 1) return track;
    const back = (value: number) => (value + 0.5) / this.scale - 0.5;
    const [x0, y0, x1, y1] = track.box.map(back);
    return {...track, box: [x0, y0, x1, y1], landmarks: track.landmarks.map(back), raw: track.raw.map(back)};
  }
}

function sides(source: Source): [number, number] {
  if (source instanceof HTMLVideoElement) return [source.videoWidth, source.videoHeight];
  if (source instanceof HTMLImageElement) return [source.naturalWidth, source.naturalHeight];
  return [source.width, source.height];
}
