// From files to networks that run.

import type {Contract} from './contract.js';
import {Detector, type DetectorSettings} from './detector.js';
import {bytes, type FileSource} from './file.js';
import type {Finder} from './finder.js';
import type {Reader} from './reader.js';
import {Model} from './runtime.js';

/** A face detector; known: those there are, told apart by the size of their input. */
export async function openDetector(file: FileSource, known: DetectorSettings[]): Promise<{detector: Detector; model: Model}> {
  const model = await Model.open(await bytes(file));
  const {inputs, outputs} = model.tensors;
  const settings = known.find(({side}) => side === inputs[0].shape[1]);
  const names = [16, 1].map((width) => outputs.find(({shape}) => shape.at(-1) === width)?.name);
  if (!settings || names.includes(undefined)) {
    model.delete();
    throw new Error('the detector is none that is known; take detector.tflite or stills.tflite of the package');
  }
  const [boxes, scores] = names as string[];
  const network = async (input: Float32Array) => {
    const found = await model.run(input);
    return {boxes: found[boxes], scores: found[scores]};
  };
  return {detector: new Detector(settings, network), model};
}

const ROUNDS = 12;

/** Has everything run until the browser has compiled it: the detector runs once a second, and would stay slow for long. */
export async function warmUp(reader: Reader, quick: Finder): Promise<void> {
  const [width, height] = [640, 480];
  const data = new Uint8ClampedArray(width * height * 4).fill(128);
  const grey = {width, height, region: () => ({data, left: 0, top: 0, width, height})};
  for (let round = 0; round < ROUNDS; round++) {
    await quick.find(grey);
    await reader.face(grey, [200, 120, 440, 360]);
    await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
  }
}

/** What a contract says of its graph that is not so. A graph may have outputs that it does not mention. */
export function contradiction({input, outputs}: Contract, model: Model): string | undefined {
  const {tensors} = model;
  if (tensors.inputs.length !== 1) return `the graph has ${tensors.inputs.length} inputs, not 1`;
  const {dtype} = tensors.inputs[0];
  if (dtype !== input.dtype) return `the input is ${dtype}, not ${input.dtype}`;
  return differing([input], tensors.inputs) ?? differing(outputs, tensors.outputs);
}

function differing(promised: {name: string; shape: number[]}[], found: {name: string; shape: number[]}[]): string | undefined {
  for (const {name, shape} of promised) {
    const real = found.find((tensor) => tensor.name === name);
    if (!real) return `no ${name}, only ${found.map((tensor) => tensor.name).join(', ')}`;
    if (real.shape.join() !== shape.join()) return `${name} is ${real.shape.join(' x ')}, not ${shape.join(' x ')}`;
  }
  return undefined;
}
