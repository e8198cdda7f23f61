// A box in, a face with landmarks out, as edgewing/runtimes have it; all that is particular to a model comes from its
// contract.

import {output, type Contract} from './contract.js';
import {decode, type Points} from './decoding.js';
import {cropFromBox, toImage, turnedBox, type Box, type Landmarks} from './geometry.js';
import {sample, type Picture} from './pixels.js';

/** A face, or whatever the layout is of. box: what its crop was made from, image px, turned about its middle as the crop
 * is, by so many radians. tight: the same of its landmarks. landmarks: image px. scores: in [0, 1]. there: which points are in the picture, as far as scores tell (decode.least_score of the contract). */
export interface Face {
  box: Box;
  turn: number;
  tight: Box;
  landmarks: Landmarks;
  scores: Float32Array;
  there: boolean[];
}

/** Runs a model: its one input to its outputs by name. */
export type Network = (input: Uint8Array | Float32Array) => Promise<Record<string, Float32Array>>;

export class Reader {
  constructor(
    readonly contract: Contract,
    public network: Network,
  ) {}

  /** The landmarks of the face in a box (brows to chin, ear to ear), or of another object in the box of its points. */
  async face(picture: Picture, box: Box, turn = 0): Promise<Face> {
    const crop = cropFromBox(box, this.contract.crop, turn);
    const found = points(await this.network(toInput(sample(picture, crop), this.contract)), this.contract);
    const there = Array.from(found.scores, (score) => score >= (this.contract.decode.least_score ?? 0));
    const landmarks = toImage(crop, found.landmarks);
    return {box, turn, tight: turnedBox(landmarks, turn, there), landmarks, scores: found.scores, there};
  }
}

/** Mean score of the points that are there. */
export function confidence({scores, there}: Face): number {
  const counted = scores.filter((_, i) => there[i]);
  return counted.length ? counted.reduce((sum, score) => sum + score, 0) / counted.length : 0;
}

/** (size, size, 3) RGB bytes to the tensor a model takes: colour order, value range, type and axes. */
export function toInput(rgb: Uint8Array, contract: Contract): Uint8Array | Float32Array {
  const {dtype, colour, axes, range} = contract.input;
  if (dtype === 'uint8' && colour === 'RGB' && axes === 'NHWC') return rgb;
  const cells = rgb.length / 3;
  const tensor = dtype === 'uint8' ? new Uint8Array(rgb.length) : new Float32Array(rgb.length);
  const factor = dtype === 'uint8' ? 1 : (range[1] - range[0]) / 255;
  const low = dtype === 'uint8' ? 0 : range[0];
  for (let cell = 0; cell < cells; cell++) {
    for (let c = 0; c < 3; c++) {
      const value = rgb[3 * cell + (colour === 'RGB' ? c : 2 - c)] * factor + low;
      tensor[axes === 'NHWC' ? 3 * cell + c : c * cells + cell] = value;
    }
  }
  return tensor;
}

/** What a model's outputs say in crop px. */
export function points(outputs: Record<string, Float32Array>, contract: Contract): Points {
  if (!contract.decode.in_graph) {
    const maps = output(contract, 'heatmaps');
    return decode(outputs[maps.name], maps.shape[2], maps.shape[3], contract);
  }
  const {name, frame} = output(contract, 'landmarks');
  const {stride} = contract.decode;
  const landmarks = frame === 'cell' ? outputs[name].map((v) => v * stride + (stride - 1) / 2) : outputs[name];
  return {landmarks, scores: outputs[output(contract, 'scores').name]};
}
